//! Publishes changes: at once to the subscribers in this process, and through the database to other processes.
//!
//! A NOTIFY within a transaction would make commits wait for each other. Instead, one thread per store gathers the events
//! of what was committed and sends them on a connection of its own (`listener.rs`). It starts with the first subscriber
//! and ends with the store.

use std::sync::{Arc, OnceLock, mpsc::Sender};

use ticket_domain::ports::{ChangeEvent, ChangeFeed, Subscriber};

use crate::{
    postgres::{PostgresStore, connect::Address, listener},
    subscribers::Subscribers,
};

impl ChangeFeed for PostgresStore {
    fn follow(&self, subscriber: Arc<dyn Subscriber>) {
        self.db.publisher().follow(subscriber);
    }
}

/// Publishes the changes of a store. Its thread ends when it is dropped.
pub(crate) struct Publisher {
    subscribers: Arc<Subscribers>,
    /// What the thread sends to other processes.
    outgoing: OnceLock<Sender<ChangeEvent>>,
    address: Address,
}

impl Publisher {
    /// `address` leads to the database itself, past any pooler.
    pub(crate) fn new(address: Address) -> Self {
        Self {
            subscribers: Arc::default(),
            outgoing: OnceLock::new(),
            address,
        }
    }

    fn follow(&self, subscriber: Arc<dyn Subscriber>) {
        let start = || listener::start(self.subscribers.clone(), self.address.clone());
        self.outgoing.get_or_init(start);
        self.subscribers.add(subscriber);
    }

    /// Publishes what has been committed. The commit's caller waits until the subscribers in this process have returned;
    /// other processes hear of it later.
    pub(crate) fn publish(&self, events: &[ChangeEvent]) {
        let Some(outgoing) = self.outgoing.get() else {
            return;
        };
        self.subscribers.publish(events);
        for event in events {
            // It fails only if the thread could not be started, which was logged.
            let _ = outgoing.send(*event);
        }
    }
}
