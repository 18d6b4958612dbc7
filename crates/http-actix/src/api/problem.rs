//! Problems: every answer that is not what the caller asked for, as RFC 9457 has it.

use std::{borrow::Cow, fmt};

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{RETRY_AFTER, WWW_AUTHENTICATE},
    },
};
use serde::Serialize;
use ticket_domain::{
    ports::StoreError,
    use_cases::{AddError, OpenError, OperateError, ReceiveError, ViewError},
};
use utoipa::ToSchema;

use crate::{
    access::{TooMany, TooManyConnections, log_store_failure},
    api::schemas::CodeWord,
    state::MissingPart,
    validation::{FieldError, ValidationErrors},
};

/// The media type of problems.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// A question, for the documentation.
const ASK_EXAMPLE: &str = "Which ticket is this for?\n\n1. T-20250115-1234 – Product Quality Issue\n\n\
    Answer with the number alone, or a reference. 0 leaves it for your team.";

macro_rules! codes {
    ($($code:ident = $word:literal, $status:ident, $title:literal, $meaning:literal;)+) => {
        /// Every kind of problem.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Code {
            $(#[doc = $meaning] $code,)+
        }

        impl Code {
            /// All of them, as the documentation lists them.
            pub(crate) const ALL: &[Self] = &[$(Self::$code),+];

            /// The stable word for programs.
            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Self::$code => $word),+ }
            }

            /// The status that goes with it.
            pub(crate) fn status(self) -> StatusCode {
                match self { $(Self::$code => StatusCode::$status),+ }
            }

            /// A few words for people.
            pub(crate) fn title(self) -> &'static str {
                match self { $(Self::$code => $title),+ }
            }

            /// What it means and who must act.
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

/// What a manager is asked. It holds customers' subjects, so whoever logs a problem does not see it.
#[derive(Clone)]
struct Ask(Box<str>);

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ask(…)")
    }
}

/// A problem on its way to the caller.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    code: Code,
    status: StatusCode,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    ask: Option<Ask>,
    retry_after_seconds: Option<u64>,
    asks_for_bearer: bool,
}

/// Why the caller does not get what it asked for (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody<'a> {
    /// Where this kind of problem is explained.
    #[serde(rename = "type")]
    #[schema(format = "uri-reference", example = "/docs#validation_failed")]
    kind: String,
    /// The kind of problem in a few words.
    title: &'a str,
    /// The status of the response.
    status: u16,
    /// What went wrong this time.
    detail: &'a str,
    /// Always false.
    ok: bool,
    /// A stable word for the kind of problem.
    #[schema(value_type = CodeWord)]
    code: &'a str,
    /// Each field's fault, where fields are at fault.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(required = false)]
    errors: &'a [FieldError],
    /// What the manager is to be asked who wrote the message: a short text that lists tickets by number, to be passed
    /// on as it is. It stands here only where somebody is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    ask: Option<&'a str>,
}

impl Problem {
    /// A problem that its code says everything about.
    pub(crate) fn new(code: Code) -> Self {
        Self::with_detail(code, code.meaning())
    }

    /// A problem with a word on this case.
    pub(crate) fn with_detail(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            status: code.status(),
            detail: detail.into(),
            errors: Vec::new(),
            ask: None,
            retry_after_seconds: None,
            asks_for_bearer: false,
        }
    }

    /// The faults of fields, all at once.
    pub(crate) fn fields(errors: Vec<FieldError>) -> Self {
        let names: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        let detail = match names.as_slice() {
            [] => Code::ValidationFailed.meaning().into(),
            [one] => format!("{one} breaks a rule."),
            several => format!("{} fields break a rule: {}.", several.len(), several.join(", ")),
        };
        Self {
            errors,
            ..Self::with_detail(Code::ValidationFailed, detail)
        }
    }

    /// One field's fault.
    pub(crate) fn field(field: &str, code: &str, message: impl fmt::Display) -> Self {
        Self::fields(vec![FieldError {
            field: field.to_owned(),
            code: code.to_owned(),
            message: message.to_string(),
        }])
    }

    /// A message that is kept, and what its writer is asked about it.
    fn kept(code: Code, detail: String, ask: Option<Box<str>>) -> Self {
        Self {
            ask: ask.map(Ask),
            ..Self::with_detail(code, detail)
        }
    }

    /// No operator's token.
    pub(crate) fn bearer_needed() -> Self {
        Self {
            asks_for_bearer: true,
            ..Self::new(Code::Unauthorized)
        }
    }

    /// The store is down, told to whoever asks for the server's health.
    pub(crate) fn not_ready() -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            ..Self::with_detail(Code::StorageUnavailable, "The store does not answer.")
        }
    }

    /// The problem for a response that actix made by itself.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        let code = match status {
            StatusCode::UNAUTHORIZED => Code::Unauthorized,
            StatusCode::NOT_FOUND => Code::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Code::MethodNotAllowed,
            StatusCode::REQUEST_TIMEOUT => Code::RequestTimeout,
            StatusCode::PAYLOAD_TOO_LARGE => Code::PayloadTooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::UnsupportedMediaType,
            status if status.is_client_error() => Code::ValidationFailed,
            _ => Code::Internal,
        };
        Self::new(code)
    }

    fn body(&self) -> ProblemBody<'_> {
        ProblemBody {
            kind: format!("/docs#{}", self.code.as_str()),
            title: self.code.title(),
            status: self.status.as_u16(),
            detail: &self.detail,
            ok: false,
            code: self.code.as_str(),
            errors: &self.errors,
            ask: self.ask.as_ref().map(|Ask(text)| &**text),
        }
    }

    /// An example for the documentation, under the status that it is shown at.
    pub(crate) fn example(code: Code, status: u16) -> serde_json::Value {
        let problem = match code {
            Code::ValidationFailed => Self::field(
                "customerEmail",
                "invalid_email",
                "must be an e-mail address such as name@example.com",
            ),
            Code::TicketNotNamed => Self::kept(code, code.meaning().to_owned(), Some(ASK_EXAMPLE.into())),
            code => Self::new(code),
        };
        let mut example = serde_json::json!(problem.body());
        example["status"] = status.into();
        example
    }
}

