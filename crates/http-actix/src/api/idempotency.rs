//! `Idempotency-Key`, which makes it safe to repeat a request.

use std::fmt;

use actix_web::{HttpRequest, HttpResponseBuilder};
use ticket_domain::{IdempotencyKey, ValidationError};

use crate::validation::FieldError;

pub(crate) const HEADER: &str = "Idempotency-Key";

/// The caller's key, and what is wrong with it. The response lists that with the errors of the body.
pub(crate) fn key_of(request: &HttpRequest) -> (Option<IdempotencyKey>, Option<FieldError>) {
    let mut values = request.headers().get_all(HEADER);
    let Some(first) = values.next() else {
        return (None, None);
    };
    if values.next().is_some() {
        return (None, Some(key_error("not_single", &"must be given once")));
    }
    // A key is ASCII, so the value type refuses the replacement of other bytes.
    match String::from_utf8_lossy(first.as_bytes()).parse::<IdempotencyKey>() {
        Ok(key) => (Some(key), None),
        Err(error) => (None, Some(key_error(error.code(), &error))),
    }
}

fn key_error(code: &str, message: &dyn fmt::Display) -> FieldError {
    FieldError {
        field: HEADER.to_owned(),
        code: code.to_owned(),
        message: message.to_string(),
    }
}

/// Marks the response to a repeated request.
pub(crate) fn mark_replayed(response: &mut HttpResponseBuilder, replayed: bool) {
    if replayed {
        response.insert_header(("Idempotent-Replayed", "true"));
    }
}
