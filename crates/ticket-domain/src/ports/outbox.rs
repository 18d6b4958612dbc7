//! The outbox: notifications to send.

use async_trait::async_trait;

use super::{News, StoreError};
use crate::{
    AuditStamp, DeliveryRoute, EventKind, ExternalId, Fallback, LeaseToken, NotificationId, NotificationRecord,
    Payload, Recipient, TicketId, Timestamp,
};

/// A worker's claim of notifications.
#[derive(Debug, Clone, Copy)]
pub struct Claim {
    /// Whose notifications the worker sends.
    pub recipient: Recipient,
    /// The current time: what is due by then may be claimed.
    pub now: Timestamp,
    /// The worker's lease.
    pub lease: LeaseToken,
    /// End of the lease. Afterwards other workers may claim the notification.
    pub until: Timestamp,
    /// Whether to claim only notifications without any attempt.
    pub first_tries_only: bool,
}

/// A notification that a worker has leased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The notification.
    pub id: NotificationId,
    /// The worker's lease.
    pub lease: LeaseToken,
    /// The ticket; `None` if it asks which ticket a message is for.
    pub ticket: Option<TicketId>,
    /// The kind of event.
    pub event: EventKind,
    /// The bytes to send.
    pub payload: Payload,
    /// Its route.
    pub route: DeliveryRoute,
    /// Which message of the notification it is; the first is 0.
    pub round: u16,
    /// How many scheduled attempts have failed.
    pub failures: u16,
    /// When the next scheduled attempt is due. If that is in the future, this attempt is a health probe.
    pub scheduled_at: Timestamp,
}

/// The outcome of an attempt, as the retry schedule decided it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// The notifier accepted the notification.
    Delivered {
        /// When.
        at: Timestamp,
        /// The external id of the message.
        external_id: Option<ExternalId>,
    },
    /// The attempt failed and counts as a failed attempt. The next one is scheduled at `due`.
    RetryAt {
        /// When.
        due: Timestamp,
        /// The reason, without secrets.
        reason: Box<str>,
    },
    /// The notification failed for good; the attempt counts as a failed one.
    Dead {
        /// When.
        at: Timestamp,
        /// The reason, without secrets.
        reason: Box<str>,
    },
    /// The route failed for good. Another message goes out on a fallback route: due at once, without failed attempts, as
    /// if never tried, and with the next `round`.
    Rerouted {
        /// When.
        at: Timestamp,
        /// The fallback.
        fallback: Fallback,
        /// The reason, without secrets.
        reason: Box<str>,
    },
    /// Nothing is left to tell: the notification is deleted.
    Dropped,
    /// The attempt does not count: it was not made, or was a failed health probe. The schedule stays as it is.
    Returned {
        /// When the notification is due again.
        due: Timestamp,
        /// The reason, if an attempt was made.
        reason: Option<Box<str>>,
    },
}

/// Whether an outcome was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordResult {
    /// The outcome was recorded.
    Recorded,
    /// Nothing was written: the lease had ended, and another worker has claimed or recorded the notification.
    LeaseLost,
}

/// The message that a notification sends, or has sent last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentMessage {
    /// Who is notified.
    pub recipient: Recipient,
    /// Its route.
    pub route: DeliveryRoute,
    /// Its bytes.
    pub payload: Payload,
}

/// The result of sending a notification again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedeliverResult {
    /// The notification is due now. A dead one starts a new schedule.
    Queued,
    /// Nothing was written: the notification was delivered.
    AlreadyDelivered,
    /// Nothing was written: an attempt is in progress.
    InProgress,
    /// There is no such notification, or its payload was erased.
    NotFound,
}

/// Notifications to send. Those of one ticket to one recipient go out in order: a later one waits until every earlier one
/// is delivered or dead. A lease keeps a claimed notification from other workers until it ends.
///
/// A [digest](EventKind::is_digest) that is stored while an earlier one of its ticket and recipient was never claimed joins
/// that one: it is not stored itself, and a resolution makes the earlier one a resolution. A digest covers the messages since
/// its event, up to the event of the next.
///
/// # Errors
///
/// Every call fails if the store is unavailable; nothing was written then.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Leases up to `limit` notifications of `claim.recipient` that are due at `claim.now`, the longest due first, at most
    /// one per ticket. A corrupt row blocks no other: it becomes dead, and its error names the column.
    async fn claim(&self, claim: Claim, limit: u16) -> Result<Vec<Claimed>, StoreError>;

    /// Leases one notification of `claim.recipient` as a health probe: of those that are not due before `claim.until`, the
    /// one that was probed longest ago or never, but none whose time has never come. Returns `None` if any of them was probed after `unless_after`, so that
    /// concurrent workers get one probe between them.
    async fn claim_probe(&self, claim: Claim, unless_after: Timestamp) -> Result<Option<Claimed>, StoreError>;

    /// Records an outcome and ends the lease. Changes nothing unless `lease` still holds `id`; an expired lease holds it
    /// until another worker claims it.
    async fn record_attempt(
        &self,
        id: NotificationId,
        lease: LeaseToken,
        outcome: AttemptOutcome,
    ) -> Result<RecordResult, StoreError>;

    /// Makes all waiting notifications of `recipient` without a lease due at `now`, each at most once between two failed
    /// attempts, and returns how many were not due before. Their schedules stay as they are. A notification whose time has
    /// never come stays as it is.
    async fn release_waiting(&self, recipient: Recipient, now: Timestamp) -> Result<u64, StoreError>;

    /// Postpones all waiting notifications of `recipient` without a lease that are due before `until`, and returns how
    /// many. Their schedules stay as they are.
    async fn postpone(&self, recipient: Recipient, until: Timestamp) -> Result<u64, StoreError>;

    /// Holds notifications of `recipient` that had no notifier when they were created, were never tried, and were created
    /// before `made_before`. Returns how many.
    async fn hold_unaddressed(&self, recipient: Recipient, made_before: Timestamp) -> Result<u64, StoreError>;

    /// Makes a waiting, held or dead notification due at `note.at`, and writes an entry of the audit log. From then on it
    /// counts as addressed, so that it is not held again. A dead one starts a new schedule; with `anew` it is sent as
    /// another message, with the next `round`.
    async fn redeliver(
        &self,
        id: NotificationId,
        note: AuditStamp,
        anew: Option<Fallback>,
    ) -> Result<RedeliverResult, StoreError>;

    /// Makes every dead notification on [`DeliveryRoute::FIRST`] due at `note.at`, and returns how many. One entry of the audit
    /// log counts them, if there are any.
    async fn redeliver_dead(&self, note: AuditStamp) -> Result<u64, StoreError>;

    /// Returns up to `limit` dead notifications on other routes.
    async fn dead_fallbacks(&self, limit: u16) -> Result<Vec<NotificationId>, StoreError>;

    /// Returns the message that a notification sends.
    async fn current_message(&self, id: NotificationId) -> Result<Option<CurrentMessage>, StoreError>;

    /// Returns what a digest would tell now: the public messages that it covers and the customer has not
    /// [seen](super::CustomerMail::seen), and whether it is about a resolution that holds. Empty if the customer wants no
    /// mails about the ticket, or the notification is gone.
    async fn news(&self, id: NotificationId) -> Result<News, StoreError>;

    /// Returns up to `limit` notifications that are not delivered, newest first. Corrupt rows are skipped and logged.
    async fn undelivered(&self, limit: u16) -> Result<Vec<NotificationRecord>, StoreError>;

    /// Returns a notification.
    async fn notification(&self, id: NotificationId) -> Result<Option<NotificationRecord>, StoreError>;
}
