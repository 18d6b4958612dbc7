//! What people write: names, subjects, messages.

use std::str::FromStr;

use super::{Redacted, ValidationError, redacted_debug, text_value};
use crate::Redaction;

/// Why a text was refused. Lengths count characters, not bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing is left after trimming.
    #[error("must not be empty")]
    Empty,
    /// More than `max` characters.
    #[error("must be at most {max} characters long")]
    TooLong {
        /// The limit that was passed.
        max: usize,
    },
    /// NUL or another control character in an id.
    #[error("must not contain control characters")]
    ControlCharacter,
}

impl ValidationError for TextError {
    fn code(&self) -> &'static str {
        match self {
            Self::Empty => "required",
            Self::TooLong { .. } => "too_long",
            Self::ControlCharacter => "control_character",
        }
    }
}

/// Turns every control character that breaks a line into LF, removes the other ones except tabs, and trims.
fn tidy(raw: &str) -> String {
    let is_line_break = |c: char| matches!(c, '\r' | '\u{b}' | '\u{c}' | '\u{85}');
    let tidied = raw.replace("\r\n", "\n").replace(is_line_break, "\n");
    let is_removed = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    tidied.replace(is_removed, "").trim().to_owned()
}

/// One line: what breaks lines is a space in it.
pub(super) fn one_line(raw: &str, max: usize) -> Result<Box<str>, TextError> {
    let is_break = |c: char| matches!(c, '\n' | '\t' | '\u{2028}' | '\u{2029}');
    within(tidy(raw).replace(is_break, " "), max)
}

fn prose(raw: &str, max: usize) -> Result<Box<str>, TextError> {
    within(tidy(raw), max)
}

fn within(text: String, max: usize) -> Result<Box<str>, TextError> {
    match text.chars().count() {
        0 => Err(TextError::Empty),
        length if length > max => Err(TextError::TooLong { max }),
        _ => Ok(text.into_boxed_str()),
    }
}

macro_rules! text_type {
    ($(#[$doc:meta])* $type:ident, $max:literal, $parse:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $type(Box<str>);

        impl $type {
            /// The most characters it may have.
            pub const MAX: usize = $max;
        }

        impl Redacted for $type {
            fn redacted() -> Self {
                Self(Redaction::TEXT.into())
            }
        }

        impl FromStr for $type {
            type Err = TextError;

            fn from_str(raw: &str) -> Result<Self, TextError> {
                $parse(raw, Self::MAX).map(Self)
            }
        }

        redacted_debug!($type);
        text_value!($type);
    };
}

text_type! {
    /// Who asks: one line of 1–200 characters.
    CustomerName, 200, one_line
}
text_type! {
    /// What it is about: one line of 1–200 characters.
    Subject, 200, one_line
}
text_type! {
    /// What a customer writes into a form: 1–5,000 characters, line breaks and tabs welcome.
    MessageText, 5_000, prose
}

/// The text of a message in a thread: up to 16,000 characters, and a mark behind them if there were more. May be empty,
/// since a picture needs no words.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct MessageBody(Box<str>);

impl MessageBody {
    /// The most characters that are kept of what somebody wrote. People write long in WhatsApp.
    pub const MAX: usize = 16_000;

    /// Stands behind a text that was cut.
    pub const CUT_MARK: &str = "… [cut]";

    /// Makes a body of anything: tidies it, cuts and marks what is too long.
    pub fn lenient(raw: &str) -> Self {
        let mut text = tidy(raw);
        if let Some((end, _)) = text.char_indices().nth(Self::MAX) {
            text.truncate(end);
            text.push_str(Self::CUT_MARK);
        }
        Self(text.into())
    }

    /// Whether there are no words.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<MessageText> for MessageBody {
    fn from(text: MessageText) -> Self {
        Self(text.0)
    }
}

impl FromStr for MessageBody {
    type Err = TextError;

    fn from_str(raw: &str) -> Result<Self, TextError> {
        match prose(raw, Self::MAX + Self::CUT_MARK.chars().count()) {
            Ok(text) => Ok(Self(text)),
            Err(TextError::Empty) => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }
}

redacted_debug!(MessageBody);
text_value!(MessageBody);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_is_one_line_of_at_most_200_characters() {
        let long = "ü".repeat(200);
        for (raw, expected) in [
            ("  Zoë 🦊  ", Ok("Zoë 🦊")),
            ("山田 太郎", Ok("山田 太郎")),
            (long.as_str(), Ok(long.as_str())),
            ("", Err(TextError::Empty)),
            (" \t\r\n", Err(TextError::Empty)),
            ("a\nb", Ok("a b")),
            ("a\r\nb", Ok("a b")),
            ("a\u{2028}b\u{b}c\td", Ok("a b c d")),
            ("\0 \u{7}", Err(TextError::Empty)),
            ("a\0b\u{7f}", Ok("ab")),
            (&"x".repeat(201), Err(TextError::TooLong { max: 200 })),
        ] {
            let parsed = raw.parse::<CustomerName>();
            assert_eq!(
                parsed.as_ref().map(CustomerName::as_str).map_err(|e| *e),
                expected,
                "{raw:?}"
            );
            assert_eq!(
                raw.parse::<Subject>().map(|s| s.to_string()),
                parsed.map(|n| n.to_string())
            );
        }
    }

    #[test]
    fn a_message_keeps_its_lines_and_loses_carriage_returns() {
        let parse = |raw: &str| raw.parse::<MessageText>().map(|text| text.to_string());
        assert_eq!(parse(" a\r\nb\rc\td "), Ok("a\nb\nc\td".into()));
        assert_eq!(parse(&"é".repeat(5_000)), Ok("é".repeat(5_000)));
        assert_eq!(parse(&"é".repeat(5_001)), Err(TextError::TooLong { max: 5_000 }));
        assert_eq!(
            parse("one\u{b}two\u{c}three\u{85}four\u{2028}five"),
            Ok("one\ntwo\nthree\nfour\u{2028}five".into())
        );
        assert_eq!(parse("bell\u{7} \u{3}"), Ok("bell".into()));
        assert_eq!(parse("\r\n"), Err(TextError::Empty));
    }

    #[test]
    fn a_body_is_cut_and_marked_rather_than_refused() {
        let full = "字".repeat(MessageBody::MAX);
        assert_eq!(MessageBody::lenient(&full).as_str(), full);
        assert_eq!(
            MessageBody::lenient(&format!("{full}!")).as_str(),
            format!("{full}… [cut]")
        );
        assert_eq!(MessageBody::lenient("a\0b\u{1b}[1mc\r\nd").as_str(), "ab[1mc\nd");
        assert!(MessageBody::lenient(" \0 ").is_empty());
    }

    #[test]
    fn debug_shows_nothing_that_was_written() {
        let name: CustomerName = "Secret Person".parse().unwrap();
        assert_eq!(format!("{name:?}"), "CustomerName(…)");
    }

    proptest! {
        #[test]
        fn any_text_parses_or_is_refused_and_parsing_again_changes_nothing(raw in any::<String>()) {
            if let Ok(text) = raw.parse::<MessageText>() {
                prop_assert_eq!(text.as_str().parse::<MessageText>().unwrap(), text);
            }
            if let Ok(name) = raw.parse::<CustomerName>() {
                prop_assert_eq!(name.as_str().parse::<CustomerName>().unwrap(), name);
            }
        }

        #[test]
        fn what_lenient_makes_is_a_body(raw in any::<String>()) {
            let body = MessageBody::lenient(&raw);
            prop_assert_eq!(body.as_str().parse::<MessageBody>().unwrap(), body);
        }
    }
}
