//! How many requests one caller may send.
//!
//! Of each caller one number is kept: until when its requests would take if they came one by one at their rate (the
//! "generic cell rate algorithm"). A request that would put that too far ahead of the clock is one too many.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::access::{
    client_address::ClientAddress,
    rate::{Rate, Rates},
};

/// So many callers are told apart in each kind, which takes about 10 MB at most. Beyond it, further ones share
/// [`SHARED`] places, while those who are known keep theirs.
const MAX_CALLERS: usize = 100_000;
/// The places that callers share when there are too many of them.
const SHARED: usize = 4_096;
/// The callers are kept in so many parts, each behind a lock of its own.
const PARTS: usize = 64;
/// A part that is full is looked through for those who have been quiet, no more often than this.
const TIDY_EVERY: Duration = Duration::from_millis(500);

/// What is limited, each by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Tickets being opened.
    Creation,
    /// Tickets being read.
    Read,
    /// References being guessed: a ticket is not there, or not for the caller.
    Miss,
    /// Keys being guessed.
    WrongKey,
}

/// One request too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many requests; the next may come in {seconds} s")]
pub struct TooMany {
    /// How long to wait, at least 1.
    pub seconds: u64,
}

/// The limits, in memory: each process has its own.
pub(crate) struct RateLimits {
    creations: Limit,
    reads: Limit,
    misses: Limit,
    wrong_keys: Limit,
}

struct Limit {
    interval: Duration,
    lead: Duration,
    hasher: RandomState,
    max_callers_of_part: usize,
    parts: Vec<Mutex<Part>>,
}

/// A part of the callers.
struct Part {
    /// Until when each caller's requests would take.
    known: HashMap<IpAddr, Instant>,
    /// The same of those who share a place.
    shared: Box<[Option<Instant>]>,
    /// When it may be looked through again.
    tidy_from: Instant,
}

/// Whether a request that may come is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taking {
    Count,
    LookOnly,
}

impl Limit {
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

    fn part(&self, number: usize) -> MutexGuard<'_, Part> {
        self.parts[number].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a request may come at `now`; the whole seconds to wait, at least 1, if it is one too many.
    fn take(&self, ip: IpAddr, now: Instant, taking: Taking) -> Result<(), u64> {
        let hash = usize::try_from(self.hasher.hash_one(ip) & u64::from(u32::MAX)).unwrap_or_default();
        let mut part = self.part(hash % PARTS);
        let until = part.until(ip, hash / PARTS, now, self.max_callers_of_part);
        let begin = until.map_or(now, |until| until.max(now));
        let ahead = begin.duration_since(now);
        if ahead > self.lead {
            let wait = ahead.saturating_sub(self.lead);
            return Err((wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1));
        }
        if taking == Taking::Count {
            part.keep(ip, hash / PARTS, begin + self.interval, self.max_callers_of_part);
        }
        Ok(())
    }
}

