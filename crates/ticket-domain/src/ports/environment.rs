//! Clock, randomness, and the signal to the delivery loop.

use crate::Timestamp;

/// The system's clock.
pub trait Clock: Send + Sync {
    /// Returns the current time.
    fn now(&self) -> Timestamp;
}

/// A cryptographically secure source of randomness: keys are made of it.
pub trait Random: Send + Sync {
    /// Fills `bytes` with random bytes.
    fn fill(&self, bytes: &mut [u8]);
}

/// Wakes the delivery loop after a notification was stored.
pub trait WakeSignal: Send + Sync {
    /// Tells the loop that a notification is due.
    fn wake(&self);
}

impl dyn Random + '_ {
    /// Returns an array of random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// Returns 64 random bits.
    pub fn bits(&self) -> u64 {
        u64::from_be_bytes(self.bytes())
    }
}
