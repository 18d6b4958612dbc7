//! Moments.

use std::time::Duration;

use time::{
    Date, OffsetDateTime, PrimitiveDateTime,
    format_description::BorrowedFormatItem,
    macros::{datetime, format_description},
};

/// A moment in UTC, in whole microseconds, as exact as Postgres keeps it. Between the years 0 and 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(OffsetDateTime);

/// A number of microseconds that is no moment between the years 0 and 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is outside of the years 0 to 9999")]
pub struct TimestampError;

/// A text that is no moment as [`Timestamp`] writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must look like 2025-01-15T10:30:00.000000Z")]
pub struct NotATimestamp;

/// RFC 3339 with six decimals and `Z`, always of the same length, so that texts sort as moments do.
const RFC_3339: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

impl Timestamp {
    /// The beginning of 1970, in UTC.
    pub const UNIX_EPOCH: Self = Self(OffsetDateTime::UNIX_EPOCH);

    /// The end of the year 9999, later than any other moment.
    pub const MAX: Self = Self(datetime!(9999-12-31 23:59:59.999_999 UTC));

    /// The moment so many microseconds after 1970-01-01T00:00:00Z.
    pub fn from_unix_micros(micros: i64) -> Result<Self, TimestampError> {
        let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000);
        match moment {
            Ok(moment) if (0..=9999).contains(&moment.year()) => Ok(Self(moment)),
            _ => Err(TimestampError),
        }
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    pub fn unix_micros(self) -> i64 {
        // The years 0 to 9999 in microseconds fit into 59 bits.
        i64::try_from(self.0.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX)
    }

    /// So much later; the moment itself where that lies beyond the year 9999.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self::from_unix_micros(self.unix_micros().saturating_add(micros)).unwrap_or(self)
    }

    /// So much earlier; the moment itself where that lies before all time.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self::from_unix_micros(self.unix_micros().saturating_sub(micros)).unwrap_or(self)
    }

    /// How long `earlier` is past; nothing if it is not past.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::try_from(self.0 - earlier.0).unwrap_or_default()
    }

    /// The day in UTC.
    pub fn date(self) -> Date {
        self.0.date()
    }

    /// The first moment of the day in UTC.
    #[must_use]
    pub fn midnight(self) -> Self {
        Self(self.0.date().midnight().assume_utc())
    }
}

impl From<OffsetDateTime> for Timestamp {
    /// Cuts to microseconds.
    fn from(moment: OffsetDateTime) -> Self {
        let nanos = moment.unix_timestamp_nanos();
        Self(OffsetDateTime::from_unix_timestamp_nanos(nanos - nanos.rem_euclid(1_000)).unwrap_or(moment))
    }
}

impl From<Timestamp> for OffsetDateTime {
    fn from(timestamp: Timestamp) -> Self {
        timestamp.0
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.format(RFC_3339).map_err(|_| std::fmt::Error)?)
    }
}

impl std::str::FromStr for Timestamp {
    type Err = NotATimestamp;

    /// Reads what `Display` writes, and nothing else.
    fn from_str(text: &str) -> Result<Self, NotATimestamp> {
        let moment = PrimitiveDateTime::parse(text, RFC_3339).map_err(|_| NotATimestamp)?;
        Ok(Self(moment.assume_utc()))
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn it_shows_six_decimals_and_is_cut_not_rounded() {
        let moment = Timestamp::from(datetime!(2025-01-15 10:30:00.1234569 UTC));
        assert_eq!(moment.to_string(), "2025-01-15T10:30:00.123456Z");
        let elsewhere = Timestamp::from(datetime!(2025-01-15 01:30 +02:00));
        assert_eq!(elsewhere.to_string(), "2025-01-14T23:30:00.000000Z");
        assert_eq!(elsewhere.midnight().to_string(), "2025-01-14T00:00:00.000000Z");
    }

    #[test]
    fn a_text_is_read_only_as_it_is_written() {
        let moment = Timestamp::from(datetime!(2025-01-15 10:30:00.123456 UTC));
        assert_eq!(moment.to_string().parse(), Ok(moment));
        for other in [
            "",
            "2025-01-15",
            "2025-02-30T10:30:00.000000Z",
            "2025-01-15T10:30:00Z",
            "2025-01-15T10:30:00.000000+00:00",
        ] {
            assert_eq!(other.parse::<Timestamp>(), Err(NotATimestamp), "{other}");
        }
    }

    #[test]
    fn microseconds_go_there_and_back() {
        for micros in [0, -1, 1, 1_736_937_000_123_456] {
            assert_eq!(
                Timestamp::from_unix_micros(micros).map(Timestamp::unix_micros),
                Ok(micros)
            );
        }
        assert_eq!(Timestamp::from_unix_micros(i64::MAX), Err(TimestampError));
        assert_eq!(Timestamp::from_unix_micros(i64::MIN), Err(TimestampError));
    }

    #[test]
    fn sums_stay_within_time() {
        let now = Timestamp::from(datetime!(2025-01-15 10:30 UTC));
        assert_eq!(now.plus(Duration::from_secs(1)).since(now), Duration::from_secs(1));
        assert_eq!(now.since(now.plus(Duration::from_secs(1))), Duration::ZERO);
        assert_eq!(now.plus(Duration::MAX), now);
        assert_eq!(now.minus(Duration::from_secs(1)).plus(Duration::from_secs(1)), now);
    }
}
