//! Rows to values and back. A value that its own type refuses is a corrupt row.

mod attachments;
mod audit_log;
mod contacts;
mod notifications;
mod questions;
mod receipts;

use std::{error::Error, str::FromStr};

use diesel::{AsChangeset, Insertable, Queryable, Selectable, pg::Pg, sqlite::Sqlite};
use ticket_domain::{
    AccessKeys, Content, Customer, Delivery, Message, MessageBody, MessageId, Ticket, TicketDetails, TicketId,
    TicketSummary, TicketVersion, Timestamp,
    ports::{ExistingTicket, StoreError, parse},
};

pub(crate) use attachments::{AttachedFileRow, UploadRow, attachment_list, attachments};
pub(crate) use audit_log::{AuditEntryRow, NewAuditEntryRow};
pub(crate) use contacts::ContactRow;
pub(crate) use notifications::{
    ClaimedRow, CurrentMessageRow, FallbackRow, NewNotificationRow, RecordRow, SentRow, StateRow, state,
};
pub(crate) use questions::{ChoiceResultRow, ChoiceRow, ControlRow, QuestionRow};
pub(crate) use receipts::ReceiptRow;

use crate::{
    schema::{messages, tickets},
    types::Stored,
};

/// Reads a text that may be missing.
fn parse_or_null<T>(table: &'static str, column: &'static str, raw: Option<String>) -> Result<Option<T>, StoreError>
where
    T: FromStr<Err: Error + Send + Sync + 'static>,
{
    raw.map(|raw| parse(table, column, &raw)).transpose()
}

/// Reads a number, which has to fit its type.
fn number<T>(table: &'static str, column: &'static str, raw: i64) -> Result<T, StoreError>
where
    T: TryFrom<i64, Error: Error + Send + Sync + 'static>,
{
    T::try_from(raw).map_err(|error| StoreError::corrupt(table, column, error))
}

/// A state that needs a value has none.
#[derive(Debug, thiserror::Error)]
#[error("must not be null in this state")]
struct MustNotBeNull;

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = tickets, check_for_backend(Pg, Sqlite))]
pub(crate) struct TicketRow {
    id: Stored<TicketId>,
    reference: String,
    #[diesel(embed)]
    details: DetailsRow,
    status: String,
    customer_key: String,
    reader_key: String,
    version: i64,
    pub(crate) created_at: Stored<Timestamp>,
    pub(crate) updated_at: Stored<Timestamp>,
    notes: i64,
}

/// What a customer gave.
#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = tickets, check_for_backend(Pg, Sqlite), treat_none_as_null = true, treat_none_as_default_value = false)]
pub(crate) struct DetailsRow {
    customer_name: String,
    customer_phone: String,
    customer_email: String,
    subject: String,
    priority: String,
}

/// The columns of a [`TicketRow`], of the ticket `t`.
macro_rules! ticket_columns {
    () => {
        "t.id, t.reference, t.customer_name, t.customer_phone, t.customer_email, t.subject, t.priority, t.status, \
            t.customer_key, t.reader_key, t.version, t.created_at, t.updated_at, t.notes"
    };
}

/// The columns of a [`MessageRow`], of the message `m`.
macro_rules! message_columns {
    () => {
        "m.id, m.sender, m.channel, m.from_address, m.body, m.media_url, m.external_id, m.created_at, m.visibility, \
            m.attachments"
    };
}
pub(crate) use {message_columns, ticket_columns};

/// The version of a new ticket.
pub(crate) const FIRST_VERSION: i64 = 1;

impl TicketRow {
    /// A new ticket's.
    pub(crate) fn new(ticket: &Ticket) -> Self {
        Self {
            id: Stored(ticket.id),
            reference: ticket.reference.to_string(),
            details: DetailsRow::new(&ticket.details),
            status: ticket.status.to_string(),
            customer_key: ticket.keys.customer.to_string(),
            reader_key: ticket.keys.reader.to_string(),
            version: FIRST_VERSION,
            created_at: Stored(ticket.created_at),
            updated_at: Stored(ticket.updated_at),
            notes: 0,
        }
    }
}

impl DetailsRow {
    pub(crate) fn new(details: &TicketDetails) -> Self {
        Self {
            customer_name: details.customer.name.to_string(),
            customer_phone: details.customer.phone.to_string(),
            customer_email: details.customer.email.to_string(),
            subject: details.subject.to_string(),
            priority: details.priority.to_string(),
        }
    }
}

impl TryFrom<DetailsRow> for TicketDetails {
    type Error = StoreError;

    fn try_from(row: DetailsRow) -> Result<Self, StoreError> {
        const TABLE: &str = "tickets";
        Ok(Self {
            customer: Customer {
                name: parse(TABLE, "customer_name", &row.customer_name)?,
                phone: parse(TABLE, "customer_phone", &row.customer_phone)?,
                email: parse(TABLE, "customer_email", &row.customer_email)?,
            },
            subject: parse(TABLE, "subject", &row.subject)?,
            priority: parse(TABLE, "priority", &row.priority)?,
        })
    }
}

