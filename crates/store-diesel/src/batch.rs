//! Requests that arrive while others of their kind are under way are executed together: by one statement, or in one commit.
//! There is no batching delay; a lone request is executed at once.
//!
//! Requests share a batch, never a fate: if one of them may have made it fail, each is executed again by itself.

use std::{
    collections::{HashSet, VecDeque},
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use ticket_domain::ports::StoreError;
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    task::spawn_blocking,
};

use crate::{
    calls::{self, CommitGate},
    failure::UnavailableReason,
};

/// How many requests wait at most. Later ones wait to be let in.
const QUEUE: usize = 1_024;

/// What an engine does with the requests of a batch.
pub(crate) trait BatchOperation: Send + Sync + 'static {
    type Request: Send + 'static;
    type Reply: Send + 'static;

    /// Whether a request is executed even if its caller is gone by then.
    const OUTLIVES_CALLER: bool = true;

    /// How many requests a batch holds at most.
    fn max_batch(&self) -> usize;

    /// A batch holds only one request with the same key. Another one must find what the first has written.
    fn key(_: &Self::Request) -> Option<&str> {
        None
    }

    /// Executes all requests together, and returns their replies in the same order. May be called again with the same
    /// requests after it failed, and then must not find anything of the first attempt.
    ///
    /// Calls `commit` at the last moment before anything becomes permanent, and only goes on if it returns true: from then
    /// on every caller waits for the end. An operation that only reads never calls it.
    ///
    /// No connection needs to be waited for after `deadline`: by then all callers have given up.
    ///
    /// # Errors
    ///
    /// Nothing was kept, or nobody knows ([`Reach::Commit`] and beyond).
    fn execute(
        &self,
        requests: &mut [&mut Self::Request],
        deadline: Instant,
        commit: &dyn Fn() -> bool,
    ) -> Result<Vec<Self::Reply>, BatchError>;

    /// Publishes what has been committed, before the callers get their replies.
    fn committed(&self, _: &mut [&mut Self::Request], _: &[Self::Reply]) {}
}

/// Why a batch was not executed.
#[derive(Debug)]
pub(crate) enum BatchError {
    /// `commit` returned false.
    GivenUp,
    Failed(Reach, StoreError),
}

/// What a failure concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    /// Perhaps only one of the requests: each is to be executed again by itself.
    Request,
    /// All requests of this commit. None may be executed again, since it could have been written.
    Commit,
    /// The rest of the batch too: each request would wait as long for the same failure.
    Batch,
    /// And all requests in the queue.
    Queue,
}

/// How many threads execute batches, and how long callers wait for them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// How many batches are executed at the same time.
    pub(crate) workers: u8,
    /// When a call that has not come to its commit is given up.
    pub(crate) call: Duration,
    /// How long a commit that is under way then may still take.
    pub(crate) commit: Duration,
}

/// Executes the requests of concurrent callers in batches.
pub(crate) struct Batcher<O: BatchOperation>(Arc<Shared<O>>);

struct Shared<O: BatchOperation> {
    operation: O,
    limits: Limits,
    queue: Mutex<Queue<O>>,
    /// One for each request that may wait.
    room: Arc<Semaphore>,
    /// One for each connection. A worker takes one before it takes requests, in the order of arrival.
    permits: Arc<Semaphore>,
    threads: Arc<Threads>,
}

struct Queue<O: BatchOperation> {
    pending: VecDeque<PendingRequest<O>>,
    /// How many workers there are. None rests: one starts with a request, and ends when nothing is pending.
    workers: u8,
}

// A derive would demand it of `O`.
impl<O: BatchOperation> Clone for Batcher<O> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<O: BatchOperation> Batcher<O> {
    /// Each worker holds one of the `permits` while it executes a batch.
    pub(crate) fn new(operation: O, limits: Limits, permits: Arc<Semaphore>) -> Self {
        Self(Arc::new(Shared {
            operation,
            limits,
            queue: Mutex::new(Queue {
                pending: VecDeque::new(),
                workers: 0,
            }),
            room: Arc::new(Semaphore::new(QUEUE)),
            permits,
            threads: Arc::default(),
        }))
    }

