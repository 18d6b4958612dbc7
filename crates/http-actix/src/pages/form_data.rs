//! Form data.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    time::Duration,
};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::{StatusCode, header::CONTENT_TYPE},
    web::Bytes,
};
use futures_util::stream;

use crate::{
    Settings,
    body::{BodyError, is_plain, read},
    state::{MissingPart, part},
};

/// Maximum size of a form, in bytes. Form encoding takes up to 12 bytes per character.
const MAX_BYTES: usize = 128 * 1024;
/// Maximum size and time for reading a form that is only shown again.
const TYPED_BYTES: usize = 32 * 1024;
const TYPED_DEADLINE: Duration = Duration::from_secs(2);

/// The fields of a form.
#[derive(Default)]
pub(crate) struct FormData(Vec<(String, String)>);

impl std::fmt::Debug for FormData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the names, which may be anything.
        write!(f, "FormData({} fields)", self.0.len())
    }
}

/// Why a form could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FormError {
    #[error("The form must be sent as application/x-www-form-urlencoded or multipart/form-data.")]
    NotAForm,
    #[error("The form is too large.")]
    TooLarge,
    #[error("The form took too long to arrive.")]
    TooSlow,
    #[error("The form broke off.")]
    BrokeOff,
}

impl From<BodyError> for FormError {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::TooLarge,
            BodyError::TooSlow => Self::TooSlow,
            BodyError::BrokeOff => Self::BrokeOff,
        }
    }
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
    /// The first field of this name.
    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        let field = self.0.iter().find(|(field, _)| field == name);
        field.map(|(_, value)| value.as_str())
    }

    /// The first field of this name; empty if there is none.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.find(name).unwrap_or_default()
    }

    /// Parses form encoding, of a query string or a body. What is not UTF-8 becomes U+FFFD.
    pub(crate) fn parse(encoded: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(encoded).into_owned().collect())
    }

    /// Reads the texts of `multipart/form-data`. Files are left out. What is not UTF-8 becomes U+FFFD.
    async fn parse_multipart(body: Bytes, boundary: String) -> Result<Self, FormError> {
        let body = stream::once(ready(Ok::<_, Infallible>(body)));
        let mut parts = multer::Multipart::new(body, boundary);
        let mut fields = Vec::new();
        while let Some(part) = parts.next_field().await.map_err(|_| FormError::BrokeOff)? {
            let name = part.name().map(str::to_owned);
            if let (Some(name), None) = (name, part.file_name()) {
                let value = part.bytes().await.map_err(|_| FormError::BrokeOff)?;
                fields.push((name, String::from_utf8_lossy(&value).into_owned()));
            }
        }
        Ok(Self(fields))
    }
}

/// What stands between the parts of `multipart/form-data`; none if the body is something else.
fn boundary(request: &HttpRequest) -> Option<String> {
    let content_type = request.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    multer::parse_boundary(content_type)
        .ok()
        .filter(|_| is_plain(request, "multipart/form-data"))
}

/// A form that has not been read yet: the head of its request is checked first.
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
    /// Reads the form.
    ///
    /// # Errors
    /// [`FormError`] if it is not a form, too large or too slow.
    pub(crate) async fn read(self) -> Result<FormData, FormError> {
        let deadline = self.deadline;
        self.read_within(MAX_BYTES, deadline).await
    }

    /// Reads a rejected form to show it again. Empty if it is larger than people type, or slow.
    pub(crate) async fn typed(self) -> FormData {
        self.read_within(TYPED_BYTES, TYPED_DEADLINE).await.unwrap_or_default()
    }

    async fn read_within(self, max_bytes: usize, deadline: Duration) -> Result<FormData, FormError> {
        let boundary = boundary(&self.request);
        if boundary.is_none() && !is_plain(&self.request, "application/x-www-form-urlencoded") {
            return Err(FormError::NotAForm);
        }
        let bytes = read(&self.request, self.payload, max_bytes, deadline).await?;
        match boundary {
            Some(boundary) => FormData::parse_multipart(bytes, boundary).await,
            None => Ok(FormData::parse(&bytes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_utf_8() {
        for (body, expected) in [
            ("a=caf%C3%A9+%26+co", "caf\u{e9} & co"),
            ("a=caf%E9", "caf\u{fffd}"),
            ("_charset_=windows-1251&a=%CF%F0%E8+%21", "\u{fffd}\u{fffd}\u{fffd} !"),
            ("a=%F0%9F%8D%BE", "\u{1f37e}"),
            ("a=1&a=2", "1"),
            ("&=b&c=d", ""),
        ] {
            assert_eq!(FormData::parse(body.as_bytes()).get("a"), expected, "{body}");
        }
    }

    #[test]
    fn debug_shows_nothing_of_a_form() {
        let form = FormData::parse(b"token=canary&canary=1");
        assert_eq!(format!("{form:?}"), "FormData(2 fields)");
    }
}
