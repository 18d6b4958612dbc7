//! Rows of what operators see.

use diesel::{Insertable, Queryable, QueryableByName, Selectable, pg::Pg, sql_types};
use ticket_domain::{
    AuditAction, AuditEntryId, AuditKind, Cursor, Entry, Excerpt, Message, MessageId, NotificationId, TicketId,
    TicketListItem,
    ports::{AuditStamp, StoreError, parse},
};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{MessageRow, MustNotBeNull, TicketRow};
use crate::postgres::schema::trail;

/// A ticket in a list, with its newest message.
#[derive(QueryableByName)]
#[diesel(check_for_backend(Pg))]
pub(crate) struct ListedRow {
    #[diesel(sql_type = sql_types::BigInt)]
    number: i64,
    #[diesel(embed)]
    ticket: TicketRow,
    #[diesel(embed)]
    last: LastRow,
}

/// A ticket's newest message, in columns that the ticket has none of.
#[derive(QueryableByName)]
#[diesel(check_for_backend(Pg))]
struct LastRow {
    #[diesel(sql_type = sql_types::Uuid)]
    message_id: Uuid,
    #[diesel(sql_type = sql_types::Text)]
    sender: String,
    #[diesel(sql_type = sql_types::Text)]
    channel: String,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    from_phone: Option<String>,
    #[diesel(sql_type = sql_types::Text)]
    body: String,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    media_url: Option<String>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    external_id: Option<String>,
    #[diesel(sql_type = sql_types::Timestamptz)]
    received_at: OffsetDateTime,
}

impl ListedRow {
    /// Its place in the list.
    pub(crate) fn place(&self) -> Cursor {
        Cursor {
            at: self.ticket.updated_at.into(),
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

/// A new entry of the trail.
#[derive(Insertable)]
#[diesel(table_name = trail, check_for_backend(Pg))]
pub(crate) struct NewEntryRow {
    id: Uuid,
    at: OffsetDateTime,
    ticket_id: Option<Uuid>,
    act: &'static str,
    was: Option<&'static str>,
    became: Option<&'static str>,
    subject: Option<Uuid>,
    amount: Option<i64>,
}

impl NewEntryRow {
    /// `ticket` is the one that it was done to.
    pub(crate) fn new(note: AuditStamp, ticket: Option<TicketId>, act: AuditAction) -> Self {
        let (change, subject, amount) = match act {
            AuditAction::Status { from, to } => (Some((from.as_str(), to.as_str())), None, None),
            AuditAction::Priority { from, to } => (Some((from.as_str(), to.as_str())), None, None),
            AuditAction::Reply(message) | AuditAction::Attach(message) => (None, Some(message.0), None),
            AuditAction::Redeliver(notification) => (None, Some(notification.0), None),
            AuditAction::RedeliverDead(count) | AuditAction::Erase(count) => (None, None, Some(count)),
        };
        Self {
            id: note.id.0,
            at: note.at.into(),
            ticket_id: ticket.map(|ticket| ticket.0),
            act: act.kind().as_str(),
            was: change.map(|(was, _)| was),
            became: change.map(|(_, became)| became),
            subject,
            amount: amount.map(|amount| i64::try_from(amount).unwrap_or(i64::MAX)),
        }
    }
}

/// An entry of the trail, but for its ticket's reference.
#[derive(Queryable, Selectable)]
#[diesel(table_name = trail, check_for_backend(Pg), treat_none_as_default_value = false)]
pub(crate) struct EntryRow {
    id: Uuid,
    at: OffsetDateTime,
    act: String,
    was: Option<String>,
    became: Option<String>,
    subject: Option<Uuid>,
    amount: Option<i64>,
}

const TRAIL: &str = "trail";

impl EntryRow {
    pub(crate) fn parsed(self, reference: Option<&str>) -> Result<Entry, StoreError> {
        let reference = reference.map(|raw| parse("tickets", "reference", raw));
        Ok(Entry {
            id: AuditEntryId(self.id),
            at: self.at.into(),
            reference: reference.transpose()?,
            act: self.act()?,
        })
    }

    fn act(self) -> Result<AuditAction, StoreError> {
        let was = given("was", self.was);
        let became = given("became", self.became);
        let subject = given("subject", self.subject);
        Ok(match parse(TRAIL, "act", &self.act)? {
            AuditKind::Status => AuditAction::Status {
                from: parse(TRAIL, "was", &was?)?,
                to: parse(TRAIL, "became", &became?)?,
            },
            AuditKind::Priority => AuditAction::Priority {
                from: parse(TRAIL, "was", &was?)?,
                to: parse(TRAIL, "became", &became?)?,
            },
            AuditKind::Reply => AuditAction::Reply(MessageId(subject?)),
            AuditKind::Attach => AuditAction::Attach(MessageId(subject?)),
            AuditKind::Redeliver => AuditAction::Redeliver(NotificationId(subject?)),
            AuditKind::RedeliverDead => AuditAction::RedeliverDead(count(self.amount)?),
            AuditKind::Erase => AuditAction::Erase(count(self.amount)?),
        })
    }
}

fn count(amount: Option<i64>) -> Result<u64, StoreError> {
    let amount = u64::try_from(given("amount", amount)?);
    amount.map_err(|error| StoreError::corrupt(TRAIL, "amount", error))
}

/// What this kind of entry must have.
fn given<T>(column: &'static str, value: Option<T>) -> Result<T, StoreError> {
    value.ok_or_else(|| StoreError::corrupt(TRAIL, column, MustNotBeNull))
}
