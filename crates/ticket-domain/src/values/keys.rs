//! Access keys of tickets, and idempotency keys of requests.

use std::{fmt::Write as _, str::FromStr};

use subtle::ConstantTimeEq;

use super::{ValidationError, redacted_debug, text_value};

/// A secret in a ticket's link, 128 random bits as 32 hexadecimal digits. Whoever has it may act on the ticket.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey(Box<str>);

impl AccessKey {
    /// Makes a key from random bytes.
    pub fn from_random(bytes: [u8; 16]) -> Self {
        Self(format!("{:032x}", u128::from_be_bytes(bytes)).into_boxed_str())
    }

    /// Whether `given` is this key, compared in constant time.
    pub fn matches(&self, given: &str) -> bool {
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }
}

/// The text is not 32 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 32 lower-case hexadecimal digits")]
pub struct AccessKeyError;

impl FromStr for AccessKey {
    type Err = AccessKeyError;

    fn from_str(raw: &str) -> Result<Self, AccessKeyError> {
        let is_key = raw.len() == 32 && raw.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_key.then(|| Self(raw.into())).ok_or(AccessKeyError)
    }
}

redacted_debug!(AccessKey);
text_value!(AccessKey);

/// A caller's key that makes a repeated request take effect once: 1–255 printable ASCII characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdempotencyKey(Box<str>);

impl IdempotencyKey {
    /// Maximum length in characters.
    pub const MAX: usize = 255;

    /// The key of requests with this content, for callers that give none.
    pub fn of_content(digest: [u8; 32]) -> Self {
        let mut key = String::from("content-");
        for byte in digest {
            // Writing to a text does not fail.
            let _ = write!(key, "{byte:02x}");
        }
        Self(key.into())
    }
}

/// Why a key is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdempotencyKeyError {
    /// It is empty.
    #[error("must not be empty")]
    Empty,
    /// More than 255 characters.
    #[error("must be at most {} characters long", IdempotencyKey::MAX)]
    TooLong,
    /// Something other than printable ASCII.
    #[error("must consist of printable ASCII characters")]
    NotPrintable,
}

impl ValidationError for IdempotencyKeyError {
    fn code(&self) -> &'static str {
        match self {
            Self::Empty => "required",
            Self::TooLong => "too_long",
            Self::NotPrintable => "control_character",
        }
    }
}

impl FromStr for IdempotencyKey {
    type Err = IdempotencyKeyError;

    fn from_str(raw: &str) -> Result<Self, IdempotencyKeyError> {
        if !raw.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err(IdempotencyKeyError::NotPrintable);
        }
        match raw.len() {
            0 => Err(IdempotencyKeyError::Empty),
            length if length > Self::MAX => Err(IdempotencyKeyError::TooLong),
            _ => Ok(Self(raw.into())),
        }
    }
}

redacted_debug!(IdempotencyKey);
text_value!(IdempotencyKey);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_128_bits_and_matches_only_itself() {
        let key = AccessKey::from_random([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255]);
        assert_eq!(key.as_str(), "000102030405060708090a0b0c0d0eff");
        assert_eq!(key.as_str().parse(), Ok(key.clone()));
        assert!(key.matches("000102030405060708090a0b0c0d0eff"));
        for wrong in [
            "",
            "000102030405060708090a0b0c0d0efe",
            "000102030405060708090A0B0C0D0EFF",
            "0001",
        ] {
            assert!(!key.matches(wrong), "{wrong}");
        }
        for bad in [
            "",
            "xyz",
            "000102030405060708090A0B0C0D0EFF",
            "000102030405060708090a0b0c0d0eff0",
        ] {
            assert_eq!(bad.parse::<AccessKey>(), Err(AccessKeyError), "{bad}");
        }
        assert_eq!(format!("{key:?}"), "AccessKey(…)");
    }

    #[test]
    fn an_idempotency_key_is_printable_ascii() {
        let longest = "k".repeat(255);
        for (raw, expected) in [
            ("6f1c-~ key", Ok(())),
            (longest.as_str(), Ok(())),
            ("", Err(IdempotencyKeyError::Empty)),
            (&"k".repeat(256), Err(IdempotencyKeyError::TooLong)),
            ("schlüssel", Err(IdempotencyKeyError::NotPrintable)),
            ("a\tb", Err(IdempotencyKeyError::NotPrintable)),
        ] {
            assert_eq!(raw.parse::<IdempotencyKey>().map(|_| ()), expected, "{raw:?}");
        }
    }
}
