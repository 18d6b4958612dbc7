//! Problems: error responses by RFC 9457.

mod code;

use std::{borrow::Cow, fmt};

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
    },
};
use serde::Serialize;
use ticket_domain::{
    ports::StoreError,
    use_cases::{AddError, Ask, OpenError, OperateError, ReceiveError},
};
use utoipa::ToSchema;

use crate::{
    access::{TooMany, TooManyConnections, VisitError, log_store_failure},
    api::schemas::CodeSchema,
    state::MissingPart,
    validation::FieldError,
};
pub(crate) use code::Code;

/// The media type of problems.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// A clarifying question, for the documentation.
fn ask_example() -> Ask {
    Ask {
        text: "Which ticket is “We'll send new ones” for?\n\n1. Asha – Product Quality Issue (2 h)\n\nReply with a number, or \
               0 for none of them."
            .into(),
        is_sent: true,
    }
}

/// An error response.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    code: Code,
    status: StatusCode,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    ask: Option<Ask>,
    header: Option<Box<(HeaderName, HeaderValue)>>,
}

/// Why a request failed (RFC 9457).
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
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
    /// What went wrong in this request.
    detail: &'a str,
    /// Always false.
    ok: bool,
    /// A stable word for the kind of problem.
    #[schema(value_type = CodeSchema)]
    code: &'a str,
    /// The error of each invalid field.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(required = false)]
    errors: &'a [FieldError],
    /// The clarifying question for the manager who wrote the message: a short text that lists tickets by number, to be passed
    /// on unchanged. Present only if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    ask: Option<&'a str>,
    /// Whether `ask` also goes to the webhook, as the event `question`. Then it need not be passed on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = bool, required = false)]
    question_sent: Option<bool>,
}

impl Problem {
    /// A problem whose detail is the meaning of its code.
    pub(crate) fn new(code: Code) -> Self {
        Self::with_detail(code, code.meaning())
    }

    /// A problem with a detail of its own.
    pub(crate) fn with_detail(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            status: code.status(),
            detail: detail.into(),
            errors: Vec::new(),
            ask: None,
            header: None,
        }
    }

    /// `validation_failed` if there are errors of fields.
    pub(crate) fn unless_valid(errors: Vec<FieldError>) -> Result<(), Self> {
        if errors.is_empty() {
            return Ok(());
        }
        Err(Self::fields(errors))
    }

    fn fields(errors: Vec<FieldError>) -> Self {
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

    /// `validation_failed` for one field.
    pub(crate) fn field(field: &str, code: &str, message: impl fmt::Display) -> Self {
        Self::fields(vec![FieldError {
            field: field.to_owned(),
            code: code.to_owned(),
            message: message.to_string(),
        }])
    }

    /// The message was stored as unmatched; `ask` is the clarifying question for its sender.
    fn unmatched(code: Code, detail: String, ask: Option<Ask>) -> Self {
        Self {
            ask,
            ..Self::with_detail(code, detail)
        }
    }

    /// The caller shows no operator token.
    pub(crate) fn bearer_needed() -> Self {
        Self {
            header: Some(Box::new((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")))),
            ..Self::new(Code::Unauthorized)
        }
    }

    /// The store is down, as the answer to a health probe: 503.
    pub(crate) fn not_ready() -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            ..Self::with_detail(Code::StorageUnavailable, "The store does not answer.")
        }
    }

    /// The problem for an error response that actix made.
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
            ask: self.ask.as_ref().map(|ask| &*ask.text),
            question_sent: self.ask.as_ref().map(|ask| ask.is_sent),
        }
    }

    /// An example for the documentation of a response with this status.
    pub(crate) fn example(code: Code, status: u16) -> serde_json::Value {
        let problem = match code {
            Code::ValidationFailed => Self::field(
                "customerEmail",
                "invalid_email",
                "must be an e-mail address such as name@example.com",
            ),
            Code::TicketNotNamed => Self::unmatched(code, code.meaning().to_owned(), Some(ask_example())),
            code => Self::new(code),
        };
        let mut example = serde_json::json!(problem.body());
        example["status"] = status.into();
        example
    }
}

/// The detail, which is what the caller gets.
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
        if let Some(header) = &self.header {
            response.insert_header((**header).clone());
        }
        // Texts and numbers always serialise.
        let body = serde_json::to_vec(&self.body()).unwrap_or_default();
        response.content_type(MEDIA_TYPE).body(body)
    }
}

impl From<MissingPart> for Problem {
    fn from(_: MissingPart) -> Self {
        Self::new(Code::Internal)
    }
}

impl From<TooMany> for Problem {
    fn from(TooMany { seconds, limit }: TooMany) -> Self {
        let explanation = limit.explanation().unwrap_or(Code::RateLimited.meaning());
        Self {
            header: Some(Box::new((RETRY_AFTER, seconds.into()))),
            ..Self::with_detail(Code::RateLimited, explanation)
        }
    }
}

impl From<TooManyConnections> for Problem {
    fn from(TooManyConnections { seconds }: TooManyConnections) -> Self {
        Self {
            header: Some(Box::new((RETRY_AFTER, seconds.into()))),
            ..Self::with_detail(
                Code::RateLimited,
                "Too many event streams are open. Read the ticket now and then instead, or come again.",
            )
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        log_store_failure(&error);
        Self::new(Code::StorageUnavailable)
    }
}

impl From<OpenError> for Problem {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::KeyReused => Self::new(Code::IdempotencyKeyReused),
            OpenError::UploadGone => Self::new(Code::UploadNotFound),
            OpenError::Store(error) => error.into(),
        }
    }
}

impl From<VisitError> for Problem {
    fn from(error: VisitError) -> Self {
        match error {
            VisitError::TooMany(error) => error.into(),
            VisitError::Refused(error) => error.into(),
        }
    }
}

impl From<AddError> for Problem {
    fn from(error: AddError) -> Self {
        match error {
            AddError::NotFound => Self::new(Code::TicketNotFound),
            AddError::NotAllowed => Self::with_detail(Code::Unauthorized, sentence(&error)),
            AddError::KeyReused => Self::new(Code::IdempotencyKeyReused),
            AddError::UploadGone => Self::new(Code::UploadNotFound),
            AddError::Full => Self::with_detail(Code::RateLimited, sentence(&error)),
            AddError::Store(error) => error.into(),
        }
    }
}

impl From<OperateError> for Problem {
    fn from(error: OperateError) -> Self {
        match error {
            OperateError::NoSuchTicket => Self::new(Code::TicketNotFound),
            OperateError::NoSuchMessage => Self::with_detail(Code::NotFound, sentence(&error)),
            OperateError::InAnotherThread(_) => Self::with_detail(Code::AlreadyAttached, sentence(&error)),
            OperateError::Store(error) => error.into(),
        }
    }
}

impl From<ReceiveError> for Problem {
    fn from(error: ReceiveError) -> Self {
        let detail = sentence(&error);
        match error {
            ReceiveError::NotNamed { ask } => Self::unmatched(Code::TicketNotNamed, detail, ask),
            ReceiveError::NotFound { ask } => Self::unmatched(Code::TicketNotFound, detail, ask),
            ReceiveError::Store(error) => error.into(),
        }
    }
}

/// An error's message as a sentence.
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
