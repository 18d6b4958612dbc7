//! How many requests one caller may send.

use std::{
    hash::{BuildHasher, RandomState},
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering},
};

use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};

use crate::client_address::ClientAddress;

/// How many requests a minute.
const PER_MINUTE: NonZeroU32 = NonZeroU32::new(60).unwrap();
/// How many at once, after a pause.
const BURST: NonZeroU32 = NonZeroU32::new(120).unwrap();

/// So many callers are told apart in each kind: about 10 MB at most. Beyond it, further ones share [`SHARED`] places.
const MAX_CALLERS: usize = 100_000;
/// The places that callers share when there are too many of them.
const SHARED: u64 = 4_096;
/// Callers who have been quiet are forgotten after so many requests.
const TIDY_EVERY: u32 = 4_096;

/// What is limited, each by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Tickets being opened.
    Creation,
    /// Tickets being read.
    Read,
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

/// Who is counted as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Caller {
    At(std::net::IpAddr),
    OneOf(u64),
}

/// The limits, in memory: each process has its own.
pub(crate) struct RateLimits {
    creations: Limit,
    reads: Limit,
    wrong_keys: Limit,
}

struct Limit {
    limiter: DefaultKeyedRateLimiter<Caller>,
    clock: DefaultClock,
    hasher: RandomState,
    max_callers: usize,
    until_tidy: AtomicU32,
}

impl Limit {
    fn new(max_callers: usize) -> Self {
        Self {
            limiter: RateLimiter::keyed(Quota::per_minute(PER_MINUTE).allow_burst(BURST)),
            clock: DefaultClock::default(),
            hasher: RandomState::new(),
            max_callers,
            until_tidy: AtomicU32::new(TIDY_EVERY),
        }
    }

    /// Counts a request; the whole seconds to wait, at least 1, if it is one too many.
    fn take(&self, ip: std::net::IpAddr) -> Result<(), u64> {
        if self.until_tidy.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.until_tidy.store(TIDY_EVERY, Ordering::Relaxed);
            self.limiter.retain_recent();
        }
        let caller = if self.limiter.len() < self.max_callers {
            Caller::At(ip)
        } else {
            Caller::OneOf(self.hasher.hash_one(ip) % SHARED)
        };
        self.limiter.check_key(&caller).map_err(|not_until| {
            let wait = not_until.wait_time_from(self.clock.now());
            (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
        })
    }
}

impl RateLimits {
    /// Nobody has asked for anything yet.
    pub(crate) fn new() -> Self {
        Self {
            creations: Limit::new(MAX_CALLERS),
            reads: Limit::new(MAX_CALLERS),
            wrong_keys: Limit::new(MAX_CALLERS),
        }
    }

    /// Counts a request of `client`.
    pub(crate) fn take(&self, kind: Kind, client: ClientAddress) -> Result<(), TooMany> {
        let limit = match kind {
            Kind::Creation => &self.creations,
            Kind::Read => &self.reads,
            Kind::WrongKey => &self.wrong_keys,
        };
        match client {
            ClientAddress::Local => Ok(()),
            ClientAddress::Remote(ip) => limit.take(ip).map_err(|seconds| TooMany { seconds }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn ip(number: u32) -> std::net::IpAddr {
        Ipv4Addr::from_bits(number).into()
    }

    #[test]
    fn a_burst_passes_and_then_one_waits() {
        let limit = Limit::new(10);
        let passed = (0..200).filter(|_| limit.take(ip(1)).is_ok()).count();
        // At most one more comes in for each second that this takes.
        assert!((120..130).contains(&passed), "{passed}");
        assert_eq!(limit.take(ip(1)), Err(1));
        assert_eq!(limit.take(ip(2)), Ok(()));
    }

    #[test]
    fn memory_is_bounded_whoever_comes() {
        let limit = Limit::new(50);
        for number in 0..50_000 {
            let _ = limit.take(ip(number));
        }
        assert!(limit.limiter.len() <= 50 + 4_096, "{}", limit.limiter.len());
    }
}
