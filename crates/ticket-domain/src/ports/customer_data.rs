//! What is kept of a person: to be given back, or to be erased.

use async_trait::async_trait;

use super::StoreError;
use crate::{EntryId, Message, MessageId, Phone, TicketId, TicketRef, Timestamp};

/// What is to be erased, in one act.
#[derive(Debug, Clone)]
pub struct Erasure {
    /// Tickets, each with the name of its entry in the trail. One that is erased already, or does not exist, is passed
    /// over.
    pub tickets: Vec<(TicketId, EntryId)>,
    /// Messages outside of these tickets.
    pub messages: Vec<MessageId>,
    /// The name of the entry that counts these messages, if there are any.
    pub entry: EntryId,
    /// When.
    pub at: Timestamp,
}

/// What went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    /// Tickets whose customer is nobody any more.
    pub tickets: u64,
    /// Messages whose text is gone.
    pub messages: u64,
    /// Notifications that will not be sent any more.
    pub cancelled: u64,
}

impl std::ops::AddAssign for Removed {
    fn add_assign(&mut self, more: Self) {
        self.tickets += more.tickets;
        self.messages += more.messages;
        self.cancelled += more.cancelled;
    }
}

/// One step through the tickets, in the order in which they were opened.
#[derive(Debug, Clone, Copy)]
pub struct Stale {
    /// Where the last step ended; 0 at the beginning.
    pub after: i64,
    /// Tickets to which nothing happened since then are meant.
    pub unchanged_since: Timestamp,
    /// How many are looked at, at most. It bounds how long the step takes.
    pub limit: u16,
}

/// What a step found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StaleTickets {
    /// Those that are not erased yet.
    pub tickets: Vec<TicketId>,
    /// Where the next step begins. None if all that is old was looked at.
    pub next: Option<i64>,
}

/// People's data.
#[async_trait]
pub trait CustomerData: Send + Sync {
    /// Messages that came from a number, written with its `+` or without, in threads and kept, but for managers'; each
    /// with its ticket, if it has one.
    async fn messages_from(&self, phone: Phone) -> Result<Vec<(Message, Option<TicketRef>)>, StoreError>;

    /// Finds tickets to which nothing happened for long.
    async fn stale(&self, stale: Stale) -> Result<StaleTickets, StoreError>;

    /// Puts [`Erased`](crate::Erased) in the place of everything that says who the customers of these tickets are and
    /// what was written, in all that is kept: tickets and their messages, search, payloads, idempotency records and what
    /// managers were asked, which then counts as closed. What was not sent yet is not sent any more. References, times,
    /// counts and outside ids stay; the tickets get one version more. The messages are erased likewise.
    async fn erase(&self, erasure: Erasure) -> Result<Removed, StoreError>;
}
