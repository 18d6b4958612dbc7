//! Stricter rules for new input. Stored values may be older than these rules, so reading them uses the looser ones.

use std::str::FromStr;

use url::Url;

use super::{CustomerName, MediaUrl, MediaUrlError, Subject, TextError};
use crate::sanitize;

/// New input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StrictText<T>(pub T);

impl FromStr for StrictText<CustomerName> {
    type Err = TextError;

    fn from_str(raw: &str) -> Result<Self, TextError> {
        seen(raw)
    }
}

impl FromStr for StrictText<Subject> {
    type Err = TextError;

    fn from_str(raw: &str) -> Result<Self, TextError> {
        seen(raw)
    }
}

/// Parses a line that contains a visible character.
fn seen<T: FromStr<Err = TextError>>(raw: &str) -> Result<StrictText<T>, TextError> {
    let line = raw.parse()?;
    if sanitize::is_blank(raw) {
        return Err(TextError::Empty);
    }
    Ok(StrictText(line))
}

impl FromStr for StrictText<MediaUrl> {
    type Err = MediaUrlError;

    fn from_str(raw: &str) -> Result<Self, MediaUrlError> {
        let address: MediaUrl = raw.parse()?;
        // `https://bank.example@evil.example` leads to evil.example, and right-to-left characters can disguise a host.
        let has_user =
            Url::parse(address.as_str()).is_ok_and(|url| !url.username().is_empty() || url.password().is_some());
        let is_disguised = address.as_str().chars().any(|c| c == '\\' || sanitize::is_invisible(c));
        if has_user || is_disguised || address.as_str().contains("://@") {
            return Err(MediaUrlError::Disguised);
        }
        Ok(Self(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_shows_something() {
        for raw in ["\u{200b}", "\u{202e} \u{feff}", "\u{3164}", "\u{2800}\u{ad}"] {
            assert_eq!(raw.parse::<StrictText<Subject>>(), Err(TextError::Empty), "{raw:?}");
            assert_eq!(
                raw.parse::<StrictText<CustomerName>>(),
                Err(TextError::Empty),
                "{raw:?}"
            );
            assert!(raw.parse::<Subject>().is_ok(), "a store may hold it: {raw:?}");
        }
        for raw in ["❤\u{fe0f}", "👩\u{200d}🔧", "\u{202e}x", "مى\u{200c}خواهم"] {
            // Unchanged.
            assert_eq!(raw.parse::<StrictText<Subject>>().unwrap().0.as_str(), raw);
        }
        assert_eq!("".parse::<StrictText<Subject>>(), Err(TextError::Empty));
        assert_eq!("a\nb".parse::<StrictText<Subject>>().unwrap().0.as_str(), "a b");
    }

    #[test]
    fn a_medium_lies_where_its_address_seems_to_say() {
        let good = "https://api.twilio.com/2010-04-01/Media/ME1?a=@b";
        assert_eq!(good.parse::<StrictText<MediaUrl>>().unwrap().0.as_str(), good);
        for raw in [
            "https://bank.example@evil.example/a.png",
            "https://bank.example:443@evil.example/",
            "https://:x@evil.example/",
            "https://@evil.example/",
            "https://bank.example\\@evil.example/",
            "https://evil.example/\u{202e}gnp.exe",
            "https://evil.example/\u{2066}a",
            "https://evil.example/a\u{200b}b",
        ] {
            assert_eq!(
                raw.parse::<StrictText<MediaUrl>>(),
                Err(MediaUrlError::Disguised),
                "{raw:?}"
            );
            assert!(raw.parse::<MediaUrl>().is_ok(), "a store may hold it: {raw:?}");
        }
        assert_eq!("ftp://x".parse::<StrictText<MediaUrl>>(), Err(MediaUrlError::NotHttps));
    }
}
