//! With an operation that has no database.

use std::{
    panic::resume_unwind,
    sync::mpsc::{self, Receiver, Sender},
    thread,
};

use tokio::task::JoinHandle;

use super::*;

const PATIENCE: Duration = Duration::from_secs(10);

/// What the operation does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Request {
    Succeed(u8),
    /// So many share a key.
    Keyed(u8, &'static str),
    Fail(Reach),
    Panic,
    /// Panics when it is published.
    PanicLater,
}

use Request::{Fail, Keyed, Panic, PanicLater, Succeed};

impl Request {
    fn number(self) -> u8 {
        match self {
            Succeed(number) | Keyed(number, _) => number,
            Fail(_) | Panic | PanicLater => 0,
        }
    }
}

/// Says what it is given to execute, and replies with each request's number.
struct Numbers {
    executed: Sender<Vec<u8>>,
    max_batch: usize,
    /// Called before the commit.
    before_commit: Box<dyn Fn() + Send + Sync>,
}

impl BatchOperation for Numbers {
    type Request = Request;
    type Reply = u8;

    fn max_batch(&self) -> usize {
        self.max_batch
    }

    fn key(request: &Request) -> Option<&str> {
        match request {
            Keyed(_, key) => Some(key),
            _ => None,
        }
    }

    fn execute(
        &self,
        requests: &mut [&mut Request],
        _: Instant,
        commit: &dyn Fn() -> bool,
    ) -> Result<Vec<u8>, BatchError> {
        let numbers: Vec<u8> = requests.iter().map(|request| request.number()).collect();
        drop(self.executed.send(numbers.clone()));
        for request in requests {
            match request {
                Fail(reach) => return Err(BatchError::Failed(*reach, UnavailableReason::PoolBusy.into())),
                Panic => resume_unwind(Box::new("a bug of ours")),
                Succeed(_) | Keyed(..) | PanicLater => {}
            }
        }
        (self.before_commit)();
        if commit() {
            Ok(numbers)
        } else {
            Err(BatchError::GivenUp)
        }
    }

    fn committed(&self, requests: &mut [&mut Request], _: &[u8]) {
        if requests.iter().any(|request| **request == PanicLater) {
            resume_unwind(Box::new("a bug in a subscriber"));
        }
    }
}

const LIMITS: Limits = Limits {
    workers: 1,
    call: PATIENCE,
    commit: PATIENCE,
};

/// A batcher, and what it executes.
fn batcher(permits: &Arc<Semaphore>) -> (Batcher<Numbers>, Receiver<Vec<u8>>) {
    batcher_of(permits, 256, LIMITS, || {})
}

fn batcher_of(
    permits: &Arc<Semaphore>,
    max_batch: usize,
    limits: Limits,
    before_commit: impl Fn() + Send + Sync + 'static,
) -> (Batcher<Numbers>, Receiver<Vec<u8>>) {
    let (executed, executions) = mpsc::channel();
    let operation = Numbers {
        executed,
        max_batch,
        before_commit: Box::new(before_commit),
    };
    (Batcher::new(operation, limits, permits.clone()), executions)
}

fn permits(count: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(count))
}

/// Requests as they are pending, each with the gate that decides on it, and where their replies arrive.
pub(crate) type Pending<O> = (Vec<PendingRequest<O>>, Vec<CommitGate>, Vec<ReplyReceiver<O>>);

pub(crate) fn pending<O: BatchOperation>(requests: impl IntoIterator<Item = O::Request>) -> Pending<O> {
    let room = Arc::new(Semaphore::new(QUEUE));
    let (mut batch, mut gates, mut receivers) = (Vec::new(), Vec::new(), Vec::new());
    for request in requests {
        let (pending, receiver) = PendingRequest::new(request, room.clone().try_acquire_owned().unwrap());
        gates.push(pending.gate.clone());
        batch.push(pending);
        receivers.push(receiver);
    }
    (batch, gates, receivers)
}

/// Executes requests together, or else each by itself, and replies to their callers.
pub(crate) fn run<O: BatchOperation>(batcher: &Batcher<O>, batch: Vec<PendingRequest<O>>) {
    batcher.0.run(batch);
}

/// How each ended; `None` if nobody receivers.
fn replies(receivers: Vec<ReplyReceiver<Numbers>>) -> Vec<Option<Result<u8, ()>>> {
    let reply = |mut receiver: ReplyReceiver<Numbers>| receiver.try_recv().ok().map(|reply| reply.map_err(drop));
    receivers.into_iter().map(reply).collect()
}

