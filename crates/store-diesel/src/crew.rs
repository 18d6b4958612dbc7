//! Calls that come while others of their kind are under way, and are then done together: by one statement, or one commit.
//! Nobody waits for company: what comes alone is done alone, at once.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::task::spawn_blocking;
use tracing::Span;

/// The threads that do one kind of call, a few at a time, and what waits for them.
pub(crate) struct Crew<J> {
    desk: Mutex<Desk<J>>,
    /// How many threads there are at most.
    size: u8,
}

struct Desk<J> {
    waiting: VecDeque<J>,
    /// How many threads are at work.
    workers: u8,
}

impl<J: Send + 'static> Crew<J> {
    /// At most `size` threads; none while there is nothing to do.
    pub(crate) fn new(size: u8) -> Arc<Self> {
        Arc::new(Self {
            desk: Mutex::new(Desk {
                waiting: VecDeque::new(),
                workers: 0,
            }),
            size,
        })
    }

    /// Puts a job where the next worker finds it, and sets one to `work` if not all are.
    pub(crate) fn hand_in(self: &Arc<Self>, job: J, work: impl FnOnce(Worker<J>) + Send + 'static) {
        let mut desk = self.desk();
        desk.waiting.push_back(job);
        if desk.workers < self.size {
            desk.workers += 1;
            let worker = Worker {
                crew: self.clone(),
                is_counted: true,
            };
            let span = Span::current();
            spawn_blocking(move || span.in_scope(|| work(worker)));
        }
    }

    fn desk(&self) -> MutexGuard<'_, Desk<J>> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One thread at work. It counts until it finds nothing to do, or panics.
pub(crate) struct Worker<J: Send + 'static> {
    crew: Arc<Crew<J>>,
    is_counted: bool,
}

impl<J: Send + 'static> Worker<J> {
    /// What to do next, as `pick` takes it out of what waits. None once nothing waits.
    pub(crate) fn next(&mut self, pick: impl FnOnce(&mut VecDeque<J>) -> Vec<J>) -> Option<Vec<J>> {
        let mut desk = self.crew.desk();
        let picked = pick(&mut desk.waiting);
        if picked.is_empty() && desk.waiting.is_empty() {
            // Under the same lock: who comes now finds a place to be free.
            desk.workers -= 1;
            self.is_counted = false;
            return None;
        }
        Some(picked)
    }
}

impl<J: Send + 'static> Drop for Worker<J> {
    fn drop(&mut self) {
        if self.is_counted {
            self.crew.desk().workers -= 1;
        }
    }
}
