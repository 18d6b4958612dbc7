//! Receipts: the delivery status of sent messages.

use async_trait::async_trait;

use super::StoreError;
use crate::{
    DeliveryRoute, EventKind, ExternalId, Fallback, NotificationId, Payload, Progress, Receipt, Recipient, Timestamp,
};

/// A notification whose message has a given external id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentNotification {
    /// The notification.
    pub id: NotificationId,
    /// Who was notified.
    pub recipient: Recipient,
    /// The kind of event.
    pub event: EventKind,
    /// Its route.
    pub route: DeliveryRoute,
    /// The bytes that were sent.
    pub payload: Payload,
    /// Its progress; `None` if the external id belongs to a previous message of it.
    pub progress: Option<Progress>,
    /// How many scheduled attempts have failed.
    pub failures: u16,
    /// The receipt that arrived before the message was known.
    pub kept: Option<Receipt>,
}

/// The change that a receipt makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatusUpdate {
    /// The message progressed.
    To(Progress),
    /// The message was refused, and another goes out on a fallback route. The notification waits again, without failed
    /// attempts, as if never tried, with the next `round`.
    Fallback(Fallback, Box<str>),
    /// The message failed for now. It goes out again on its route at `due`, with the next `round`, and counts as a failed
    /// attempt.
    Retry {
        /// When the next attempt is due.
        due: Timestamp,
        /// Why it failed.
        reason: Box<str>,
    },
    /// The message was refused for good: the notification is dead. Sent again on request, it gets the next `round`.
    Dead(Box<str>),
}

/// Receipts of sent messages.
///
/// # Errors
///
/// Every call fails if the store is unavailable or a row is corrupt; nothing was written then.
#[async_trait]
pub trait Receipts: Send + Sync {
    /// Returns the notification whose current or previous message has this external id.
    async fn sent_notification(&self, external_id: ExternalId) -> Result<Option<SentNotification>, StoreError>;

    /// Changes the notification that was delivered under this external id, and returns whether it did. Progress never goes
    /// backwards, and a message that arrived can no longer be refused. A message that was refused or failed keeps its
    /// external id as a previous one, so that a quote still finds the ticket.
    async fn advance(&self, external_id: ExternalId, advance: StatusUpdate, at: Timestamp) -> Result<bool, StoreError>;

    /// Stores a receipt whose message is not known yet, because it may have overtaken the response that names the message.
    /// Of several receipts of one message, the one of the greatest [weight](Receipt::weight) stays. Each call also deletes
    /// some receipts from before `forget_before`.
    async fn keep_receipt(&self, receipt: Receipt, forget_before: Timestamp) -> Result<(), StoreError>;

    /// Returns up to `limit` stored receipts from `since` on whose message is known by now. Corrupt rows are skipped and
    /// logged.
    async fn early_receipts(&self, since: Timestamp, limit: u16) -> Result<Vec<Receipt>, StoreError>;

    /// Deletes a stored receipt, unless another has replaced it.
    async fn drop_receipt(&self, receipt: Receipt) -> Result<(), StoreError>;
}
