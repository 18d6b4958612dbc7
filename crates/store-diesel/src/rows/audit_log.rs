//! Rows of the audit log.

use diesel::{Insertable, Queryable, Selectable, pg::Pg, sqlite::Sqlite};
use ticket_domain::{
    AuditAction, AuditEntry, AuditEntryId, AuditKind, AuditStamp, MessageId, NotificationId, TicketId, Timestamp,
    ports::{StoreError, parse},
};
use uuid::Uuid;

use super::{MustNotBeNull, number};
use crate::{schema::audit_log, types::Stored};

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
    actor: String,
}

impl NewAuditEntryRow {
    /// `ticket` is the one that it was done to.
    pub(crate) fn new(stamp: AuditStamp, ticket: Option<TicketId>, action: AuditAction) -> Self {
        let (change, target, count) = match action {
            AuditAction::Status { from, to } => (Some((from.as_str(), to.as_str())), None, None),
            AuditAction::Priority { from, to } => (Some((from.as_str(), to.as_str())), None, None),
            AuditAction::Reply(message)
            | AuditAction::Note(message)
            | AuditAction::Remove(message)
            | AuditAction::Attach(message) => (None, Some(message.0), None),
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
            actor: stamp.by.to_string(),
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
    actor: String,
}

const TABLE: &str = "audit_log";

impl AuditEntryRow {
    pub(crate) fn parsed(self, reference: Option<&str>) -> Result<AuditEntry, StoreError> {
        let reference = reference.map(|raw| parse("tickets", "reference", raw));
        Ok(AuditEntry {
            stamp: AuditStamp {
                id: self.id,
                at: self.at,
                by: parse(TABLE, "actor", &self.actor)?,
            },
            reference: reference.transpose()?,
            act: self.action()?,
        })
    }

    fn action(self) -> Result<AuditAction, StoreError> {
        let old = given("old_value", self.old_value);
        let new = given("new_value", self.new_value);
        let target = given("target_id", self.target_id);
        let count = given("count", self.count).and_then(|count| number(TABLE, "count", count));
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
            AuditKind::Note => AuditAction::Note(MessageId(target?)),
            AuditKind::Remove => AuditAction::Remove(MessageId(target?)),
            AuditKind::Attach => AuditAction::Attach(MessageId(target?)),
            AuditKind::Redeliver => AuditAction::Redeliver(NotificationId(target?)),
            AuditKind::RedeliverDead => AuditAction::RedeliverDead(count?),
            AuditKind::Erase => AuditAction::Erase(count?),
        })
    }
}

/// What this kind of entry must have.
fn given<T>(column: &'static str, value: Option<T>) -> Result<T, StoreError> {
    value.ok_or_else(|| StoreError::corrupt(TABLE, column, MustNotBeNull))
}
