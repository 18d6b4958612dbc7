//! The writer: one thread, since SQLite has one writer at a time. What arrives while a commit is under way goes into the
//! next one together, and is answered after it. Nobody waits for company: what comes alone is written alone.
//!
//! Jobs share a commit, never a fate. If one fails, nothing of the others is kept either, and each runs again by itself.
//! There are no savepoints: on a full disk SQLite rolls the whole transaction back, and what followed would be committed
//! without what it was refused with.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use diesel::SqliteConnection;
use ticket_domain::ports::{ChangeEvent, StoreError, Subscriber};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tracing::Span;

use crate::{
    failure::{Failure, UnavailableReason},
    sqlite::{db::Pool, indexing},
};

/// How long a call waits for its turn.
const PATIENCE: Duration = Duration::from_millis(2_500);

/// How many jobs one commit has at most: some 20 ms of work.
pub(crate) const TOGETHER: usize = 256;

/// How many jobs wait at most. Who comes then waits to be let in.
const QUEUE: usize = 1_024;

type Jobs = Vec<Box<dyn Job>>;

/// Who is told of changes.
pub(crate) type Subscribers = Arc<RwLock<Vec<Arc<dyn Subscriber>>>>;

/// Hands jobs to the thread. The thread ends, with everything written that it was given, when this is dropped.
pub(crate) struct Writer {
    queue: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread. At most `together` jobs share a commit. It takes its connection from `pool` for each commit, so that one that broke is replaced.
    pub(crate) fn start(pool: Pool, subscribers: Subscribers, together: usize) -> std::io::Result<Self> {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let desk = QueueState {
            pool,
            waiting,
            subscribers,
            together,
        };
        let thread = thread::Builder::new()
            .name("tickets-writer".to_owned())
            .spawn(move || desk.run())?;
        Ok(Self {
            queue: Some(queue),
            thread: Some(thread),
        })
    }

    /// Has `work` done in a transaction that no other writer is beside, and the `events` of its result published once it
    /// is committed. It may be done more than once, each time after what it did before was rolled back. If nobody waits for its end any
    /// more, because the caller is gone, it still ends as it would have.
    pub(crate) async fn write<T, W, E>(&self, work: W, events: E) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: Fn(&mut SqliteConnection) -> Result<T, Failure> + Send + 'static,
        E: FnOnce(&T) -> Vec<ChangeEvent> + Send + 'static,
    {
        let (answer, mut answered) = oneshot::channel();
        let turn = Turn::default();
        let job = Box::new(Call {
            work,
            events,
            span: Span::current(),
            turn: turn.clone(),
            result: None,
            answer,
        });
        let queued = async {
            if let Some(queue) = &self.queue {
                // If it is closed, the job is dropped, and its answer with it.
                drop(queue.send(job).await);
            }
            (&mut answered).await
        };
        let ended = match timeout(PATIENCE, queued).await {
            Ok(ended) => ended,
            Err(_) if turn.take() => return Err(UnavailableReason::TooSlow.into()),
            Err(_) => answered.await,
        };
        ended.unwrap_or_else(|_| Err(UnavailableReason::NoReply.into()))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // It goes on after a panic.
            drop(thread.join());
        }
    }
}

/// Decides once whether a job is done or its caller gives it up.
#[derive(Clone, Default)]
struct Turn(Arc<AtomicBool>);

impl Turn {
    /// Whether nobody took it before.
    fn take(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}

/// What waits to be written.
trait Job: Send {
    /// Whether it is still wanted. If so, its caller waits until its end from now on.
    fn is_wanted(&self) -> bool;

    /// Does the work, and remembers what it came to.
    fn run(&mut self, connection: &mut SqliteConnection) -> Result<(), Failure>;

    /// Tells the followers what is news, and then the caller how it ended.
    fn end(self: Box<Self>, committed: Result<(), StoreError>, subscribers: &[Arc<dyn Subscriber>]);
}

/// A call of the store, as a job.
struct Call<T, W, E> {
    work: W,
    events: E,
    span: Span,
    turn: Turn,
    result: Option<T>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, W, E> Job for Call<T, W, E>
where
    T: Send,
    W: Fn(&mut SqliteConnection) -> Result<T, Failure> + Send,
    E: FnOnce(&T) -> Vec<ChangeEvent> + Send,
{
    fn is_wanted(&self) -> bool {
        self.turn.take()
    }

    fn run(&mut self, connection: &mut SqliteConnection) -> Result<(), Failure> {
        let work = || self.span.in_scope(|| (self.work)(connection));
        // The transaction is rolled back, so nothing half-done is seen afterwards.
        let result = catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(Failure::Panicked))?;
        self.result = Some(result);
        Ok(())
    }

