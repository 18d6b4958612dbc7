//! Where tickets and messages are kept.

use std::{str::FromStr, sync::Arc};

use async_trait::async_trait;

use super::ChoiceResult;
use crate::{
    AccessKey, AuditStamp, ExternalId, IdempotencyKey, Message, MessageId, Notification, Phone, Question, QuestionId,
    Thread, Ticket, TicketId, TicketRef, TicketSummary, Timestamp,
};

/// Everything that opening a ticket writes, decided beforehand and written together.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The ticket, at version 1.
    pub ticket: Ticket,
    /// The first message of its thread.
    pub message: Message,
    /// What the manager is told.
    pub notification: Notification,
    /// What makes a repetition of the request harmless.
    pub idempotency: Option<Idempotency>,
}

/// A request's key, and what it was used for.
#[derive(Debug, Clone)]
pub struct Idempotency {
    /// The caller's key.
    pub key: IdempotencyKey,
    /// SHA-256 of the request.
    pub digest: [u8; 32],
    /// From when on the key is free again. A record whose end is at or before the ticket's `created_at` counts for
    /// nothing and is replaced.
    pub expires_at: Timestamp,
}

/// What became of an opening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenResult {
    /// Committed.
    Opened,
    /// Nothing written: another ticket has this reference. Ask again with another.
    ReferenceTaken,
    /// Nothing written: the key was used before.
    AlreadyOpened(ExistingTicket),
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

/// A way to look a ticket up.
#[derive(Debug, Clone)]
pub enum TicketLookup {
    /// By its reference.
    Reference(TicketRef),
    /// By the outside id of one of its messages, or of a message by which a notification of it was handed over.
    Quoted(ExternalId),
}

/// A message to be added to a ticket, with everything that is written along with it.
#[derive(Debug, Clone)]
pub struct Append {
    /// The ticket.
    pub to: TicketId,
    /// The message. If its `external_id` is kept as unmatched, that message joins the ticket, with this one's sender
    /// and with its own id, content and time.
    pub message: Message,
    /// What the manager is told of it, if anything.
    pub notification: Option<Notification>,
    /// Whether the ticket becomes open again.
    pub reopen: bool,
    /// The manager whose open question this message ends, if it is new: neither known nor kept before.
    pub ends_question_of: Option<Phone>,
    /// What makes a repetition of the request harmless. A record whose end is at or before the message's `created_at`
    /// counts for nothing and is replaced.
    pub idempotency: Option<Idempotency>,
    /// What goes into the trail, as an operator's reply, if an operator wrote it.
    pub note: Option<AuditStamp>,
}

/// A message to be kept until its ticket is known.
#[derive(Debug, Clone)]
pub struct StoreUnmatched {
    /// The message.
    pub message: Message,
    /// What its writer is asked.
    pub asking: QuestionUpdate,
}

/// What the writer of a kept message is asked.
#[derive(Debug, Clone)]
pub enum QuestionUpdate {
    /// Nothing.
    None,
    /// The open question, which is now about this message too, and is asked again at the message's time.
    Extend(QuestionId),
    /// A new question, in place of the one that is open.
    Ask {
        /// The question.
        question: Question,
        /// What it takes the place of.
        instead_of: Precondition,
    },
}

/// The question that another takes the place of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precondition {
    /// Whichever is open, if any.
    AnyQuestion,
    /// This one, or none; nothing is written if another is open.
    Only(Option<QuestionId>),
}

/// Where a message is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Existing {
    /// Kept, and this was asked about it.
    Unmatched(Option<Question>),
    /// In a thread.
    InThread {
        /// The message.
        id: MessageId,
        /// Its ticket.
        of: TicketRef,
    },
    /// Nowhere: it is the answer to a question, which did this.
    Answer(ChoiceResult),
}

/// What became of a message to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredUnmatched {
    /// Written, and its writer's question with it.
    Stored,
    /// Nothing written: this `external_id` is known already.
    AlreadyKnown(Existing),
    /// Nothing written: the writer's open question is another one than the caller knew. Look again.
    QuestionChanged,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Appended {
    /// Written.
    Added,
    /// It had been kept as unmatched under this id; now it is part of the ticket.
    Joined(MessageId),
    /// Nothing written: this `external_id` is that message already, of that ticket unless it is still unmatched.
    AlreadyStored {
        /// The message.
        id: MessageId,
        /// Its ticket.
        of: Option<TicketRef>,
    },
    /// Nothing written: this `external_id` is no message but the answer to a question, which did this.
    Answer(ChoiceResult),
    /// Nothing written: the idempotency key was used before.
    Repeated {
        /// SHA-256 of the request that came first.
        digest: [u8; 32],
        /// The message that it made and its time; none if it made a ticket.
        message: Option<(MessageId, Timestamp)>,
    },
}

