//! What is kept of a person: to be given back, or to be erased.

use async_trait::async_trait;

use super::StoreError;
use crate::{AuditStamp, Message, MessageId, Phone, TicketId, TicketRef, Timestamp};

/// What is to be erased, in one act.
#[derive(Debug, Clone)]
pub struct Erasure {
    /// What.
    pub what: EraseTarget,
    /// Its entry in the audit log.
    pub stamp: AuditStamp,
}

/// What an act of erasing is about.
#[derive(Debug, Clone)]
pub enum EraseTarget {
    /// A step through a ticket. One that does not exist is passed over, and so is one of which nothing is left to erase.
    /// Who its customer is goes with the last step: until then it is found as theirs.
    Ticket {
        /// Which.
        id: TicketId,
        /// Where the last step ended; 0 at the beginning.
        after: u64,
        /// So many messages at most. It bounds how long the step takes.
        limit: u16,
    },
    /// Messages, in whosever tickets they are.
    Messages(Vec<MessageId>),
}

/// What went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EraseStats {
    /// Tickets whose customer is nobody any more.
    pub tickets: u64,
    /// Messages whose text is gone.
    pub messages: u64,
    /// Notifications that will not be sent any more.
    pub cancelled: u64,
    /// Where the next step through the ticket begins. None after the last.
    pub next: Option<u64>,
}

impl std::ops::AddAssign for EraseStats {
    fn add_assign(&mut self, more: Self) {
        self.tickets += more.tickets;
        self.messages += more.messages;
        self.cancelled += more.cancelled;
        self.next = more.next;
    }
}

/// One step through the tickets, in the order in which they were opened.
#[derive(Debug, Clone, Copy)]
pub struct InactiveQuery {
    /// Where the last step ended; 0 at the beginning.
    pub after: i64,
    /// Tickets to which nothing happened since then are meant.
    pub unchanged_since: Timestamp,
    /// How many are looked at, at most. It bounds how long the step takes.
    pub limit: u16,
}

/// What a step found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InactiveTickets {
    /// Those of which something is left to erase.
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
    async fn stale(&self, stale: InactiveQuery) -> Result<InactiveTickets, StoreError>;

    /// Puts [`Redaction`](crate::Erased) in the place of everything that says who the customer of a ticket is and what was
    /// written, in all that is kept: the ticket and its messages, search, payloads, idempotency records and what managers
    /// were asked, which then counts as closed. What was not sent yet is not sent any more. References, times, counts and
    /// outside ids stay; the ticket gets one version more. Messages are erased likewise, with what was told of them.
    async fn erase(&self, erasure: Erasure) -> Result<EraseStats, StoreError>;
}
