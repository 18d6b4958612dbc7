//! What the benchmarks measure with.
#![allow(dead_code, reason = "not every benchmark uses all of it")]

pub(crate) mod bars;
pub(crate) mod page;
pub(crate) mod server;

use std::{fs, time::Duration};

/// The resident set of a process in KiB, as the kernel counts it.
pub(crate) fn resident_kib(pid: u32) -> u32 {
    status_kib(pid, "VmRSS:")
}

/// The largest resident set that a process ever had, in KiB.
pub(crate) fn peak_kib(pid: u32) -> u32 {
    status_kib(pid, "VmHWM:")
}

fn status_kib(pid: u32, name: &str) -> u32 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// How many files and sockets a process has open.
pub(crate) fn open_files(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

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
