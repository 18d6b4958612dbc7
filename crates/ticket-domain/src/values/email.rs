//! E-mail addresses.

use std::str::FromStr;

use email_address::{EmailAddress, Options};

use super::{Redacted, ValidationError, redacted_debug, text_value};
use crate::{Redaction, sanitize};

/// An address that could receive mail: a local part and a domain with a dot, at most 254 characters.
#[derive(Clone, PartialEq, Eq)]
pub struct Email(Box<str>);

impl Redacted for Email {
    fn redacted() -> Self {
        Self(Redaction::EMAIL.into())
    }
}

impl Email {
    /// Maximum length in characters: what fits into an SMTP path (RFC 5321, 4.5.3.1.3).
    pub const MAX: usize = 254;
}

/// Why an address was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EmailError {
    /// Nothing is left after trimming.
    #[error("must not be empty")]
    Empty,
    /// More than 254 characters.
    #[error("must be at most {} characters long", Email::MAX)]
    TooLong,
    /// Not of the form `name@example.com`.
    #[error("must be an e-mail address such as name@example.com")]
    NotAnAddress,
}

impl ValidationError for EmailError {
    fn code(&self) -> &'static str {
        match self {
            Self::Empty => "required",
            Self::TooLong => "too_long",
            Self::NotAnAddress => "invalid_email",
        }
    }
}

impl FromStr for Email {
    type Err = EmailError;

    fn from_str(raw: &str) -> Result<Self, EmailError> {
        let seen = raw.replace(|c: char| c.is_control() || sanitize::is_invisible(c), "");
        let address = seen.trim();
        if address.is_empty() {
            return Err(EmailError::Empty);
        }
        if address.chars().count() > Self::MAX {
            return Err(EmailError::TooLong);
        }
        let options = Options::default()
            .with_required_tld()
            .without_display_text()
            .without_domain_literal();
        let is_address = EmailAddress::parse_with_options(address, options).is_ok();
        if !is_address {
            return Err(EmailError::NotAnAddress);
        }
        Ok(Self(address.into()))
    }
}

redacted_debug!(Email);
text_value!(Email);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_has_a_name_and_a_domain() {
        let long = format!(
            "{}@{}.example",
            "a".repeat(60),
            ["b".repeat(60), "c".repeat(60), "d".repeat(60)].join(".")
        );
        for (raw, expected) in [
            (" john@example.com ", Ok("john@example.com")),
            ("jane@example.com\u{200b}", Ok("jane@example.com")),
            ("\u{202a}ja\u{7f}ne@example.com\u{202c}\r\n", Ok("jane@example.com")),
            ("jörg+tag@bücher.example", Ok("jörg+tag@bücher.example")),
            (long.as_str(), Ok(long.as_str())),
            ("", Err(EmailError::Empty)),
            ("john", Err(EmailError::NotAnAddress)),
            ("john@", Err(EmailError::NotAnAddress)),
            ("john@localhost", Err(EmailError::NotAnAddress)),
            ("@example.com", Err(EmailError::NotAnAddress)),
            ("a b@example.com", Err(EmailError::NotAnAddress)),
            ("John <john@example.com>", Err(EmailError::NotAnAddress)),
            ("john@[127.0.0.1]", Err(EmailError::NotAnAddress)),
            ("john@example.com\nbcc: x@example.com", Err(EmailError::NotAnAddress)),
            (&format!("{}@example.com", "a".repeat(250)), Err(EmailError::TooLong)),
        ] {
            assert_eq!(
                raw.parse::<Email>().map(|e| e.to_string()),
                expected.map(str::to_owned),
                "{raw:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_text_parses_or_is_refused(raw in "\\PC*|[a-z.@\"<>+-]{0,24}") {
            if let Ok(email) = raw.parse::<Email>() {
                prop_assert_eq!(email.as_str().parse::<Email>(), Ok(email));
            }
        }
    }
}
