//! Cleanup of what is no longer needed.

use async_trait::async_trait;

use super::StoreError;
use crate::{NotificationId, Timestamp};

/// One step through the notifications, in the order of their ids, which is about the order of creation.
#[derive(Debug, Clone, Copy)]
pub struct Purge {
    /// The `next` of the previous step; `None` for the first.
    pub after: Option<NotificationId>,
    /// Notifications that were delivered before this moment may be deleted.
    pub settled_before: Timestamp,
    /// The most notifications to examine, which bounds the duration of the step.
    pub limit: u16,
}

/// What a step did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Purged {
    /// How many notifications were deleted.
    pub gone: u64,
    /// Where the next step begins; `None` if no old notification is left to examine.
    pub next: Option<NotificationId>,
}

/// Deletes old rows in small steps that block nobody. Several replicas may call it at once.
#[async_trait]
pub trait Housekeeping: Send + Sync {
    /// Deletes notifications that were delivered before `purge.settled_before`, with their external ids. The newest of
    /// each ticket stays, and so do waiting, held and dead ones. Rows that another writer has locked are skipped.
    ///
    /// # Errors
    ///
    /// If the store is unavailable. Nothing was deleted then.
    async fn purge(&self, purge: Purge) -> Result<Purged, StoreError>;

    /// Deletes at most `limit` idempotency keys that have expired at `now`, and returns how many.
    ///
    /// # Errors
    ///
    /// If the store is unavailable. Nothing was deleted then.
    async fn purge_keys(&self, now: Timestamp, limit: u16) -> Result<u64, StoreError>;
}
