//! Rows of what operators see: lists of tickets, and the audit log.

use diesel::{
    Insertable, Queryable, QueryableByName, Selectable,
    pg::Pg,
    sql_types::{BigInt, Nullable, Text},
    sqlite::Sqlite,
};
use ticket_domain::{
    AuditAction, AuditEntryId, AuditKind, Cursor, Entry, Excerpt, Message, MessageId, NotificationId, TicketId,
    TicketListItem, Timestamp,
    ports::{AuditStamp, StoreError, parse},
};

use uuid::Uuid;

use super::{MessageRow, MustNotBeNull, TicketRow};
use crate::{
    schema::audit_log,
    types::{Id, Moment, Stored},
};

/// A ticket in a list, with its newest message.
#[derive(QueryableByName)]
#[diesel(check_for_backend(Pg, Sqlite))]
pub(crate) struct ListedRow {
    #[diesel(sql_type = BigInt)]
    number: i64,
    #[diesel(embed)]
    ticket: TicketRow,
    #[diesel(embed)]
    last: LastRow,
}

/// A ticket's newest message, in columns that the ticket has none of.
#[derive(QueryableByName)]
#[diesel(check_for_backend(Pg, Sqlite))]
struct LastRow {
    #[diesel(sql_type = Id)]
    message_id: Stored<MessageId>,
    #[diesel(sql_type = Text)]
    sender: String,
    #[diesel(sql_type = Text)]
    channel: String,
    #[diesel(sql_type = Nullable<Text>)]
    from_phone: Option<String>,
    #[diesel(sql_type = Text)]
    body: String,
    #[diesel(sql_type = Nullable<Text>)]
    media_url: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    external_id: Option<String>,
    #[diesel(sql_type = Moment)]
    received_at: Stored<Timestamp>,
}

impl ListedRow {
    /// Where it stands in the list.
    pub(crate) fn cursor(&self) -> Cursor {
        Cursor {
            at: self.ticket.updated_at.0,
            number: self.number,
        }
    }
}

impl TryFrom<ListedRow> for TicketListItem {
    type Error = StoreError;

    fn try_from(row: ListedRow) -> Result<Self, StoreError> {
        let last: Message = MessageRow::from(row.last).try_into()?;
        Ok(Self {
            ticket: row.ticket.try_into()?,
            last: Excerpt::of(&last),
        })
    }
}

impl From<LastRow> for MessageRow {
    fn from(row: LastRow) -> Self {
        Self {
            id: row.message_id,
            sender: row.sender,
            channel: row.channel,
            from_phone: row.from_phone,
            body: row.body,
            media_url: row.media_url,
            external_id: row.external_id,
            created_at: row.received_at,
        }
    }
}

/// A new entry of the audit log.
#[derive(Insertable)]
#[diesel(table_name = audit_log, check_for_backend(Pg, Sqlite))]
pub(crate) struct NewAuditEntryRow {
    id: Stored<AuditEntryId>,
    at: Stored<Timestamp>,
    ticket_id: Option<Stored<TicketId>>,
    action: &'static str,
    old_value: Option<&'static str>,
    new_value: Option<&'static str>,
    target_id: Option<Stored<Uuid>>,
    count: Option<i64>,
}

impl NewAuditEntryRow {
    /// `ticket` is the one that it was done to.
    pub(crate) fn new(stamp: AuditStamp, ticket: Option<TicketId>, action: AuditAction) -> Self {
        let (change, target, count) = match action {
            AuditAction::Status { from, to } => (Some((from.as_str(), to.as_str())), None, None),
            AuditAction::Priority { from, to } => (Some((from.as_str(), to.as_str())), None, None),
            AuditAction::Reply(message) | AuditAction::Attach(message) => (None, Some(message.0), None),
            AuditAction::Redeliver(notification) => (None, Some(notification.0), None),
            AuditAction::RedeliverDead(count) | AuditAction::Erase(count) => (None, None, Some(count)),
        };
        Self {
            id: Stored(stamp.id),
            at: Stored(stamp.at),
            ticket_id: ticket.map(Stored),
            action: action.kind().as_str(),
            old_value: change.map(|(old, _)| old),
            new_value: change.map(|(_, new)| new),
            target_id: target.map(Stored),
            count: count.map(|count| i64::try_from(count).unwrap_or(i64::MAX)),
        }
    }
}

/// An entry of the audit log, but for its ticket's reference.
#[derive(Queryable, Selectable)]
#[diesel(table_name = audit_log, check_for_backend(Pg, Sqlite), treat_none_as_default_value = false)]
pub(crate) struct AuditEntryRow {
    id: AuditEntryId,
    at: Timestamp,
    action: String,
    old_value: Option<String>,
    new_value: Option<String>,
    target_id: Option<Uuid>,
    count: Option<i64>,
}

const TABLE: &str = "audit_log";

impl AuditEntryRow {
    pub(crate) fn parsed(self, reference: Option<&str>) -> Result<Entry, StoreError> {
        let reference = reference.map(|raw| parse("tickets", "reference", raw));
        Ok(Entry {
            id: self.id,
            at: self.at,
            reference: reference.transpose()?,
            act: self.action()?,
        })
    }

    fn action(self) -> Result<AuditAction, StoreError> {
        let old = given("old_value", self.old_value);
        let new = given("new_value", self.new_value);
        let target = given("target_id", self.target_id);
        Ok(match parse(TABLE, "action", &self.action)? {
            AuditKind::Status => AuditAction::Status {
                from: parse(TABLE, "old_value", &old?)?,
                to: parse(TABLE, "new_value", &new?)?,
            },
            AuditKind::Priority => AuditAction::Priority {
                from: parse(TABLE, "old_value", &old?)?,
                to: parse(TABLE, "new_value", &new?)?,
            },
            AuditKind::Reply => AuditAction::Reply(MessageId(target?)),
            AuditKind::Attach => AuditAction::Attach(MessageId(target?)),
            AuditKind::Redeliver => AuditAction::Redeliver(NotificationId(target?)),
            AuditKind::RedeliverDead => AuditAction::RedeliverDead(count(self.count)?),
            AuditKind::Erase => AuditAction::Erase(count(self.count)?),
        })
    }
}

fn count(count: Option<i64>) -> Result<u64, StoreError> {
    let count = u64::try_from(given("count", count)?);
    count.map_err(|error| StoreError::corrupt(TABLE, "count", error))
}

/// What this kind of entry must have.
fn given<T>(column: &'static str, value: Option<T>) -> Result<T, StoreError> {
    value.ok_or_else(|| StoreError::corrupt(TABLE, column, MustNotBeNull))
}
