//! A row of each table as a dump has it: every column under its own name.

use diesel::{Insertable, Queryable, Selectable, pg::Pg, sqlite::Sqlite};
use serde::{Deserialize, Serialize};
use ticket_domain::{DeliveryRoute, Progress, Recipient, Sender, Timestamp, ports::StoreError};
use uuid::Uuid;

use super::encoding;
use crate::{
    schema::{
        audit_log, idempotency_keys, messages, notifications, previous_external_ids, questions, receipts, tickets,
    },
    types::Stored,
};

/// Calls a macro with every table: its name, its variant in [`Row`], its row, and the order of its rows (of texts by their
/// bytes, as Postgres says it). No table refers to a later one.
macro_rules! for_each_table {
    ($then:ident) => {
        $then! {
            tickets Tickets TicketRow ["number"],
            questions Questions QuestionRow ["id"],
            messages Messages MessageRow ["id"],
            notifications Notifications NotificationRow ["id"],
            previous_external_ids PreviousExternalIds PreviousExternalIdRow ["external_id COLLATE \"C\", notification_id"],
            idempotency_keys IdempotencyKeys IdempotencyKeyRow ["key COLLATE \"C\""],
            receipts Receipts ReceiptRow ["external_id COLLATE \"C\""],
            audit_log AuditLog AuditEntryRow ["id"],
        }
    };
}
pub(crate) use for_each_table;

macro_rules! define {
    ($($table:ident $variant:ident $row:ident [$order:literal],)+) => {
        /// A table of the store. Tables are ordered so that none refers to a later one.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[allow(missing_docs, reason = "the tables' own names")]
        pub enum Table {
            $($variant,)+
        }

        impl Table {
            /// Every table.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its name in the database.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($table),)+
                }
            }
        }

        impl std::fmt::Display for Table {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        /// A row of any table. As JSON it is an object whose one field is named after the table.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub(crate) enum Row {
            $($variant($row),)+
        }

        impl Row {
            pub(crate) fn table(&self) -> Table {
                match self {
                    $(Self::$variant(_) => Table::$variant,)+
                }
            }

            /// Whether every value of it is one that the domain accepts, and would write just so.
            pub(crate) fn check(&self) -> Result<(), StoreError> {
                match self {
                    $(Self::$variant(row) => row.check(),)+
                }
            }

            /// The row's key, by which people find it.
            pub(crate) fn key(&self) -> String {
                match self {
                    $(Self::$variant(row) => row.key(),)+
                }
            }
        }

        /// Rows that are inserted together.
        #[derive(Debug, Default)]
        pub(crate) struct Batch {
            $(pub(crate) $table: Vec<$row>,)+
        }

        impl Batch {
            pub(crate) fn push(&mut self, row: Row) {
                match row {
                    $(Row::$variant(row) => self.$table.push(row),)+
                }
            }

            pub(crate) fn len(&self) -> usize {
                0 $(+ self.$table.len())+
            }
        }
    };
}
for_each_table!(define);

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, Serialize, Deserialize)]
#[diesel(table_name = tickets, check_for_backend(Pg, Sqlite), treat_none_as_default_value = false)]
#[serde(deny_unknown_fields)]
pub(crate) struct TicketRow {
    pub(crate) number: i64,
    pub(crate) id: Stored<Uuid>,
    pub(crate) reference: String,
    pub(crate) customer_name: String,
    pub(crate) customer_phone: String,
    pub(crate) customer_email: String,
    pub(crate) subject: String,
    pub(crate) priority: String,
    pub(crate) status: String,
    pub(crate) customer_key: String,
    pub(crate) reader_key: String,
    pub(crate) version: i64,
    pub(crate) created_at: Stored<Timestamp>,
    pub(crate) updated_at: Stored<Timestamp>,
    #[serde(default = "customer")]
    pub(crate) last_sender: String,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, Serialize, Deserialize)]
#[diesel(table_name = questions, check_for_backend(Pg, Sqlite), treat_none_as_default_value = false)]
#[serde(deny_unknown_fields)]
pub(crate) struct QuestionRow {
    pub(crate) id: Stored<Uuid>,
    pub(crate) of_phone: String,
    pub(crate) choices: String,
    pub(crate) text: String,
    pub(crate) is_batch: bool,
    pub(crate) begun_at: Stored<Timestamp>,
    pub(crate) asked_at: Stored<Timestamp>,
    pub(crate) closed_at: Option<Stored<Timestamp>>,
    pub(crate) answered_by: Option<String>,
    pub(crate) answered_with: Option<Stored<Uuid>>,
    pub(crate) attached: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, Serialize, Deserialize)]
