//! `Idempotency-Key`: what makes a repeated request harmless.

use std::fmt;

use actix_web::{HttpRequest, HttpResponseBuilder};
use ticket_domain::{IdempotencyKey, ValidationError};

use crate::validation::FieldError;

/// The header that a caller sends.
const HEADER: &str = "Idempotency-Key";

/// The caller's key, or its fault, which is told with those of the body.
pub(crate) fn given(request: &HttpRequest) -> (Option<IdempotencyKey>, Option<FieldError>) {
    let mut values = request.headers().get_all(HEADER);
    let Some(first) = values.next() else {
        return (None, None);
    };
    if values.next().is_some() {
        return (None, Some(fault("not_single", &"must be given once")));
    }
    // What is not ASCII is no key either way; the value type says why.
    match String::from_utf8_lossy(first.as_bytes()).parse::<IdempotencyKey>() {
        Ok(key) => (Some(key), None),
        Err(error) => (None, Some(fault(error.code(), &error))),
    }
}

fn fault(code: &str, message: &dyn fmt::Display) -> FieldError {
    FieldError {
        field: HEADER.to_owned(),
        code: code.to_owned(),
        message: message.to_string(),
    }
}

/// Says that an answer was given before, if it was.
pub(crate) fn mark(response: &mut HttpResponseBuilder, replayed: bool) {
    if replayed {
        response.insert_header(("Idempotent-Replayed", "true"));
    }
}
