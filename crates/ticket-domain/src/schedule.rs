//! The retry schedule of notifications.

use std::time::Duration;

/// Quick retries, for a receiver that restarts.
const QUICK: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

/// Slow retries, for an outage: 75.5 hours in total, so that a notification of Friday evening survives the weekend.
const SLOW: [Duration; NOTIFY_SLOW_RETRIES_MAX as usize] = [
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(5),
    Duration::from_hours(10),
    Duration::from_hours(14),
    Duration::from_hours(20),
    Duration::from_hours(24),
];

/// Maximum number of slow retries.
pub const NOTIFY_SLOW_RETRIES_MAX: u8 = 8;

/// The waits between the attempts of a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetrySchedule {
    waits: Vec<Duration>,
}

impl RetrySchedule {
    /// Each wait is up to this share longer or shorter, so that many notifications do not come due together.
    pub const JITTER: f64 = 0.2;

    /// The quick retries and the first `slow_retries` of the [eight](NOTIFY_SLOW_RETRIES_MAX) slow ones.
    pub fn new(slow_retries: u8) -> Self {
        let slow = SLOW.iter().take(usize::from(slow_retries));
        Self {
            waits: QUICK.iter().chain(slow).copied().collect(),
        }
    }

    /// Returns the wait after `failures` failed attempts; `None` if that was the last one. `random` is uniformly
    /// distributed.
    pub fn wait_after(&self, failures: u16, random: u64) -> Option<Duration> {
        let retry = usize::from(failures.checked_sub(1)?);
        // 32 of the 64 bits, as a share between 0 and 1.
        let share = f64::from(u32::try_from(random >> 32).unwrap_or_default()) / f64::from(u32::MAX);
        Some(self.waits.get(retry)?.mul_f64(1.0 + Self::JITTER * (2.0 * share - 1.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIDDLE: u64 = 1 << 63;

    #[test]
    fn three_quick_retries_and_then_the_slow_ones() {
        let waits: Vec<u64> = (1..=12)
            .map_while(|failures| RetrySchedule::new(8).wait_after(failures, MIDDLE))
            .map(|wait| (wait + Duration::from_millis(500)).as_secs())
            .collect();
        assert_eq!(
            waits,
            [1, 2, 4, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]
        );
        assert_eq!(RetrySchedule::new(8).wait_after(0, MIDDLE), None);
        assert_eq!(RetrySchedule::new(8).wait_after(12, MIDDLE), None);
        assert_eq!(RetrySchedule::new(255), RetrySchedule::new(8));
    }

    #[test]
    fn without_slow_retries_the_third_is_the_last() {
        let schedule = RetrySchedule::new(0);
        assert!(schedule.wait_after(3, MIDDLE).is_some());
        assert_eq!(schedule.wait_after(4, MIDDLE), None);
    }

    #[test]
    fn waits_are_spread_by_a_fifth() {
        let schedule = RetrySchedule::new(8);
        assert_eq!(schedule.wait_after(4, 0), Some(Duration::from_mins(4)));
        assert_eq!(schedule.wait_after(4, u64::MAX), Some(Duration::from_mins(6)));
    }
}
