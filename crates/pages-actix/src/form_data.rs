//! What a form sends, within bounds: of type, of size, of time.

use std::{future::Future, pin::Pin};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::{
        StatusCode,
        header::{CONTENT_ENCODING, CONTENT_TYPE},
    },
    web::{BytesMut, Data},
};
use futures_util::StreamExt;

use crate::Pages;

/// The most bytes of a form: form encoding takes up to 12 bytes for one character.
const MAX_BYTES: usize = 128 * 1024;

/// The fields of a form. Only what is UTF-8 once decoded; the rest becomes U+FFFD.
#[derive(Debug, Default)]
pub(crate) struct FormData(Vec<(String, String)>);

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

    /// Reads form encoding, as it stands in a body or a query string.
    pub(crate) fn parse(encoded: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(encoded).into_owned().collect())
    }

    /// Reads a request's body.
    pub(crate) async fn read(request: &HttpRequest, payload: &mut Payload) -> Result<Self, FormError> {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let is_form = kind
            .and_then(|kind| kind.split(';').next())
            .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"));
        if !is_form || request.headers().contains_key(CONTENT_ENCODING) {
            return Err(FormError::NotAForm);
        }
        let deadline = request
            .app_data::<Data<Pages>>()
            .map(|pages| pages.parts.settings.body_deadline)
            .unwrap_or_default();
        let mut bytes = BytesMut::new();
        let reading = async {
            while let Some(chunk) = payload.next().await {
                let chunk = chunk.map_err(|_| FormError::BrokeOff)?;
                if bytes.len() + chunk.len() > MAX_BYTES {
                    return Err(FormError::TooLarge);
                }
                bytes.extend_from_slice(&chunk);
            }
            Ok(())
        };
        tokio::time::timeout(deadline, reading)
            .await
            .map_err(|_| FormError::TooSlow)??;
        Ok(Self::parse(&bytes))
    }
}

/// A form, or why there is none; the page says it.
pub(crate) struct Form(pub(crate) Result<FormData, FormError>);

impl FromRequest for Form {
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Self::Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let mut payload = payload.take();
        Box::pin(async move { Ok(Self(FormData::read(&request, &mut payload).await)) })
    }
}
