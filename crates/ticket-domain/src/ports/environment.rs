//! What a program finds around it: time, chance, and others at work.

use crate::Timestamp;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Draws at random, unpredictably: keys are made of it.
pub trait Random: Send + Sync {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

/// Rouses whoever delivers notifications, after one was stored.
pub trait WakeSignal: Send + Sync {
    /// Something is due.
    fn wake(&self);
}

impl dyn Random + '_ {
    /// An array of random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// 64 random bits.
    pub fn bits(&self) -> u64 {
        u64::from_be_bytes(self.bytes())
    }
}
