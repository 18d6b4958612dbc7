//! What a form sends, within bounds: of type, of size, of time.

use std::{
    future::{Ready, ready},
    time::Duration,
};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::{
        StatusCode,
        header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue},
    },
    web::BytesMut,
};
use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};
use futures_util::StreamExt;
use percent_encoding::percent_decode;
use tokio::time::timeout;

use crate::{
    Settings,
    state::{MissingPart, part},
};

/// The most bytes of a form: form encoding takes up to 12 bytes for one character.
const MAX_BYTES: usize = 128 * 1024;
/// The most bytes that are read of a form only to give back what was typed, and for how long.
const TYPED_BYTES: usize = 32 * 1024;
const TYPED_DEADLINE: Duration = Duration::from_secs(2);

/// The fields of a form.
#[derive(Default)]
pub(crate) struct FormData(Vec<(String, String)>);

impl std::fmt::Debug for FormData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not even the names: a form may have anything for them.
        write!(f, "FormData({} fields)", self.0.len())
    }
}

/// Why a form could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FormError {
    #[error("The form must be sent as application/x-www-form-urlencoded.")]
    NotAForm,
    #[error("The form is too large.")]
    TooLarge,
    #[error("The form took too long to arrive.")]
    TooSlow,
    #[error("The form broke off.")]
    BrokeOff,
}

impl FormError {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::NotAForm => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::BrokeOff => StatusCode::BAD_REQUEST,
        }
    }
}

impl FormData {
    /// A field, if it is there. Of several the first.
    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        let field = self.0.iter().find(|(field, _)| field == name);
        field.map(|(_, value)| value.as_str())
    }

    /// A field; empty if it is absent.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.find(name).unwrap_or_default()
    }

    /// Reads form encoding in UTF-8, as it stands in a query string. What is not UTF-8 becomes U+FFFD.
    pub(crate) fn parse(encoded: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(encoded).into_owned().collect())
    }

    /// Reads form encoding, as it stands in a body. An old page sends its form in its own encoding and mostly does not say
    /// which: what is not UTF-8 is in the one that is named, by the form (`_charset_`) or by `charset`, else in the one
    /// that browsers take such pages for.
    fn decode(encoded: &[u8], charset: Option<&str>) -> Self {
        let is_utf8 = encoded
            .split(|byte| matches!(byte, b'&' | b'='))
            .all(|part| percent_decode(part).decode_utf8().is_ok());
        let as_utf8 = Self::parse(encoded);
        if is_utf8 {
            return as_utf8;
        }
        let named = as_utf8.find("_charset_").or(charset);
        let encoding = named
            .and_then(|name| Encoding::for_label(name.as_bytes()))
            .filter(|encoding| *encoding != UTF_8)
            .unwrap_or(WINDOWS_1252);
        let text = |part: &[u8]| {
            let spaced: Vec<u8> = part
                .iter()
                .map(|byte| if *byte == b'+' { b' ' } else { *byte })
                .collect();
            let bytes: Vec<u8> = percent_decode(&spaced).collect();
            encoding.decode_without_bom_handling(&bytes).0.into_owned()
        };
        let pairs = encoded.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| {
                    let mut parts = pair.splitn(2, |byte| *byte == b'=');
                    let mut next = || text(parts.next().unwrap_or_default());
                    (next(), next())
                })
                .collect(),
        )
    }
}

/// The `charset` of a content type.
fn charset_of(kind: &str) -> Option<String> {
    let parameters = kind
        .split(';')
        .skip(1)
        .filter_map(|parameter| parameter.split_once('='));
    let charset = parameters
        .map(|(name, value)| (name.trim(), value.trim().trim_matches('"')))
        .find(|(name, _)| name.eq_ignore_ascii_case("charset"));
    charset.map(|(_, value)| value.to_owned())
}

/// A form that has not been read: what the head of its request tells is judged first.
pub(crate) struct Form {
    request: HttpRequest,
    payload: Payload,
    deadline: Duration,
}

impl FromRequest for Form {
    type Error = MissingPart;
    type Future = Ready<Result<Self, MissingPart>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        ready(part::<Settings>(request).map(|settings| Self {
            request: request.clone(),
            payload: payload.take(),
            deadline: settings.body_deadline,
        }))
    }
}

impl Form {
    /// Reads it.
    pub(crate) async fn read(self) -> Result<FormData, FormError> {
        let deadline = self.deadline;
        self.read_within(MAX_BYTES, deadline).await
    }

    /// What somebody typed whose form is refused whatever it says, to be given back to them. Nothing, if it is more than
    /// people type or comes slowly: those who send such forms are not worth the wait.
    pub(crate) async fn typed(self) -> FormData {
        self.read_within(TYPED_BYTES, TYPED_DEADLINE).await.unwrap_or_default()
    }

    async fn read_within(mut self, max_bytes: usize, deadline: Duration) -> Result<FormData, FormError> {
        let headers = self.request.headers();
        let header = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let kind = header(CONTENT_TYPE);
        let is_form = kind
            .and_then(|kind| kind.split(';').next())
            .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"));
        if !is_form || headers.contains_key(CONTENT_ENCODING) {
            return Err(FormError::NotAForm);
        }
        let length = header(CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
        if length.is_some_and(|length| length > max_bytes as u64) {
            return Err(FormError::TooLarge);
        }
        let charset = kind.and_then(charset_of);
        let mut bytes = BytesMut::new();
        let reading = async {
            while let Some(chunk) = self.payload.next().await {
                let chunk = chunk.map_err(|_| FormError::BrokeOff)?;
                if bytes.len() + chunk.len() > max_bytes {
                    return Err(FormError::TooLarge);
                }
                bytes.extend_from_slice(&chunk);
            }
            Ok(())
        };
        timeout(deadline, reading).await.map_err(|_| FormError::TooSlow)??;
        Ok(FormData::decode(&bytes, charset.as_deref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_in_the_encoding_that_it_was_written_in() {
        for (body, charset, expected) in [
            ("a=caf%C3%A9+%26+co", None, "caf\u{e9} & co"),
            ("a=caf%E9", None, "caf\u{e9}"),
            ("a=caf%E9", Some("utf-8"), "caf\u{e9}"),
            ("a=%CF%F0%E8", Some("windows-1251"), "\u{41f}\u{440}\u{438}"),
            (
                "_charset_=windows-1251&a=%CF%F0%E8+%21",
                None,
                "\u{41f}\u{440}\u{438} !",
            ),
            ("a=x%80", Some("no such"), "x\u{20ac}"),
            ("a=%F0%9F%8D%BE", Some("iso-8859-1"), "\u{1f37e}"),
        ] {
            let form = FormData::decode(body.as_bytes(), charset);
            assert_eq!(form.get("a"), expected, "{body}");
        }
        assert_eq!(FormData::decode(b"a&=b&c=%E9=%E9&&", None).get("c"), "\u{e9}=\u{e9}");
    }

    #[test]
    fn debug_shows_nothing_of_a_form() {
        let form = FormData::parse(b"token=canary&canary=1");
        assert_eq!(format!("{form:?}"), "FormData(2 fields)");
    }

    #[test]
    fn the_charset_stands_behind_the_type() {
        let kind = "application/x-www-form-urlencoded; Charset=\"ISO-8859-1\"";
        assert_eq!(charset_of(kind).as_deref(), Some("ISO-8859-1"));
        assert_eq!(charset_of("application/x-www-form-urlencoded"), None);
    }
}
