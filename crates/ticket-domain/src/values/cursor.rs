//! Cursors of lists.

use std::str::FromStr;

use super::{Timestamp, ValidationError};

/// A position in a list of tickets: the last change of a ticket, and its number. Callers treat it as opaque.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// The ticket's last change.
    pub at: Timestamp,
    /// The ticket's number in its store.
    pub number: i64,
}

/// The text is not a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be the `next` of an earlier page")]
pub struct InvalidCursor;

impl ValidationError for InvalidCursor {
    fn code(&self) -> &'static str {
        "invalid_cursor"
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:x}-{:x}", self.at.unix_micros(), self.number)
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(raw: &str) -> Result<Self, InvalidCursor> {
        let (at, number) = raw.split_once('-').ok_or(InvalidCursor)?;
        let digits = |text: &str| {
            let is_plain = text.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_plain.then(|| i64::from_str_radix(text, 16).ok()).flatten()
        };
        let at = digits(at).and_then(|micros| Timestamp::from_unix_micros(micros).ok());
        Ok(Self {
            at: at.ok_or(InvalidCursor)?,
            number: digits(number).ok_or(InvalidCursor)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_written_and_read_back() {
        let place = Cursor {
            at: Timestamp::from_unix_micros(1_736_937_000_000_001).unwrap(),
            number: 4_711,
        };
        assert_eq!(place.to_string().parse(), Ok(place));
        for wrong in [
            "",
            "-",
            "1",
            "x-1",
            "1-x",
            "1-+1",
            "--1",
            "1-",
            "1-2-3",
            "ffffffffffffffff-1",
        ] {
            assert_eq!(wrong.parse::<Cursor>(), Err(InvalidCursor), "{wrong}");
        }
    }
}