/// What lies beneath a store's error.
pub type Source = Arc<dyn std::error::Error + Send + Sync>;

/// Why a store did not do what it was asked. Nothing was written, unless the answer to a commit was lost on its way.
/// Cloneable, so that one failed commit can be told to every request that was in it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// No connection in time, or the store cannot take writes now. Asking again later may help.
    #[error("the store is unavailable")]
    Unavailable(#[source] Source),
    /// A row holds what no value type accepts.
    #[error("{table}.{column} holds a value that the domain refuses")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// Why the value is refused.
        #[source]
        source: Source,
    },
    /// Anything else.
    #[error("the store failed")]
    Failed(#[source] Source),
}

impl StoreError {
    /// An error for a value of a row that the domain refuses.
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

/// Turns a stored text into a value, through the same door that input comes in by.
pub fn parse<T>(table: &'static str, column: &'static str, raw: &str) -> Result<T, StoreError>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    raw.parse().map_err(|error| StoreError::corrupt(table, column, error))
}

/// Tickets and their messages. One call is one transaction: all of it, or nothing. Calls take owned values and borrow
/// nothing, so that a store may run several in one commit.
#[async_trait]
pub trait TicketStore: Send + Sync {
    /// Writes a ticket, its first message, its notification and its idempotency record. A used key goes before a
    /// taken reference.
    async fn open(&self, opening: Opening) -> Result<OpenResult, StoreError>;

    /// About how many tickets have been opened at or after `since`: never fewer, and more by as many as were begun and
    /// not written. Answers in the same time however many there are.
    async fn opened_since(&self, since: Timestamp) -> Result<u64, StoreError>;

    /// The ticket that a look-up leads to. An outside id that leads to several tickets leads to none: nothing is guessed.
    async fn find(&self, look_up: TicketLookup) -> Result<Option<Ticket>, StoreError>;

    /// The head of a ticket, for much less than the whole thread.
    async fn head(&self, reference: TicketRef) -> Result<Option<TicketSummary>, StoreError>;

    /// A ticket with its messages, in the order in which they were written.
    async fn thread(&self, reference: TicketRef) -> Result<Option<Thread>, StoreError>;

    /// Adds a message to a ticket (which must exist), raises the ticket's version and sets its `updated_at` to the time
    /// of the given message, also where a kept one joins. A used key goes before everything else.
    async fn append(&self, append: Append) -> Result<Appended, StoreError>;

    /// The message that is kept as unmatched under an outside id.
    async fn kept(&self, external_id: ExternalId) -> Result<Option<Message>, StoreError>;

    /// Keeps a message whose ticket is not known, once per `external_id`, and what its writer is asked.
    async fn store_unmatched(&self, keep: StoreUnmatched) -> Result<StoredUnmatched, StoreError>;
}

/// What a store says of itself and of what waits in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vitals {
    /// Notifications that will be tried, or are being tried.
    pub waiting: u64,
    /// Of those, the ones that are being tried.
    pub leased: u64,
    /// Notifications that wait for an operator's word.
    pub held: u64,
    /// Notifications that were given up.
    pub dead: u64,
    /// When the oldest one waiting was made.
    pub oldest_waiting: Option<Timestamp>,
    /// Messages whose ticket is not known.
    pub unmatched: u64,
}

/// How many connections a store has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolUse {
    /// Open connections.
    pub open: u32,
    /// Those of them that are idle.
    pub idle: u32,
    /// The most there may be.
    pub max: u32,
}

/// Whether a store is well.
#[async_trait]
pub trait StoreHealth: Send + Sync {
    /// Asks the store for a sign of life.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Counts what waits at `now`.
    async fn vitals(&self, now: Timestamp) -> Result<Vitals, StoreError>;

    /// How the connections are used. Answers at once. `None` where there is no pool.
    fn pool_use(&self) -> Option<PoolUse>;
}
