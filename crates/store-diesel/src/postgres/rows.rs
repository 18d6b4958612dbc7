//! Rows to values and back. A value that its own type refuses is a corrupt row.

mod desk;
mod notifications;
mod questions;
mod receipts;

use diesel::{Insertable, Queryable, QueryableByName, Selectable, pg::Pg};
use ticket_domain::{
    AccessKeys, Content, Customer, Delivery, Message, MessageBody, MessageId, Ticket, TicketDetails, TicketId,
    TicketSummary, TicketVersion,
    ports::{ExistingTicket, StoreError, parse},
};
use time::OffsetDateTime;
use uuid::Uuid;

pub(crate) use desk::{EntryRow, ListedRow, NewEntryRow};
pub(crate) use notifications::{ClaimedRow, DetourRow, HandedRow, NewNotificationRow, RecordRow, StateRow, state};
pub(crate) use questions::{ChoiceRow, PickedRow, QuestionRow};
pub(crate) use receipts::ReceiptRow;

use crate::postgres::schema::{messages, tickets};

/// A state that needs a value has none.
#[derive(Debug, thiserror::Error)]
#[error("must not be null in this state")]
struct MustNotBeNull;

#[derive(Queryable, QueryableByName, Selectable)]
#[diesel(table_name = tickets, check_for_backend(Pg))]
pub(crate) struct TicketRow {
    id: Uuid,
    reference: String,
    customer_name: String,
    customer_phone: String,
    customer_email: String,
    subject: String,
    priority: String,
    status: String,
    customer_key: String,
    reader_key: String,
    version: i32,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

impl TryFrom<TicketRow> for Ticket {
    type Error = StoreError;

    fn try_from(row: TicketRow) -> Result<Self, StoreError> {
        const TABLE: &str = "tickets";
        Ok(Self {
            id: TicketId(row.id),
            reference: parse(TABLE, "reference", &row.reference)?,
            details: TicketDetails {
                customer: Customer {
                    name: parse(TABLE, "customer_name", &row.customer_name)?,
                    phone: parse(TABLE, "customer_phone", &row.customer_phone)?,
                    email: parse(TABLE, "customer_email", &row.customer_email)?,
                },
                subject: parse(TABLE, "subject", &row.subject)?,
                priority: parse(TABLE, "priority", &row.priority)?,
            },
            status: parse(TABLE, "status", &row.status)?,
            keys: AccessKeys {
                customer: parse(TABLE, "customer_key", &row.customer_key)?,
                reader: parse(TABLE, "reader_key", &row.reader_key)?,
            },
            version: row
                .version
                .try_into()
                .map_err(|error| StoreError::corrupt(TABLE, "version", error))?,
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
        })
    }
}

/// What a reader who has the rest asks of a ticket.
#[derive(Queryable)]
pub(crate) struct HeadRow {
    pub(crate) reference: String,
    customer_key: String,
    reader_key: String,
    version: i32,
    newest: Option<StateRow>,
}

impl TryFrom<HeadRow> for TicketSummary {
    type Error = StoreError;

    fn try_from(row: HeadRow) -> Result<Self, StoreError> {
        const TABLE: &str = "tickets";
        Ok(Self {
            keys: AccessKeys {
                customer: parse(TABLE, "customer_key", &row.customer_key)?,
                reader: parse(TABLE, "reader_key", &row.reader_key)?,
            },
            state: TicketVersion {
                version: row
                    .version
                    .try_into()
                    .map_err(|error| StoreError::corrupt(TABLE, "version", error))?,
                delivery: delivery(row.newest)?,
            },
        })
    }
}

/// A ticket without a notification.
#[derive(Debug, thiserror::Error)]
#[error("a ticket has at least one")]
struct NoNotification;

/// How far a ticket's newest notification got.
pub(crate) fn delivery(newest: Option<StateRow>) -> Result<Delivery, StoreError> {
    newest
        .ok_or_else(|| StoreError::corrupt("notifications", "ticket_id", NoNotification))?
        .try_into()
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = messages, check_for_backend(Pg), treat_none_as_default_value = false)]
pub(crate) struct MessageRow {
    id: Uuid,
    sender: String,
    channel: String,
    from_phone: Option<String>,
    body: String,
    media_url: Option<String>,
    external_id: Option<String>,
    created_at: OffsetDateTime,
}

impl MessageRow {
    /// A message's, wherever it belongs.
    pub(crate) fn new(message: &Message) -> Self {
        Self {
            id: message.id.0,
            sender: message.sender.to_string(),
            channel: message.channel.to_string(),
            from_phone: message.from.as_ref().map(ToString::to_string),
            body: message.content.body().to_string(),
            media_url: message.content.media().map(ToString::to_string),
            external_id: message.external_id.as_ref().map(ToString::to_string),
            created_at: message.created_at.into(),
        }
    }
}

impl TryFrom<MessageRow> for Message {
    type Error = StoreError;

    fn try_from(row: MessageRow) -> Result<Self, StoreError> {
        const TABLE: &str = "messages";
        let body: MessageBody = parse(TABLE, "body", &row.body)?;
        let media = row.media_url.map(|url| parse(TABLE, "media_url", &url)).transpose()?;
        Ok(Self {
            id: MessageId(row.id),
            sender: parse(TABLE, "sender", &row.sender)?,
            channel: parse(TABLE, "channel", &row.channel)?,
            from: row
                .from_phone
                .map(|phone| parse(TABLE, "from_phone", &phone))
                .transpose()?,
            content: Content::new(body, media).map_err(|error| StoreError::corrupt(TABLE, "body", error))?,
            external_id: row.external_id.map(|id| parse(TABLE, "external_id", &id)).transpose()?,
            created_at: row.created_at.into(),
        })
    }
}

/// The record of an idempotency key, with what is told of its ticket.
#[derive(Queryable)]
pub(crate) struct PrecedentRow {
    digest: Vec<u8>,
    id: Uuid,
    reference: String,
    access_key: String,
}

impl TryFrom<PrecedentRow> for ExistingTicket {
    type Error = StoreError;

    fn try_from(row: PrecedentRow) -> Result<Self, StoreError> {
        Ok(Self {
            digest: digest(&row.digest)?,
            id: TicketId(row.id),
            reference: parse("tickets", "reference", &row.reference)?,
            access_key: parse("tickets", "customer_key", &row.access_key)?,
        })
    }
}

/// What a key's request is known by.
pub(crate) fn digest(raw: &[u8]) -> Result<[u8; 32], StoreError> {
    raw.try_into()
        .map_err(|error| StoreError::corrupt("idempotency_keys", "digest", error))
}