fn all(executions: &Receiver<Vec<u8>>) -> Vec<Vec<u8>> {
    executions.try_iter().collect()
}

/// Calls, and waits until the request is queued behind `queued` others.
async fn call(batcher: &Batcher<Numbers>, request: Request, queued: usize) -> JoinHandle<Result<u8, StoreError>> {
    let calling = batcher.clone();
    let call = tokio::spawn(async move { calling.call(request).await });
    while batcher.0.queue().pending.len() <= queued {
        tokio::task::yield_now().await;
    }
    call
}

/// So a worker is fair to other calls that wait for a connection.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_waits_for_its_permit_and_takes_what_came_meanwhile_along() {
    let permits = permits(1);
    let held = permits.clone().acquire_owned().await.unwrap();
    let (batcher, executions) = batcher(&permits);
    let first = call(&batcher, Succeed(1), 0).await;
    let second = call(&batcher, Succeed(2), 1).await;
    assert!(all(&executions).is_empty());
    drop(held);
    assert_eq!((first.await.unwrap().unwrap(), second.await.unwrap().unwrap()), (1, 2));
    assert_eq!(all(&executions), [[1, 2]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lone_request_is_executed_at_once() {
    let (batcher, executions) = batcher(&permits(1));
    for number in 1..=3 {
        assert_eq!(batcher.call(Succeed(number)).await.unwrap(), number);
    }
    assert_eq!(all(&executions), [[1], [2], [3]]);
}

/// A request behind a batch that panics is executed without a further call.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_panics_goes_on_with_the_next() {
    let permits = permits(1);
    let held = permits.clone().acquire_owned().await.unwrap();
    let (batcher, executions) = batcher_of(&permits, 1, LIMITS, || {});
    let panics = call(&batcher, Panic, 0).await;
    let next = call(&batcher, Succeed(2), 1).await;
    drop(held);
    let ended = panics.await.unwrap();
    assert!(matches!(ended, Err(StoreError::Failed(_))), "{ended:?}");
    assert_eq!(next.await.unwrap().unwrap(), 2);
    assert_eq!(all(&executions), [[0], [2]]);
}

/// A runtime that is stopping runs nothing new: then there is no worker, and nobody may count on one.
#[test]
fn a_worker_that_is_never_begun_holds_nothing_up() {
    let (done, dones) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let handle = runtime.handle().clone();
        runtime.shutdown_background();
        let _entered = handle.enter();
        let (batcher, _executions) = batcher(&permits(1));
        let (mut waiting, _gates, _receivers) = pending([Succeed(1)]);
        batcher.enqueue(waiting.remove(0));
        batcher.wait_until_idle();
        done.send(batcher.0.queue().workers).unwrap();
    });
    assert_eq!(dones.recv_timeout(PATIENCE).unwrap(), 0);
}

/// What the workers' threads hold is given back by then, though the caller got its reply before.
#[tokio::test(flavor = "multi_thread")]
async fn an_idle_batcher_is_held_by_no_thread() {
    for number in 0..100 {
        let (batcher, _executions) = batcher(&permits(1));
        batcher.call(Succeed(number)).await.unwrap();
        batcher.wait_until_idle();
        assert_eq!(Arc::strong_count(&batcher.0), 1);
    }
}

/// A repeated key waits for the first, and holds nobody up.
#[test]
fn a_key_is_in_a_batch_once_and_what_is_behind_its_repetition_too() {
    let (batcher, _executions) = batcher(&permits(1));
    let (waiting, gates, _receivers) = pending([
        Keyed(0, "a"),
        Keyed(1, "a"),
        Succeed(2),
        Keyed(3, "b"),
        Keyed(4, "a"),
        Succeed(5),
    ]);
    assert!(gates[2].give_up());
    batcher.0.queue().pending.extend(waiting);
    let taken = || -> Vec<u8> {
        let batch = batcher.0.take_batch();
        batch.iter().map(|pending| pending.request.number()).collect()
    };
    assert_eq!(taken(), [0, 3, 5]);
    assert_eq!(taken(), [1]);
    assert_eq!(taken(), [4]);
    assert!(taken().is_empty());
}

