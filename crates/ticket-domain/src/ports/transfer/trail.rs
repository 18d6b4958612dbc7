//! The trail of what operators did, as its columns.

use uuid::Uuid;

use super::super::{StoreError, parse};
use crate::{AuditAction, AuditEntryId, MessageId, NotificationId, TicketId, Timestamp};

/// An entry of the trail as a store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry {
    /// Its name.
    pub id: AuditEntryId,
    /// When it happened.
    pub at: Timestamp,
    /// The ticket that it was done to, if it was one.
    pub ticket: Option<TicketId>,
    /// What was done.
    pub act: AuditAction,
}

impl StoredEntry {
    /// The columns in which every store keeps `act`.
    pub fn columns(&self) -> ActColumns<'static> {
        let bare = |act| ActColumns {
            act,
            ..ActColumns::default()
        };
        let changed = |act, was, became| ActColumns {
            was: Some(was),
            became: Some(became),
            ..bare(act)
        };
        let about = |act, subject| ActColumns {
            subject: Some(subject),
            ..bare(act)
        };
        let counted = |act, count| ActColumns {
            amount: Some(count),
            ..bare(act)
        };
        match self.act {
            AuditAction::Status { from, to } => changed("status", from.as_str(), to.as_str()),
            AuditAction::Priority { from, to } => changed("priority", from.as_str(), to.as_str()),
            AuditAction::Reply(message) => about("reply", message.0),
            AuditAction::Attach(message) => about("attach", message.0),
            AuditAction::Redeliver(notification) => about("redeliver", notification.0),
            AuditAction::RedeliverDead(count) => counted("redeliver_dead", count),
            AuditAction::Erase(count) => counted("erase", count),
        }
    }
}

/// An act as its columns, which the same words fill in every store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ActColumns<'a> {
    /// What was done.
    pub act: &'a str,
    /// What was before.
    pub was: Option<&'a str>,
    /// What is since.
    pub became: Option<&'a str>,
    /// The message or the notification.
    pub subject: Option<Uuid>,
    /// How many it was done to.
    pub amount: Option<u64>,
}

/// Columns that are no act: one is missing, or one too many is filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not an act, or has other columns than it")]
pub struct NotAnAct;

impl ActColumns<'_> {
    /// The act. It is refused if any of them would be written otherwise.
    pub fn act(self) -> Result<AuditAction, StoreError> {
        const TABLE: &str = "trail";
        let Self {
            act,
            was,
            became,
            subject,
            amount,
        } = self;
        Ok(match (act, was, became, subject, amount) {
            ("status", Some(was), Some(became), None, None) => AuditAction::Status {
                from: parse(TABLE, "was", was)?,
                to: parse(TABLE, "became", became)?,
            },
            ("priority", Some(was), Some(became), None, None) => AuditAction::Priority {
                from: parse(TABLE, "was", was)?,
                to: parse(TABLE, "became", became)?,
            },
            ("reply", None, None, Some(subject), None) => AuditAction::Reply(MessageId(subject)),
            ("attach", None, None, Some(subject), None) => AuditAction::Attach(MessageId(subject)),
            ("redeliver", None, None, Some(subject), None) => AuditAction::Redeliver(NotificationId(subject)),
            ("redeliver_dead", None, None, None, Some(amount)) => AuditAction::RedeliverDead(amount),
            ("erase", None, None, None, Some(amount)) => AuditAction::Erase(amount),
            _ => return Err(StoreError::corrupt(TABLE, "act", NotAnAct)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Priority, Status};

    #[test]
    fn every_act_goes_to_its_columns_and_back() {
        let id = Uuid::from_u128(7);
        for act in [
            AuditAction::Status {
                from: Status::Open,
                to: Status::Closed,
            },
            AuditAction::Priority {
                from: Priority::Low,
                to: Priority::Urgent,
            },
            AuditAction::Reply(MessageId(id)),
            AuditAction::Attach(MessageId(id)),
            AuditAction::Redeliver(NotificationId(id)),
            AuditAction::RedeliverDead(3),
            AuditAction::Erase(3),
        ] {
            let entry = StoredEntry {
                id: AuditEntryId(id),
                at: Timestamp::from_unix_micros(0).unwrap(),
                ticket: None,
                act,
            };
            let columns = entry.columns();
            assert_eq!(columns.act().unwrap(), act);
            // One column too many, and none.
            let more = match columns.amount {
                None => ActColumns {
                    amount: Some(1),
                    ..columns
                },
                Some(_) => ActColumns {
                    was: Some("open"),
                    ..columns
                },
            };
            assert!(more.act().is_err(), "{act:?}");
            let bare = ActColumns {
                act: columns.act,
                ..ActColumns::default()
            };
            assert!(bare.act().is_err(), "{act:?}");
        }
    }
}
