//! The codes of problems, each with its status and its texts.

use actix_web::http::StatusCode;

macro_rules! codes {
    ($($code:ident = $word:literal, $status:ident, $title:literal, $meaning:literal;)+) => {
        /// Every kind of problem.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Code {
            $(#[doc = $meaning] $code,)+
        }

        impl Code {
            /// Every code, in the order of the documentation.
            pub(crate) const ALL: &[Self] = &[$(Self::$code),+];

            /// The stable word for programs.
            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Self::$code => $word),+ }
            }

            /// The status that it is answered with.
            pub(crate) fn status(self) -> StatusCode {
                match self { $(Self::$code => StatusCode::$status),+ }
            }

            /// The title for people.
            pub(crate) fn title(self) -> &'static str {
                match self { $(Self::$code => $title),+ }
            }

            /// What it means and what the caller can do.
            pub(crate) fn meaning(self) -> &'static str {
                match self { $(Self::$code => $meaning),+ }
            }
        }
    };
}

codes! {
    ValidationFailed = "validation_failed", BAD_REQUEST, "The request is not valid",
        "Something in the request breaks a rule. Where it is a field, `errors` lists every fault at once.";
    TicketNotNamed = "ticket_not_named", BAD_REQUEST, "No ticket is named for certain",
        "The message names no ticket, or two at once. It is kept, and joins its ticket when it is sent again with a `ticketRef`, or when the manager who wrote it answers `ask`.";
    UploadNotFound = "upload_not_found", BAD_REQUEST, "A file is not there",
        "An upload does not exist, was not used within 24 hours, or is in another message. Upload the file again.";
    Unauthorized = "unauthorized", UNAUTHORIZED, "The key is missing or wrong",
        "The operation needs a key, and the request has none or another one.";
    TicketNotFound = "ticket_not_found", NOT_FOUND, "There is no such ticket",
        "No ticket has this reference, or the caller may not know that one has.";
    NotFound = "not_found", NOT_FOUND, "There is nothing here",
        "The address leads to nothing.";
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "The method is not allowed here",
        "The address exists, but not for this method. `Allow` lists those that it has.";
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT, "The request took too long to arrive",
        "The body did not arrive in time. Send it again.";
    PayloadTooLarge = "payload_too_large", PAYLOAD_TOO_LARGE, "The body is too large",
        "The body is larger than the operation accepts.";
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "The body is not JSON",
        "The body must be sent as `application/json`, and not compressed.";
    AlreadyAttached = "already_attached", CONFLICT, "The message belongs to another ticket",
        "The message is in another ticket's thread already. It stays there.";
    IdempotencyKeyReused = "idempotency_key_reused", UNPROCESSABLE_ENTITY, "The idempotency key was used before",
        "The same `Idempotency-Key` came with another request within 24 hours. Use a new key for a new request.";
    RateLimited = "rate_limited", TOO_MANY_REQUESTS, "Too many requests",
        "The caller's address sent too many requests. Wait for as many seconds as `Retry-After` says.";
    StorageUnavailable = "storage_unavailable", INTERNAL_SERVER_ERROR, "The store did not answer",
        "Most likely nothing was written. The request may be sent again, with the same `Idempotency-Key` or `externalId` if it had one.";
    Internal = "internal", INTERNAL_SERVER_ERROR, "Something went wrong",
        "A fault of the server's own. Its log has the request's id.";
}
