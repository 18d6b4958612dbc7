//! How a call of a store runs: on a blocking thread that holds a permit for its connection, while its caller waits for a
//! limited time.

use std::{
    pin::pin,
    sync::{Arc, OnceLock},
    time::Duration,
};

use ticket_domain::ports::StoreError;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::{JoinError, spawn_blocking},
    time::{timeout, timeout_at},
};
use tracing::Span;

use crate::failure::{Failure, UnavailableReason};

/// How long a call waits for a permit, and then for a connection.
pub(crate) const POOL_WAIT: Duration = Duration::from_millis(2_500);

/// Decides whether the work of a call is committed or its caller gives it up: whoever comes first decides for good. So a
/// caller that heard "unavailable" does not find its change written afterwards.
#[derive(Debug, Clone, Default)]
pub(crate) struct CommitGate(Arc<OnceLock<bool>>);

impl CommitGate {
    /// Whether the work is to be committed: unless it was given up before.
    pub(crate) fn commit(&self) -> bool {
        *self.0.get_or_init(|| true)
    }

    /// Whether the work is given up: unless its commit began before.
    pub(crate) fn give_up(&self) -> bool {
        !*self.0.get_or_init(|| false)
    }

    /// Whether the work was given up before.
    pub(crate) fn is_given_up(&self) -> bool {
        self.0.get() == Some(&false)
    }

    /// Waits for the `outcome` of the work until `deadline`, and for another `commit_limit` if its commit began by then.
    /// Gives the work up otherwise.
    ///
    /// # Errors
    ///
    /// The outcome did not come in time. It is unknown then whether a commit that had begun succeeded.
    pub(crate) async fn wait<T>(
        &self,
        outcome: impl Future<Output = T>,
        deadline: tokio::time::Instant,
        commit_limit: Duration,
    ) -> Result<T, UnavailableReason> {
        let mut outcome = pin!(outcome);
        match timeout_at(deadline, &mut outcome).await {
            Ok(outcome) => Ok(outcome),
            Err(_) if self.give_up() => Err(UnavailableReason::TooSlow),
            Err(_) => timeout(commit_limit, outcome)
                .await
                .map_err(|_| UnavailableReason::TooSlow),
        }
    }
}

/// Waits for one of the `permits`, up to [`POOL_WAIT`].
///
/// # Errors
///
/// None came free in time.
pub(crate) async fn permit(permits: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, UnavailableReason> {
    // Spares a timer. It overtakes nobody: a permit that comes free goes to the first who waits.
    if let Ok(permit) = permits.clone().try_acquire_owned() {
        return Ok(permit);
    }
    match timeout(POOL_WAIT, permits.clone().acquire_owned()).await {
        Ok(Ok(permit)) => Ok(permit),
        _ => Err(UnavailableReason::PoolBusy),
    }
}

/// Runs `work` on a blocking thread in the caller's span, and holds `permit` meanwhile. The work ends as it would have even
/// if the returned future is dropped.
pub(crate) fn spawn<T: Send + 'static>(
    permit: OwnedSemaphorePermit,
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> impl Future<Output = Result<T, StoreError>> {
    let span = Span::current();
    let task = spawn_blocking(move || {
        let _permit = permit;
        span.in_scope(|| work().map_err(StoreError::from))
    });
    async {
        task.await
            .unwrap_or_else(|panicked: JoinError| Err(StoreError::Failed(Arc::new(panicked))))
    }
}
