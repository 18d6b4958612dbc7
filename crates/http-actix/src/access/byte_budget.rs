//! A limit on bytes that wait in memory.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::access::{Limited, TooMany};

/// When some of the bytes will have been read, or their readers let go.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// A limit on bytes in all. Small amounts don't count, so that they are never refused.
pub(crate) struct ByteBudget {
    /// The largest amount that doesn't count.
    small: usize,
    /// All of it, in KiB.
    total: u32,
    left: Arc<Semaphore>,
}

/// Bytes that may be in memory until this is dropped.
#[derive(Debug, Default)]
pub(crate) struct BytePermit {
    /// None for a small amount.
    _counted: Option<OwnedSemaphorePermit>,
}

impl ByteBudget {
    /// Creates a limit of `total` KiB. Amounts of at most `small` bytes don't count.
    pub(crate) fn new(total: u32, small: usize) -> Self {
        Self {
            small,
            total,
            left: Arc::new(Semaphore::new(total as usize)),
        }
    }

    /// Takes `bytes`. More than there are in all count as all.
    ///
    /// # Errors
    /// [`TooMany`] if there are fewer left.
    pub(crate) fn take(&self, bytes: usize) -> Result<BytePermit, TooMany> {
        if bytes <= self.small {
            return Ok(BytePermit { _counted: None });
        }
        let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
        let taken = self.left.clone().try_acquire_many_owned(kib.min(self.total));
        match taken {
            Ok(permit) => Ok(BytePermit { _counted: Some(permit) }),
            Err(_) => Err(TooMany::after(RETRY_AFTER, Limited::Memory)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_amounts_share_the_budget_and_small_ones_are_free() {
        let budget = ByteBudget::new(100, 4_096);
        let first = budget.take(60 * 1024).unwrap();
        assert_eq!(budget.take(60 * 1024).unwrap_err().limit, Limited::Memory);
        let small: Vec<_> = (0..100).map(|_| budget.take(4_096).unwrap()).collect();
        let second = budget.take(40 * 1024).unwrap();
        assert!(budget.take(4_097).is_err());
        drop((first, second, small));
        // One that is larger than all comes through alone.
        let all = budget.take(usize::MAX).unwrap();
        assert!(budget.take(5_000).is_err());
        drop(all);
        assert!(budget.take(5_000).is_ok());
    }
}
