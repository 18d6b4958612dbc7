//! Notice of committed changes.

use std::sync::Arc;

use crate::TicketId;

/// A change in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChangeEvent {
    /// A ticket was opened, or its messages, status, priority or newest notification changed.
    Ticket(TicketId),
    /// A message was stored as unmatched, or attached to a ticket.
    Unmatched,
    /// Events may have been lost: subscribers should reload what they show.
    Resync,
}

/// Receives change events.
pub trait Subscriber: Send + Sync {
    /// Handles a committed change. It must return at once, because the store calls it between two commits.
    fn on_change(&self, events: ChangeEvent);
}

/// Publishes every commit of this process and of others on the same store.
///
/// An event may repeat, and one event may stand for several changes of a ticket. If a process dies between a commit and
/// its event, other processes do not get the event.
pub trait ChangeFeed: Send + Sync {
    /// Sends events to `subscriber` from now on, for as long as the store lives.
    fn follow(&self, subscriber: Arc<dyn Subscriber>);
}
