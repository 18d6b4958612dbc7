//! Rows of the trail.

use diesel::{Insertable, Queryable, Selectable, sqlite::Sqlite};
use ticket_domain::{
    AuditAction, AuditEntryId, Entry, NotificationId, TicketId, UnknownWord,
    ports::{AuditStamp, StoreError, parse},
};
use uuid::Uuid;

use super::{MustNotBeNull, bytes, message_id, moment, uuid};
use crate::sqlite::schema::trail;

/// The words of `trail.act`.
mod word {
    pub(super) const STATUS: &str = "status";
    pub(super) const PRIORITY: &str = "priority";
    pub(super) const REPLY: &str = "reply";
    pub(super) const ATTACH: &str = "attach";
    pub(super) const REDELIVER: &str = "redeliver";
    pub(super) const REDELIVER_DEAD: &str = "redeliver_dead";
    pub(super) const ERASE: &str = "erase";
    pub(super) const ALL: &[&str] = &[STATUS, PRIORITY, REPLY, ATTACH, REDELIVER, REDELIVER_DEAD, ERASE];
}

/// An entry, but for its ticket's reference.
#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = trail, check_for_backend(Sqlite), treat_none_as_default_value = false)]
pub(crate) struct EntryRow {
    id: Vec<u8>,
    at: i64,
    ticket_id: Option<Vec<u8>>,
    act: String,
    was: Option<String>,
    became: Option<String>,
    subject: Option<Vec<u8>>,
    amount: Option<i64>,
}

impl EntryRow {
    /// `ticket` is the one that it was done to.
    pub(crate) fn new(note: AuditStamp, ticket: Option<TicketId>, act: &AuditAction) -> Self {
        let row = |act: &str| Self {
            id: bytes(note.id.0),
            at: note.at.unix_micros(),
            ticket_id: ticket.map(|ticket| bytes(ticket.0)),
            act: act.to_owned(),
            was: None,
            became: None,
            subject: None,
            amount: None,
        };
        let changed = |act: &str, from: &str, to: &str| Self {
            was: Some(from.to_owned()),
            became: Some(to.to_owned()),
            ..row(act)
        };
        let about = |act: &str, subject: Uuid| Self {
            subject: Some(bytes(subject)),
            ..row(act)
        };
        let counted = |act: &str, count: u64| Self {
            amount: Some(i64::try_from(count).unwrap_or(i64::MAX)),
            ..row(act)
        };
        match act {
            AuditAction::Status { from, to } => changed(word::STATUS, from.as_str(), to.as_str()),
            AuditAction::Priority { from, to } => changed(word::PRIORITY, from.as_str(), to.as_str()),
            AuditAction::Reply(message) => about(word::REPLY, message.0),
            AuditAction::Attach(message) => about(word::ATTACH, message.0),
            AuditAction::Redeliver(notification) => about(word::REDELIVER, notification.0),
            AuditAction::RedeliverDead(count) => counted(word::REDELIVER_DEAD, *count),
            AuditAction::Erase(count) => counted(word::ERASE, *count),
        }
    }

    pub(crate) fn parsed(self, reference: Option<&str>) -> Result<Entry, StoreError> {
        const TABLE: &str = "trail";
        let id = AuditEntryId(uuid(TABLE, "id", &self.id)?);
        let at = moment(TABLE, "at", self.at)?;
        let reference = reference.map(|raw| parse("tickets", "reference", raw)).transpose()?;
        let act = self.act()?;
        Ok(Entry { id, at, reference, act })
    }

    fn act(self) -> Result<AuditAction, StoreError> {
        const TABLE: &str = "trail";
        fn present<T>(column: &'static str, value: Option<T>) -> Result<T, StoreError> {
            value.ok_or_else(|| StoreError::corrupt(TABLE, column, MustNotBeNull))
        }
        let Self {
            act,
            was,
            became,
            subject,
            amount,
            ..
        } = self;
        let count = |amount: Option<i64>| {
            let amount = u64::try_from(present("amount", amount)?);
            amount.map_err(|error| StoreError::corrupt(TABLE, "amount", error))
        };
        let message = |subject: Option<Vec<u8>>| message_id(&present("subject", subject)?);
        Ok(match act.as_str() {
            word::STATUS => AuditAction::Status {
                from: parse(TABLE, "was", &present("was", was)?)?,
                to: parse(TABLE, "became", &present("became", became)?)?,
            },
            word::PRIORITY => AuditAction::Priority {
                from: parse(TABLE, "was", &present("was", was)?)?,
                to: parse(TABLE, "became", &present("became", became)?)?,
            },
            word::REPLY => AuditAction::Reply(message(subject)?),
            word::ATTACH => AuditAction::Attach(message(subject)?),
            word::REDELIVER => {
                AuditAction::Redeliver(NotificationId(uuid(TABLE, "subject", &present("subject", subject)?)?))
            }
            word::REDELIVER_DEAD => AuditAction::RedeliverDead(count(amount)?),
            word::ERASE => AuditAction::Erase(count(amount)?),
            _ => return Err(StoreError::corrupt(TABLE, "act", UnknownWord { allowed: word::ALL })),
        })
    }
}
