//! Phone numbers.

use std::str::FromStr;

use super::{Redacted, ValidationError, text_value};
use crate::Redaction;

/// A number of 7–15 digits (the most E.164 allows), with or without a `+` before them.
///
/// Only a number with `+` identifies a person: without the country code, many people share the same digits.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Phone(Box<str>);

impl Redacted for Phone {
    fn redacted() -> Self {
        Self(Redaction::PHONE.into())
    }
}

/// Why a number is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PhoneError {
    /// Nothing is left after trimming.
    #[error("must not be empty")]
    Empty,
    /// Something other than digits, a leading `+`, spaces, dots, dashes and brackets.
    #[error("must contain only digits, spaces, dots, dashes and brackets, and a + at most at the start")]
    NotANumber,
    /// Fewer than 7 digits or more than 15.
    #[error("must have 7 to 15 digits")]
    WrongLength,
}

impl ValidationError for PhoneError {
    fn code(&self) -> &'static str {
        match self {
            Self::Empty => "required",
            Self::NotANumber => "invalid_phone",
            Self::WrongLength => "wrong_length",
        }
    }
}

fn is_decoration(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '.' | '-' | '(' | ')' | '[' | ']' | '\u{2010}'..='\u{2015}' | '\u{2212}')
        // Phones add invisible direction marks to a number that is copied from a contact.
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}')
}

impl Phone {
    /// Whether both identify the same person: equal, and with the country code.
    pub fn identifies(&self, other: &Self) -> bool {
        self.is_international() && self == other
    }

    /// Whether both have the same digits, ignoring `+`.
    pub fn is_called_as(&self, other: &Self) -> bool {
        self.0.trim_start_matches('+') == other.0.trim_start_matches('+')
    }

    /// Whether it has a country code, and so identifies one person.
    pub fn is_international(&self) -> bool {
        self.0.starts_with('+')
    }
}

impl FromStr for Phone {
    type Err = PhoneError;

    fn from_str(raw: &str) -> Result<Self, PhoneError> {
        let compact: String = raw.chars().filter(|c| !is_decoration(*c)).collect();
        if compact.is_empty() {
            return Err(PhoneError::Empty);
        }
        let (plus, digits) = match (compact.strip_prefix('+'), compact.strip_prefix("00")) {
            (Some(digits), _) | (None, Some(digits)) => ("+", digits),
            (None, None) => ("", compact.as_str()),
        };
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(PhoneError::NotANumber);
        }
        if !(7..=15).contains(&digits.len()) {
            return Err(PhoneError::WrongLength);
        }
        Ok(Self(format!("{plus}{digits}").into_boxed_str()))
    }
}

/// Shows the last two digits: enough to distinguish numbers, too few to call one.
impl std::fmt::Debug for Phone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Phone(…{})", &self.0[self.0.len() - 2..])
    }
}

text_value!(Phone);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decoration_goes_and_a_leading_00_becomes_plus() {
        for (raw, expected) in [
            ("+1 (234) 567-890", Ok("+1234567890")),
            ("0049.30.1234567", Ok("+49301234567")),
            ("[030] 1234567", Ok("0301234567")),
            ("\u{202a}+91\u{a0}96557\u{2011}16000\u{202c}", Ok("+919655716000")),
            ("1234567", Ok("1234567")),
            ("+123456789012345", Ok("+123456789012345")),
            ("", Err(PhoneError::Empty)),
            (" () ", Err(PhoneError::Empty)),
            ("+", Err(PhoneError::WrongLength)),
            ("123456", Err(PhoneError::WrongLength)),
            ("001234567890123456", Err(PhoneError::WrongLength)),
            ("+1234567890123456", Err(PhoneError::WrongLength)),
            ("++1234567", Err(PhoneError::NotANumber)),
            ("1234+567", Err(PhoneError::NotANumber)),
            ("call me", Err(PhoneError::NotANumber)),
            ("١٢٣٤٥٦٧", Err(PhoneError::NotANumber)),
        ] {
            assert_eq!(
                raw.parse::<Phone>().map(|p| p.to_string()),
                expected.map(str::to_owned),
                "{raw:?}"
            );
        }
    }

    #[test]
    fn only_a_number_with_its_country_code_identifies_somebody() {
        let phone = |raw: &str| raw.parse::<Phone>().unwrap();
        assert!(phone("+1234567890").identifies(&phone("001 234 567 890")));
        assert!(!phone("1234567890").identifies(&phone("1234567890")));
        assert!(!phone("+1234567890").identifies(&phone("1234567890")));
    }

    #[test]
    fn debug_hides_the_number() {
        let phone: Phone = "+919655716000".parse().unwrap();
        assert_eq!(format!("{phone:?}"), "Phone(…00)");
    }

    proptest! {
        #[test]
        fn any_text_parses_or_is_refused_and_parsing_again_changes_nothing(raw in "\\PC*|[+0-9 .()-]{0,24}") {
            if let Ok(phone) = raw.parse::<Phone>() {
                prop_assert_eq!(phone.as_str().parse::<Phone>(), Ok(phone));
            }
        }
    }
}
