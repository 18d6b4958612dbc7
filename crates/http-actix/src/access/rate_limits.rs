//! Rate limits per caller.
//!
//! A limit keeps one time per caller: when all of its requests would be done at their rate (the "generic cell rate
//! algorithm"). A request that would move that time too far ahead of the clock is rejected.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use ticket_domain::TicketId;

use crate::access::{
    client_address::ClientAddress,
    rate::{Rate, Rates},
};

/// Maximum number of callers that each limit counts separately, which takes about 10 MB. Further callers share [`SHARED`]
/// times, while the known ones keep theirs.
const MAX_CALLERS: usize = 100_000;
/// The number of times that callers share when there are too many of them.
const SHARED: usize = 4_096;
/// The number of parts that callers are kept in, each with its own lock.
const PARTS: usize = 64;
/// The minimum time between two searches of a full part for callers without recent requests.
const TIDY_EVERY: Duration = Duration::from_millis(500);

/// What is limited for each caller, each on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Opening a ticket.
    Creation,
    /// Reading a ticket.
    Read,
    /// Guessing a reference: the ticket doesn't exist, or not for the caller.
    Miss,
    /// Guessing a key.
    WrongKey,
}

/// A limit was exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many requests; the next may come in {seconds} s")]
pub struct TooMany {
    /// How long to wait, in seconds, at least 1.
    pub seconds: u64,
    /// Which limit.
    pub limit: Limited,
}

/// A limit that requests can exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limited {
    /// The requests of one caller.
    Caller,
    /// References guessed by all callers together.
    Guessing,
    /// The messages of a ticket's customer in a time.
    Messages,
    /// The messages of a ticket's customer in all.
    Ticket,
    /// Bytes that wait for their readers.
    Memory,
}

impl Limited {
    /// What happened and what to do, in sentences. None if it is the caller's own limit.
    pub(crate) fn explanation(self) -> Option<&'static str> {
        match self {
            Self::Caller => None,
            Self::Guessing => Some(
                "Tickets can't be shown without their key at the moment, because too many references were guessed. Use \
                 the whole link of the ticket, with its key.",
            ),
            Self::Messages => Some("Many messages came for this ticket in a short time. This one is not stored yet."),
            Self::Ticket => {
                Some("This ticket has as many messages as it takes. Open a new one, and name this one in it.")
            }
            Self::Memory => Some("Many long tickets are being read at the moment."),
        }
    }
}

impl TooMany {
    /// The limit lets the next request pass after `wait`, in whole seconds.
    pub(crate) fn after(wait: Duration, limit: Limited) -> Self {
        let seconds = (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1);
        Self { seconds, limit }
    }
}

/// The limits, in memory: every process has its own.
pub(crate) struct RateLimits {
    /// In the order of the kinds.
    of_callers: [Limit<IpAddr>; 4],
    /// The messages that customers write into their tickets. A valid key doesn't change it, nor does the address.
    messages: Limit<TicketId>,
}

struct Limit<K> {
    interval: Duration,
    lead: Duration,
    hasher: RandomState,
    max_callers_of_part: usize,
    parts: Vec<Mutex<Part<K>>>,
}

/// A part of the callers.
struct Part<K> {
    /// When each caller's requests would be done.
    known: HashMap<K, Instant>,
    /// The same for callers that share a time.
    shared: Box<[Option<Instant>]>,
    /// When the part may be searched again.
    tidy_from: Instant,
}

/// Whether an accepted request is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taking {
    Count,
    LookOnly,
}

impl<K: Copy + Eq + Hash> Limit<K> {
    fn new(rate: Rate, max_callers: usize, now: Instant) -> Self {
        let part = || Part {
            known: HashMap::new(),
            shared: vec![None; SHARED / PARTS].into(),
            tidy_from: now,
        };
        Self {
            interval: rate.interval(),
            lead: rate.lead(),
            hasher: RandomState::new(),
            max_callers_of_part: max_callers.div_ceil(PARTS),
            parts: (0..PARTS).map(|_| Mutex::new(part())).collect(),
        }
    }

    fn part(&self, number: usize) -> MutexGuard<'_, Part<K>> {
        self.parts[number].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Accepts a request at `now`, or returns how long to wait.
    fn take(&self, caller: K, now: Instant, taking: Taking) -> Result<(), Duration> {
        let hash = usize::try_from(self.hasher.hash_one(caller) & u64::from(u32::MAX)).unwrap_or_default();
        let mut part = self.part(hash % PARTS);
        let until = part.until(caller, hash / PARTS, now, self.max_callers_of_part);
        let begin = until.map_or(now, |until| until.max(now));
        let ahead = begin.duration_since(now);
        if ahead > self.lead {
            return Err(ahead.saturating_sub(self.lead));
        }
        if taking == Taking::Count {
            part.keep(caller, hash / PARTS, begin + self.interval, self.max_callers_of_part);
        }
        Ok(())
    }
}

impl<K: Copy + Eq + Hash> Part<K> {
    /// When the requests of a caller would be done. A full part forgets callers without recent requests first.
    fn until(&mut self, caller: K, place: usize, now: Instant, max_callers: usize) -> Option<Instant> {
        if let Some(until) = self.known.get(&caller) {
            return Some(*until);
        }
        if self.known.len() >= max_callers && now >= self.tidy_from {
            self.known.retain(|_, until| *until > now);
            self.tidy_from = now + TIDY_EVERY;
        }
        if self.known.len() < max_callers {
            return None;
        }
        self.shared[place % self.shared.len()]
    }