    /// Has a request executed, together with others that wait. Unless the operation says otherwise, the request ends as it
    /// would have even if the returned future is dropped.
    ///
    /// # Errors
    ///
    /// Those of the operation, or `Unavailable` if the reply did not come in time.
    pub(crate) async fn call(&self, request: O::Request) -> Result<O::Reply, StoreError> {
        let Limits { call, commit, .. } = self.0.limits;
        // By the runtime's clock, which tests may move.
        let deadline = tokio::time::Instant::now() + call;
        let room = calls::permit(&self.0.room).await?;
        let (pending, replied) = PendingRequest::new(request, room);
        let gate = pending.gate.clone();
        self.enqueue(pending);
        let reply = gate.wait(replied, deadline, commit).await?;
        reply.unwrap_or_else(|_| Err(UnavailableReason::NoReply.into()))
    }

    /// Puts a request where the next worker finds it, and starts one unless all are at work. A worker belongs to no
    /// request's span: what it does, it does for many.
    fn enqueue(&self, pending: PendingRequest<O>) {
        {
            let mut queue = self.0.queue();
            queue.pending.push_back(pending);
            if queue.workers == self.0.limits.workers {
                return;
            }
            queue.workers += 1;
        }
        let worker = Worker {
            shared: self.0.clone(),
            is_counted: true,
            _thread: Thread::begin(&self.0.threads),
        };
        spawn_blocking(move || worker.run());
    }

    /// Blocks until all requests are executed, and the workers' threads have dropped what they held.
    pub(crate) fn wait_until_idle(&self) {
        self.0.threads.wait_until_none();
    }
}

/// A request that waits for its execution.
pub(crate) struct PendingRequest<O: BatchOperation> {
    request: O::Request,
    gate: CommitGate,
    reply: oneshot::Sender<Result<O::Reply, StoreError>>,
    /// Its room in the queue.
    _room: OwnedSemaphorePermit,
}

/// Where the reply to a request arrives.
pub(crate) type ReplyReceiver<O> = oneshot::Receiver<Result<<O as BatchOperation>::Reply, StoreError>>;

impl<O: BatchOperation> PendingRequest<O> {
    fn new(request: O::Request, room: OwnedSemaphorePermit) -> (Self, ReplyReceiver<O>) {
        let (reply, replied) = oneshot::channel();
        let pending = Self {
            request,
            gate: CommitGate::default(),
            reply,
            _room: room,
        };
        (pending, replied)
    }

    fn is_wanted(&self) -> bool {
        !self.gate.is_given_up() && (O::OUTLIVES_CALLER || !self.reply.is_closed())
    }

    fn reply(self, reply: Result<O::Reply, StoreError>) {
        // The caller may be gone.
        drop(self.reply.send(reply));
    }
}

impl<O: BatchOperation> Shared<O> {
    fn queue(&self) -> MutexGuard<'_, Queue<O>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As many requests as a batch may hold. One whose key is in the batch keeps its place for a later one.
    fn take_batch(&self) -> Vec<PendingRequest<O>> {
        let pending = &mut self.queue().pending;
        let (mut batch, mut keys) = (Vec::new(), HashSet::new());
        let mut place = 0;
        while batch.len() < self.operation.max_batch()
            && let Some(next) = pending.get(place)
        {
            if !next.is_wanted() {
                pending.remove(place);
            } else if O::key(&next.request).is_none_or(|key| keys.insert(key.to_owned())) {
                batch.extend(pending.remove(place));
            } else {
                place += 1;
            }
        }
        batch
    }

    fn run(&self, mut batch: Vec<PendingRequest<O>>) {
        let deadline = Instant::now() + self.limits.call;
        match self.execute(&mut batch, deadline) {
            Ok(()) => {}
            Err((Reach::Request, _)) if batch.len() > 1 => self.run_each(batch, deadline),
            Err((reach, error)) => self.refuse(batch, reach, &error),
        }
    }

    fn run_each(&self, batch: Vec<PendingRequest<O>>, deadline: Instant) {
        let mut batch = batch.into_iter();
        while let Some(next) = batch.next() {
            let mut alone = vec![next];
            if let Err((reach, error)) = self.execute(&mut alone, deadline) {
                if reach >= Reach::Batch {
                    alone.extend(batch.by_ref());
                }
                self.refuse(alone, reach, &error);
            }
        }
    }

