//! Phone numbers.

use std::str::FromStr;

use super::{Redacted, ValidationError, text_value};
use crate::{
    Redaction,
    sanitize::{decimal_digit, is_invisible},
};

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
    /// Something other than digits, a leading `+`, an extension, spaces, dots, dashes, slashes and brackets.
    #[error("must contain only digits, spaces, dots, dashes, slashes and brackets, and a + at most at the start")]
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

fn is_bracket(c: char) -> bool {
    matches!(c, '(' | ')' | '[' | ']')
}

fn is_decoration(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c, '.' | '-' | '/' | '\u{2010}'..='\u{2015}' | '\u{2212}')
        // Phones add invisible direction marks to a number that is copied from a contact.
        || is_invisible(c)
}

/// Leaves out an extension: `x12`, `ext. 12`.
fn without_extension(number: &str) -> &str {
    let Some((at, _)) = number.char_indices().find(|(_, c)| c.is_ascii_alphabetic()) else {
        return number;
    };
    let (head, tail) = number.split_at(at);
    let digits = tail.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let is_mark = ["x", "ext", "extension"].contains(&&*tail[..tail.len() - digits.len()].to_ascii_lowercase());
    let digits = digits.trim_start_matches([':', '=']);
    if is_mark && !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        head.trim_end_matches([';', ','])
    } else {
        number
    }
}

/// Leaves out the zero in `+44 (0)20`, which is dialled only within the country; `None` if there is none.
fn without_trunk_zero(number: &str) -> Option<String> {
    let (head, tail) = number.split_once("(0)")?;
    let code = head.replace(is_bracket, "");
    let code = code.strip_prefix('+').or_else(|| code.strip_prefix("00"))?;
    let is_code = (1..=3).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_digit());
    is_code.then(|| format!("{head}{tail}"))
}

/// The other way to write an international mobile number, where there are two, and whether `digits` is the canonical one.
fn other_spelling(digits: &str) -> Option<(String, bool)> {
    let starts = |rest: &str, first: &[u8]| rest.bytes().next().is_some_and(|digit| first.contains(&digit));
    if let Some(rest) = digits.strip_prefix("55") {
        // Brazil: since 2016 every mobile number has a 9 before its eight digits, which begin with 6–9. Landlines, which
        // begin with 2–5, have none. An area code has no zero.
        let (area, number) = rest.split_at_checked(2)?;
        return match number.len() {
            _ if area.contains('0') => None,
            8 if starts(number, b"6789") => Some((format!("55{area}9{number}"), false)),
            9 if number.starts_with('9') && starts(&number[1..], b"6789") => {
                Some((format!("55{area}{}", &number[1..]), true))
            }
            _ => None,
        };
    }
    // Mexico and Argentina: WhatsApp puts a digit before mobile numbers, which have ten digits without it.
    for (country, mark, first) in [("52", '1', &b"23456789"[..]), ("54", '9', b"123")] {
        let Some(rest) = digits.strip_prefix(country) else {
            continue;
        };
        return match rest.len() {
            10 if starts(rest, first) => Some((format!("{country}{mark}{rest}"), true)),
            11 if rest.starts_with(mark) && starts(&rest[1..], first) => {
                Some((format!("{country}{}", &rest[1..]), false))
            }
            _ => None,
        };
    }
    None
}

impl Phone {
    /// Whether both identify the same person: one number, and with the country code.
    pub fn identifies(&self, other: &Self) -> bool {
        self.is_international() && self.canonical() == other.canonical()
    }

    /// Whether both are the same number, ignoring `+`.
    pub fn is_called_as(&self, other: &Self) -> bool {
        self.spellings().contains(other)
    }

    /// The form in which numbers are compared, and never shown or sent to: Brazil's mobile numbers with the ninth digit,
    /// Mexico's without the 1 and Argentina's without the 9 after the country code.
    #[must_use]
    pub fn canonical(&self) -> Self {
        match self.0.strip_prefix('+').and_then(other_spelling) {
            Some((other, false)) => Self(format!("+{other}").into()),
            Some((_, true)) | None => self.clone(),
        }
    }

    /// Every way to write this number, with `+` and without, for searching.
    pub fn spellings(&self) -> Vec<Self> {
        let digits = self.0.trim_start_matches('+');
        let other = other_spelling(digits).map(|(other, _)| other);
        let spellings = [Some(digits.to_owned()), other].into_iter().flatten();
        spellings
            .flat_map(|digits| [format!("+{digits}"), digits])
            .map(|number| Self(number.into()))
            .collect()
    }

    /// Whether it has a country code, and so identifies one person.
    pub fn is_international(&self) -> bool {
        self.0.starts_with('+')
    }
}

impl FromStr for Phone {
    type Err = PhoneError;

    fn from_str(raw: &str) -> Result<Self, PhoneError> {
        const SCHEME: &str = "tel:";
        let digit = |c| decimal_digit(c).map_or(c, |digit| char::from(b'0' + digit));
        let compact: String = raw.chars().filter(|c| !is_decoration(*c)).map(digit).collect();
        let compact = match compact.split_at_checked(SCHEME.len()) {
            Some((scheme, number)) if scheme.eq_ignore_ascii_case(SCHEME) => number,
            _ => &compact,
        };
        let number = without_extension(compact);
        match without_trunk_zero(number).map(|number| Self::of_digits(&number)) {
            Some(Ok(phone)) => Ok(phone),
            Some(Err(_)) | None => Self::of_digits(number),
        }
    }
}