#[test]
fn a_batch_holds_no_more_than_the_operation_allows() {
    let (batcher, _executions) = batcher_of(&permits(1), 2, LIMITS, || {});
    let (waiting, _gates, _receivers) = pending([Succeed(1), Succeed(2), Succeed(3)]);
    batcher.0.queue().pending.extend(waiting);
    assert_eq!(batcher.0.take_batch().len(), 2);
    assert_eq!(batcher.0.take_batch().len(), 1);
}

/// A caller that is bound could give up no more, and would hear that nobody knows.
#[test]
fn no_caller_is_bound_while_another_has_given_up() {
    let gates = [(); 3].map(|()| CommitGate::default());
    let [first, second, third] = &gates;
    assert!(third.give_up());
    assert!(!commit_all(&[first, second, third]));
    assert!(first.give_up(), "the first is still free to");
    assert!(commit_all(&[second]));
    assert!(!second.give_up());
}

#[test]
fn a_caller_that_gives_up_before_the_commit_is_left_out() {
    let (batch, gates, receivers) = pending([Succeed(1), Succeed(2), Succeed(3)]);
    let second = gates[1].clone();
    let before_commit = move || {
        second.give_up();
    };
    let (batcher, executions) = batcher_of(&permits(1), 256, LIMITS, before_commit);
    run(&batcher, batch);
    assert_eq!(replies(receivers), [Some(Ok(1)), None, Some(Ok(3))]);
    assert_eq!(all(&executions), [vec![1, 2, 3], vec![1, 3]]);
}

#[test]
fn a_request_that_fails_harms_no_other() {
    let (batcher, executions) = batcher(&permits(1));
    let (batch, _gates, receivers) = pending([Succeed(1), Fail(Reach::Request), Succeed(3)]);
    run(&batcher, batch);
    assert_eq!(replies(receivers), [Some(Ok(1)), Some(Err(())), Some(Ok(3))]);
    assert_eq!(all(&executions), [vec![1, 0, 3], vec![1], vec![0], vec![3]]);
}

/// It may have been written.
#[test]
fn a_commit_that_failed_is_never_repeated() {
    let (batcher, executions) = batcher(&permits(1));
    let (batch, _gates, receivers) = pending([Succeed(1), Fail(Reach::Commit), Succeed(3)]);
    run(&batcher, batch);
    assert_eq!(replies(receivers), [Some(Err(())); 3]);
    assert_eq!(all(&executions), [[1, 0, 3]]);
}

/// What each failure ends when requests are executed one by one.
#[test]
fn a_failure_ends_those_whom_it_concerns() {
    for (reach, ended) in [
        (Reach::Request, [Some(Err(())), Some(Ok(3)), None]),
        (Reach::Commit, [Some(Err(())), Some(Ok(3)), None]),
        (Reach::Batch, [Some(Err(())), Some(Err(())), None]),
        (Reach::Queue, [Some(Err(())), Some(Err(())), Some(Err(()))]),
    ] {
        let (batcher, _executions) = batcher(&permits(1));
        let (batch, _gates, mut receivers) = pending([Fail(reach), Succeed(3)]);
        let (queued, _gates, queued_receivers) = pending([Succeed(4)]);
        batcher.0.queue().pending.extend(queued);
        batcher.0.run_each(batch, Instant::now());
        receivers.extend(queued_receivers);
        assert_eq!(replies(receivers), ended, "{reach:?}");
    }
}

/// It is committed, whatever becomes of publishing it.
#[test]
fn a_panic_while_publishing_changes_no_reply() {
    let (batcher, _executions) = batcher(&permits(1));
    let (batch, _gates, receivers) = pending([Succeed(1), PanicLater]);
    run(&batcher, batch);
    assert_eq!(replies(receivers), [Some(Ok(1)), Some(Ok(0))]);
}

/// A caller hears in time that its request was given up, and nothing is committed later.
#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_waits_too_long_gives_up() {
    let permits = permits(1);
    let held = permits.clone().acquire_owned().await.unwrap();
    let limits = Limits {
        call: Duration::from_millis(50),
        ..LIMITS
    };
    let (batcher, executions) = batcher_of(&permits, 256, limits, || {});
    let ended = batcher.call(Succeed(1)).await;
    assert!(matches!(ended, Err(StoreError::Unavailable(_))), "{ended:?}");
    drop(held);
    batcher.wait_until_idle();
    assert!(all(&executions).is_empty());
}
