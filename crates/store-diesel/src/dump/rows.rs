//! The tables as a dump has them: every column under its own name, declared once.

use diesel::{Insertable, Queryable, Selectable, pg::Pg, sqlite::Sqlite};
use serde::{Deserialize, Serialize};
use ticket_domain::{
    AccessKey, Actor, Address, AuditKind, Channel, Content, ControlKind, CustomerName, DeliveryRoute, Email, EventKind,
    ExternalId, FileName, FileState, FileType, IdempotencyKey, MediaUrl, MessageBody, MessageStatus, Phone, Priority,
    Progress, QuestionKind, Recipient, Sender, Stage, Status, Subject, TicketRef, Timestamp, Visibility,
    ports::{StoreError, parse},
};
use uuid::Uuid;

use super::{
    check::{AnyText, AttachmentList, Check, Choices, Digest},
    encoding,
};
use crate::{
    schema::{
        audit_log, contacts, control_messages, files, idempotency_keys, messages, notifications, previous_external_ids,
        questions, receipts, tickets,
    },
    types::Stored,
};

/// Declares the tables, in an order in which none refers to a later one. Each has the order of its rows (texts by their bytes,
/// in Postgres' words), the column that names a row in an error, and its columns; `as` is the type of the domain whose values
/// the column has.
macro_rules! tables {
    ($($table:ident $variant:ident $row:ident, order $order:literal, key $key:ident {
        $($(#[$attribute:meta])* $column:ident: $type:ty $(as $domain:ty)?,)+
    })+) => {
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

            /// What people find the row by.
            pub(crate) fn key(&self) -> String {
                match self {
                    $(Self::$variant(row) => format!("{} {}", stringify!($key), row.$key),)+
                }
            }

            /// Checks that the domain accepts every value, and would write it just so. A row that it refuses could not be
            /// read later, so it is refused before it gets into a backup or a store.
            pub(crate) fn check(&self) -> Result<(), StoreError> {
                match self {
                    $(Self::$variant(row) => {
                        $($(Check::<$domain>::check(&row.$column, stringify!($table), stringify!($column))?;)?)+
                    })+
                }
                match self {
                    Self::Messages(row) => row.check_content(),
                    Self::AuditLog(row) => row.check_action(),
                    _ => Ok(()),
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

        $(
            #[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, Serialize, Deserialize)]
            #[diesel(table_name = $table, check_for_backend(Pg, Sqlite), treat_none_as_default_value = false)]
            #[serde(deny_unknown_fields)]
            pub(crate) struct $row {
                $($(#[$attribute])* pub(crate) $column: $type,)+
            }
        )+

        /// Calls a macro with every table: its name, its variant in [`Row`], its row, and the order of its rows.
        macro_rules! for_each_table {
            ($then:ident) => {
                $then! { $($table $variant $row $order,)+ }
            };
        }
    };
}

tables! {
    tickets Tickets TicketRow, order "number", key number {
        number: i64,
        id: Stored<Uuid>,
        reference: String as TicketRef,
        customer_name: String as CustomerName,
        customer_phone: String as Phone,
        customer_email: String as Email,
        subject: String as Subject,
        priority: String as Priority,
        status: String as Status,
        customer_key: String as AccessKey,
        reader_key: String as AccessKey,
        version: i64 as u32,
        created_at: Stored<Timestamp>,
        updated_at: Stored<Timestamp>,
        #[serde(default = "customer")]
        last_sender: String as Sender,
        #[serde(default)]
        notes: i64 as u32,
        #[serde(default)]
        seen: i64 as u32,
        #[serde(default)]
        unsubscribed: bool,
    }
    questions Questions QuestionRow, order "id", key id {
        id: Stored<Uuid>,
        #[serde(alias = "of_phone")]
        asked: String as Address,
        choices: String as Choices,
        text: String as AnyText,
        kind: String as QuestionKind,
        sent_at: Stored<Timestamp>,
        asked_at: Stored<Timestamp>,
        closed_at: Option<Stored<Timestamp>>,
        answered_by: Option<String> as ExternalId,
        answered_with: Option<Stored<Uuid>>,
        attached: Option<i64> as u64,
        #[serde(default)]
        merged_into: Option<Stored<Uuid>>,
        #[serde(default)]
        answered_at: Option<Stored<Timestamp>>,
    }
    messages Messages MessageRow, order "id", key id {
        id: Stored<Uuid>,
        ticket_id: Option<Stored<Uuid>>,
        seq: Option<i64> as u32,
        sender: String as Sender,
        channel: String as Channel,
        #[serde(alias = "from_phone")]
        from_address: Option<String> as Address,
        body: String as MessageBody,
        media_url: Option<String> as MediaUrl,
        external_id: Option<String> as ExternalId,
        created_at: Stored<Timestamp>,
        question_id: Option<Stored<Uuid>>,
        #[serde(default = "public")]
        visibility: String as Visibility,
        #[serde(default)]
        attachments: Option<String> as AttachmentList,
    }
    files Files FileRow, order "id", key id {
        id: Stored<Uuid>,
        message_id: Option<Stored<Uuid>>,
        seq: Option<i64> as u32,
        state: String as FileState,
        name: Option<String> as FileName,
        file_type: Option<String> as FileType,
        size: Option<i64> as u64,
        #[serde(with = "encoding::optional_bytes")]
        digest: Option<Vec<u8>> as Digest,
        created_at: Stored<Timestamp>,
    }
    notifications Notifications NotificationRow, order "id", key id {
        id: Stored<Uuid>,
        ticket_id: Option<Stored<Uuid>>,
        seq: Option<i64> as u32,
        event: String as EventKind,
        #[serde(with = "encoding::bytes")]
        payload: Vec<u8>,
        addressed: bool,
        state: String as Stage,
        due_at: Option<Stored<Timestamp>>,
        scheduled_at: Stored<Timestamp>,
        // Never in a dump: see `hand_back`.
        #[serde(skip)]
        lease: Option<Stored<Uuid>>,
        failed_attempts: i64 as u16,
        attempted_at: Option<Stored<Timestamp>>,
        probed_at: Option<Stored<Timestamp>>,
        #[serde(default)]
        released: bool,
        last_error: Option<String> as AnyText,
        external_id: Option<String> as ExternalId,
        settled_at: Option<Stored<Timestamp>>,
        created_at: Stored<Timestamp>,
        #[serde(default = "sent")]
        progress: String as Progress,
        #[serde(default = "text")]
        route: String as DeliveryRoute,
        #[serde(default)]
        round: i64 as u32,
        #[serde(default = "manager")]
        recipient: String as Recipient,
        #[serde(default)]
        question_id: Option<Stored<Uuid>>,
    }
    previous_external_ids PreviousExternalIds PreviousExternalIdRow,
        order "external_id COLLATE \"C\", notification_id", key notification_id {
        external_id: String as ExternalId,
        notification_id: Stored<Uuid>,
    }
    idempotency_keys IdempotencyKeys IdempotencyKeyRow, order "key COLLATE \"C\"", key ticket_id {
        key: String as IdempotencyKey,
        #[serde(with = "encoding::bytes")]
        digest: Vec<u8> as Digest,
        ticket_id: Stored<Uuid>,
        expires_at: Stored<Timestamp>,
        message_id: Option<Stored<Uuid>>,
    }
    receipts Receipts ReceiptRow, order "external_id COLLATE \"C\"", key external_id {
        external_id: String as ExternalId,
        status: String as MessageStatus,
        error_code: Option<i64> as u32,
        at: Stored<Timestamp>,
    }
    control_messages ControlMessages ControlMessageRow, order "external_id COLLATE \"C\"", key external_id {
        external_id: String as ExternalId,
        kind: String as ControlKind,
        ticket_id: Option<Stored<Uuid>>,
        reply: String as AnyText,
        at: Stored<Timestamp>,
    }
    contacts Contacts ContactRow, order "user_id COLLATE \"C\"", key user_id {
        user_id: String as Address,
        phone: String as Phone,
        seen_at: Stored<Timestamp>,
    }
    audit_log AuditLog AuditEntryRow, order "id", key id {
        id: Stored<Uuid>,
        at: Stored<Timestamp>,
        ticket_id: Option<Stored<Uuid>>,
        action: String as AuditKind,
        old_value: Option<String> as AnyText,
        new_value: Option<String> as AnyText,
        target_id: Option<Stored<Uuid>>,
        count: Option<i64> as u64,
        #[serde(default = "operator")]
        actor: String as Actor,
    }
}
pub(crate) use for_each_table;

// What the migrations put into columns that came later.
fn customer() -> String {
    Sender::Customer.to_string()
}

fn public() -> String {
    Visibility::Public.to_string()
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
    Actor::Operator(None).to_string()
}

impl NotificationRow {
    /// Takes the lease away: the worker that holds it is not where the dump goes. The notification is due again since it
    /// was claimed, and so at once.
    pub(crate) fn hand_back(&mut self) {
        let was_leased = self.lease.take().is_some();
        if let (true, Some(lease_end), Some(claimed)) = (was_leased, self.due_at, self.attempted_at) {
            self.due_at = Some(lease_end.min(claimed));
        }
    }
}

impl MessageRow {
    /// A message has a text, or else media.
    fn check_content(&self) -> Result<(), StoreError> {
        let media = self.media_url.as_ref().map(|url| parse("messages", "media_url", url));
        let content = Content::new(parse("messages", "body", &self.body)?, media.transpose()?);
        content.map_or_else(|error| Err(StoreError::corrupt("messages", "body", error)), |_| Ok(()))
    }
}

/// Columns of the audit log that this action does not fill, or some that it lacks.
#[derive(Debug, thiserror::Error)]
#[error("has other columns than this action fills")]
struct OtherColumns;

impl AuditEntryRow {
    /// Each action fills columns of its own.
    fn check_action(&self) -> Result<(), StoreError> {
        const TABLE: &str = "audit_log";
        let values = (self.old_value.as_deref(), self.new_value.as_deref());
        let rest = (self.target_id.is_some(), self.count.is_some());
        match (parse(TABLE, "action", &self.action)?, values, rest) {
            (AuditKind::Status, (Some(old), Some(new)), (false, false)) => {
                parse::<Status>(TABLE, "old_value", old)?;
                parse::<Status>(TABLE, "new_value", new)?;
            }
            (AuditKind::Priority, (Some(old), Some(new)), (false, false)) => {
                parse::<Priority>(TABLE, "old_value", old)?;
                parse::<Priority>(TABLE, "new_value", new)?;
            }
            (
                AuditKind::Reply | AuditKind::Note | AuditKind::Remove | AuditKind::Attach | AuditKind::Redeliver,
                (None, None),
                (true, false),
            )
            | (AuditKind::RedeliverDead | AuditKind::Erase, (None, None), (false, true)) => {}
            _ => return Err(StoreError::corrupt(TABLE, "action", OtherColumns)),
        }
        Ok(())
    }
}
