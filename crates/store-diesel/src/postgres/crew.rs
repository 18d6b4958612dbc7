//! Calls that come while others of their kind are under way, and are then done together: by one statement, or one commit.
//! Nobody waits for company: what comes alone is done alone, at once.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
};

/// The threads that do one kind of call, a few at a time, and what waits for them.
pub(crate) struct WorkerPool<J> {
    desk: Mutex<QueueState<J>>,
    /// One for each connection. Whoever wants one takes a place first, and gets it in the order of coming.
    places: Arc<Semaphore>,
    /// How many threads there are at most.
    size: u8,
}

struct QueueState<J> {
    waiting: VecDeque<J>,
    /// How many threads are at work.
    workers: u8,
}

impl<J: Send + 'static> WorkerPool<J> {
    /// At most `size` threads, each at one of the `places` while it works; none while there is nothing to do.
    pub(crate) fn new(size: u8, places: Arc<Semaphore>) -> Arc<Self> {
        Arc::new(Self {
            desk: Mutex::new(QueueState {
                waiting: VecDeque::new(),
                workers: 0,
            }),
            places,
            size,
        })
    }

    /// Puts a job where the next worker finds it, and sets one to `work` if not all are. It belongs to no request's span:
    /// what it does, it does for many.
    pub(crate) fn hand_in(self: &Arc<Self>, job: J, work: impl Fn(&mut Worker<J>) + Send + 'static) {
        if !self.is_one_wanted(job) {
            return;
        }
        let mut worker = Worker {
            crew: self.clone(),
            is_counted: true,
        };
        spawn_blocking(move || {
            // Who waits is not to wait for the next call.
            while catch_unwind(AssertUnwindSafe(|| work(&mut worker))).is_err() {
                tracing::error!("a worker of the store panicked");
            }
        });
    }

    /// Puts a job where the next worker finds it, and says whether one more is to come. If so, it counts from now on.
    fn is_one_wanted(&self, job: J) -> bool {
        let mut desk = self.desk();
        desk.waiting.push_back(job);
        let is_one_wanted = desk.workers < self.size;
        desk.workers += u8::from(is_one_wanted);
        is_one_wanted
    }

    fn desk(&self) -> MutexGuard<'_, QueueState<J>> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One thread at work. It counts until it finds nothing to do, or is never begun.
pub(crate) struct Worker<J: Send + 'static> {
    crew: Arc<WorkerPool<J>>,
    is_counted: bool,
}

impl<J: Send + 'static> Worker<J> {
    /// What to do next, as `pick` takes it out of what waits, and the place to do it at. What comes while the place is waited
    /// for is picked too. None once nothing waits.
    pub(crate) fn next(
        &mut self,
        pick: impl FnOnce(&mut VecDeque<J>) -> Vec<J>,
    ) -> Option<(Vec<J>, Option<OwnedSemaphorePermit>)> {
        if self.has_ended() {
            return None;
        }
        // There is one within seconds, as every call ends; and nobody closes them.
        let place = Handle::current()
            .block_on(self.crew.places.clone().acquire_owned())
            .ok();
        Some((pick(&mut self.crew.desk().waiting), place))
    }

    /// Whether nothing waits. Then it counts no longer, under the same lock: who comes now finds that one is wanted.
    fn has_ended(&mut self) -> bool {
        let mut desk = self.crew.desk();
        let has_ended = desk.waiting.is_empty();
        if has_ended {
            desk.workers -= 1;
            self.is_counted = false;
        }
        has_ended
    }
}

impl<J: Send + 'static> Drop for Worker<J> {
    fn drop(&mut self) {
        if self.is_counted {
            self.crew.desk().workers -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread, time::Duration};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn one(waiting: &mut VecDeque<u8>) -> Vec<u8> {
        waiting.pop_front().into_iter().collect()
    }

    /// What waits behind a job that panics is done without a further call.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_worker_that_panics_goes_on_with_the_next() {
        let crew = WorkerPool::new(1, Arc::new(Semaphore::new(1)));
        let (done, dones) = mpsc::channel();
        let (go, gone) = mpsc::channel();
        let work = move |worker: &mut Worker<u8>| {
            while let Some((jobs, _place)) = worker.next(one) {
                if jobs == [1] {
                    gone.recv().unwrap();
                    std::panic::resume_unwind(Box::new("a fault of ours"));
                }
                done.send(jobs).unwrap();
            }
        };
        crew.hand_in(1, work);
        crew.hand_in(2, |_: &mut Worker<u8>| unreachable!("one is at work"));
        go.send(()).unwrap();
        assert_eq!(dones.recv_timeout(PATIENCE).unwrap(), [2]);
    }

    /// So it is fair to whoever else waits for a connection.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_worker_waits_for_its_place_and_takes_what_came_meanwhile_along() {
        let places = Arc::new(Semaphore::new(1));
        let held = places.clone().acquire_owned().await.unwrap();
        let crew = WorkerPool::new(1, places);
        let (done, dones) = mpsc::channel();
        let work = move |worker: &mut Worker<u8>| {
            while let Some((jobs, _place)) = worker.next(|waiting| waiting.drain(..).collect()) {
                done.send(jobs).unwrap();
            }
        };
        crew.hand_in(1, work);
        assert!(dones.recv_timeout(Duration::from_millis(100)).is_err());
        crew.hand_in(2, |_: &mut Worker<u8>| unreachable!("one is at work"));
        drop(held);
        assert_eq!(dones.recv_timeout(PATIENCE).unwrap(), [1, 2]);
    }

    /// A runtime that is stopping runs nothing new: then there is no worker, and nobody waits for one for ever.
    #[test]
    fn a_worker_that_is_never_begun_holds_nothing_up() {
        let (done, dones) = mpsc::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let handle = runtime.handle().clone();
            runtime.shutdown_background();
            let _entered = handle.enter();
            let crew = WorkerPool::new(1, Arc::new(Semaphore::new(1)));
            crew.hand_in(1, |_: &mut Worker<u8>| {});
            done.send(crew.desk().workers).unwrap();
        });
        assert_eq!(dones.recv_timeout(PATIENCE).unwrap(), 0);
    }
}
