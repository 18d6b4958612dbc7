//! Tickets and messages.

use std::{str::FromStr, sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{ChoiceResult, NewAttachment, RecordedControl};
use crate::{
    AccessKey, AuditStamp, ExternalId, IdempotencyKey, Message, MessageId, Notification, Payload, Question, Thread,
    Ticket, TicketId, TicketRef, TicketSummary, Timestamp,
};

/// Everything that opening a ticket writes, in one transaction.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The ticket, at version 1.
    pub ticket: Ticket,
    /// The first message of its thread.
    pub message: Message,
    /// Its files, in order.
    pub attachments: Vec<NewAttachment>,
    /// The notifications to send: one to the manager, and at most one to each other recipient.
    pub notifications: Vec<Notification>,
    /// The request's idempotency key, if it has one.
    pub idempotency: Option<Idempotency>,
}

/// An idempotency key, and the request it belongs to.
#[derive(Debug, Clone)]
pub struct Idempotency {
    /// The key.
    pub key: IdempotencyKey,
    /// SHA-256 of the request.
    pub digest: [u8; 32],
    /// When the key expires. A record that has expired at the ticket's `created_at` is ignored and replaced.
    pub expires_at: Timestamp,
}

/// The result of opening a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenResult {
    /// The ticket was opened.
    Opened,
    /// Nothing was written: another ticket has this reference. Retry with another reference.
    ReferenceTaken,
    /// Nothing was written: the key was used before.
    AlreadyOpened(ExistingTicket),
    /// Nothing was written: an upload is not there, or joined a message before.
    UploadGone,
}

/// The ticket that an idempotency key opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExistingTicket {
    /// SHA-256 of the request that came first.
    pub digest: [u8; 32],
    /// The ticket that it opened.
    pub id: TicketId,
    /// Its reference.
    pub reference: TicketRef,
    /// Its customer's key.
    pub access_key: AccessKey,
}

/// How to find a ticket.
#[derive(Debug, Clone)]
pub enum TicketLookup {
    /// By its reference.
    Reference(TicketRef),
    /// By its id.
    Id(TicketId),
    /// By the external id of one of its messages, or of a message that notified of it.
    Quoted(ExternalId),
}

/// A message to add to a ticket, and everything written with it in one transaction.
#[derive(Debug, Clone)]
pub struct Append {
    /// The ticket.
    pub to: TicketId,
    /// The message. If an unmatched message has its `external_id`, that one joins the ticket instead: with this sender, and
    /// with its own id, content and time.
    pub message: Message,
    /// Its files, in order. None may join together with an unmatched message.
    pub attachments: Vec<NewAttachment>,
    /// The notifications to send, at most one for each recipient.
    pub notifications: Vec<Notification>,
    /// Whether to reopen the ticket.
    pub reopen: bool,
    /// The request's idempotency key, if it has one. A record that has expired at the message's `created_at` is ignored and
    /// replaced.
    pub idempotency: Option<Idempotency>,
    /// The entry of the audit log, if an operator wrote the message.
    pub note: Option<AuditStamp>,
    /// How many messages the thread may have of this message's sender on its channel, with this one. `None`: any number.
    /// Calls at the same time may exceed it by one each.
    pub max_of_sender: Option<u32>,
}

/// A message to store as unmatched.
#[derive(Debug, Clone)]
pub struct StoreUnmatched {
    /// The message.
    pub message: Message,
    /// The question to its sender; `None` if nobody is asked.
    pub asking: Option<NewQuestion>,
}

/// A question about an unmatched message.
#[derive(Debug, Clone)]
pub struct NewQuestion {
    /// The question. It is not asked if the message joins an open batch of the same person
    /// ([`Question::joins_since`]).
    pub question: Question,
    /// The notification that sends it, if it can be sent.
    pub notification: Option<Notification>,
    /// The question that the message is expected to join, as it reads from then on, and the payload that sends it. If the
    /// message joins it and it is not sent yet, its text, its choices and its notification are replaced.
    pub restated: Option<(Question, Option<Payload>)>,
}

/// Where a message of a known external id is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Existing {
    /// Unmatched, with the question that was asked about it. A customer is asked about one message, whatever joins it later.
    Unmatched(Option<Question>),
    /// In a thread.
    InThread {
        /// The message.
        id: MessageId,
        /// Its ticket.
        of: TicketRef,
    },
    /// Nowhere: it answered a question, with this result.
    Answer(ChoiceResult),
    /// Nowhere: it was a control message.
    Control(RecordedControl),
}

/// The result of storing an unmatched message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredUnmatched {
    /// The message was stored, and the question asked if there is one.
    Stored,
    /// The message was stored, and joined the batch of this question.
    Joined(Question),
    /// Nothing was written: this `external_id` is known already.
    AlreadyKnown(Existing),
}

