//! Clocks for tests.

use std::{
    sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed},
    time::Duration,
};

use ticket_domain::{Timestamp, ports::Clock};

/// A clock that can be stopped, and set forward.
#[derive(Default)]
pub(crate) struct TestClock {
    is_stopped: AtomicBool,
    /// Microseconds since 1970 if the clock is stopped, else ahead of the real time.
    micros: AtomicI64,
}

impl TestClock {
    /// Stops at 2025-01-15T10:30:00Z.
    pub(crate) fn stop(&self) {
        self.is_stopped.store(true, Relaxed);
        self.micros.store(1_736_937_000_000_000, Relaxed);
    }

    /// Moves the clock forward.
    pub(crate) fn pass(&self, seconds: u64) {
        let micros = Duration::from_secs(seconds).as_micros();
        self.micros.fetch_add(micros.try_into().unwrap(), Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let micros = self.micros.load(Relaxed);
        let start = if self.is_stopped.load(Relaxed) {
            0
        } else {
            Timestamp::from(time::OffsetDateTime::now_utc()).unix_micros()
        };
        Timestamp::from_unix_micros(start + micros).unwrap()
    }
}
