//! Notifications: what the manager has to be told, and how far that got.

use crate::{DeliveryState, EventKind, ExternalId, NotificationId, Progress, TicketRef, Timestamp};

/// The bytes of a notification, as the notifier wrote them. They are the same on every try of one message.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload(pub Box<[u8]>);

impl Payload {
    /// Whether what it said was erased, so that there is nothing to send any more.
    pub fn is_erased(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Payload({} bytes)", self.0.len())
    }
}

/// A notification as it is first stored, due at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Its name, and the `webhook-id` of every try.
    pub id: NotificationId,
    /// What it tells.
    pub event: EventKind,
    /// What is sent.
    pub payload: Payload,
    /// Whether there was anywhere to send it to. One that waited long for its first address is held for an operator's
    /// word, so that a phone is not flooded with what happened long ago.
    pub addressed: bool,
    /// When the event happened.
    pub created_at: Timestamp,
}

/// Where a notification stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotificationState {
    /// It will be tried at `due`, or is being tried until then at the latest.
    Waiting {
        /// The next try, or the end of the lease under which it is being tried.
        due: Timestamp,
    },
    /// The notifier took it.
    Delivered {
        /// Since when it is as far as it is.
        at: Timestamp,
        /// The id that the manager's message got outside.
        external_id: Option<ExternalId>,
        /// How far it is.
        progress: Progress,
    },
    /// It was given up. It is kept, and sent again on request.
    Dead {
        /// When.
        at: Timestamp,
    },
    /// It waits for an operator's word.
    Held,
}

/// A notification as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationRecord {
    /// Its name.
    pub id: NotificationId,
    /// The ticket it tells of.
    pub reference: TicketRef,
    /// What it tells.
    pub event: EventKind,
    /// Where it stands.
    pub state: NotificationState,
    /// How many tries failed, not counting those beside the schedule.
    pub failures: u16,
    /// Why the last try failed.
    pub last_error: Option<Box<str>>,
    /// When the event happened.
    pub created_at: Timestamp,
}

/// How far the newest notification of a ticket got, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// How far.
    pub state: DeliveryState,
    /// Since when.
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
    /// What `state` means to the customer, of a notification made at `created_at`.
    pub fn of(state: &NotificationState, created_at: Timestamp) -> Self {
        let (state, at) = match state {
            NotificationState::Waiting { .. } | NotificationState::Held => (DeliveryState::Waiting, created_at),
            NotificationState::Delivered { at, progress, .. } => (progress.into(), *at),
            NotificationState::Dead { at } => (DeliveryState::Failed, *at),
        };
        Self { state, at }
    }
}
