//! What the benchmarks measure with.
#![allow(dead_code, reason = "not every benchmark uses all of it")]

pub(crate) mod bars;
pub(crate) mod fill;
pub(crate) mod page;
pub(crate) mod server;

use std::time::Duration;

/// What many measurements of the same come to.
pub(crate) struct Figures {
    pub(crate) median: Duration,
    pub(crate) p99: Duration,
    pub(crate) longest: Duration,
}

impl Figures {
    pub(crate) fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self {
            median: times[times.len() / 2],
            p99: times[times.len() * 99 / 100],
            longest: times[times.len() - 1],
        }
    }

    /// How much longer this takes than `other`, by the medians.
    pub(crate) fn ratio_to(&self, other: &Self) -> f64 {
        self.median.as_secs_f64() / other.median.as_secs_f64()
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "median {:.2?}, p99 {:.2?}", self.median, self.p99)
    }
}