impl TryFrom<TicketRow> for Ticket {
    type Error = StoreError;

    fn try_from(row: TicketRow) -> Result<Self, StoreError> {
        const TABLE: &str = "tickets";
        Ok(Self {
            id: row.id.0,
            reference: parse(TABLE, "reference", &row.reference)?,
            details: row.details.try_into()?,
            status: parse(TABLE, "status", &row.status)?,
            keys: AccessKeys {
                customer: parse(TABLE, "customer_key", &row.customer_key)?,
                reader: parse(TABLE, "reader_key", &row.reader_key)?,
            },
            version: number(TABLE, "version", row.version)?,
            created_at: row.created_at.0,
            updated_at: row.updated_at.0,
            notes: number(TABLE, "notes", row.notes)?,
        })
    }
}

/// What a reader needs to know of a ticket that it has: whether it may read it, and whether anything is new.
#[derive(Queryable)]
pub(crate) struct SummaryRow {
    pub(crate) reference: String,
    customer_key: String,
    reader_key: String,
    version: i64,
    notes: i64,
    newest: Option<StateRow>,
}

impl TryFrom<SummaryRow> for TicketSummary {
    type Error = StoreError;

    fn try_from(row: SummaryRow) -> Result<Self, StoreError> {
        const TABLE: &str = "tickets";
        Ok(Self {
            keys: AccessKeys {
                customer: parse(TABLE, "customer_key", &row.customer_key)?,
                reader: parse(TABLE, "reader_key", &row.reader_key)?,
            },
            state: TicketVersion {
                version: number(TABLE, "version", row.version)?,
                delivery: delivery(row.newest)?,
            },
            notes: number(TABLE, "notes", row.notes)?,
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
#[diesel(table_name = messages, check_for_backend(Pg, Sqlite), treat_none_as_default_value = false)]
pub(crate) struct MessageRow {
    id: Stored<MessageId>,
    sender: String,
    channel: String,
    from_address: Option<String>,
    body: String,
    media_url: Option<String>,
    external_id: Option<String>,
    created_at: Stored<Timestamp>,
    visibility: String,
    attachments: Option<String>,
}

impl MessageRow {
    /// A message's, wherever it belongs.
    pub(crate) fn new(message: &Message) -> Self {
        Self {
            id: Stored(message.id),
            sender: message.sender.to_string(),
            channel: message.channel.to_string(),
            from_address: message.from.as_ref().map(ToString::to_string),
            body: message.content.body().to_string(),
            media_url: message.content.media().map(ToString::to_string),
            external_id: message.external_id.as_ref().map(ToString::to_string),
            created_at: Stored(message.created_at),
            visibility: message.visibility.to_string(),
            // They join later in the transaction.
            attachments: None,
        }
    }
}

impl TryFrom<MessageRow> for Message {
    type Error = StoreError;

    fn try_from(row: MessageRow) -> Result<Self, StoreError> {
        const TABLE: &str = "messages";
        let body: MessageBody = parse(TABLE, "body", &row.body)?;
        let media = parse_or_null(TABLE, "media_url", row.media_url)?;
        Ok(Self {
            id: row.id.0,
            sender: parse(TABLE, "sender", &row.sender)?,
            channel: parse(TABLE, "channel", &row.channel)?,
            from: parse_or_null(TABLE, "from_address", row.from_address)?,
            content: Content::new(body, media).map_err(|error| StoreError::corrupt(TABLE, "body", error))?,
            external_id: parse_or_null(TABLE, "external_id", row.external_id)?,
            created_at: row.created_at.0,
            visibility: parse(TABLE, "visibility", &row.visibility)?,
            attachments: attachments(row.attachments.as_deref())?,
        })
    }
}

/// The record of an idempotency key, with the ticket that it opened.
#[derive(Queryable)]
pub(crate) struct ExistingTicketRow {
    digest: Vec<u8>,
    id: TicketId,
    reference: String,
    access_key: String,
}

impl TryFrom<ExistingTicketRow> for ExistingTicket {
    type Error = StoreError;

    fn try_from(row: ExistingTicketRow) -> Result<Self, StoreError> {
        Ok(Self {
            digest: digest("idempotency_keys", &row.digest)?,
            id: row.id,
            reference: parse("tickets", "reference", &row.reference)?,
            access_key: parse("tickets", "customer_key", &row.access_key)?,
        })
    }
}

/// The SHA-256 digest in a table's column `digest`.
pub(crate) fn digest(table: &'static str, raw: &[u8]) -> Result<[u8; 32], StoreError> {
    raw.try_into()
        .map_err(|error| StoreError::corrupt(table, "digest", error))
}
