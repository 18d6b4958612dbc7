//! Notifications on their way.

use async_trait::async_trait;

use super::StoreError;
use crate::{
    AuditStamp, DeliveryRoute, EventKind, ExternalId, Fallback, LeaseToken, NotificationId, NotificationRecord,
    Payload, TicketId, Timestamp,
};

/// A worker's wish for work.
#[derive(Debug, Clone, Copy)]
pub struct Claim {
    /// The moment from which "due" is reckoned.
    pub now: Timestamp,
    /// The worker's proof.
    pub lease: LeaseToken,
    /// Until when nobody else may have what is claimed. A worker that is silent until then has lost it.
    pub until: Timestamp,
    /// Whether only notifications that were never tried are wanted.
    pub first_tries_only: bool,
}

/// A notification that a worker holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The notification.
    pub id: NotificationId,
    /// The worker's proof.
    pub lease: LeaseToken,
    /// The ticket it tells of.
    pub ticket: TicketId,
    /// What it tells.
    pub event: EventKind,
    /// What is to be sent.
    pub payload: Payload,
    /// The way that it takes.
    pub route: DeliveryRoute,
    /// Which message of the notification it is, the first being 0.
    pub round: u16,
    /// How many tries of the schedule have failed.
    pub failures: u16,
    /// When the schedule has its next try. If that is still to come, this try is beside the schedule.
    pub scheduled_at: Timestamp,
}

/// What became of one try, as the schedule judged it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// The notifier took it.
    Delivered {
        /// When.
        at: Timestamp,
        /// The id that the manager's message got outside.
        external_id: Option<ExternalId>,
    },
    /// It failed, and counts as one failure more. The schedule's next try is at `due`.
    RetryAt {
        /// When.
        due: Timestamp,
        /// Why it failed, without secrets.
        reason: Box<str>,
    },
    /// It failed for good, and counts as one failure more.
    Dead {
        /// When.
        at: Timestamp,
        /// Why, without secrets.
        reason: Box<str>,
    },
    /// It was refused for good on this way. Another message goes out another way: due at once, with no failure, as if
    /// never tried, and under one `round` more.
    Rerouted {
        /// When.
        at: Timestamp,
        /// The other way.
        fallback: Fallback,
        /// Why it was refused, without secrets.
        reason: Box<str>,
    },
    /// It does not count: not tried after all, or tried beside the schedule and failed. The schedule stays as it is.
    Returned {
        /// When it is due again.
        due: Timestamp,
        /// Why it failed, if it was tried.
        reason: Option<Box<str>>,
    },
}

/// Whether a verdict was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordResult {
    /// It was.
    Recorded,
    /// It was not: the lease had ended and another worker has the notification, or has settled it.
    LeaseLost,
}

/// What became of the wish to send a notification again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedeliverResult {
    /// It is due now. One that was given up starts its schedule anew.
    Queued,
    /// Nothing was written: it has been delivered.
    AlreadyDelivered,
    /// Nothing was written: it is being tried at this moment.
    InProgress,
    /// There is none of this id, or what it said was erased.
    NotFound,
}

/// Notifications waiting to go out. Those of one ticket go in their order: a later one waits until every earlier one
/// is delivered or dead. A lease keeps a claimed one from other workers until it ends.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Leases the notifications that are due at `claim.now`, the longest due first, at most one a ticket and `limit` in
    /// all. One whose row is corrupt keeps no other back: it becomes dead, with the column named as its error.
    async fn claim(&self, claim: Claim, limit: u16) -> Result<Vec<Claimed>, StoreError>;

    /// Leases one notification that waits and will not be due before `claim.until`, the one that was probed longest ago
    /// or never; none if any that waits was probed after `unless_after`. Workers that ask at the same time get one between them.
    async fn claim_probe(&self, claim: Claim, unless_after: Timestamp) -> Result<Option<Claimed>, StoreError>;

    /// Writes a verdict and ends the lease. Changes nothing unless `lease` still holds `id`, also past its end as long
    /// as nobody else claimed it.
    async fn record_attempt(
        &self,
        id: NotificationId,
        lease: LeaseToken,
        outcome: AttemptOutcome,
    ) -> Result<RecordResult, StoreError>;

    /// Makes everything that waits and is not leased due at `now`, each only once between two failures that count; says
    /// how many that were not due before. Their schedules stay as they are.
    async fn release_waiting(&self, now: Timestamp) -> Result<u64, StoreError>;

    /// Makes nothing that waits and is not leased due before `until`; says how many were. Their schedules stay as they
    /// are.
    async fn postpone(&self, until: Timestamp) -> Result<u64, StoreError>;

    /// Holds those that had no address when they were made, were never tried, and were made before `made_before`; says
    /// how many.
    async fn hold_unaddressed(&self, made_before: Timestamp) -> Result<u64, StoreError>;

    /// Makes one that waits, is held or is dead due at `note.at`, and notes it in the trail. From then on it counts as addressed, so that it is not
    /// held again. One that is dead starts its schedule anew, and goes `anew` if that is given: as another message, under
    /// one `round` more.
    async fn redeliver(
        &self,
        id: NotificationId,
        note: AuditStamp,
        anew: Option<Fallback>,
    ) -> Result<RedeliverResult, StoreError>;

    /// Redelivers, as the wish of one moment, every notification that was given up in its own words at the first number;
    /// says how many. One entry of the trail counts them, if there is any.
    async fn redeliver_dead(&self, note: AuditStamp) -> Result<u64, StoreError>;

    /// Notifications that were given up on another way, at most `limit`.
    async fn dead_fallbacks(&self, limit: u16) -> Result<Vec<NotificationId>, StoreError>;

    /// The way that a notification takes, and what is sent.
    async fn way(&self, id: NotificationId) -> Result<Option<Fallback>, StoreError>;

    /// The notifications that are not delivered, the newest first, at most `limit`. A corrupt row is left out, and the
    /// store logs it.
    async fn undelivered(&self, limit: u16) -> Result<Vec<NotificationRecord>, StoreError>;

    /// One notification.
    async fn notification(&self, id: NotificationId) -> Result<Option<NotificationRecord>, StoreError>;
}
