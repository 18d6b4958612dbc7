//! A limit on guessed references over all callers together.
//!
//! Limits per address don't stop somebody with many addresses. Where tickets are open, a reference is all that is needed to
//! read one, so when too many are guessed nobody is shown a ticket without its key for a while.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use crate::access::{Limited, Rate, TooMany};

/// How long nobody reads without a key. Long enough that guesses come in at their rate in the mean; short enough that a
/// visitor who types a reference tries again.
const STOP: Duration = Duration::from_mins(10);

/// The limit, in memory: every process has its own.
pub(crate) struct GuessingLimit {
    rate: Rate,
    state: Mutex<State>,
    stops: Arc<AtomicU64>,
}

#[derive(Default)]
struct State {
    /// When all misses would be done at their rate.
    until: Option<Instant>,
    /// When tickets are shown without a key again.
    stopped_until: Option<Instant>,
}

impl GuessingLimit {
    /// Creates the limit. `stops` counts how often it was exceeded.
    pub(crate) fn new(rate: Rate, stops: Arc<AtomicU64>) -> Self {
        Self {
            rate,
            state: Mutex::default(),
            stops,
        }
    }

    /// Checks whether a ticket may be shown without its key at `now`.
    ///
    /// # Errors
    /// [`TooMany`] during a stop.
    pub(crate) fn check(&self, now: Instant) -> Result<(), TooMany> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.stopped_until {
            Some(until) if until > now => Err(TooMany::after(until.duration_since(now), Limited::Guessing)),
            _ => Ok(()),
        }
    }

    /// Counts a miss. One too many begins a stop.
    pub(crate) fn count(&self, now: Instant) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = state.until.map_or(now, |until| until.max(now));
        if begin.duration_since(now) <= self.rate.lead() {
            state.until = Some(begin + self.rate.interval());
            return;
        }
        // Requests that were under way when it began are no reason for another.
        if state.stopped_until.is_none_or(|until| until <= now) {
            state.stopped_until = Some(now + STOP);
            self.stops.fetch_add(1, Relaxed);
            tracing::warn!(
                minutes = STOP.as_secs() / 60,
                "many references were guessed: no ticket is shown without its key for a while"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_miss_too_many_stops_for_a_while_and_the_rate_holds_in_the_mean() {
        let stops = Arc::default();
        let limit = GuessingLimit::new("2/300".parse().unwrap(), Arc::clone(&stops));
        let begin = Instant::now();
        let misses_until_stop = |now| {
            (0..1_000)
                .take_while(|_| limit.check(now).is_ok())
                .map(|_| limit.count(now))
                .count()
        };
        // The one that begins the stop is answered.
        assert_eq!(misses_until_stop(begin), 301);
        let stopped = limit.check(begin).unwrap_err();
        assert_eq!((stopped.seconds, stopped.limit), (600, Limited::Guessing));
        // Those under way prolong nothing.
        limit.count(begin + Duration::from_mins(9));
        assert!(limit.check(begin + STOP).is_ok());
        // Two for each minute, one of which was under way.
        assert_eq!(misses_until_stop(begin + STOP), 20);
        assert_eq!(stops.load(Relaxed), 2);
    }
}
