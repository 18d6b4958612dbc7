//! Export and erasure of personal data.

use async_trait::async_trait;

use super::StoreError;
use crate::{Address, AuditStamp, Message, MessageId, TicketId, TicketRef, Timestamp};

/// One transaction of erasure.
#[derive(Debug, Clone)]
pub struct Erasure {
    /// What to erase.
    pub what: EraseTarget,
    /// Its entry in the audit log.
    pub stamp: AuditStamp,
}

/// What one transaction erases.
#[derive(Debug, Clone)]
pub enum EraseTarget {
    /// The next messages of a ticket. A ticket that does not exist, or has nothing left to erase, is skipped. The last
    /// step erases the customer's details; until then the ticket is found as theirs.
    Ticket {
        /// The ticket.
        id: TicketId,
        /// The `next` of the previous step; 0 for the first.
        after: u64,
        /// The most messages to erase, which bounds the duration of the step.
        limit: u16,
    },
    /// Messages, in any tickets or unmatched.
    Messages(Vec<MessageId>),
}

/// What was erased.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EraseStats {
    /// Tickets whose customer details were erased.
    pub tickets: u64,
    /// Messages whose text was erased.
    pub messages: u64,
    /// Notifications that were cancelled.
    pub cancelled: u64,
    /// Where the next step through the ticket begins; `None` after the last.
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

/// One step through the tickets, in the order of opening.
#[derive(Debug, Clone, Copy)]
pub struct InactiveQuery {
    /// The `next` of the previous step; 0 for the first.
    pub after: i64,
    /// A ticket is inactive if it did not change since then.
    pub unchanged_since: Timestamp,
    /// The most tickets to examine, which bounds the duration of the step.
    pub limit: u16,
}

/// The inactive tickets that a step found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InactiveTickets {
    /// Inactive tickets that still hold personal data.
    pub tickets: Vec<TicketId>,
    /// Where the next step begins; `None` if no inactive ticket is left to examine.
    pub next: Option<i64>,
}

/// Finds and erases personal data.
#[async_trait]
pub trait CustomerData: Send + Sync {
    /// Returns the messages that came from any of these addresses, written exactly so, in threads and unmatched, except
    /// managers' messages. Each comes with its ticket, if it has one.
    ///
    /// # Errors
    ///
    /// If the store is unavailable, or a row is corrupt.
    async fn messages_from(&self, addresses: Vec<Address>) -> Result<Vec<(Message, Option<TicketRef>)>, StoreError>;

    /// Finds inactive tickets.
    ///
    /// # Errors
    ///
    /// If the store is unavailable.
    async fn inactive_tickets(&self, stale: InactiveQuery) -> Result<InactiveTickets, StoreError>;

    /// Replaces personal data by its [`Redaction`](crate::Redaction) wherever the store holds it: in tickets, messages, the
    /// search index, payloads, idempotency records and questions to managers, which are closed. Notifications that were
    /// not sent yet are cancelled. References, times, counts and external ids stay. Each ticket's version rises by one.
    ///
    /// # Errors
    ///
    /// If the store is unavailable. Nothing was erased then.
    async fn erase(&self, erasure: Erasure) -> Result<EraseStats, StoreError>;
}
