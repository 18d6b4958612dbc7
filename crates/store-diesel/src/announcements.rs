//! Telling of changes: those who follow in this process at once, those in others by way of the database.
//!
//! The database's own NOTIFY would make commits wait for each other, so nothing is told within them: one thread a store
//! gathers what was committed and tells it by a connection of its own (`listener.rs`). It begins with the first who
//! follows and ends with the store.

use std::{
    collections::HashSet,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use ticket_domain::ports::{Announcements, Follower, News};

use crate::{PostgresStore, connect::Address, listener};

/// So much is remembered for the others while the database can't be reached. Then they are only told that they missed
/// something.
const MOST: usize = 10_000;

impl Announcements for PostgresStore {
    fn follow(&self, follower: Arc<dyn Follower>) {
        self.db.announcer().follow(follower);
    }
}

/// Tells whoever follows a store. Its thread ends when it is dropped.
pub(crate) struct Announcer {
    exchange: Arc<Exchange>,
    address: Address,
}

/// What the thread shares with those who commit.
#[derive(Default)]
pub(crate) struct Exchange {
    followers: Mutex<Arc<[Arc<dyn Follower>]>>,
    outgoing: Mutex<Outgoing>,
    changed: Condvar,
}

#[derive(Default)]
struct Outgoing {
    news: HashSet<News>,
    is_closed: bool,
}

/// What is to be done next.
pub(crate) enum Next {
    /// Tell the others. Nothing if there was none for a while.
    Tell(HashSet<News>),
    /// End.
    Close,
}

impl Announcer {
    /// Nobody follows yet.
    pub(crate) fn new(address: Address) -> Self {
        Self {
            exchange: Arc::default(),
            address,
        }
    }

    fn follow(&self, follower: Arc<dyn Follower>) {
        let is_first = {
            let mut followers = self.exchange.followers.lock().unwrap_or_else(PoisonError::into_inner);
            let is_first = followers.is_empty();
            *followers = followers.iter().cloned().chain([follower]).collect();
            is_first
        };
        if is_first {
            let (exchange, address) = (self.exchange.clone(), self.address.clone());
            let thread = thread::Builder::new().name("announcements".to_owned());
            if let Err(error) = thread.spawn(move || listener::run(&exchange, &address)) {
                tracing::error!(%error, "no thread that hears of changes by other processes");
            }
        }
    }

    /// Tells of what was committed. Nobody waits for it: those here must return at once, the others are told later.
    pub(crate) fn tell(&self, news: &[News]) {
        let followers = self.exchange.followers();
        if followers.is_empty() {
            return;
        }
        for &news in news {
            followers.iter().for_each(|follower| tell(&**follower, news));
        }
        self.exchange.remember(news.iter().copied());
    }
}

impl Drop for Announcer {
    fn drop(&mut self) {
        self.exchange.outgoing().is_closed = true;
        self.exchange.changed.notify_all();
    }
}

impl Exchange {
    /// Tells those in this process.
    pub(crate) fn hear(&self, news: News) {
        self.followers().iter().for_each(|follower| tell(&**follower, news));
    }

    /// Has the others told, next time.
    pub(crate) fn remember(&self, news: impl IntoIterator<Item = News>) {
        let mut outgoing = self.outgoing();
        let was_empty = outgoing.news.is_empty();
        outgoing.news.extend(news);
        if outgoing.news.len() > MOST {
            outgoing.news = HashSet::from([News::Missed]);
        }
        if was_empty && !outgoing.news.is_empty() {
            self.changed.notify_one();
        }
    }

    /// Waits for news as long as `patience`, and for more to come with it as long as `gathering`.
    pub(crate) fn next(&self, patience: Duration, gathering: Duration) -> Next {
        let nothing = |outgoing: &mut Outgoing| outgoing.news.is_empty() && !outgoing.is_closed;
        let mut outgoing = self.wait(self.outgoing(), patience, nothing);
        if !outgoing.news.is_empty() {
            outgoing = self.wait(outgoing, gathering, |outgoing| !outgoing.is_closed);
        }
        if outgoing.is_closed {
            return Next::Close;
        }
        Next::Tell(mem::take(&mut outgoing.news))
    }

    /// Whether it is over, within `patience`.
    pub(crate) fn is_closed_within(&self, patience: Duration) -> bool {
        self.wait(self.outgoing(), patience, |outgoing| !outgoing.is_closed)
            .is_closed
    }

    fn wait<'a>(
        &self,
        outgoing: MutexGuard<'a, Outgoing>,
        patience: Duration,
        goes_on: impl FnMut(&mut Outgoing) -> bool,
    ) -> MutexGuard<'a, Outgoing> {
        let waited = self.changed.wait_timeout_while(outgoing, patience, goes_on);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn followers(&self) -> Arc<[Arc<dyn Follower>]> {
        self.followers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn outgoing(&self) -> MutexGuard<'_, Outgoing> {
        self.outgoing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells one who follows. What is told is committed, whatever becomes of telling it.
fn tell(follower: &dyn Follower, news: News) {
    if catch_unwind(AssertUnwindSafe(|| follower.hear(news))).is_err() {
        tracing::error!("a follower of changes panicked");
    }
}

#[cfg(test)]
mod tests {
    use ticket_domain::TicketId;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_follower_that_panics_keeps_nobody_from_hearing() {
        struct Deaf;
        impl Follower for Deaf {
            fn hear(&self, _: News) {
                std::panic::resume_unwind(Box::new("a fault of a follower"));
            }
        }
        #[derive(Default)]
        struct Heard(Mutex<Vec<News>>);
        impl Follower for Heard {
            fn hear(&self, news: News) {
                self.0.lock().unwrap().push(news);
            }
        }
        let (exchange, heard) = (Exchange::default(), Arc::new(Heard::default()));
        *exchange.followers.lock().unwrap() = Arc::new([Arc::new(Deaf), heard.clone()]);
        exchange.hear(News::Unmatched);
        assert_eq!(*heard.0.lock().unwrap(), [News::Unmatched]);
    }

    #[test]
    fn more_than_can_be_remembered_is_told_as_missed() {
        let exchange = Exchange::default();
        let told = || match exchange.next(Duration::ZERO, Duration::ZERO) {
            Next::Tell(news) => news,
            Next::Close => panic!("it was not closed"),
        };
        let ticket = |number| News::Ticket(TicketId(Uuid::from_u128(number)));
        exchange.remember((0..10_000).map(ticket));
        exchange.remember((0..10_000).map(ticket));
        assert_eq!(told().len(), 10_000);
        assert_eq!(told(), HashSet::new());
        exchange.remember((0..10_001).map(ticket));
        assert_eq!(told(), HashSet::from([News::Missed]));
        exchange.remember([News::Unmatched]);
        assert_eq!(told(), HashSet::from([News::Unmatched]));
    }
}