    fn end(self: Box<Self>, committed: Result<(), StoreError>, subscribers: &[Arc<dyn Subscriber>]) {
        let Self {
            result, events, answer, ..
        } = *self;
        let result = committed.and_then(|()| result.ok_or_else(|| UnavailableReason::NoReply.into()));
        for event in result.as_ref().map(events).unwrap_or_default() {
            for subscriber in subscribers {
                // It is committed, whatever becomes of telling it; and there is no other writer.
                if catch_unwind(AssertUnwindSafe(|| subscriber.on_change(event))).is_err() {
                    tracing::error!("a follower of changes panicked");
                }
            }
        }
        // The caller may be gone.
        drop(answer.send(result));
    }
}

/// Why a transaction was not committed.
enum Broken {
    /// It was not even begun: another process writes, or there is no connection.
    NotBegun(StoreError),
    /// A job failed.
    Job(StoreError),
    /// The commit failed. Nobody may run it again: what SQLite says of a commit that it could not finish is final, and
    /// the callers are to decide.
    Commit(StoreError),
}

/// Where the thread works.
struct QueueState {
    pool: Pool,
    waiting: mpsc::Receiver<Box<dyn Job>>,
    subscribers: Subscribers,
    together: usize,
}

impl QueueState {
    /// Writes until the store ends. The callers of jobs that were under way at a panic hear that the writer is gone; those
    /// that come later are served, since there is no other.
    fn run(mut self) {
        while catch_unwind(AssertUnwindSafe(|| self.write_what_comes())).is_err() {
            tracing::error!("the writer panicked");
        }
    }

    fn write_what_comes(&mut self) {
        let mut jobs = Jobs::new();
        while self.waiting.blocking_recv_many(&mut jobs, self.together) > 0 {
            jobs.retain(|job| job.is_wanted());
            self.write(std::mem::take(&mut jobs));
        }
    }

    /// Writes jobs by one commit, or else each by its own.
    fn write(&mut self, mut jobs: Jobs) {
        match self.commit(&mut jobs) {
            Ok(()) => self.end(jobs, &Ok(())),
            Err(Broken::Job(_)) if jobs.len() > 1 => self.write_each(jobs),
            Err(Broken::NotBegun(error)) => self.refuse(jobs, &error),
            Err(Broken::Job(error) | Broken::Commit(error)) => self.end(jobs, &Err(error)),
        }
    }

    fn write_each(&mut self, jobs: Jobs) {
        let mut jobs = jobs.into_iter();
        while let Some(job) = jobs.next() {
            let mut alone = vec![job];
            match self.commit(&mut alone) {
                Ok(()) => self.end(alone, &Ok(())),
                Err(Broken::NotBegun(error)) => {
                    return self.refuse(alone.into_iter().chain(jobs).collect(), &error);
                }
                Err(Broken::Job(error) | Broken::Commit(error)) => self.end(alone, &Err(error)),
            }
        }
    }

    fn commit(&self, jobs: &mut Jobs) -> Result<(), Broken> {
        if jobs.is_empty() {
            return Ok(());
        }
        let mut connection = self
            .pool
            .get()
            .map_err(|_| Broken::NotBegun(UnavailableReason::PoolBusy.into()))?;
        let mut has_begun = false;
        let mut failed = None;
        let ended = connection.immediate_transaction(|connection| {
            has_begun = true;
            let ran = jobs.iter_mut().try_for_each(|job| job.run(connection));
            ran.and_then(|()| indexing::catch_up(connection)).map_err(|failure| {
                let error = StoreError::from(failure);
                failed = Some(error.clone());
                Failure::Store(error)
            })
        });
        match (ended, failed) {
            (Ok(()), _) => Ok(()),
            // On a full disk SQLite rolls back by itself; that the rollback then fails is not what went wrong.
            (Err(_), Some(error)) => Err(Broken::Job(error)),
            (Err(failure), None) if has_begun => Err(Broken::Commit(failure.into())),
            (Err(failure), None) => Err(Broken::NotBegun(failure.into())),
        }
    }

    /// Refuses jobs, and those that came meanwhile: each of them would wait as long for the same.
    fn refuse(&mut self, jobs: Jobs, error: &StoreError) {
        self.end(jobs, &Err(error.clone()));
        while let Ok(job) = self.waiting.try_recv() {
            if job.is_wanted() {
                self.end(vec![job], &Err(error.clone()));
            }
        }
    }

    fn end(&self, jobs: Jobs, committed: &Result<(), StoreError>) {
        let subscribers = self.subscribers.read().unwrap_or_else(PoisonError::into_inner);
        for job in jobs {
            job.end(committed.clone(), &subscribers);
        }
    }
}

#[cfg(test)]
mod tests;
