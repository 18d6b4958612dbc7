//! Notifying the manager.

use std::time::Duration;

use async_trait::async_trait;

use crate::{DeliveryRoute, EventKind, ExternalId, NotificationId, Payload, Ticket, values::partly_redacted_debug};

/// An event that the manager is notified of.
#[derive(Clone, Copy)]
pub struct Event<'a> {
    /// What happened.
    pub kind: EventKind,
    /// The ticket after the event.
    pub ticket: &'a Ticket,
    /// What the customer wrote.
    pub message: &'a str,
    /// The manager's link to the ticket.
    pub ticket_url: &'a str,
}

partly_redacted_debug!(Event<'_>, shows kind, ticket; hides message, ticket_url);

/// Writes events for a notifier. A composer is pure: its bytes are stored with the event and sent unchanged on every
/// attempt.
pub trait Composer: Send + Sync {
    /// Returns the bytes to send.
    fn compose(&self, event: Event<'_>) -> Payload;

    /// Returns the same event for another route; `None` if the route is not available, such as without a second number.
    fn redirect(&self, payload: &Payload, route: DeliveryRoute) -> Option<Payload> {
        let _ = (payload, route);
        None
    }

    /// Returns the message for its current receiver; `None` if the receiver has not changed since it was composed.
    fn retarget(&self, payload: &Payload, route: DeliveryRoute) -> Option<Payload> {
        let _ = (payload, route);
        None
    }
}

/// One attempt.
#[derive(Debug, Clone, Copy)]
pub struct Delivering<'a> {
    /// The notification.
    pub id: NotificationId,
    /// Which message of the notification this is: 0 for the first, one more after each fallback or refusal. Together with
    /// `id` it is the same on every attempt of a message, so that the receiver recognises a repetition.
    pub round: u16,
    /// The kind of event.
    pub event: EventKind,
    /// The bytes to send.
    pub payload: &'a Payload,
}

/// The result of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryResult {
    /// The receiver accepted the notification.
    Accepted {
        /// The external id of the manager's message, if the receiver returned one.
        external_id: Option<ExternalId>,
    },
    /// The attempt failed.
    Failed(Failure),
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// For people, without secrets or personal data.
    pub reason: Box<str>,
    /// What follows from the failure.
    pub kind: FailureKind,
    /// How long the receiver asks to wait (`Retry-After`).
    pub retry_after: Option<Duration>,
}

/// What follows from a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// Another attempt may succeed.
    Temporary,
    /// The receiver is overloaded: the whole queue has to wait.
    Throttled,
    /// No further attempt can succeed.
    Permanent,
}

/// Sends notifications. A call returns within the notifier's own time limit, at most 15 seconds, whatever the receiver
/// does.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// Makes one attempt.
    async fn deliver(&self, delivering: Delivering<'_>) -> DeliveryResult;
}
