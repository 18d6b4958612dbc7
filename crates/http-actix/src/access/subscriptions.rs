//! Subscriptions to the changes of tickets.
//!
//! However many clients subscribe to a ticket, one task reads it once per change. The task starts with the first subscriber
//! and ends with the last. Changes that arrive during a read cause one more read.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use ticket_domain::{
    TicketId, TicketRef,
    ports::{ChangeEvent, StoreError, Subscriber},
    use_cases::ViewError,
};
use tokio::{
    sync::{Notify, Semaphore, watch},
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::access::{ReadError, SharedThreads, ThreadCopy, store_failure::causes};

/// A ticket is read again after this time without an event: a process that died may not have published its changes.
const READ_EVERY: Duration = Duration::from_mins(1);
/// The pause after a failed read.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Maximum number of tickets that are read at a time, so that thousands of subscriptions leave connections for writers.
const READS_AT_ONCE: usize = 4;

/// A ticket as it was last read. None before the first read.
type Newest = Option<Arc<ThreadCopy>>;

type ReadThread = dyn Fn(TicketRef) -> BoxFuture<'static, Result<Arc<ThreadCopy>, ReadError>> + Send + Sync;

/// All subscriptions: one per process, itself subscribed to the changes that the store publishes.
pub(crate) struct TicketSubscriptions {
    reader: Arc<Reader>,
    tickets: Mutex<HashMap<TicketId, SharedTicket>>,
    /// Counts the events.
    events: watch::Sender<u64>,
    is_closed: watch::Sender<bool>,
}

/// A ticket with subscribers.
struct SharedTicket {
    /// The task holds its sender: when the task ends, for whatever reason, every subscription ends.
    newest: watch::Receiver<Newest>,
    changed: Arc<Notify>,
    task: JoinHandle<()>,
    subscribers: usize,
}

impl Drop for SharedTicket {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A subscription to a ticket. It ends when it is dropped.
pub(crate) struct Subscription {
    all: Arc<TicketSubscriptions>,
    id: TicketId,
    newest: watch::Receiver<Newest>,
    is_closed: watch::Receiver<bool>,
}

impl TicketSubscriptions {
    /// Creates the subscriptions, of which there are none. Whoever reads a ticket that has some shares its copy.
    pub(crate) fn new(threads: Arc<SharedThreads>) -> Self {
        Self::reading(Box::new(move |reference| {
            let threads = threads.clone();
            Box::pin(async move { threads.copy(reference).await })
        }))
    }

    fn reading(read: Box<ReadThread>) -> Self {
        Self {
            reader: Arc::new(Reader {
                read,
                permits: Semaphore::new(READS_AT_ONCE),
                is_failing: AtomicBool::new(false),
            }),
            tickets: Mutex::default(),
            events: watch::Sender::new(0),
            is_closed: watch::Sender::new(false),
        }
    }

    /// Subscribes to a ticket that the caller may read. Must be called on a tokio runtime.
    pub(crate) fn follow(self: &Arc<Self>, reference: TicketRef, id: TicketId) -> Subscription {
        let mut tickets = self.tickets();
        if tickets.get(&id).is_some_and(|ticket| ticket.task.is_finished()) {
            tickets.remove(&id);
        }
        let ticket = tickets
            .entry(id)
            // What was read for others may be older than what the caller has just read.
            .and_modify(|ticket| ticket.changed.notify_one())
            .or_insert_with(|| SharedTicket::start(self.reader.clone(), reference));
        ticket.subscribers += 1;
        Subscription {
            all: self.clone(),
            id,
            newest: ticket.newest.clone(),
            is_closed: self.is_closed(),
        }
    }

    /// A counter of the changes of everything.
    pub(crate) fn events(&self) -> watch::Receiver<u64> {
        self.events.subscribe()
    }

    /// Becomes true when the process is about to end.
    pub(crate) fn is_closed(&self) -> watch::Receiver<bool> {
        self.is_closed.subscribe()
    }

    /// Closes all event streams.
    pub(crate) fn close(&self) {
        self.is_closed.send_replace(true);
    }

    fn tickets(&self) -> MutexGuard<'_, HashMap<TicketId, SharedTicket>> {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes a subscriber, and returns the ticket if it was the last.
    fn leave(&self, subscription: &Subscription) -> Option<SharedTicket> {
        let mut tickets = self.tickets();
        let ticket = tickets.get_mut(&subscription.id)?;
        // After a task ended, later subscribers share another one.
        if !ticket.newest.same_channel(&subscription.newest) {
            return None;
        }
        ticket.subscribers -= 1;
        if ticket.subscribers > 0 {
            return None;
        }
        tickets.remove(&subscription.id)
    }
}

impl Subscriber for TicketSubscriptions {
    fn on_change(&self, event: ChangeEvent) {
        let tickets = self.tickets();
        match event {
            ChangeEvent::Ticket(id) => tickets
                .get(&id)
                .into_iter()
                .for_each(|ticket| ticket.changed.notify_one()),
            ChangeEvent::Unmatched => {}
            ChangeEvent::Resync => tickets.values().for_each(|ticket| ticket.changed.notify_one()),
        }
        drop(tickets);
        self.events.send_modify(|count| *count = count.wrapping_add(1));
    }
}

impl SharedTicket {
    fn start(reader: Arc<Reader>, reference: TicketRef) -> Self {
        let (sender, newest) = watch::channel(None);
        let changed = Arc::new(Notify::new());
        Self {
            task: tokio::spawn(reader.keep_reading(reference, sender, changed.clone())),
            newest,
            changed,
            subscribers: 0,
        }
    }
}

/// What all tasks share.
struct Reader {
    read: Box<ReadThread>,
    permits: Semaphore,
    /// Whether the last read failed, so that an outage is two lines of the log however many tickets have subscribers.
    is_failing: AtomicBool,
}

impl Reader {
    /// Reads a ticket at once and after each change, until it is gone.
    async fn keep_reading(self: Arc<Self>, reference: TicketRef, newest: watch::Sender<Newest>, changed: Arc<Notify>) {
        loop {
            // The semaphore is never closed.
            let permit = self.permits.acquire().await;
            let thread = (self.read)(reference).await;
            drop(permit);
            self.log(&thread);
            match thread {
                Ok(thread) => {
                    newest.send_if_modified(|newest| {
                        let is_other = newest.as_ref() != Some(&thread);
                        if is_other {
                            *newest = Some(thread);
                        }
                        is_other
                    });
                }
                // Without memory for one more version the subscriptions end. Their clients come back, or poll.
                Err(ReadError::View(ViewError::NotFound) | ReadError::TooMany(_)) => return,
                // Only another change can mend it.
                Err(ReadError::View(ViewError::Store(StoreError::Corrupt { .. }))) => {}
                Err(ReadError::View(ViewError::Store(_))) => {
                    sleep(RETRY_AFTER).await;
                    continue;
                }
            }
            // With an event or without one, the next read is due.
            let _ = timeout(READ_EVERY, changed.notified()).await;
        }
    }

    fn log(&self, read: &Result<Arc<ThreadCopy>, ReadError>) {
        match read {
            Err(ReadError::View(ViewError::Store(error @ StoreError::Corrupt { .. }))) => {
                tracing::error!(error = causes(error), "a ticket that is followed could not be read");
            }
            Err(ReadError::View(ViewError::Store(error))) => {
                if !self.is_failing.swap(true, Relaxed) {
                    tracing::warn!(error = causes(error), "tickets that are followed can't be read");
                }
            }
            Ok(_) | Err(ReadError::View(ViewError::NotFound) | ReadError::TooMany(_)) => {
                if self.is_failing.swap(false, Relaxed) {
                    tracing::info!("tickets that are followed can be read again");
                }
            }
        }
    }
}

impl Subscription {
    /// The ticket at first, and then its newest state after each change. None once the process is about to end or the ticket
    /// is gone. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Option<Arc<ThreadCopy>> {
        tokio::select! {
            biased;
            _ = self.is_closed.wait_for(|is_closed| *is_closed) => None,
            changed = self.newest.changed() => {
                changed.ok()?;
                self.newest.borrow_and_update().clone()
            }
        }
    }
}

impl Subscription {
    /// The newest state, if it was not returned before.
    pub(crate) fn newer(&mut self) -> Option<Arc<ThreadCopy>> {
        let has_changed = self.newest.has_changed().unwrap_or(false);
        has_changed.then(|| self.newest.borrow_and_update().clone()).flatten()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        // The lock is released before the ticket's task is aborted.
        drop(self.all.leave(self));
    }
}

#[cfg(test)]
mod tests;
