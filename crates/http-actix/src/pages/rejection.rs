//! Handlers of pages end early with a page of their own.

use actix_web::{HttpResponse, ResponseError, error::InternalError};

use crate::state::MissingPart;

/// A response other than the one that was asked for, such as an error page.
#[derive(Debug)]
pub(crate) struct Rejection(Box<HttpResponse>);

impl From<HttpResponse> for Rejection {
    fn from(response: HttpResponse) -> Self {
        Self(Box::new(response))
    }
}

impl From<MissingPart> for Rejection {
    fn from(error: MissingPart) -> Self {
        error.error_response().into()
    }
}

impl From<Rejection> for actix_web::Error {
    fn from(rejection: Rejection) -> Self {
        InternalError::from_response("refused", *rejection.0).into()
    }
}
