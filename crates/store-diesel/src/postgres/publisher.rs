//! Publishes changes: at once to the subscribers in this process, and through the database to other processes.
//!
//! A NOTIFY within a transaction would make commits wait for each other. Instead, one thread per store gathers the events
//! of what was committed and sends them on a connection of its own (`listener.rs`). It starts with the first subscriber
//! and ends with the store.

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

/// How many events are kept for other processes while the database can't be reached. If there are more, they only get a
/// [`ChangeEvent::Resync`].
const MAX_OUTGOING: usize = 10_000;

impl ChangeFeed for PostgresStore {
    fn follow(&self, subscriber: Arc<dyn Subscriber>) {
        self.db.publisher().follow(subscriber);
    }
}

/// Publishes the changes of a store. Its thread ends when it is dropped.
pub(crate) struct Publisher {
    exchange: Arc<Exchange>,
    address: Address,
}

/// What that thread shares with those that commit.
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

/// What the thread does next.
pub(crate) enum Next {
    /// Send these to other processes. Empty if there were none for a while.
    Send(HashSet<ChangeEvent>),
    /// End.
    Close,
}

impl Publisher {
    /// `address` leads to the database itself, past any pooler.
    pub(crate) fn new(address: Address) -> Self {
        Self {
            exchange: Arc::default(),
            address,
        }
    }

    fn follow(&self, subscriber: Arc<dyn Subscriber>) {
        if self.exchange.subscribers.add(subscriber) {
            let (exchange, address) = (self.exchange.clone(), self.address.clone());
            let thread = thread::Builder::new().name("change-feed".to_owned());
            if let Err(error) = thread.spawn(move || listener::run(&exchange, &address)) {
                tracing::error!(%error, "no thread listens for changes by other processes");
            }
        }
    }

    /// Publishes what has been committed. The commit's caller waits until the subscribers in this process have returned;
    /// other processes hear of it later.
    pub(crate) fn publish(&self, events: &[ChangeEvent]) {
        if self.exchange.subscribers.is_empty() {
            return;
        }
        self.exchange.subscribers.publish(events);
        self.exchange.enqueue(events.iter().copied());
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.exchange.outgoing().is_closed = true;
        self.exchange.changed.notify_all();
    }
}

impl Exchange {
    /// Publishes an event of another process to the subscribers in this one.
    pub(crate) fn receive(&self, event: ChangeEvent) {
        self.subscribers.publish(&[event]);
    }

    /// Has events sent to other processes, next time.
    pub(crate) fn enqueue(&self, events: impl IntoIterator<Item = ChangeEvent>) {
        let mut outgoing = self.outgoing();
        let was_empty = outgoing.events.is_empty();
        outgoing.events.extend(events);
        if outgoing.events.len() > MAX_OUTGOING {
            outgoing.events = HashSet::from([ChangeEvent::Resync]);
        }
        if was_empty && !outgoing.events.is_empty() {
            self.changed.notify_one();
        }
    }

    /// Waits for outgoing events up to `limit`, and then gathers more for `gathering`.
    pub(crate) fn next(&self, limit: Duration, gathering: Duration) -> Next {
        let nothing = |outgoing: &mut Outgoing| outgoing.events.is_empty() && !outgoing.is_closed;
        let mut outgoing = self.wait(self.outgoing(), limit, nothing);
        if !outgoing.events.is_empty() {
            outgoing = self.wait(outgoing, gathering, |outgoing| !outgoing.is_closed);
        }
        if outgoing.is_closed {
            return Next::Close;
        }
        Next::Send(mem::take(&mut outgoing.events))
    }

    /// Waits for the end of the store up to `limit`, and says whether it came.
    pub(crate) fn is_closed_within(&self, limit: Duration) -> bool {
        self.wait(self.outgoing(), limit, |outgoing| !outgoing.is_closed)
            .is_closed
    }

    fn wait<'a>(
        &self,
        outgoing: MutexGuard<'a, Outgoing>,
        limit: Duration,
        goes_on: impl FnMut(&mut Outgoing) -> bool,
    ) -> MutexGuard<'a, Outgoing> {
        let waited = self.changed.wait_timeout_while(outgoing, limit, goes_on);
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
    fn too_many_outgoing_events_become_a_resync() {
        let exchange = Exchange::default();
        let sent = || match exchange.next(Duration::ZERO, Duration::ZERO) {
            Next::Send(events) => events,
            Next::Close => panic!("it was not closed"),
        };
        let ticket = |number| ChangeEvent::Ticket(TicketId(Uuid::from_u128(number)));
        exchange.enqueue((0..10_000).map(ticket));
        exchange.enqueue((0..10_000).map(ticket));
        assert_eq!(sent().len(), 10_000);
        assert_eq!(sent(), HashSet::new());
        exchange.enqueue((0..10_001).map(ticket));
        assert_eq!(sent(), HashSet::from([ChangeEvent::Resync]));
        exchange.enqueue([ChangeEvent::Unmatched]);
        assert_eq!(sent(), HashSet::from([ChangeEvent::Unmatched]));
    }
}