    /// Executes those of the requests that are still wanted, and replies to them.
    fn execute(&self, batch: &mut Vec<PendingRequest<O>>, deadline: Instant) -> Result<(), (Reach, StoreError)> {
        loop {
            batch.retain(PendingRequest::is_wanted);
            if batch.is_empty() {
                return Ok(());
            }
            let (mut requests, gates): (Vec<_>, Vec<_>) = batch
                .iter_mut()
                .map(|pending| (&mut pending.request, &pending.gate))
                .unzip();
            match self.operation.execute(&mut requests, deadline, &|| commit_all(&gates)) {
                Ok(replies) => {
                    let publish = || self.operation.committed(&mut requests, &replies);
                    // They are committed, whatever becomes of publishing it.
                    if catch_unwind(AssertUnwindSafe(publish)).is_err() {
                        tracing::error!("publishing a commit panicked");
                    }
                    for (pending, reply) in batch.drain(..).zip(replies) {
                        pending.reply(Ok(reply));
                    }
                    return Ok(());
                }
                // Again without whoever gave up. The callers who can't any more wait only for this.
                Err(BatchError::GivenUp) => {}
                Err(BatchError::Failed(reach, error)) => return Err((reach, error)),
            }
        }
    }

    fn refuse(&self, batch: Vec<PendingRequest<O>>, reach: Reach, error: &StoreError) {
        let queued = match reach {
            Reach::Queue => mem::take(&mut self.queue().pending),
            Reach::Request | Reach::Commit | Reach::Batch => VecDeque::new(),
        };
        for pending in batch.into_iter().chain(queued) {
            pending.reply(Err(error.clone()));
        }
    }
}

/// A batch commits only if every caller is still waiting. If one has given up, no other is bound to wait: the batch is
/// rolled back.
fn commit_all(gates: &[&CommitGate]) -> bool {
    !gates.iter().any(|gate| gate.is_given_up()) && gates.iter().all(|gate| gate.commit())
}

/// A thread that executes batches. It counts until it finds nothing pending, or is never begun.
struct Worker<O: BatchOperation> {
    shared: Arc<Shared<O>>,
    is_counted: bool,
    /// Dropped last.
    _thread: Thread,
}

impl<O: BatchOperation> Worker<O> {
    fn run(mut self) {
        // A request that is pending must not depend on the next call.
        while catch_unwind(AssertUnwindSafe(|| self.run_batches())).is_err() {
            tracing::error!("a worker of the store panicked");
        }
    }

    fn run_batches(&mut self) {
        while !self.has_ended() {
            // A permit comes free within seconds, as every call ends; and nobody closes the semaphore.
            let _permit = Handle::current()
                .block_on(self.shared.permits.clone().acquire_owned())
                .ok();
            // Requests that came meanwhile are in the batch too.
            self.shared.run(self.shared.take_batch());
        }
    }

    /// Whether nothing is pending. The worker stops counting under the same lock, so a request that comes now starts another.
    fn has_ended(&mut self) -> bool {
        let mut queue = self.shared.queue();
        let has_ended = queue.pending.is_empty();
        if has_ended {
            queue.workers -= 1;
            self.is_counted = false;
        }
        has_ended
    }
}

impl<O: BatchOperation> Drop for Worker<O> {
    fn drop(&mut self) {
        if self.is_counted {
            self.shared.queue().workers -= 1;
        }
    }
}

/// Counts the threads that still hold a part of a batcher, and with it its connections.
#[derive(Default)]
struct Threads {
    running: Mutex<usize>,
    changed: Condvar,
}

impl Threads {
    fn running(&self) -> MutexGuard<'_, usize> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_until_none(&self) {
        let ended = self.changed.wait_while(self.running(), |running| *running > 0);
        drop(ended.unwrap_or_else(PoisonError::into_inner));
    }
}

/// One of the counted threads.
struct Thread(Arc<Threads>);

impl Thread {
    fn begin(threads: &Arc<Threads>) -> Self {
        *threads.running() += 1;
        Self(threads.clone())
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        *self.0.running() -= 1;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
pub(crate) mod tests;
