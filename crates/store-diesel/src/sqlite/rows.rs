//! Rows to values and back. A value that its own type refuses is a corrupt row.

mod notifications;
mod questions;
mod receipts;
mod trail;

use diesel::{Insertable, Queryable, Selectable, sqlite::Sqlite};
use ticket_domain::{
    AccessKeys, Content, Customer, Delivery, Message, MessageBody, MessageId, NotificationId, Ticket, TicketDetails,
    TicketId, TicketSummary, TicketVersion, Timestamp,
    ports::{Appended, ExistingTicket, StoreError, parse},
};
use uuid::Uuid;

pub(crate) use notifications::{ClaimedRow, DetourRow, HandedRow, NewNotificationRow, RecordRow, StateRow, state};
pub(crate) use questions::{ChoiceRow, PickedRow, QuestionRow};
pub(crate) use receipts::ReceiptRow;
pub(crate) use trail::EntryRow;

use crate::sqlite::schema::{messages, tickets};

/// A UUID as its 16 bytes.
pub(crate) fn bytes(uuid: Uuid) -> Vec<u8> {
    uuid.as_bytes().to_vec()
}

pub(crate) fn uuid(table: &'static str, column: &'static str, bytes: &[u8]) -> Result<Uuid, StoreError> {
    Uuid::from_slice(bytes).map_err(|error| StoreError::corrupt(table, column, error))
}

/// A message's id, as it stands in its column.
pub(crate) fn message_id(bytes: &[u8]) -> Result<MessageId, StoreError> {
    uuid("messages", "id", bytes).map(MessageId)
}

/// A notification's id, as it stands in its column.
pub(crate) fn notification_id(bytes: &[u8]) -> Result<NotificationId, StoreError> {
    uuid("notifications", "id", bytes).map(NotificationId)
}

/// A ticket's id, as it stands in a column.
pub(crate) fn ticket_id(table: &'static str, column: &'static str, bytes: &[u8]) -> Result<TicketId, StoreError> {
    uuid(table, column, bytes).map(TicketId)
}

/// A time, as it stands in a column: microseconds.
pub(crate) fn moment(table: &'static str, column: &'static str, micros: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_unix_micros(micros).map_err(|error| StoreError::corrupt(table, column, error))
}

/// A state that needs a value has none.
#[derive(Debug, thiserror::Error)]
#[error("must not be null in this state")]
struct MustNotBeNull;

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = tickets, check_for_backend(Sqlite))]
pub(crate) struct TicketRow {
    id: Vec<u8>,
    reference: String,
    customer_name: String,
    customer_phone: String,
    customer_email: String,
    subject: String,
    priority: String,
    status: String,
    customer_key: String,
    reader_key: String,
    version: i64,
    created_at: i64,
    updated_at: i64,
}

impl TicketRow {
    /// A new ticket's.
    pub(crate) fn new(ticket: &Ticket) -> Self {
        Self {
            id: bytes(ticket.id.0),
            reference: ticket.reference.to_string(),
            customer_name: ticket.details.customer.name.to_string(),
            customer_phone: ticket.details.customer.phone.to_string(),
            customer_email: ticket.details.customer.email.to_string(),
            subject: ticket.details.subject.to_string(),
            priority: ticket.details.priority.to_string(),
            status: ticket.status.to_string(),
            customer_key: ticket.keys.customer.to_string(),
            reader_key: ticket.keys.reader.to_string(),
            version: FIRST_VERSION,
            created_at: ticket.created_at.unix_micros(),
            updated_at: ticket.updated_at.unix_micros(),
        }
    }
}

/// The version of a new ticket.
pub(crate) const FIRST_VERSION: i64 = 1;

impl TryFrom<TicketRow> for Ticket {
    type Error = StoreError;

    fn try_from(row: TicketRow) -> Result<Self, StoreError> {
        const TABLE: &str = "tickets";
        Ok(Self {
            id: TicketId(uuid(TABLE, "id", &row.id)?),
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
            created_at: moment(TABLE, "created_at", row.created_at)?,
            updated_at: moment(TABLE, "updated_at", row.updated_at)?,
        })
    }
}

/// What a reader who has the rest asks of a ticket.
#[derive(Queryable)]
pub(crate) struct HeadRow {
    customer_key: String,
    reader_key: String,
    version: i64,
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
#[diesel(table_name = messages, check_for_backend(Sqlite), treat_none_as_default_value = false)]
pub(crate) struct MessageRow {
    id: Vec<u8>,
    sender: String,
    channel: String,
    from_phone: Option<String>,
    body: String,
    media_url: Option<String>,
    external_id: Option<String>,
    created_at: i64,
}

impl MessageRow {
    /// A message's, wherever it belongs.
    pub(crate) fn new(message: &Message) -> Self {
        Self {
            id: bytes(message.id.0),
            sender: message.sender.to_string(),
            channel: message.channel.to_string(),
            from_phone: message.from.as_ref().map(ToString::to_string),
            body: message.content.body().to_string(),
            media_url: message.content.media().map(ToString::to_string),
            external_id: message.external_id.as_ref().map(ToString::to_string),
            created_at: message.created_at.unix_micros(),
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
            id: message_id(&row.id)?,
            sender: parse(TABLE, "sender", &row.sender)?,
            channel: parse(TABLE, "channel", &row.channel)?,
            from: row
                .from_phone
                .map(|phone| parse(TABLE, "from_phone", &phone))
                .transpose()?,
            content: Content::new(body, media).map_err(|error| StoreError::corrupt(TABLE, "body", error))?,
            external_id: row.external_id.map(|id| parse(TABLE, "external_id", &id)).transpose()?,
            created_at: moment(TABLE, "created_at", row.created_at)?,
        })
    }
}

/// The record of an idempotency key, with what is told of its ticket.
#[derive(Queryable)]
pub(crate) struct PrecedentRow {
    digest: Vec<u8>,
    id: Vec<u8>,
    reference: String,
    access_key: String,
}

impl TryFrom<PrecedentRow> for ExistingTicket {
    type Error = StoreError;

    fn try_from(row: PrecedentRow) -> Result<Self, StoreError> {
        Ok(Self {
            digest: digest(&row.digest)?,
            id: TicketId(uuid("tickets", "id", &row.id)?),
            reference: parse("tickets", "reference", &row.reference)?,
            access_key: parse("tickets", "customer_key", &row.access_key)?,
        })
    }
}

/// The record of an idempotency key, with the message that it wrote.
#[derive(Queryable)]
pub(crate) struct RepeatedRow {
    digest: Vec<u8>,
    id: Option<Vec<u8>>,
    created_at: Option<i64>,
}

impl TryFrom<RepeatedRow> for Appended {
    type Error = StoreError;

    fn try_from(row: RepeatedRow) -> Result<Self, StoreError> {
        let message = match (row.id, row.created_at) {
            (Some(id), Some(micros)) => Some((message_id(&id)?, moment("messages", "created_at", micros)?)),
            _ => None,
        };
        Ok(Self::Repeated {
            digest: digest(&row.digest)?,
            message,
        })
    }
}

fn digest(bytes: &[u8]) -> Result<[u8; 32], StoreError> {
    let digest = bytes.try_into();
    digest.map_err(|error| StoreError::corrupt("idempotency_keys", "digest", error))
}
