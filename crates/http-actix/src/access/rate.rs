//! How often something may happen.

use std::{fmt, num::NonZeroU32, str::FromStr, time::Duration};

/// So many a minute, and so many at once after a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    per_minute: NonZeroU32,
    burst: NonZeroU32,
}

/// A text that is no rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a rate such as 60/120")]
pub struct NotARate;

impl Rate {
    /// The most a minute, and the most at once.
    const MOST: u32 = 1_000_000;

    /// So many a minute, and so many at once.
    pub const fn new(per_minute: NonZeroU32, burst: NonZeroU32) -> Self {
        Self { per_minute, burst }
    }

    /// After how long one more may come.
    pub(crate) fn interval(self) -> Duration {
        Duration::from_mins(1) / self.per_minute.get()
    }

    /// How far ahead of its time a caller may be: as many intervals as may come at once, but the one that is due.
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
                .filter(|count: &NonZeroU32| count.get() <= Self::MOST)
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
    /// Tickets being opened.
    pub creations: Rate,
    /// Tickets being read.
    pub reads: Rate,
    /// Tickets being asked for that are not there, or not for the caller.
    pub misses: Rate,
    /// Keys that are wrong.
    pub wrong_keys: Rate,
}

impl Default for Rates {
    fn default() -> Self {
        const USUAL: Rate = Rate::new(NonZeroU32::new(60).unwrap(), NonZeroU32::new(120).unwrap());
        const MISSES: Rate = Rate::new(NonZeroU32::new(20).unwrap(), NonZeroU32::new(40).unwrap());
        Self {
            creations: USUAL,
            reads: USUAL,
            // Who has a link does not guess; this leaves room for a few typing errors of many people.
            misses: MISSES,
            wrong_keys: USUAL,
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
