//! Who follows a ticket, and is told when it changes.
//!
//! However many follow one ticket, it is read once a change: by a task of its own, which begins with the first follower
//! and ends with the last. Changes that come while it is being read are one more read.

use std::{
    collections::HashMap,
    error::Error,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use ticket_domain::{
    Thread, TicketId, TicketRef,
    ports::{ChangeEvent, StoreError, Subscriber},
    use_cases::{Credentials, ViewError, ViewTicket},
};
use tokio::{
    sync::{Notify, Semaphore, watch},
    task::JoinHandle,
    time::{sleep, timeout},
};

/// A followed ticket is read again after so long without news: what another process did as it died is told by nobody.
const LOOK_AGAIN: Duration = Duration::from_mins(1);
/// After a read that failed.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// So many followed tickets are read at a time, so that those who write find connections free when thousands have to be
/// looked at again.
const READS_AT_ONCE: usize = 4;

/// What followers see of a ticket. None before it was read for the first time.
type Newest = Option<Arc<Thread>>;

/// Everybody who follows something. There is one a process; the store tells it of changes.
pub(crate) struct TicketSubscriptions {
    reading: Arc<Reading>,
    followed: Mutex<HashMap<TicketId, Followed>>,
    /// Counts the news.
    any: watch::Sender<u64>,
    is_closed: watch::Sender<bool>,
}

/// A ticket that somebody follows.
struct Followed {
    /// Its sender is the reader's: when the reader ends, for whatever reason, every follower learns of it.
    newest: watch::Receiver<Newest>,
    news: Arc<Notify>,
    reader: JoinHandle<()>,
    subscribers: usize,
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// One who follows a ticket, until it is dropped.
pub(crate) struct Subscription {
    live: Arc<TicketSubscriptions>,
    id: TicketId,
    newest: watch::Receiver<Newest>,
    is_closed: watch::Receiver<bool>,
}

impl TicketSubscriptions {
    /// Nobody follows anything yet. What is followed is read by `view`.
    pub(crate) fn new(view: Arc<ViewTicket>) -> Self {
        Self {
            reading: Arc::new(Reading {
                view,
                permits: Semaphore::new(READS_AT_ONCE),
                is_failing: AtomicBool::new(false),
            }),
            followed: Mutex::default(),
            any: watch::Sender::new(0),
            is_closed: watch::Sender::new(false),
        }
    }

    /// Follows a ticket, which the caller has found to be readable. Must be called on a tokio runtime.
    pub(crate) fn follow(self: &Arc<Self>, reference: TicketRef, id: TicketId) -> Subscription {
        let mut followed = self.followed();
        if followed.get(&id).is_some_and(|ticket| ticket.reader.is_finished()) {
            followed.remove(&id);
        }
        let ticket = followed
            .entry(id)
            // What is known may be older than what the caller has just read.
            .and_modify(|ticket| ticket.news.notify_one())
            .or_insert_with(|| Followed::begin(self.reading.clone(), reference));
        ticket.subscribers += 1;
        Subscription {
            live: self.clone(),
            id,
            newest: ticket.newest.clone(),
            is_closed: self.is_closed(),
        }
    }

    /// Counts up with every change of anything, wherever it happened.
    pub(crate) fn any(&self) -> watch::Receiver<u64> {
        self.any.subscribe()
    }

    /// Becomes true when the process is about to end.
    pub(crate) fn is_closed(&self) -> watch::Receiver<bool> {
        self.is_closed.subscribe()
    }

    /// Sends everybody home.
    pub(crate) fn close(&self) {
        self.is_closed.send_replace(true);
    }

    fn followed(&self) -> MutexGuard<'_, HashMap<TicketId, Followed>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One follower fewer; what is left of a ticket that nobody follows any more.
    fn leave(&self, following: &Subscription) -> Option<Followed> {
        let mut followed = self.followed();
        let ticket = followed.get_mut(&following.id)?;
        if !ticket.newest.same_channel(&following.newest) {
            // The reader ended, and those who came later have another.
            return None;
        }
        ticket.subscribers -= 1;
        if ticket.subscribers > 0 {
            return None;
        }
        followed.remove(&following.id)
    }
}

impl Subscriber for TicketSubscriptions {
    fn on_change(&self, news: ChangeEvent) {
        match news {
            ChangeEvent::Ticket(id) => {
                if let Some(ticket) = self.followed().get(&id) {
                    ticket.news.notify_one();
                }
            }
            ChangeEvent::Unmatched => {}
            ChangeEvent::Resync => {
                for ticket in self.followed().values() {
                    ticket.news.notify_one();
                }
            }
        }
        self.any.send_modify(|count| *count = count.wrapping_add(1));
    }
}

impl Followed {
    fn begin(reading: Arc<Reading>, reference: TicketRef) -> Self {
        let (sender, newest) = watch::channel(None);
        let news = Arc::new(Notify::new());
        let reader = tokio::spawn(reading.keep_reading(reference, sender, news.clone()));
        Self {
            newest,
            news,
            reader,
            subscribers: 0,
        }
    }
}

/// What all readers share.
struct Reading {
    view: Arc<ViewTicket>,
    permits: Semaphore,
    /// Whether the last read failed, so that an outage is two lines of the log however many tickets are followed.
    is_failing: AtomicBool,
}

impl Reading {
    /// Reads a ticket now, and again whenever there is news of it, until it is gone.
    async fn keep_reading(self: Arc<Self>, reference: TicketRef, newest: watch::Sender<Newest>, news: Arc<Notify>) {
        loop {
            match self.read(reference).await {
                Ok(thread) => {
                    newest.send_if_modified(|newest| {
                        let is_other = newest.as_deref() != Some(&thread);
                        if is_other {
                            *newest = Some(Arc::new(thread));
                        }
                        is_other
                    });
                }
                Err(ViewError::NotFound) => return,
                // Only news can mend it.
                Err(ViewError::Store(StoreError::Corrupt { .. })) => {}
                Err(ViewError::Store(_)) => {
                    sleep(TRY_AGAIN).await;
                    continue;
                }
            }
            // Whether news came or not, it is time to look.
            let _ = timeout(LOOK_AGAIN, news.notified()).await;
        }
    }

    async fn read(&self, reference: TicketRef) -> Result<Thread, ViewError> {
        let credentials = Credentials {
            is_operator: true,
            ..Credentials::default()
        };
        // The semaphore is never closed.
        let _place = self.permits.acquire().await;
        let view = self.view.view(reference, credentials).await;
        self.log(&view);
        view.map(|view| view.thread)
    }

    fn log<T>(&self, read: &Result<T, ViewError>) {
        match read {
            Err(ViewError::Store(error @ StoreError::Corrupt { .. })) => {
                tracing::error!(error = causes(error), "a ticket that is followed could not be read");
            }
            Err(ViewError::Store(error)) => {
                if !self.is_failing.swap(true, Relaxed) {
                    tracing::warn!(error = causes(error), "tickets that are followed can't be read");
                }
            }
            Ok(_) | Err(ViewError::NotFound) => {
                if self.is_failing.swap(false, Relaxed) {
                    tracing::info!("tickets that are followed can be read again");
                }
            }
        }
    }
}

/// An error with everything beneath it.
fn causes(error: &StoreError) -> String {
    let mut all = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        all.push_str(": ");
        all.push_str(&source.to_string());
        cause = source.source();
    }
    all
}

impl Subscription {
    /// The ticket as it is at first, and then whenever it changed; the newest state where several came. None once the
    /// process is about to end, or the ticket is gone. Nothing is lost if the future is dropped.
    pub(crate) async fn next(&mut self) -> Option<Arc<Thread>> {
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

impl Drop for Subscription {
    fn drop(&mut self) {
        // The reader is ended after the lock was given back.
        drop(self.live.leave(self));
    }
}

#[cfg(test)]
mod tests;
