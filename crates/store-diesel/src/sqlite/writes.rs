//! What SQLite executes in batches: everything that writes, since SQLite has one writer at a time.
//!
//! There are no savepoints: on a full disk SQLite rolls the whole transaction back, and a later savepoint would commit
//! by itself what was refused.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use diesel::SqliteConnection;
use ticket_domain::ports::{ChangeEvent, StoreError};
use tokio::sync::Semaphore;
use tracing::Span;

use crate::{
    batch::{BatchError, BatchOperation, Batcher, Limits, Reach},
    failure::{Failure, UnavailableReason},
    sqlite::{db::Pool, indexing},
    subscribers::Subscribers,
};

/// One worker. A call waits so long until its commit begins, and from then on as long as that takes.
const LIMITS: Limits = Limits {
    workers: 1,
    call: Duration::from_millis(2_500),
    commit: Duration::MAX,
};

/// How many calls one commit has at most: some 20 ms of work.
pub(crate) const MAX_BATCH: usize = 256;

/// Writes for concurrent callers. Dropping it blocks until everything it was given is written and its connection is given
/// back: SQLite removes the `-wal` file when the last connection is closed.
pub(crate) struct Writer(Batcher<Writes>);

impl Writer {
    /// At most `max_batch` calls share a commit. Each commit takes its connection from `pool`, so that one that broke is
    /// replaced.
    pub(crate) fn new(pool: Pool, subscribers: Arc<Subscribers>, max_batch: usize) -> Self {
        let writes = Writes {
            pool,
            subscribers,
            max_batch,
        };
        Self(Batcher::new(writes, LIMITS, Arc::new(Semaphore::new(1))))
    }

    /// Runs `work` in a transaction, and publishes the `events` of its result after the commit. The work may run more than
    /// once, each time after what it did before was rolled back. It ends as it would have even if the returned future is
    /// dropped.
    pub(crate) async fn write<T, W, E, I>(&self, work: W, events: E) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: Fn(&mut SqliteConnection) -> Result<T, Failure> + Send + 'static,
        E: FnOnce(&T) -> I + Send + 'static,
        I: IntoIterator<Item = ChangeEvent>,
    {
        let result = Arc::new(Mutex::new(None));
        let span = Span::current();
        let write = Write {
            work: Box::new({
                let result = result.clone();
                move |connection| {
                    let work = || span.in_scope(|| work(connection));
                    // The transaction is rolled back, so nothing half-done is seen afterwards.
                    let ended = catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(Failure::Panicked))?;
                    *lock(&result) = Some(ended);
                    Ok(())
                }
            }),
            events: Some(Box::new({
                let result = result.clone();
                move || {
                    lock(&result)
                        .as_ref()
                        .map_or_else(Vec::new, |result| Vec::from_iter(events(result)))
                }
            })),
        };
        self.0.call(write).await?;
        let result = lock(&result).take();
        result.ok_or_else(|| UnavailableReason::NoReply.into())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.wait_until_idle();
    }
}

/// Executes calls that write, one after the other in one transaction.
struct Writes {
    pool: Pool,
    subscribers: Arc<Subscribers>,
    /// How many calls one commit has at most.
    max_batch: usize,
}

type Work = Box<dyn Fn(&mut SqliteConnection) -> Result<(), Failure> + Send>;

/// A call that writes, whatever its result is: its closures share that with the caller.
struct Write {
    /// Does the work, and remembers its result.
    work: Work,
    /// What the result means to subscribers. Taken when that is published.
    events: Option<Box<dyn FnOnce() -> Vec<ChangeEvent> + Send>>,
}

impl BatchOperation for Writes {
    type Request = Write;
    type Reply = ();

    fn max_batch(&self) -> usize {
        self.max_batch
    }

    fn execute(
        &self,
        requests: &mut [&mut Write],
        _: Instant,
        commit: &dyn Fn() -> bool,
    ) -> Result<Vec<()>, BatchError> {
        if !commit() {
            return Err(BatchError::GivenUp);
        }
        let mut connection = self
            .pool
            .get()
            .map_err(|_| BatchError::Failed(Reach::Queue, UnavailableReason::PoolBusy.into()))?;
        // Another process may hold the file: then each request would wait as long as this one did.
        let mut reach = Reach::Queue;
        let mut failed = None;
        let committed: Result<(), Failure> = connection.immediate_transaction(|connection| {
            reach = Reach::Request;
            run_all(requests, connection).map_err(|failure| {
                let error = StoreError::from(failure);
                failed = Some(error.clone());
                Failure::Store(error)
            })?;
            // What SQLite says of a commit that it could not finish is final, and the callers are to decide.
            reach = Reach::Commit;
            Ok(())
        });
        match committed {
            Ok(()) => Ok(vec![(); requests.len()]),
            // On a full disk SQLite rolls back by itself; that the rollback then fails is not what went wrong.
            Err(failure) => Err(BatchError::Failed(reach, failed.unwrap_or_else(|| failure.into()))),
        }
    }

    fn committed(&self, requests: &mut [&mut Write], _: &[()]) {
        for events in requests.iter_mut().filter_map(|write| write.events.take()) {
            self.subscribers.publish(&events());
        }
    }
}

fn run_all(requests: &mut [&mut Write], connection: &mut SqliteConnection) -> Result<(), Failure> {
    for write in requests {
        (write.work)(connection)?;
    }
    indexing::catch_up(connection)
}

fn lock<T>(result: &Mutex<Option<T>>) -> MutexGuard<'_, Option<T>> {
    result.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
