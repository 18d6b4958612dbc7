//! Where what WhatsApp says of messages is kept.

use async_trait::async_trait;

use super::StoreError;
use crate::{DeliveryRoute, EventKind, ExternalId, Fallback, NotificationId, Payload, Progress, Receipt, Timestamp};

/// A notification whose message has a certain outside id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentNotification {
    /// The notification.
    pub id: NotificationId,
    /// What it tells.
    pub event: EventKind,
    /// The way that it took.
    pub route: DeliveryRoute,
    /// What was sent.
    pub payload: Payload,
    /// How far it is. `None` if this was an earlier message of it, also if a later one is called the same.
    pub progress: Option<Progress>,
    /// What was heard of this outside id before its message was known.
    pub kept: Option<Receipt>,
}

/// What a receipt changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatusUpdate {
    /// It came further.
    To(Progress),
    /// It was refused: another message goes out now, another way. The notification waits again, with no failure, as if
    /// never tried, under one `round` more.
    Fallback(Fallback, Box<str>),
    /// It was refused for good: it is dead. Sent again on request, it goes under one `round` more.
    Dead(Box<str>),
}

/// Receipts of messages that were handed over.
#[async_trait]
pub trait Receipts: Send + Sync {
    /// The notification whose message has this outside id, now or earlier.
    async fn handed(&self, external_id: ExternalId) -> Result<Option<SentNotification>, StoreError>;

    /// Changes the notification that is delivered under this outside id, unless it is as far or further by now; a
    /// message that arrived is not refused any more. Says whether it did. What was refused keeps its outside id as an
    /// earlier one, by which a quote still finds the ticket.
    async fn advance(&self, external_id: ExternalId, advance: StatusUpdate, at: Timestamp) -> Result<bool, StoreError>;

    /// Keeps a receipt whose message is not known yet, for it may have overtaken the answer that names it. Of several
    /// of one message the one of greatest [weight](Receipt::weight) stays. Forgets some of those heard before
    /// `forget_before`, more than one.
    async fn keep_receipt(&self, receipt: Receipt, forget_before: Timestamp) -> Result<(), StoreError>;

    /// Kept receipts that were heard at or after `since` and whose message is known by now, at most `limit`. A corrupt
    /// row is left out, and the store logs it.
    async fn overtaken(&self, since: Timestamp, limit: u16) -> Result<Vec<Receipt>, StoreError>;

    /// Lets a kept receipt go, unless another has taken its place.
    async fn drop_receipt(&self, receipt: Receipt) -> Result<(), StoreError>;
}
