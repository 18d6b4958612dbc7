//! Reads request bodies within bounds of size and time.

use std::time::Duration;

use actix_web::{
    HttpMessage, HttpRequest,
    body::{BodyStream, to_bytes_limited},
    dev::Payload,
    http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderName},
    web::Bytes,
};
use tokio::time::timeout;

/// Why a body could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// It has more bytes than it may have, or announces more.
    TooLarge,
    /// It did not arrive before the deadline.
    TooSlow,
    /// The connection broke.
    BrokeOff,
}

/// Whether the body is of this media type, whatever its parameters, and not compressed.
pub(crate) fn is_plain(request: &HttpRequest, media_type: &str) -> bool {
    let encoding = header(request, &CONTENT_ENCODING);
    request.content_type().eq_ignore_ascii_case(media_type)
        && encoding.is_none_or(|encoding| encoding.eq_ignore_ascii_case("identity"))
}

/// Reads all of a body.
///
/// # Errors
/// [`BodyError`] if it has more than `max_bytes`, or did not arrive within `deadline`. A body that announces more is not
/// waited for.
pub(crate) async fn read(
    request: &HttpRequest,
    payload: Payload,
    max_bytes: usize,
    deadline: Duration,
) -> Result<Bytes, BodyError> {
    let announced = header(request, &CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    if announced.is_some_and(|length| length > max_bytes as u64) {
        return Err(BodyError::TooLarge);
    }
    timeout(deadline, to_bytes_limited(BodyStream::new(payload), max_bytes))
        .await
        .map_err(|_| BodyError::TooSlow)?
        .map_err(|_| BodyError::TooLarge)?
        .map_err(|_| BodyError::BrokeOff)
}

/// A header's value; empty if it is not text.
fn header<'r>(request: &'r HttpRequest, name: &HeaderName) -> Option<&'r str> {
    let value = request.headers().get(name)?;
    Some(value.to_str().unwrap_or_default())
}