/// The result of adding a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Appended {
    /// The message was added.
    Added,
    /// The unmatched message of this external id joined the ticket.
    Joined(MessageId),
    /// Nothing was written: this `external_id` belongs to a message of that ticket, or to an unmatched one.
    AlreadyStored {
        /// The message.
        id: MessageId,
        /// Its ticket; `None` while it is unmatched.
        of: Option<TicketRef>,
    },
    /// Nothing was written: this `external_id` is no message, but an answer or a control message.
    NoMessage(Existing),
    /// Nothing was written: the thread has as many messages of the sender as it may have.
    Full,
    /// Nothing was written: an upload is not there, or joined a message before.
    UploadGone,
    /// Nothing was written: the idempotency key was used before.
    Repeated {
        /// SHA-256 of the request that came first.
        digest: [u8; 32],
        /// The message that it added, and when; `None` if it opened a ticket.
        message: Option<(MessageId, Timestamp)>,
    },
}

/// The cause of a store's error.
pub type Source = Arc<dyn std::error::Error + Send + Sync>;

/// Why a call of a store failed. Nothing was written, unless the connection was lost during the commit. The error is
/// cloneable, because several calls may share one commit.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// No connection in time, or the store does not accept writes at the moment. A later call may succeed.
    #[error("the store is unavailable")]
    Unavailable(#[source] Source),
    /// A row holds a value that its type rejects.
    #[error("{table}.{column} holds a value that the domain refuses")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// Why the value is rejected.
        #[source]
        source: Source,
    },
    /// Anything else.
    #[error("the store failed")]
    Failed(#[source] Source),
}

impl StoreError {
    /// Makes a [`Corrupt`](Self::Corrupt) error.
    pub fn corrupt(
        table: &'static str,
        column: &'static str,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self::Corrupt {
            table,
            column,
            source: Arc::new(source),
        }
    }
}

/// Parses a stored text with the value type's own constructor.
///
/// # Errors
///
/// [`StoreError::Corrupt`] with `table` and `column`, if the type rejects the text.
pub fn parse<T>(table: &'static str, column: &'static str, raw: &str) -> Result<T, StoreError>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    raw.parse().map_err(|error| StoreError::corrupt(table, column, error))
}

/// Tickets and their messages. Calls take owned values, so that a store may run several in one commit.
///
/// # Errors
///
/// Every call fails if the store is unavailable or a row is corrupt; nothing was written then.
#[async_trait]
pub trait TicketStore: Send + Sync {
    /// Opens a ticket with its first message, files, notification and idempotency record. If the key was used and the
    /// reference is taken or an upload gone as well, the key decides the result. Each file that joins raises the ticket's
    /// version by one, and its notification goes out after the ones before.
    async fn open(&self, opening: Opening) -> Result<OpenResult, StoreError>;

    /// Returns about how many tickets were opened at or after `since`: never too few, and too many only by transactions
    /// that were rolled back. The duration does not depend on the number of tickets.
    async fn opened_since(&self, since: Timestamp) -> Result<u64, StoreError>;

    /// Returns how long tickets waited for their first answer, in any order: of those whose first answer came at or after
    /// `since` and is among the newest 1,000 messages of all. Notes and removed messages are no answers. When a message came
    /// is told by its id, a UUID of version 7. The duration does not depend on the number of tickets and messages.
    async fn first_answers(&self, since: Timestamp) -> Result<Vec<Duration>, StoreError>;

    /// Finds a ticket. An external id that belongs to several tickets finds none.
    async fn find(&self, look_up: TicketLookup) -> Result<Option<Ticket>, StoreError>;

    /// Returns a ticket's summary, which costs much less than its thread.
    async fn summary(&self, reference: TicketRef) -> Result<Option<TicketSummary>, StoreError>;

    /// Returns a ticket with its messages, in the order in which they were stored.
    async fn thread(&self, reference: TicketRef) -> Result<Option<Thread>, StoreError>;

    /// Adds a message to a ticket, which must exist. Raises the ticket's version, and sets its `updated_at` to the time of
    /// the given message, also where an unmatched one joins. A used key is checked first. Each file raises the version by one
    /// more, and its notification goes out after the ones before.
    async fn append(&self, append: Append) -> Result<Appended, StoreError>;

    /// Returns the unmatched message of an external id.
    async fn unmatched_message(&self, external_id: ExternalId) -> Result<Option<Message>, StoreError>;

    /// Stores an unmatched message, once per `external_id`, and updates its sender's question.
    async fn store_unmatched(&self, keep: StoreUnmatched) -> Result<StoredUnmatched, StoreError>;
}

/// Counts of what waits in a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vitals {
    /// Waiting notifications, including those with an attempt in progress.
    pub waiting: u64,
    /// Of those, the ones with an attempt in progress.
    pub leased: u64,
    /// Notifications that are held for an operator.
    pub held: u64,
    /// Dead notifications.
    pub dead: u64,
    /// When the oldest waiting one was created.
    pub oldest_waiting: Option<Timestamp>,
    /// Unmatched messages.
    pub unmatched: u64,
}

/// A store's connection pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolUse {
    /// Open connections.
    pub open: u32,
    /// Those of them that are idle.
    pub idle: u32,
    /// The most there may be.
    pub max: u32,
}

/// A store's health.
///
/// # Errors
///
/// The calls fail if the store is unavailable.
#[async_trait]
pub trait StoreHealth: Send + Sync {
    /// Checks that the store answers.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Counts what waits at `now`.
    async fn vitals(&self, now: Timestamp) -> Result<Vitals, StoreError>;

    /// Returns the state of the connection pool at once; `None` without a pool.
    fn pool_use(&self) -> Option<PoolUse>;
}
