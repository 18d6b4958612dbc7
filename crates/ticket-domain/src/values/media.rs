//! URLs of pictures, voice messages and documents.

use std::str::FromStr;

use url::Url;

use super::{ValidationError, redacted_debug, text_value};

/// An `https` URL of at most 2,048 characters. It is stored and shown, never fetched.
#[derive(Clone, PartialEq, Eq)]
pub struct MediaUrl(Box<str>);

impl MediaUrl {
    /// Maximum length in characters.
    pub const MAX: usize = 2_048;

    /// Returns the host, to show before someone opens the link: in ASCII, so that a look-alike letter of another script
    /// is visible.
    pub fn host(&self) -> Option<String> {
        Url::parse(&self.0).ok()?.host_str().map(str::to_owned)
    }
}

/// Why a URL is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MediaUrlError {
    /// More than 2,048 characters.
    #[error("must be at most {} characters long", MediaUrl::MAX)]
    TooLong,
    /// Not an absolute `https` URL.
    #[error("must be an address that starts with https://")]
    NotHttps,
    /// It hides where it leads: by a user name before its host, or by invisible characters.
    #[error("must show where it leads: without a user name and without invisible characters")]
    Disguised,
}

impl ValidationError for MediaUrlError {
    fn code(&self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::NotHttps | Self::Disguised => "invalid_url",
        }
    }
}

impl FromStr for MediaUrl {
    type Err = MediaUrlError;

    fn from_str(raw: &str) -> Result<Self, MediaUrlError> {
        let address = raw.trim();
        if address.chars().count() > Self::MAX {
            return Err(MediaUrlError::TooLong);
        }
        // `Url` ignores white space inside a URL; readers may not.
        let is_plain = !address.chars().any(|c| c.is_whitespace() || c.is_control());
        match Url::parse(address) {
            Ok(url) if is_plain && url.scheme() == "https" && url.has_host() => Ok(Self(address.into())),
            _ => Err(MediaUrlError::NotHttps),
        }
    }
}

redacted_debug!(MediaUrl);
text_value!(MediaUrl);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_absolute_https_addresses_pass() {
        let long = format!("https://media.example/{}", "a".repeat(MediaUrl::MAX - 22));
        for (raw, expected) in [
            (
                "https://api.twilio.com/2010-04-01/Media/ME1",
                Ok("https://api.twilio.com/2010-04-01/Media/ME1"),
            ),
            (long.as_str(), Ok(long.as_str())),
            (&format!("{long}a"), Err(MediaUrlError::TooLong)),
            ("http://example.com/a.png", Err(MediaUrlError::NotHttps)),
            ("javascript:alert(1)", Err(MediaUrlError::NotHttps)),
            ("https://exa mple.com", Err(MediaUrlError::NotHttps)),
            ("https://example.com/a\tb", Err(MediaUrlError::NotHttps)),
            ("//example.com", Err(MediaUrlError::NotHttps)),
            ("https://", Err(MediaUrlError::NotHttps)),
            ("", Err(MediaUrlError::NotHttps)),
        ] {
            assert_eq!(
                raw.parse::<MediaUrl>().map(|url| url.to_string()),
                expected.map(str::to_owned),
                "{raw:?}"
            );
        }
    }

    #[test]
    fn the_host_is_where_it_leads() {
        for (raw, host) in [
            ("https://API.twilio.com/a", "api.twilio.com"),
            ("https://bank.example@evil.example/a", "evil.example"),
            ("https://b\u{e4}nk.example/a", "xn--bnk-qla.example"),
        ] {
            assert_eq!(raw.parse::<MediaUrl>().unwrap().host().as_deref(), Some(host));
        }
    }

    proptest! {
        #[test]
        fn any_text_parses_or_is_refused(raw in "\\PC*|https://[a-z/:@?#.\\[\\]]{0,24}") {
            if let Ok(url) = raw.parse::<MediaUrl>() {
                prop_assert!(url.as_str().to_ascii_lowercase().starts_with("https:"));
            }
        }
    }
}