/// What the caller is told, and nothing else.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        if let Some(seconds) = self.retry_after_seconds {
            response.insert_header((RETRY_AFTER, seconds.to_string()));
        }
        if self.asks_for_bearer {
            response.insert_header((WWW_AUTHENTICATE, "Bearer"));
        }
        // Members of plain text and numbers always serialise.
        let body = serde_json::to_vec(&self.body()).unwrap_or_default();
        response.content_type(MEDIA_TYPE).body(body)
    }
}

/// Everything that a use case can fail with.
pub(crate) enum Failure {
    Open(OpenError),
    View(ViewError),
    Add(AddError),
    Operate(OperateError),
    Receive(ReceiveError),
    Store(StoreError),
}

impl From<ValidationErrors> for Problem {
    fn from(ValidationErrors(errors): ValidationErrors) -> Self {
        Self::fields(errors)
    }
}

impl From<MissingPart> for Problem {
    fn from(_: MissingPart) -> Self {
        Self::new(Code::Internal)
    }
}

impl From<TooMany> for Problem {
    fn from(TooMany { seconds }: TooMany) -> Self {
        Self {
            retry_after_seconds: Some(seconds),
            ..Self::new(Code::RateLimited)
        }
    }
}

impl From<TooManyConnections> for Problem {
    fn from(TooManyConnections { seconds }: TooManyConnections) -> Self {
        Self {
            retry_after_seconds: Some(seconds),
            ..Self::with_detail(
                Code::RateLimited,
                "Too many event streams are open. Read the ticket now and then instead, or come again.",
            )
        }
    }
}

/// The one place where failures become problems.
impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Open(OpenError::KeyReused) | Failure::Add(AddError::KeyReused) => {
                Self::new(Code::IdempotencyKeyReused)
            }
            Failure::View(ViewError::NotFound)
            | Failure::Add(AddError::NotFound)
            | Failure::Operate(OperateError::NoSuchTicket) => Self::new(Code::TicketNotFound),
            Failure::Add(error @ AddError::NotAllowed) => Self::with_detail(Code::Unauthorized, sentence(&error)),
            Failure::Operate(error @ OperateError::NoSuchMessage) => {
                Self::with_detail(Code::NotFound, sentence(&error))
            }
            Failure::Operate(error @ OperateError::InAnotherThread(_)) => {
                Self::with_detail(Code::AlreadyAttached, sentence(&error))
            }
            Failure::Receive(error) => not_received(error),
            Failure::Open(OpenError::Store(error))
            | Failure::View(ViewError::Store(error))
            | Failure::Add(AddError::Store(error))
            | Failure::Operate(OperateError::Store(error))
            | Failure::Store(error) => {
                log_store_failure(&error);
                Self::new(Code::StorageUnavailable)
            }
        }
    }
}

fn not_received(error: ReceiveError) -> Problem {
    let detail = sentence(&error);
    match error {
        ReceiveError::NotNamed { ask } => Problem::kept(Code::TicketNotNamed, detail, ask),
        ReceiveError::NotFound { ask } => Problem::kept(Code::TicketNotFound, detail, ask),
        ReceiveError::Store(error) => error.into(),
    }
}

macro_rules! fails_with {
    ($($error:ident as $variant:ident),+) => {
        $(impl From<$error> for Problem {
            fn from(error: $error) -> Self {
                Failure::$variant(error).into()
            }
        })+
    };
}
fails_with!(
    OpenError as Open,
    ViewError as View,
    AddError as Add,
    OperateError as Operate,
    ReceiveError as Receive,
    StoreError as Store
);

/// An error's words as a sentence of their own.
fn sentence(error: &dyn std::error::Error) -> String {
    let text = error.to_string();
    let mut chars = text.chars();
    let start: String = chars
        .next()
        .map(|first| first.to_uppercase().collect())
        .unwrap_or_default();
    format!("{start}{}.", chars.as_str())
}

#[cfg(test)]
mod tests;
