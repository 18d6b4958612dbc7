//! Ids that other systems give to messages.

use std::str::FromStr;

use super::{TextError, text_value};

/// The id that another system gave to a message, such as Twilio's `MessageSid`: 1–128 characters, none a control
/// character. Two messages with the same id are the same message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExternalId(Box<str>);

impl ExternalId {
    /// Maximum length in characters.
    pub const MAX: usize = 128;
}

impl FromStr for ExternalId {
    type Err = TextError;

    fn from_str(raw: &str) -> Result<Self, TextError> {
        let id = raw.trim();
        if id.chars().any(char::is_control) {
            return Err(TextError::ControlCharacter);
        }
        match id.chars().count() {
            0 => Err(TextError::Empty),
            length if length > Self::MAX => Err(TextError::TooLong { max: Self::MAX }),
            _ => Ok(Self(id.into())),
        }
    }
}

text_value!(ExternalId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_1_to_128_characters() {
        let full = "x".repeat(128);
        for (raw, expected) in [
            (" SM1234567890abcdef/1 ", Ok("SM1234567890abcdef/1")),
            (full.as_str(), Ok(full.as_str())),
            (" ", Err(TextError::Empty)),
            ("a\0b", Err(TextError::ControlCharacter)),
            (&"x".repeat(129), Err(TextError::TooLong { max: 128 })),
        ] {
            assert_eq!(
                raw.parse::<ExternalId>().map(|id| id.to_string()),
                expected.map(str::to_owned),
                "{raw:?}"
            );
        }
    }
}
