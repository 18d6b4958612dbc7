//! Rates of requests.

use std::{fmt, num::NonZeroU32, str::FromStr, time::Duration};

/// A number of requests per minute, and one of requests at once after a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    per_minute: NonZeroU32,
    burst: NonZeroU32,
}

/// The text is not a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a rate such as 60/120")]
pub struct NotARate;

impl Rate {
    /// Maximum of both numbers.
    const MAX: u32 = 1_000_000;

    /// Creates a rate.
    pub const fn new(per_minute: NonZeroU32, burst: NonZeroU32) -> Self {
        Self { per_minute, burst }
    }

    /// The time between two requests at this rate.
    pub(crate) fn interval(self) -> Duration {
        Duration::from_mins(1) / self.per_minute.get()
    }

    /// How far requests may be ahead of this rate: all intervals of a burst but the first.
    pub(crate) fn lead(self) -> Duration {
        self.interval() * (self.burst.get() - 1)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.per_minute, self.burst)
    }
}

impl FromStr for Rate {
    type Err = NotARate;

    fn from_str(raw: &str) -> Result<Self, NotARate> {
        let number = |text: &str| {
            text.trim()
                .parse()
                .ok()
                .filter(|count: &NonZeroU32| count.get() <= Self::MAX)
        };
        let (per_minute, burst) = raw.split_once('/').ok_or(NotARate)?;
        Ok(Self {
            per_minute: number(per_minute).ok_or(NotARate)?,
            burst: number(burst).ok_or(NotARate)?,
        })
    }
}

/// The rate of each kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Opening tickets.
    pub creations: Rate,
    /// Reading tickets.
    pub reads: Rate,
    /// Requests for tickets that don't exist, or not for the caller.
    pub misses: Rate,
    /// The misses of all callers together. Applies where tickets are open.
    pub all_misses: Rate,
    /// Showing wrong keys.
    pub wrong_keys: Rate,
    /// Messages that the customer of a ticket writes into it, whoever they are.
    pub messages: Rate,
}

impl Default for Rates {
    fn default() -> Self {
        const USUAL: Rate = Rate::new(NonZeroU32::new(60).unwrap(), NonZeroU32::new(120).unwrap());
        const MISSES: Rate = Rate::new(NonZeroU32::new(20).unwrap(), NonZeroU32::new(40).unwrap());
        // Nobody types faster; what was typed while the line was away comes at once.
        const MESSAGES: Rate = Rate::new(NonZeroU32::new(20).unwrap(), NonZeroU32::new(40).unwrap());
        const ALL_MISSES: Rate = Rate::new(NonZeroU32::new(2).unwrap(), NonZeroU32::new(300).unwrap());
        Self {
            creations: USUAL,
            reads: USUAL,
            // Nobody who has a link guesses. This leaves room for a few typing errors of many people.
            misses: MISSES,
            // 2,880 a day, of at least 10,000 references that a day has, and many times what people mistype. The burst is
            // that of seven callers.
            all_misses: ALL_MISSES,
            wrong_keys: USUAL,
            messages: MESSAGES,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_two_numbers() {
        for text in ["60/120", "1/1", "1000000/1000000"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
        assert_eq!(" 20 / 40 ".parse(), Ok(Rates::default().misses));
        for wrong in [
            "",
            "60",
            "/",
            "60/",
            "/120",
            "0/1",
            "1/0",
            "-1/1",
            "1/1/1",
            "a/b",
            "1000001/1",
            "1.5/2",
        ] {
            assert_eq!(wrong.parse::<Rate>(), Err(NotARate), "{wrong}");
        }
    }
}
