//! Why a valid form was not stored.

use actix_web::{HttpResponse, http::StatusCode};

use crate::{access::TooMany, pages::error_page};

/// Why a valid form was not stored. It is shown again with everything that was typed, to be sent once more.
#[derive(Debug, Clone, Copy)]
pub(crate) enum NotStored {
    /// The store did not take it.
    Store,
    /// The sender used up a rate limit.
    TooMany(TooMany),
}

impl NotStored {
    /// The response, from the page for a status.
    pub(crate) fn respond(self, page: impl FnOnce(StatusCode) -> HttpResponse) -> HttpResponse {
        match self {
            Self::Store => page(StatusCode::INTERNAL_SERVER_ERROR),
            Self::TooMany(error) => error_page::retry_after(page(StatusCode::TOO_MANY_REQUESTS), error),
        }
    }
}