    fn keep(&mut self, caller: K, place: usize, until: Instant, max_callers: usize) {
        if let Some(known) = self.known.get_mut(&caller) {
            *known = until;
        } else if self.known.len() < max_callers {
            self.known.insert(caller, until);
        } else {
            let place = place % self.shared.len();
            self.shared[place] = Some(until);
        }
    }
}

impl RateLimits {
    /// Creates the limits. No caller is known.
    pub(crate) fn new(rates: &Rates) -> Self {
        let now = Instant::now();
        let of_callers = [rates.creations, rates.reads, rates.misses, rates.wrong_keys];
        Self {
            of_callers: of_callers.map(|rate| Limit::new(rate, MAX_CALLERS, now)),
            messages: Limit::new(rates.messages, MAX_CALLERS, now),
        }
    }

    /// Counts a request of `client`.
    ///
    /// # Errors
    /// [`TooMany`] if it exceeds the limit.
    pub(crate) fn take(&self, kind: Kind, client: ClientAddress) -> Result<(), TooMany> {
        self.ask(kind, client, Taking::Count)
    }

    /// Checks whether a request of `client` would exceed the limit, without counting it.
    pub(crate) fn look(&self, kind: Kind, client: ClientAddress) -> Result<(), TooMany> {
        self.ask(kind, client, Taking::LookOnly)
    }

    /// Counts a message that the customer writes into a ticket.
    ///
    /// # Errors
    /// [`TooMany`] if it exceeds the limit.
    pub(crate) fn take_message(&self, ticket: TicketId) -> Result<(), TooMany> {
        let taken = self.messages.take(ticket, Instant::now(), Taking::Count);
        taken.map_err(|wait| TooMany::after(wait, Limited::Messages))
    }

    fn ask(&self, kind: Kind, client: ClientAddress, taking: Taking) -> Result<(), TooMany> {
        match client {
            ClientAddress::Local => Ok(()),
            ClientAddress::Remote(ip) => self.of_callers[kind as usize]
                .take(ip, Instant::now(), taking)
                .map_err(|wait| TooMany::after(wait, Limited::Caller)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn ip(number: u32) -> IpAddr {
        Ipv4Addr::from_bits(number).into()
    }

    fn limit(max_callers: usize) -> (Limit<IpAddr>, Instant) {
        let now = Instant::now();
        (Limit::new(Rates::default().reads, max_callers, now), now)
    }

    fn passed(limit: &Limit<IpAddr>, ip: IpAddr, now: Instant) -> usize {
        (0..200).filter(|_| limit.take(ip, now, Taking::Count).is_ok()).count()
    }

    #[test]
    fn a_burst_is_accepted_and_then_one_request_per_interval() {
        let (limit, begin) = limit(1_000);
        let after = |millis| begin + Duration::from_millis(millis);
        assert_eq!(passed(&limit, ip(1), begin), 120);
        assert!(limit.take(ip(1), begin, Taking::Count).is_err());
        assert!(limit.take(ip(1), after(999), Taking::Count).is_err());
        assert_eq!(limit.take(ip(1), after(1_000), Taking::Count), Ok(()));
        assert!(limit.take(ip(1), after(1_000), Taking::Count).is_err());
        assert_eq!(passed(&limit, ip(1), after(61_000)), 60);
        assert_eq!(passed(&limit, ip(1), after(1_000_000)), 120);
        assert_eq!(limit.take(ip(2), begin, Taking::Count), Ok(()));
    }

    #[test]
    fn checking_counts_nothing() {
        let (limit, now) = limit(1_000);
        for _ in 0..500 {
            assert_eq!(limit.take(ip(1), now, Taking::LookOnly), Ok(()));
        }
        assert_eq!(passed(&limit, ip(1), now), 120);
        assert!(limit.take(ip(1), now, Taking::LookOnly).is_err());
    }

    #[test]
    fn a_slow_rate_has_a_long_wait() {
        let now = Instant::now();
        let limit = Limit::new("2/1".parse().unwrap(), 1_000, now);
        assert_eq!(passed(&limit, ip(1), now), 1);
        assert_eq!(limit.take(ip(1), now, Taking::Count), Err(Duration::from_secs(30)));
    }

    #[test]
    fn known_callers_keep_their_own_limit_when_there_are_too_many() {
        let (limit, now) = limit(PARTS);
        let known: Vec<IpAddr> = (0..u32::try_from(PARTS * 20).unwrap())
            .map(ip)
            .filter(|ip| {
                let before = callers(&limit);
                let _ = limit.take(*ip, now, Taking::Count);
                callers(&limit) > before
            })
            .collect();
        assert_eq!(known.len(), PARTS);
        // Others use up what they share.
        for number in 1_000_000..1_000_000 + u32::try_from(200 * SHARED).unwrap() {
            let _ = limit.take(ip(number), now, Taking::Count);
        }
        assert!((0..100).all(|number| limit.take(ip(9_000_000 + number), now, Taking::Count).is_err()));
        for ip in known {
            assert_eq!(passed(&limit, ip, now), 119);
        }
        // After a pause others are counted separately again.
        let later = now + Duration::from_mins(5);
        assert_eq!(passed(&limit, ip(9_000_000), later), 120);
    }

    #[test]
    fn the_number_of_known_callers_is_bounded() {
        let (limit, now) = limit(6_400);
        for number in 0..200_000 {
            let _ = limit.take(ip(number), now, Taking::Count);
        }
        assert_eq!(callers(&limit), 6_400);
    }

    fn callers(limit: &Limit<IpAddr>) -> usize {
        (0..PARTS).map(|number| limit.part(number).known.len()).sum()
    }
}
