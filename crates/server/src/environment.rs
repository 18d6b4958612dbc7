//! The system's clock and randomness, and the wake signal of the delivery loops.

use ticket_domain::{
    Timestamp,
    ports::{Clock, Random, WakeSignal},
};
use time::OffsetDateTime;
use tokio::sync::watch;

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    fn now(&self) -> Timestamp {
        OffsetDateTime::now_utc().into()
    }
}

/// The operating system's source of randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsRandom;

impl Random for OsRandom {
    #[allow(clippy::disallowed_methods, reason = "the one place that draws")]
    #[allow(
        clippy::expect_used,
        reason = "without randomness every key could be guessed: better none than those"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system gives random bytes");
    }
}

/// Wakes the delivery loops when a notification was stored. Several signals before a loop looks count as one.
#[derive(Debug, Default)]
pub(crate) struct DeliverySignal(watch::Sender<()>);

impl DeliverySignal {
    /// A loop's view of the signals from now on.
    pub(crate) fn subscribe(&self) -> watch::Receiver<()> {
        self.0.subscribe()
    }
}

impl WakeSignal for DeliverySignal {
    fn wake(&self) {
        self.0.send_replace(());
    }
}