impl Phone {
    /// Reads a number in which only brackets stand between the digits.
    fn of_digits(number: &str) -> Result<Self, PhoneError> {
        let compact = number.replace(is_bracket, "");
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
            ("\u{2068}+4917012345678\u{2069}", Ok("+4917012345678")),
            ("+1\u{fe0d}-555-123-4567", Ok("+15551234567")),
            ("\u{200b}+79022222222", Ok("+79022222222")),
            ("+49 30/1234567", Ok("+49301234567")),
            ("+1 555 123 4567 x123", Ok("+15551234567")),
            ("+1 (555) 123-4567 ext. 12", Ok("+15551234567")),
            ("tel:+1-555-123-4567;ext=12", Ok("+15551234567")),
            ("TEL: 555 123 4567 Extension 9", Ok("5551234567")),
            ("٠٥٠١٢٣٤٥٦٧", Ok("0501234567")),
            ("+𝟙𝟚𝟛𝟜𝟝𝟞𝟟٨", Ok("+12345678")),
            ("+44 (0)20 7946 0958", Ok("+442079460958")),
            ("0044 (0) 20 7946 0958", Ok("+442079460958")),
            ("(+44)(0)20 7946 0958", Ok("+442079460958")),
            ("(0)20 7946 0958", Ok("02079460958")),
            ("+44 20 7946 (0)958", Ok("+442079460958")),
            ("1234567x", Err(PhoneError::NotANumber)),
            ("1234567 y 12", Err(PhoneError::NotANumber)),
            ("x1234567", Err(PhoneError::Empty)),
            ("1234²567", Err(PhoneError::NotANumber)),
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
    fn one_number_may_be_written_in_two_ways() {
        let phone = |raw: &str| raw.parse::<Phone>().unwrap();
        for (one, other) in [
            ("+55 11 8765-4321", "+55 11 98765-4321"),
            ("+55 48 6123-4567", "+55 48 96123-4567"),
            ("+55 11 9765-4321", "+55 11 99765-4321"),
            ("+52 55 1234 5678", "+52 1 55 1234 5678"),
            ("+54 11 2345-6789", "+54 9 11 2345-6789"),
            ("+54 381 234-5678", "+54 9 381 234-5678"),
        ] {
            let (one, other) = (phone(one), phone(other));
            assert!(one.identifies(&other) && other.identifies(&one), "{one} {other}");
            assert_eq!(one.canonical(), other.canonical());
            assert!(one.is_called_as(&other) && other.is_called_as(&one));
            assert!(
                one.spellings()
                    .iter()
                    .all(|spelling| other.spellings().contains(spelling))
            );
            let bare = phone(other.as_str().trim_start_matches('+'));
            assert!(one.is_called_as(&bare) && bare.is_called_as(&one));
            assert!(!one.identifies(&bare) && !bare.identifies(&one));
        }
    }

    #[test]
    fn nothing_else_is_one_number() {
        let phone = |raw: &str| raw.parse::<Phone>().unwrap();
        for (one, other) in [
            // Brazil: landlines have no ninth digit, and area codes no zero.
            ("+55 11 2765-4321", "+55 11 92765-4321"),
            ("+55 11 5765-4321", "+55 11 95765-4321"),
            ("+55 10 8765-4321", "+55 10 98765-4321"),
            ("+55 11 1765-4321", "+55 11 91765-4321"),
            ("+55 11 8765-432", "+55 11 98765-432"),
            ("+55 11 8765-43210", "+55 11 98765-43210"),
            ("+55 11 88765-4321", "+55 11 8765-4321"),
            ("+55 11 98765-4321", "+55 21 98765-4321"),
            // Mexico and Argentina: ten digits follow.
            ("+52 55 1234 567", "+52 1 55 1234 567"),
            ("+52 1 55 1234 567", "+52 55 1234 567"),
            ("+52 155 1234 5678", "+52 1 155 1234 5678"),
            ("+52 9 55 1234 5678", "+52 55 1234 5678"),
            ("+54 1 11 2345 6789", "+54 11 2345 6789"),
            ("+54 9 11 2345 678", "+54 11 2345 678"),
            ("+54 9 911 234 5678", "+54 911 234 5678"),
            // Elsewhere no digit is spare.
            ("+1 555 123 4567", "+1 1 555 123 4567"),
            ("+56 9 8765 4321", "+56 8765 4321"),
            ("+49 170 1234567", "+49 9 170 1234567"),
            ("+44 20 7946 0958", "+44 020 7946 0958"),
            ("+91 96557 16000", "+91 96557 16001"),
            // Without a country code many people share the same digits.
            ("55 11 8765-4321", "55 11 98765-4321"),
            ("11 8765-4321", "11 98765-4321"),
        ] {
            let (one, other) = (phone(one), phone(other));
            assert!(!one.identifies(&other) && !other.identifies(&one), "{one} {other}");
        }
    }

    #[test]
    fn debug_hides_the_number() {
        let phone: Phone = "+919655716000".parse().unwrap();
        assert_eq!(format!("{phone:?}"), "Phone(…00)");
    }

    proptest! {
        #[test]
        fn any_text_parses_or_is_refused_and_parsing_again_changes_nothing(raw in "\\PC*|[+0-9 .()/x-]{0,24}|(\\+5[245])[0-9]{8,12}") {
            if let Ok(phone) = raw.parse::<Phone>() {
                prop_assert_eq!(&phone.as_str().parse::<Phone>().unwrap(), &phone);
                prop_assert_eq!(phone.canonical().canonical(), phone.canonical());
                prop_assert!(phone.is_called_as(&phone.canonical()));
            }
        }
    }
}
