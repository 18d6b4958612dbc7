//! Who tells the manager.

use std::time::Duration;

use async_trait::async_trait;

use crate::{DeliveryRoute, EventKind, ExternalId, NotificationId, Payload, Ticket, values::partly_redacted_debug};

/// Something that the manager has to know.
#[derive(Clone, Copy)]
pub struct Event<'a> {
    /// What happened.
    pub kind: EventKind,
    /// The ticket, as it stands after it.
    pub ticket: &'a Ticket,
    /// What the customer wrote.
    pub message: &'a str,
    /// The manager's link to the ticket.
    pub ticket_url: &'a str,
}

partly_redacted_debug!(Event<'_>, shows kind, ticket; hides message, ticket_url);

/// Puts an event into the words of a notifier. Pure: the bytes are made once, stored with the event, and sent as they
/// are.
pub trait Composer: Send + Sync {
    /// The bytes to send.
    fn compose(&self, event: Event<'_>) -> Payload;

    /// The same event on another way; none if there is no such way here, such as a second number.
    fn redirect(&self, payload: &Payload, route: DeliveryRoute) -> Option<Payload> {
        let _ = (payload, route);
        None
    }

    /// The same message to whom it would go today, if that is somebody else than when it was composed.
    fn retarget(&self, payload: &Payload, route: DeliveryRoute) -> Option<Payload> {
        let _ = (payload, route);
        None
    }
}

/// One try.
#[derive(Debug, Clone, Copy)]
pub struct Delivering<'a> {
    /// The notification.
    pub id: NotificationId,
    /// Which message of the notification it is: 0 at first, one more whenever an earlier one was refused after it had
    /// been taken, or went another way. With `id` it is the same on every try of a message, so that a receiver can
    /// tell a repetition.
    pub round: u16,
    /// What it tells.
    pub event: EventKind,
    /// What to send.
    pub payload: &'a Payload,
}

/// What the receiver said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryResult {
    /// It took the notification.
    Accepted {
        /// The id that the manager's message got outside, if the receiver told.
        external_id: Option<ExternalId>,
    },
    /// It did not.
    Failed(Failure),
}

/// Why a try failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// For people, without secrets or personal data.
    pub reason: Box<str>,
    /// What follows from it.
    pub kind: FailureKind,
    /// How long the receiver asks to be left alone.
    pub retry_after: Option<Duration>,
}

/// What follows from a failed try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// Another try may succeed.
    Temporary,
    /// The receiver is overwhelmed: whatever is sent now would fail.
    Throttled,
    /// No try will ever succeed.
    Permanent,
}

/// Sends notifications. Bounded in time: an answer comes within the notifier's own time limit, whatever the receiver
/// does.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// Makes one try.
    async fn deliver(&self, delivering: Delivering<'_>) -> DeliveryResult;
}
