//! Places that are taken for a while: by a connection, by a stream of events.

use std::{
    collections::HashMap,
    hash::Hash,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ticket_domain::TicketId;

/// Every place is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many are open; come again in {seconds} s")]
pub(crate) struct TooManyConnections {
    /// How long to wait.
    pub seconds: u64,
}

/// When somebody who found no place may come again: by then some will have gone.
const COME_AGAIN_SECONDS: u64 = 30;

/// Places, so many for each holder.
#[derive(Debug)]
pub(crate) struct KeyedSemaphore<K> {
    most: usize,
    taken: Mutex<HashMap<K, usize>>,
}

/// A place that is taken for as long as this lives.
#[derive(Debug)]
pub(crate) struct Permit<K: Eq + Hash> {
    permits: Arc<KeyedSemaphore<K>>,
    holder: K,
}

impl<K: Copy + Eq + Hash> KeyedSemaphore<K> {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            taken: Mutex::default(),
        })
    }

    pub(crate) fn take(self: &Arc<Self>, holder: K) -> Result<Permit<K>, TooManyConnections> {
        let mut taken = self.taken();
        let count = taken.entry(holder).or_default();
        if *count >= self.most {
            return Err(TooManyConnections {
                seconds: COME_AGAIN_SECONDS,
            });
        }
        *count += 1;
        Ok(Permit {
            permits: self.clone(),
            holder,
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
        if let Some(count) = taken.get_mut(&self.holder) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.holder);
            }
        }
    }
}

/// A connection's place.
#[derive(Debug)]
pub(crate) struct ConnectionPermit {
    pub(crate) _of_one: Option<Permit<IpAddr>>,
}

/// How many streams of events may be open. A program on this machine, with no proxy between, is only counted in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamLimits {
    /// In all.
    pub in_all: usize,
    /// Of one client address, without a right key.
    pub of_one: usize,
    /// Of one ticket.
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

/// The places of streams of events.
#[derive(Debug)]
pub(crate) struct Streams {
    in_all: Arc<KeyedSemaphore<()>>,
    of_one: Arc<KeyedSemaphore<IpAddr>>,
    of_ticket: Arc<KeyedSemaphore<TicketId>>,
}

/// A stream's place.
#[derive(Debug)]
pub(crate) struct StreamPermit {
    _in_all: Permit<()>,
    _of_one: Option<Permit<IpAddr>>,
    _of_ticket: Option<Permit<TicketId>>,
}

impl Streams {
    pub(crate) fn new(most: StreamLimits) -> Self {
        Self {
            in_all: KeyedSemaphore::new(most.in_all),
            of_one: KeyedSemaphore::new(most.of_one),
            of_ticket: KeyedSemaphore::new(most.of_ticket),
        }
    }

    /// A place for a stream, counted with those of an address and of a ticket where they are given.
    pub(crate) fn take(
        &self,
        address: Option<IpAddr>,
        ticket: Option<TicketId>,
    ) -> Result<StreamPermit, TooManyConnections> {
        Ok(StreamPermit {
            _of_one: address.map(|address| self.of_one.take(address)).transpose()?,
            _of_ticket: ticket.map(|ticket| self.of_ticket.take(ticket)).transpose()?,
            _in_all: self.in_all.take(())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_holder_has_so_many_places_and_leaves_nothing_behind() {
        let permits = KeyedSemaphore::new(2);
        let first = permits.take('a').unwrap();
        let second = permits.take('a').unwrap();
        assert!(permits.take('a').is_err());
        let other = permits.take('b').unwrap();
        drop(first);
        drop(permits.take('a').unwrap());
        drop((second, other));
        assert!(permits.taken().is_empty());
        // Nor does one who finds no place.
        let none = KeyedSemaphore::new(0);
        assert!(none.take('a').is_err());
    }

    #[test]
    fn a_stream_has_a_place_of_its_client_of_its_ticket_and_in_all() {
        let address = |last: u8| Some(IpAddr::from([203, 0, 113, last]));
        let ticket = |number| Some(TicketId(uuid::Uuid::from_u128(number)));
        let streams = Streams::new(StreamLimits {
            in_all: 5,
            of_one: 2,
            of_ticket: 3,
        });
        let mut open = Vec::new();
        for (address, ticket, has_place) in [
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
            let place = streams.take(address, ticket);
            assert_eq!(place.is_ok(), has_place, "{address:?} {ticket:?}");
            open.extend(place);
        }
        drop(open);
        assert!(streams.of_one.taken().is_empty() && streams.of_ticket.taken().is_empty());
        assert!(streams.take(address(1), ticket(1)).is_ok());
    }
}
