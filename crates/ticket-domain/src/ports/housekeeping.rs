//! What nobody asks for any more is cleared away.

use async_trait::async_trait;

use super::StoreError;
use crate::{NotificationId, Timestamp};

/// One step through the notifications, in the order of their ids, which is about that in which they were made.
#[derive(Debug, Clone, Copy)]
pub struct Purge {
    /// Where the last step ended; none at the beginning.
    pub after: Option<NotificationId>,
    /// What was settled before this moment may go.
    pub settled_before: Timestamp,
    /// How many are looked at, at most. It bounds how long the step takes.
    pub limit: u16,
}

/// What a step came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Purged {
    /// How many notifications went.
    pub gone: u64,
    /// Where the next step begins. None if all that is old was looked at.
    pub next: Option<NotificationId>,
}

/// Clears away, in small steps, so that nobody waits for it. Several replicas may do so at once.
#[async_trait]
pub trait Housekeeping: Send + Sync {
    /// Lets go of notifications that were delivered, settled before `purge.settled_before`, and followed by another one
    /// of their ticket, with the outside ids of their messages. The newest of each ticket stays, and so does what waits,
    /// is held or was given up. What another writer holds is left for the next time.
    async fn purge(&self, purge: Purge) -> Result<Purged, StoreError>;

    /// Lets go of at most `limit` idempotency keys whose time has ended at `now`; says how many.
    async fn purge_keys(&self, now: Timestamp, limit: u16) -> Result<u64, StoreError>;
}
