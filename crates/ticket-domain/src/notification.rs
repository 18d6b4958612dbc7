//! Notifications, and their delivery.

use crate::{
    DeliveryRoute, DeliveryState, EventKind, ExternalId, NotificationId, Progress, Recipient, TicketRef, Timestamp,
};

/// The bytes of a notification, as its composer wrote them. They are the same on every attempt of one message.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload(pub Box<[u8]>);

impl Payload {
    /// Whether the payload was erased, so that there is nothing to send.
    pub fn is_erased(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Payload({} bytes)", self.0.len())
    }
}

/// A new notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Its id, which is the `webhook-id` of every attempt.
    pub id: NotificationId,
    /// Who is notified.
    pub recipient: Recipient,
    /// The kind of event.
    pub event: EventKind,
    /// The bytes to send.
    pub payload: Payload,
    /// Whether a notifier for its recipient was configured when it was created. If none was for a long time, old
    /// notifications are held for an operator, so that the first notifier is not flooded.
    pub addressed: bool,
    /// When the event happened.
    pub created_at: Timestamp,
    /// When it is to be sent.
    pub due_at: Timestamp,
}

/// Another message of the same notification, on another route, with a payload of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fallback {
    /// The route.
    pub route: DeliveryRoute,
    /// The bytes to send.
    pub payload: Payload,
}

/// The state of a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotificationState {
    /// It waits for its next attempt, or an attempt is in progress.
    Waiting {
        /// When the next attempt is due, or the lease of the current one ends.
        due: Timestamp,
    },
    /// The notifier accepted it.
    Delivered {
        /// When it reached this progress.
        at: Timestamp,
        /// The external id of the message.
        external_id: Option<ExternalId>,
        /// Its progress.
        progress: Progress,
    },
    /// It failed for good. It stays stored, and is sent again on request.
    Dead {
        /// When.
        at: Timestamp,
    },
    /// It is held until an operator releases it.
    Held,
}

/// A notification for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationRecord {
    /// Its id.
    pub id: NotificationId,
    /// Its ticket; `None` if it asks which ticket a message is for.
    pub reference: Option<TicketRef>,
    /// Who is notified.
    pub recipient: Recipient,
    /// The kind of event.
    pub event: EventKind,
    /// Its state.
    pub state: NotificationState,
    /// How many attempts failed, without health probes.
    pub failures: u16,
    /// Why the last attempt failed.
    pub last_error: Option<Box<str>>,
    /// When the event happened.
    pub created_at: Timestamp,
}

/// The progress of a ticket's newest notification to the manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// The progress.
    pub state: DeliveryState,
    /// When it was reached.
    pub at: Timestamp,
}

impl From<&Progress> for DeliveryState {
    fn from(progress: &Progress) -> Self {
        match progress {
            Progress::Sent => Self::Sent,
            Progress::Delivered => Self::Delivered,
            Progress::Read => Self::Read,
        }
    }
}

impl Delivery {
    /// What the customer sees of a notification in `state`, created at `created_at`.
    pub fn of(state: &NotificationState, created_at: Timestamp) -> Self {
        let (state, at) = match state {
            NotificationState::Waiting { .. } | NotificationState::Held => (DeliveryState::Waiting, created_at),
            NotificationState::Delivered { at, progress, .. } => (progress.into(), *at),
            NotificationState::Dead { at } => (DeliveryState::Failed, *at),
        };
        Self { state, at }
    }
}
