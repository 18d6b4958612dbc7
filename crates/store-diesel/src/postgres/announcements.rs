//! Telling of changes: those who follow in this process at once, those in others by way of the database.
//!
//! The database's own NOTIFY would make commits wait for each other, so nothing is told within them: one thread a store
//! gathers what was committed and tells it by a connection of its own (`listener.rs`). It begins with the first who
//! follows and ends with the store.

use std::{
    collections::HashSet,
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use ticket_domain::ports::{ChangeEvent, ChangeFeed, Subscriber};

use crate::{
    postgres::{PostgresStore, connect::Address, listener},
    subscribers::Subscribers,
};

/// So much is remembered for the others while the database can't be reached. Then they are only told that they missed
/// something.
const MOST: usize = 10_000;

impl ChangeFeed for PostgresStore {
    fn follow(&self, subscriber: Arc<dyn Subscriber>) {
        self.db.publisher().follow(subscriber);
    }
}

/// Tells whoever follows a store. Its thread ends when it is dropped.
pub(crate) struct Publisher {
    exchange: Arc<Exchange>,
    address: Address,
}

/// What the thread shares with those who commit.
#[derive(Default)]
pub(crate) struct Exchange {
    subscribers: Subscribers,
    outgoing: Mutex<Outgoing>,
    changed: Condvar,
}

#[derive(Default)]
struct Outgoing {
    events: HashSet<ChangeEvent>,
    is_closed: bool,
}

/// What is to be done next.
pub(crate) enum Next {
    /// Tell the others. Nothing if there was none for a while.
    Tell(HashSet<ChangeEvent>),
    /// End.
    Close,
}

impl Publisher {
    /// Nobody follows yet.
    pub(crate) fn new(address: Address) -> Self {
        Self {
            exchange: Arc::default(),
            address,
        }
    }

    fn follow(&self, subscriber: Arc<dyn Subscriber>) {
        if self.exchange.subscribers.add(subscriber) {
            let (exchange, address) = (self.exchange.clone(), self.address.clone());
            let thread = thread::Builder::new().name("announcements".to_owned());
            if let Err(error) = thread.spawn(move || listener::run(&exchange, &address)) {
                tracing::error!(%error, "no thread that hears of changes by other processes");
            }
        }
    }

    /// Tells of what was committed. Nobody waits for it: those here must return at once, the others are told later.
    pub(crate) fn publish(&self, events: &[ChangeEvent]) {
        if self.exchange.subscribers.is_empty() {
            return;
        }
        self.exchange.subscribers.publish(events);
        self.exchange.remember(events.iter().copied());
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.exchange.outgoing().is_closed = true;
        self.exchange.changed.notify_all();
    }
}

impl Exchange {
    /// Tells those in this process.
    pub(crate) fn on_change(&self, events: ChangeEvent) {
        self.subscribers.publish(&[events]);
    }

    /// Has the others told, next time.
    pub(crate) fn remember(&self, events: impl IntoIterator<Item = ChangeEvent>) {
        let mut outgoing = self.outgoing();
        let was_empty = outgoing.events.is_empty();
        outgoing.events.extend(events);
        if outgoing.events.len() > MOST {
            outgoing.events = HashSet::from([ChangeEvent::Resync]);
        }
        if was_empty && !outgoing.events.is_empty() {
            self.changed.notify_one();
        }
    }

    /// Waits for news as long as `patience`, and for more to come with it as long as `gathering`.
    pub(crate) fn next(&self, patience: Duration, gathering: Duration) -> Next {
        let nothing = |outgoing: &mut Outgoing| outgoing.events.is_empty() && !outgoing.is_closed;
        let mut outgoing = self.wait(self.outgoing(), patience, nothing);
        if !outgoing.events.is_empty() {
            outgoing = self.wait(outgoing, gathering, |outgoing| !outgoing.is_closed);
        }
        if outgoing.is_closed {
            return Next::Close;
        }
        Next::Tell(mem::take(&mut outgoing.events))
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

    fn outgoing(&self) -> MutexGuard<'_, Outgoing> {
        self.outgoing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use ticket_domain::TicketId;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn more_than_can_be_remembered_is_told_as_missed() {
        let exchange = Exchange::default();
        let told = || match exchange.next(Duration::ZERO, Duration::ZERO) {
            Next::Tell(events) => events,
            Next::Close => panic!("it was not closed"),
        };
        let ticket = |number| ChangeEvent::Ticket(TicketId(Uuid::from_u128(number)));
        exchange.remember((0..10_000).map(ticket));
        exchange.remember((0..10_000).map(ticket));
        assert_eq!(told().len(), 10_000);
        assert_eq!(told(), HashSet::new());
        exchange.remember((0..10_001).map(ticket));
        assert_eq!(told(), HashSet::from([ChangeEvent::Resync]));
        exchange.remember([ChangeEvent::Unmatched]);
        assert_eq!(told(), HashSet::from([ChangeEvent::Unmatched]));
    }
}
