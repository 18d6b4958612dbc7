//! Everything that a store keeps, row by row, as any other store can take it.

use super::{super::Idempotency, StoredEntry};
use crate::{
    DeliveryRoute, EventKind, ExternalId, Message, MessageId, NotificationId, Payload, Progress, Question, QuestionId,
    Receipt, Sender, Stage, Ticket, TicketId, Timestamp,
};

/// The tables of a store, in an order in which none refers to a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Table {
    /// Tickets.
    TicketPage,
    /// What managers were asked.
    Questions,
    /// Messages, those in threads and those that are kept.
    Messages,
    /// Notifications.
    Notifications,
    /// What refused messages of notifications were called outside.
    EarlierIds,
    /// The keys of requests.
    IdempotencyKeys,
    /// Receipts of messages that are not known yet.
    Receipts,
    /// What operators did.
    Trail,
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::TicketPage,
        Self::Questions,
        Self::Messages,
        Self::Notifications,
        Self::EarlierIds,
        Self::IdempotencyKeys,
        Self::Receipts,
        Self::Trail,
    ];

    /// What it is called in every store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TicketPage => "tickets",
            Self::Questions => "questions",
            Self::Messages => "messages",
            Self::Notifications => "notifications",
            Self::EarlierIds => "earlier_ids",
            Self::IdempotencyKeys => "idempotency_keys",
            Self::Receipts => "receipts",
            Self::Trail => "trail",
        }
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A ticket as a store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTicket {
    /// Which one it is, in the order in which tickets were opened.
    pub number: i64,
    /// The ticket.
    pub ticket: Ticket,
    /// Who wrote the newest message of its thread.
    pub last_sender: Sender,
}

/// A message as a store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessage {
    /// The message.
    pub message: Message,
    /// Its place in a thread; none while its ticket is not known.
    pub seat: Option<Seat>,
    /// What was asked about it.
    pub question: Option<QuestionId>,
}

/// A message's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat {
    /// The ticket.
    pub ticket: TicketId,
    /// The ticket's version that it made.
    pub seq: u32,
}

/// A notification as a store keeps it. A lease never travels: see [`handed_back`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredNotification {
    /// Its name.
    pub id: NotificationId,
    /// The ticket it tells of.
    pub ticket: TicketId,
    /// The ticket's version that it tells of.
    pub seq: u32,
    /// What it tells.
    pub event: EventKind,
    /// What is sent.
    pub payload: Payload,
    /// Whether there was anywhere to send it to.
    pub addressed: bool,
    /// Where it stands.
    pub state: Stage,
    /// The next try, if there is one.
    pub due_at: Option<Timestamp>,
    /// When the schedule has its next try.
    pub scheduled_at: Timestamp,
    /// How many tries failed.
    pub failures: u16,
    /// The last claim.
    pub tried_at: Option<Timestamp>,
    /// The last claim beside the schedule.
    pub probed_at: Option<Timestamp>,
    /// Whether it was made due before its time.
    pub released: bool,
    /// Why the last try failed.
    pub last_error: Option<Box<str>>,
    /// What the manager's message is called outside.
    pub external_id: Option<ExternalId>,
    /// Since when it is as far as it is.
    pub settled_at: Option<Timestamp>,
    /// When the event happened.
    pub created_at: Timestamp,
    /// How far one that was delivered is.
    pub progress: Progress,
    /// The way that it takes.
    pub route: DeliveryRoute,
    /// Which message of it goes out, the first being 0.
    pub round: u32,
}

/// When a notification is due whose `lease` is handed back because its worker is gone: at its claim, and so at once.
pub fn handed_back(is_leased: bool, due_at: Option<Timestamp>, tried_at: Option<Timestamp>) -> Option<Timestamp> {
    match (due_at, tried_at) {
        (Some(lease_end), Some(claimed)) if is_leased => Some(lease_end.min(claimed)),
        _ => due_at,
    }
}

/// A request's key as a store keeps it.
#[derive(Debug, Clone)]
pub struct StoredKey {
    /// The key.
    pub idempotency: Idempotency,
    /// The ticket that it was used for.
    pub ticket: TicketId,
    /// The message that it wrote, if it did not open the ticket.
    pub message: Option<MessageId>,
}

/// A question as a store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredQuestion {
    /// The question.
    pub question: Question,
    /// Since when it can't be answered any more.
    pub closed_at: Option<Timestamp>,
    /// The outside id of the answer.
    pub answered_by: Option<ExternalId>,
    /// The ticket that was picked.
    pub answered_with: Option<TicketId>,
    /// How many messages the answer brought to its ticket.
    pub attached: Option<u64>,
}

/// What a message of a notification was called outside that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarlierId {
    /// The id.
    pub external_id: ExternalId,
    /// The notification.
    pub notification: NotificationId,
}

/// Some rows of one table.
#[derive(Debug, Clone)]
pub enum Rows {
    /// Tickets.
    TicketPage(Vec<StoredTicket>),
    /// Questions.
    Questions(Vec<StoredQuestion>),
    /// Messages.
    Messages(Vec<StoredMessage>),
    /// Notifications.
    Notifications(Vec<StoredNotification>),
    /// Earlier ids.
    EarlierIds(Vec<EarlierId>),
    /// Keys.
    IdempotencyKeys(Vec<StoredKey>),
    /// Receipts.
    Receipts(Vec<Receipt>),
    /// Entries of the trail.
    Trail(Vec<StoredEntry>),
}

impl Rows {
    /// Their table.
    pub fn table(&self) -> Table {
        match self {
            Self::TicketPage(_) => Table::TicketPage,
            Self::Questions(_) => Table::Questions,
            Self::Messages(_) => Table::Messages,
            Self::Notifications(_) => Table::Notifications,
            Self::EarlierIds(_) => Table::EarlierIds,
            Self::IdempotencyKeys(_) => Table::IdempotencyKeys,
            Self::Receipts(_) => Table::Receipts,
            Self::Trail(_) => Table::Trail,
        }
    }

    /// How many they are.
    pub fn count(&self) -> u64 {
        let count = match self {
            Self::TicketPage(rows) => rows.len(),
            Self::Questions(rows) => rows.len(),
            Self::Messages(rows) => rows.len(),
            Self::Notifications(rows) => rows.len(),
            Self::EarlierIds(rows) => rows.len(),
            Self::IdempotencyKeys(rows) => rows.len(),
            Self::Receipts(rows) => rows.len(),
            Self::Trail(rows) => rows.len(),
        };
        count as u64
    }
}
