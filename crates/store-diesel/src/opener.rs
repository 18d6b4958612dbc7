//! Tickets that are opened while a commit is under way go into the next one together, and are answered after it. Nobody
//! waits for company: what comes alone is written alone.
//!
//! Openings share a commit, never a fate: if a commit of several can't be, each is written by itself.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use ticket_domain::ports::{News, Opened, Opening, StoreError};
use tokio::{
    sync::{Semaphore, oneshot},
    task::spawn_blocking,
    time::{timeout, timeout_at},
};
use tracing::Span;

use crate::{
    announcements::Announcer,
    db::{CALL_LIMIT, COMMIT_LIMIT, Failure, Impediment, POOL_WAIT, Pool, is_passing, unavailable},
    openings,
    turn::{Decision, Turn},
};

/// How many commits are under way at once: while one waits for the disk, the next is put together.
const WRITERS: u8 = 2;

/// How many tickets one commit has at most.
const TOGETHER: usize = 256;

/// How many openings wait at most. Who comes then waits to be let in.
const QUEUE: usize = 1_024;

/// Writes openings.
#[derive(Clone)]
pub(crate) struct Opener(Arc<Shared>);

struct Shared {
    pool: Pool,
    announcer: Arc<Announcer>,
    places: Semaphore,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    /// How many threads are writing.
    writers: u8,
}

/// An opening that waits to be written.
struct Waiting {
    opening: Opening,
    decision: Decision,
    answer: oneshot::Sender<Result<Opened, StoreError>>,
}

impl Waiting {
    fn end(self, ended: Result<Opened, StoreError>) {
        // The caller may be gone.
        drop(self.answer.send(ended));
    }
}

impl Opener {
    /// Takes its connections from `pool`, and has `announcer` tell of new tickets.
    pub(crate) fn new(pool: Pool, announcer: Arc<Announcer>) -> Self {
        Self(Arc::new(Shared {
            pool,
            announcer,
            places: Semaphore::new(QUEUE),
            queue: Mutex::default(),
        }))
    }

    /// Writes a ticket. If the caller is gone, it ends as it would have.
    pub(crate) async fn open(&self, opening: Opening) -> Result<Opened, StoreError> {
        let ends = Instant::now() + CALL_LIMIT;
        let Ok(Ok(_place)) = timeout(POOL_WAIT, self.0.places.acquire()).await else {
            return Err(unavailable(Impediment::PoolBusy));
        };
        let decision = Decision::default();
        let (answer, mut answered) = oneshot::channel();
        self.take(Waiting {
            opening,
            decision: decision.clone(),
            answer,
        });
        let ended = match timeout_at(ends.into(), &mut answered).await {
            Ok(ended) => ended,
            Err(_) if decision.give_up() => return Err(unavailable(Impediment::TooSlow)),
            Err(_) => timeout(COMMIT_LIMIT, answered)
                .await
                .map_err(|_| unavailable(Impediment::TooSlow))?,
        };
        ended.unwrap_or_else(|_| Err(StoreError::Failed(Arc::new(Impediment::BrokeOff))))
    }

    /// Puts an opening where the next writer finds it, and sets one to work if not all are.
    fn take(&self, waiting: Waiting) {
        let mut queue = self.0.queue();
        queue.waiting.push_back(waiting);
        if queue.writers < WRITERS {
            queue.writers += 1;
            let writer = Writer {
                shared: self.0.clone(),
                is_counted: true,
            };
            let span = Span::current();
            spawn_blocking(move || span.in_scope(|| writer.run()));
        }
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread that writes. It counts as one until it finds nothing to do, or panics.
struct Writer {
    shared: Arc<Shared>,
    is_counted: bool,
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.is_counted {
            self.shared.queue().writers -= 1;
        }
    }
}

impl Writer {
    /// Writes until nothing waits.
    fn run(mut self) {
        while let Some(batch) = self.next() {
            self.write(batch);
        }
    }

    /// What waits, as much of it as one commit may have. An idempotency key is in it once: its next use is to find the
    /// first one written.
    fn next(&mut self) -> Option<Vec<Waiting>> {
        let mut queue = self.shared.queue();
        let mut batch = Vec::new();
        let mut keys = HashSet::new();
        while batch.len() < TOGETHER
            && let Some(next) = queue.waiting.front()
        {
            let key = next
                .opening
                .idempotency
                .as_ref()
                .map(|used| used.key.as_str().to_owned());
            if key.is_some_and(|key| !keys.insert(key)) {
                break;
            }
            batch.extend(queue.waiting.pop_front().filter(|next| !next.decision.is_given_up()));
        }
        if batch.is_empty() && queue.waiting.is_empty() {
            // Under the same lock: who comes now finds a place to be free.
            queue.writers -= 1;
            self.is_counted = false;
            return None;
        }
        Some(batch)
    }

    /// Writes tickets by one commit, or else each by its own.
    fn write(&self, batch: Vec<Waiting>) {
        if batch.is_empty() {
            return;
        }
        let turn = Turn::new(self.shared.pool.clone(), Instant::now() + CALL_LIMIT);
        let openings: Vec<&Opening> = batch.iter().map(|waiting| &waiting.opening).collect();
        let ended = turn.write(
            |connection| openings::open(connection, &openings),
            || batch.iter().all(|waiting| waiting.decision.commit()),
        );
        match ended {
            Ok(opened) => self.end(batch, opened),
            Err(failure) if batch.len() > 1 && !turn.is_in_doubt() && may_be_of_one(&failure) => {
                for alone in batch {
                    self.write(vec![alone]);
                }
            }
            Err(failure) => {
                if turn.is_in_doubt() {
                    self.shared.announcer.tell(&[News::Missed]);
                }
                let error = StoreError::from(failure);
                for waiting in batch {
                    waiting.end(Err(error.clone()));
                }
            }
        }
    }

    fn end(&self, batch: Vec<Waiting>, opened: Vec<Opened>) {
        let news: Vec<News> = batch
            .iter()
            .zip(&opened)
            .filter(|(_, opened)| **opened == Opened::Now)
            .map(|(waiting, _)| News::Ticket(waiting.opening.ticket.id))
            .collect();
        self.shared.announcer.tell(&news);
        for (waiting, opened) in batch.into_iter().zip(opened) {
            waiting.end(Ok(opened));
        }
    }
}

/// Whether a failure may be the fault of one opening among several.
fn may_be_of_one(failure: &Failure) -> bool {
    match failure {
        Failure::LostTwin | Failure::GivenUp | Failure::Store(StoreError::Corrupt { .. }) => true,
        Failure::Query(error) => !is_passing(error),
        Failure::Store(_) | Failure::LostConnection(_) => false,
    }
}