impl Part {
    /// Until when the requests of a caller take. A part that is full forgets who has been quiet first.
    fn until(&mut self, ip: IpAddr, place: usize, now: Instant, max_callers: usize) -> Option<Instant> {
        if let Some(until) = self.known.get(&ip) {
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

    fn keep(&mut self, ip: IpAddr, place: usize, until: Instant, max_callers: usize) {
        if let Some(known) = self.known.get_mut(&ip) {
            *known = until;
        } else if self.known.len() < max_callers {
            self.known.insert(ip, until);
        } else {
            let place = place % self.shared.len();
            self.shared[place] = Some(until);
        }
    }
}

impl RateLimits {
    /// Nobody has asked for anything yet.
    pub(crate) fn new(rates: &Rates) -> Self {
        let now = Instant::now();
        let limit = |rate| Limit::new(rate, MAX_CALLERS, now);
        Self {
            creations: limit(rates.creations),
            reads: limit(rates.reads),
            misses: limit(rates.misses),
            wrong_keys: limit(rates.wrong_keys),
        }
    }

    /// Counts a request of `client`.
    pub(crate) fn take(&self, kind: Kind, client: ClientAddress) -> Result<(), TooMany> {
        self.ask(kind, client, Taking::Count)
    }

    /// Whether a request of `client` would be one too many. It is not counted.
    pub(crate) fn look(&self, kind: Kind, client: ClientAddress) -> Result<(), TooMany> {
        self.ask(kind, client, Taking::LookOnly)
    }

    fn ask(&self, kind: Kind, client: ClientAddress, taking: Taking) -> Result<(), TooMany> {
        let limit = match kind {
            Kind::Creation => &self.creations,
            Kind::Read => &self.reads,
            Kind::Miss => &self.misses,
            Kind::WrongKey => &self.wrong_keys,
        };
        match client {
            ClientAddress::Local => Ok(()),
            ClientAddress::Remote(ip) => limit
                .take(ip, Instant::now(), taking)
                .map_err(|seconds| TooMany { seconds }),
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

    fn limit(max_callers: usize) -> (Limit, Instant) {
        let now = Instant::now();
        (Limit::new(Rates::default().reads, max_callers, now), now)
    }

    fn passed(limit: &Limit, ip: IpAddr, now: Instant) -> usize {
        (0..200).filter(|_| limit.take(ip, now, Taking::Count).is_ok()).count()
    }

    #[test]
    fn a_burst_passes_and_then_one_waits() {
        let (limit, begin) = limit(1_000);
        let after = |millis| begin + Duration::from_millis(millis);
        assert_eq!(passed(&limit, ip(1), begin), 120);
        assert_eq!(limit.take(ip(1), begin, Taking::Count), Err(1));
        assert_eq!(limit.take(ip(1), after(999), Taking::Count), Err(1));
        assert_eq!(limit.take(ip(1), after(1_000), Taking::Count), Ok(()));
        assert_eq!(limit.take(ip(1), after(1_000), Taking::Count), Err(1));
        assert_eq!(passed(&limit, ip(1), after(61_000)), 60);
        assert_eq!(passed(&limit, ip(1), after(1_000_000)), 120);
        assert_eq!(limit.take(ip(2), begin, Taking::Count), Ok(()));
    }

    #[test]
    fn who_only_looks_spends_nothing() {
        let (limit, now) = limit(1_000);
        for _ in 0..500 {
            assert_eq!(limit.take(ip(1), now, Taking::LookOnly), Ok(()));
        }
        assert_eq!(passed(&limit, ip(1), now), 120);
        assert_eq!(limit.take(ip(1), now, Taking::LookOnly), Err(1));
    }

    #[test]
    fn a_slow_rate_waits_for_as_long_as_it_says() {
        let now = Instant::now();
        let limit = Limit::new("2/1".parse().unwrap(), 1_000, now);
        assert_eq!(passed(&limit, ip(1), now), 1);
        assert_eq!(limit.take(ip(1), now, Taking::Count), Err(30));
    }

    #[test]
    fn those_who_are_known_keep_their_place_when_it_gets_crowded() {
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
        // Strangers spend all that they share.
        for number in 1_000_000..1_000_000 + u32::try_from(200 * SHARED).unwrap() {
            let _ = limit.take(ip(number), now, Taking::Count);
        }
        assert!((0..100).all(|number| limit.take(ip(9_000_000 + number), now, Taking::Count).is_err()));
        for ip in known {
            assert_eq!(passed(&limit, ip, now), 119);
        }
        // Once it is quiet, everybody has a place again.
        let later = now + Duration::from_mins(5);
        assert_eq!(passed(&limit, ip(9_000_000), later), 120);
    }

    #[test]
    fn memory_is_bounded_whoever_comes() {
        let (limit, now) = limit(6_400);
        for number in 0..200_000 {
            let _ = limit.take(ip(number), now, Taking::Count);
        }
        assert_eq!(callers(&limit), 6_400);
    }

    fn callers(limit: &Limit) -> usize {
        (0..PARTS).map(|number| limit.part(number).known.len()).sum()
    }
}
