//! Hearing of changes as they happen.

use std::sync::Arc;

use crate::TicketId;

/// Something changed in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChangeEvent {
    /// A ticket is new, or has a message more, another status or priority, or its newest notification got further.
    Ticket(TicketId),
    /// A message was kept as unmatched, or found its ticket.
    Unmatched,
    /// Something may have been missed: whoever follows anything should look again.
    Resync,
}

/// Who wants to know.
pub trait Subscriber: Send + Sync {
    /// Something was committed. Returns at once: it is called between two commits.
    fn on_change(&self, events: ChangeEvent);
}

/// Tells of everything that is committed, by this process or another one on the same store. What is told may have been
/// told before, and several changes of one ticket may be told as one. A process that dies between a commit and its
/// announcement leaves the others untold.
pub trait ChangeFeed: Send + Sync {
    /// From now on `subscriber` is told, for as long as the store lives.
    fn follow(&self, subscriber: Arc<dyn Subscriber>);
}
