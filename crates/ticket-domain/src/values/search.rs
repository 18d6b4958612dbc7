//! Search texts.

use std::str::FromStr;

use super::{TextError, redacted_debug, text_value};

/// Words to search for: one line of 1–200 characters. [`OperatorQueries::list`](crate::ports::OperatorQueries::list) says
/// what they match.
#[derive(Clone, PartialEq, Eq)]
pub struct SearchText(Box<str>);

impl SearchText {
    /// Maximum length in characters.
    pub const MAX: usize = 200;
}

impl FromStr for SearchText {
    type Err = TextError;

    fn from_str(raw: &str) -> Result<Self, TextError> {
        super::text::one_line(raw, Self::MAX).map(Self)
    }
}

redacted_debug!(SearchText);
text_value!(SearchText);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_is_one_line_with_something_in_it() {
        let parsed = |raw: &str| raw.parse::<SearchText>().map(|text| text.to_string());
        assert_eq!(parsed(" damaged bottles "), Ok("damaged bottles".into()));
        assert_eq!(parsed("  "), Err(TextError::Empty));
        assert_eq!(parsed("a\nb"), Ok("a b".into()));
        assert_eq!(parsed(&"ü".repeat(201)), Err(TextError::TooLong { max: 200 }));
        assert!(parsed(&"ü".repeat(200)).is_ok());
    }
}
