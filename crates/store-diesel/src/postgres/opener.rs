//! Tickets that are opened while a commit is under way go into the next one together, and are answered after it. Nobody
//! waits for company: what comes alone is written alone.
//!
//! Openings share a commit, never a fate: if a commit of several can't be, each is written by itself.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::Instant,
};

use ticket_domain::ports::{ChangeEvent, OpenResult, Opening, StoreError};
use tokio::{
    sync::{Semaphore, oneshot},
    time::{timeout, timeout_at},
};

use crate::{
    failure::{Failure, UnavailableReason},
    postgres::{
        announcements::Publisher,
        crew::{Worker, WorkerPool},
        db::{CALL_LIMIT, COMMIT_LIMIT, POOL_WAIT, Pool},
        openings,
        turn::{Decision, Turn},
    },
};

/// How many commits are under way at once: while one waits for the disk, the next is put together.
const WRITERS: u8 = 2;

/// How many tickets one commit has at most.
const TOGETHER: usize = 256;

/// How many openings wait at most. Who comes then waits to be let in.
const QUEUE: usize = 1_024;

/// Writes openings.
#[derive(Clone)]
pub(crate) struct TicketWriter {
    pool: Pool,
    publisher: Arc<Publisher>,
    /// Places to wait at.
    queue: Arc<Semaphore>,
    crew: Arc<WorkerPool<Waiting>>,
}

/// An opening that waits to be written.
struct Waiting {
    opening: Opening,
    decision: Decision,
    answer: oneshot::Sender<Result<OpenResult, StoreError>>,
}

impl Waiting {
    fn end(self, ended: Result<OpenResult, StoreError>) {
        // The caller may be gone.
        drop(self.answer.send(ended));
    }
}

/// What could not be written.
struct Unwritten {
    batch: Vec<Waiting>,
    failure: Failure,
    is_in_doubt: bool,
}

impl TicketWriter {
    /// Takes its connections from `pool`, at one of the `places` each, and has `publisher` tell of new tickets.
    pub(crate) fn new(pool: Pool, places: Arc<Semaphore>, publisher: Arc<Publisher>) -> Self {
        Self {
            pool,
            publisher,
            queue: Arc::new(Semaphore::new(QUEUE)),
            crew: WorkerPool::new(WRITERS, places),
        }
    }

    /// Writes a ticket. If the caller is gone, it ends as it would have.
    pub(crate) async fn open(&self, opening: Opening) -> Result<OpenResult, StoreError> {
        let ends = Instant::now() + CALL_LIMIT;
        let Ok(Ok(_place)) = timeout(POOL_WAIT, self.queue.acquire()).await else {
            return Err(UnavailableReason::PoolBusy.into());
        };
        let decision = Decision::default();
        let (answer, mut answered) = oneshot::channel();
        let waiting = Waiting {
            opening,
            decision: decision.clone(),
            answer,
        };
        let opener = self.clone();
        self.crew.hand_in(waiting, move |worker| opener.run(worker));
        let ended = match timeout_at(ends.into(), &mut answered).await {
            Ok(ended) => ended,
            Err(_) if decision.give_up() => return Err(UnavailableReason::TooSlow.into()),
            Err(_) => timeout(COMMIT_LIMIT, answered)
                .await
                .map_err(|_| UnavailableReason::TooSlow)?,
        };
        ended.unwrap_or_else(|_| Err(UnavailableReason::NoReply.into()))
    }

    /// Writes until nothing waits.
    fn run(&self, worker: &mut Worker<Waiting>) {
        while let Some((batch, _place)) = worker.next(pick) {
            self.write(batch);
        }
    }

    /// Writes tickets by one commit, or else each by its own.
    fn write(&self, batch: Vec<Waiting>) {
        // By then everybody who waits for one of these has given up.
        let ends = Instant::now() + CALL_LIMIT;
        let Err(unwritten) = self.commit(batch, ends) else {
            return;
        };
        if unwritten.batch.len() > 1 && !unwritten.is_in_doubt && unwritten.failure.may_be_of_one() {
            self.write_each(unwritten.batch, ends);
        } else {
            self.refuse(unwritten);
        }
    }

    fn write_each(&self, batch: Vec<Waiting>, ends: Instant) {
        let mut batch = batch.into_iter();
        while let Some(alone) = batch.next() {
            if let Err(mut unwritten) = self.commit(vec![alone], ends) {
                // What is not of this one, the rest would wait for too.
                if !unwritten.failure.may_be_of_one() {
                    unwritten.batch.extend(batch.by_ref());
                }
                self.refuse(unwritten);
            }
        }
    }

    /// Writes those of the tickets by one commit that somebody waits for.
    fn commit(&self, mut batch: Vec<Waiting>, ends: Instant) -> Result<(), Unwritten> {
        loop {
            batch.retain(|waiting| !waiting.decision.is_given_up());
            if batch.is_empty() {
                return Ok(());
            }
            let turn = Turn::new(self.pool.clone(), ends);
            let openings: Vec<&Opening> = batch.iter().map(|waiting| &waiting.opening).collect();
            let ended = turn.write(|connection| openings::open(connection, &openings), || decide(&batch));
            match ended {
                Ok(opened) => {
                    self.end(batch, opened);
                    return Ok(());
                }
                // Without whoever gave up meanwhile. Those who are decided wait for nothing but this.
                Err(Failure::GivenUp) => {}
                Err(failure) => {
                    return Err(Unwritten {
                        batch,
                        failure,
                        is_in_doubt: turn.is_in_doubt(),
                    });
                }
            }
        }
    }

    fn refuse(&self, unwritten: Unwritten) {
        if unwritten.is_in_doubt {
            self.publisher.publish(&[ChangeEvent::Resync]);
        }
        let error = StoreError::from(unwritten.failure);
        for waiting in unwritten.batch {
            waiting.end(Err(error.clone()));
        }
    }

    fn end(&self, batch: Vec<Waiting>, opened: Vec<OpenResult>) {
        let events: Vec<ChangeEvent> = batch
            .iter()
            .zip(&opened)
            .filter(|(_, opened)| **opened == OpenResult::Opened)
            .map(|(waiting, _)| ChangeEvent::Ticket(waiting.opening.ticket.id))
            .collect();
        self.publisher.publish(&events);
        for (waiting, opened) in batch.into_iter().zip(opened) {
            waiting.end(Ok(opened));
        }
    }
}

/// As much as one commit may have. An idempotency key is in it once: its next use keeps its place, and is to find the first
/// one written.
fn pick(waiting: &mut VecDeque<Waiting>) -> Vec<Waiting> {
    let mut batch = Vec::new();
    let mut keys = HashSet::new();
    let mut place = 0;
    while batch.len() < TOGETHER
        && let Some(next) = waiting.get(place)
    {
        if next.decision.is_given_up() {
            waiting.remove(place);
            continue;
        }
        let used = next.opening.idempotency.as_ref();
        if used.is_some_and(|used| !keys.insert(used.key.as_str().to_owned())) {
            place += 1;
        } else {
            batch.extend(waiting.remove(place));
        }
    }
    batch
}

/// Whether all are to be committed. Nobody is decided while another has given up: it would be rolled back with that one.
fn decide(batch: &[Waiting]) -> bool {
    !batch.iter().any(|waiting| waiting.decision.is_given_up()) && batch.iter().all(|waiting| waiting.decision.commit())
}

#[cfg(test)]
mod tests;