#[diesel(table_name = messages, check_for_backend(Pg, Sqlite), treat_none_as_default_value = false)]
#[serde(deny_unknown_fields)]
pub(crate) struct MessageRow {
    pub(crate) id: Stored<Uuid>,
    pub(crate) ticket_id: Option<Stored<Uuid>>,
    pub(crate) seq: Option<i64>,
    pub(crate) sender: String,
    pub(crate) channel: String,
    pub(crate) from_phone: Option<String>,
    pub(crate) body: String,
    pub(crate) media_url: Option<String>,
    pub(crate) external_id: Option<String>,
    pub(crate) created_at: Stored<Timestamp>,
    pub(crate) question_id: Option<Stored<Uuid>>,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, Serialize, Deserialize)]
#[diesel(table_name = notifications, check_for_backend(Pg, Sqlite), treat_none_as_default_value = false)]
#[serde(deny_unknown_fields)]
pub(crate) struct NotificationRow {
    pub(crate) id: Stored<Uuid>,
    pub(crate) ticket_id: Stored<Uuid>,
    pub(crate) seq: i64,
    pub(crate) event: String,
    #[serde(with = "encoding::bytes")]
    pub(crate) payload: Vec<u8>,
    pub(crate) addressed: bool,
    pub(crate) state: String,
    pub(crate) due_at: Option<Stored<Timestamp>>,
    pub(crate) scheduled_at: Stored<Timestamp>,
    /// Never in a dump: see [`hand_back`](Self::hand_back).
    #[serde(skip)]
    pub(crate) lease: Option<Stored<Uuid>>,
    pub(crate) failed_attempts: i64,
    pub(crate) attempted_at: Option<Stored<Timestamp>>,
    pub(crate) probed_at: Option<Stored<Timestamp>>,
    #[serde(default)]
    pub(crate) released: bool,
    pub(crate) last_error: Option<String>,
    pub(crate) external_id: Option<String>,
    pub(crate) settled_at: Option<Stored<Timestamp>>,
    pub(crate) created_at: Stored<Timestamp>,
    #[serde(default = "sent")]
    pub(crate) progress: String,
    #[serde(default = "text")]
    pub(crate) route: String,
    #[serde(default)]
    pub(crate) round: i64,
    #[serde(default = "manager")]
    pub(crate) recipient: String,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, Serialize, Deserialize)]
#[diesel(table_name = previous_external_ids, check_for_backend(Pg, Sqlite), treat_none_as_default_value = false)]
#[serde(deny_unknown_fields)]
pub(crate) struct PreviousExternalIdRow {
    pub(crate) external_id: String,
    pub(crate) notification_id: Stored<Uuid>,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, Serialize, Deserialize)]
#[diesel(table_name = idempotency_keys, check_for_backend(Pg, Sqlite), treat_none_as_default_value = false)]
#[serde(deny_unknown_fields)]
pub(crate) struct IdempotencyKeyRow {
    pub(crate) key: String,
    #[serde(with = "encoding::bytes")]
    pub(crate) digest: Vec<u8>,
    pub(crate) ticket_id: Stored<Uuid>,
    pub(crate) expires_at: Stored<Timestamp>,
    pub(crate) message_id: Option<Stored<Uuid>>,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, Serialize, Deserialize)]
#[diesel(table_name = receipts, check_for_backend(Pg, Sqlite), treat_none_as_default_value = false)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReceiptRow {
    pub(crate) external_id: String,
    pub(crate) status: String,
    pub(crate) error_code: Option<i64>,
    pub(crate) at: Stored<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, Serialize, Deserialize)]
#[diesel(table_name = audit_log, check_for_backend(Pg, Sqlite), treat_none_as_default_value = false)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditEntryRow {
    pub(crate) id: Stored<Uuid>,
    pub(crate) at: Stored<Timestamp>,
    pub(crate) ticket_id: Option<Stored<Uuid>>,
    pub(crate) action: String,
    pub(crate) old_value: Option<String>,
    pub(crate) new_value: Option<String>,
    pub(crate) target_id: Option<Stored<Uuid>>,
    pub(crate) count: Option<i64>,
    #[serde(default = "operator")]
    pub(crate) actor: String,
}

// What columns hold that came into the schema later: a dump from before may lack them.
fn customer() -> String {
    Sender::Customer.to_string()
}

fn sent() -> String {
    Progress::Sent.to_string()
}

fn text() -> String {
    DeliveryRoute::FIRST.to_string()
}

fn manager() -> String {
    Recipient::Manager.to_string()
}

fn operator() -> String {
    "operator".to_owned()
}
