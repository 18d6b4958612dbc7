//! Delivery routes.

use std::{borrow::Cow, str::FromStr};

use super::{TextError, text_value};

/// The way that a notification's message takes, in a word of its notifier, such as `backup` for a second number: 1–32
/// characters, none a control character. Only the notifier knows what its words mean.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeliveryRoute(Cow<'static, str>);

impl DeliveryRoute {
    /// Maximum length in characters.
    pub const MAX: usize = 32;

    /// The route of every notification's first message.
    pub const FIRST: Self = Self::new("text");

    /// A route of a notifier.
    pub const fn new(word: &'static str) -> Self {
        Self(Cow::Borrowed(word))
    }
}

impl FromStr for DeliveryRoute {
    type Err = TextError;

    fn from_str(raw: &str) -> Result<Self, TextError> {
        if raw.chars().any(char::is_control) {
            return Err(TextError::ControlCharacter);
        }
        match raw.chars().count() {
            0 => Err(TextError::Empty),
            length if length > Self::MAX => Err(TextError::TooLong { max: Self::MAX }),
            _ => Ok(Self(raw.to_owned().into())),
        }
    }
}

text_value!(DeliveryRoute);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_any_short_word() {
        assert_eq!("text".parse(), Ok(DeliveryRoute::FIRST));
        assert_eq!("second_number".parse(), Ok(DeliveryRoute::new("second_number")));
        assert_eq!("".parse::<DeliveryRoute>(), Err(TextError::Empty));
        assert_eq!("a\0b".parse::<DeliveryRoute>(), Err(TextError::ControlCharacter));
        assert_eq!(
            "x".repeat(33).parse::<DeliveryRoute>(),
            Err(TextError::TooLong { max: 32 })
        );
    }
}
