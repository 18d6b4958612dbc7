//! Permits for what is open for a while: connections and event streams.

use std::{
    collections::HashMap,
    hash::Hash,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ticket_domain::TicketId;

/// Too many connections or event streams are open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many are open; try again in {seconds} s")]
pub(crate) struct TooManyConnections {
    /// How long to wait, in seconds.
    pub seconds: u64,
}

/// By then some permits will have been returned.
const RETRY_AFTER_SECONDS: u64 = 30;

/// Permits, up to a maximum per key.
#[derive(Debug)]
pub(crate) struct KeyedSemaphore<K> {
    max: usize,
    taken: Mutex<HashMap<K, usize>>,
}

/// A permit. It is returned when it is dropped.
#[derive(Debug)]
pub(crate) struct Permit<K: Eq + Hash> {
    permits: Arc<KeyedSemaphore<K>>,
    key: K,
}

impl<K: Copy + Eq + Hash> KeyedSemaphore<K> {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            max,
            taken: Mutex::default(),
        })
    }

    /// Takes a permit of `key`.
    ///
    /// # Errors
    /// [`TooManyConnections`] if all permits of `key` are taken.
    pub(crate) fn take(self: &Arc<Self>, key: K) -> Result<Permit<K>, TooManyConnections> {
        let mut taken = self.taken();
        let count = taken.get(&key).copied().unwrap_or_default();
        if count >= self.max {
            let seconds = RETRY_AFTER_SECONDS;
            return Err(TooManyConnections { seconds });
        }
        taken.insert(key, count + 1);
        Ok(Permit {
            permits: self.clone(),
            key,
        })
    }
}

impl<K> KeyedSemaphore<K> {
    fn taken(&self) -> MutexGuard<'_, HashMap<K, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash> Drop for Permit<K> {
    fn drop(&mut self) {
        let mut taken = self.permits.taken();
        if let Some(count) = taken.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.key);
            }
        }
    }
}

/// The permit of a connection. None for a client that is not counted.
pub(crate) type ConnectionPermit = Option<Permit<IpAddr>>;

/// Maximum numbers of open event streams. Those of programs on this machine, without a proxy between, count in total only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamLimits {
    /// In total.
    pub in_all: usize,
    /// Per client address, without a valid key.
    pub of_one: usize,
    /// Per ticket.
    pub of_ticket: usize,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self {
            in_all: 5_000,
            of_one: 64,
            of_ticket: 256,
        }
    }
}

/// The permits of event streams.
#[derive(Debug)]
pub(crate) struct Streams {
    total: Arc<KeyedSemaphore<()>>,
    by_address: Arc<KeyedSemaphore<IpAddr>>,
    by_ticket: Arc<KeyedSemaphore<TicketId>>,
}

/// The permit of an event stream.
#[derive(Debug)]
pub(crate) struct StreamPermit {
    _total: Permit<()>,
    _address: Option<Permit<IpAddr>>,
    _ticket: Option<Permit<TicketId>>,
}

impl Streams {
    pub(crate) fn new(limits: StreamLimits) -> Self {
        Self {
            total: KeyedSemaphore::new(limits.in_all),
            by_address: KeyedSemaphore::new(limits.of_one),
            by_ticket: KeyedSemaphore::new(limits.of_ticket),
        }
    }

    /// Takes the permit of a stream, which also counts for an address and a ticket if they are given.
    ///
    /// # Errors
    /// [`TooManyConnections`] if a limit is reached.
    pub(crate) fn take(
        &self,
        address: Option<IpAddr>,
        ticket: Option<TicketId>,
    ) -> Result<StreamPermit, TooManyConnections> {
        Ok(StreamPermit {
            _address: address.map(|address| self.by_address.take(address)).transpose()?,
            _ticket: ticket.map(|ticket| self.by_ticket.take(ticket)).transpose()?,
            _total: self.total.take(())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_permits_and_leaves_nothing_behind() {
        let permits = KeyedSemaphore::new(2);
        let first = permits.take('a').unwrap();
        let second = permits.take('a').unwrap();
        assert!(permits.take('a').is_err());
        let other = permits.take('b').unwrap();
        drop(first);
        drop(permits.take('a').unwrap());
        drop((second, other));
        assert!(permits.taken().is_empty());
        let none = KeyedSemaphore::new(0);
        assert!(none.take('a').is_err() && none.taken().is_empty());
    }

    #[test]
    fn a_stream_counts_for_its_address_its_ticket_and_in_total() {
        let address = |last: u8| Some(IpAddr::from([203, 0, 113, last]));
        let ticket = |number| Some(TicketId(uuid::Uuid::from_u128(number)));
        let streams = Streams::new(StreamLimits {
            in_all: 5,
            of_one: 2,
            of_ticket: 3,
        });
        let mut open = Vec::new();
        for (address, ticket, is_allowed) in [
            (address(1), ticket(1), true),
            (address(1), ticket(1), true),
            (address(1), ticket(2), false),
            (address(2), ticket(1), true),
            (address(3), ticket(1), false),
            (None, ticket(1), false),
            (None, ticket(2), true),
            (address(3), None, true),
            (None, None, false),
        ] {
            let permit = streams.take(address, ticket);
            assert_eq!(permit.is_ok(), is_allowed, "{address:?} {ticket:?}");
            open.extend(permit);
        }
        drop(open);
        assert!(streams.by_address.taken().is_empty() && streams.by_ticket.taken().is_empty());
        assert!(streams.take(address(1), ticket(1)).is_ok());
    }
}
