//! The surroundings of tests: a clock that is set, and chance that repeats itself.

use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::Duration,
};

use ticket_domain::{
    DeliveryRoute, Payload, Timestamp,
    ports::{Clock, Composer, Event, Random, WakeSignal},
};

/// Stands still until it is told that time passes.
pub(in crate::pages::inbox) struct SetClock(AtomicI64);

impl Default for SetClock {
    fn default() -> Self {
        // 2025-01-15T10:30:00Z
        Self(AtomicI64::new(1_736_937_000_000_000))
    }
}

impl SetClock {
    /// So many seconds pass.
    pub(in crate::pages::inbox) fn pass(&self, seconds: u64) {
        let micros = Duration::from_secs(seconds).as_micros();
        self.0.fetch_add(micros.try_into().unwrap(), Ordering::Relaxed);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_micros(self.0.load(Ordering::Relaxed)).unwrap()
    }
}

/// Draws another value each time.
#[derive(Default)]
pub(in crate::pages::inbox) struct Counting(AtomicU64);

impl Random for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        // Far apart, so that references differ too: they come of the uppermost bits.
        let count = self
            .0
            .fetch_add(1, Ordering::Relaxed)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&count.to_be_bytes()[..chunk.len()]);
        }
    }
}

/// Tells subjects, and knows no other way.
pub(in crate::pages::inbox) struct Subjects;

impl Composer for Subjects {
    fn compose(&self, event: Event<'_>) -> Payload {
        Payload(event.ticket.details.subject.as_str().as_bytes().into())
    }

    fn redirect(&self, _: &Payload, _: DeliveryRoute) -> Option<Payload> {
        None
    }
}

pub(in crate::pages::inbox) struct NobodyWakes;

impl WakeSignal for NobodyWakes {
    fn wake(&self) {}
}
