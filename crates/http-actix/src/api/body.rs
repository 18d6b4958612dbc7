//! JSON bodies. Type, size and time are checked while a body is read, its fields before the handler is called.

mod repair_json;

use std::{fmt, future::Future, pin::Pin};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header::CONTENT_TYPE};
use garde::Validate;
use repair_json::repair_json;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use ticket_domain::IdempotencyKey;

use crate::Settings;
use crate::api::{
    idempotency,
    problem::{Code, Problem},
};
use crate::body::{BodyError, is_plain, read};
use crate::state::part;
use crate::validation::FieldError;
use crate::validation::field_errors;

/// A request body: its fields, and garde's rules for them.
pub(crate) trait Document: DeserializeOwned + Validate<Context = ()> + 'static {
    /// The values of a valid document.
    type Parsed;

    /// Maximum size, in bytes.
    const MAX_BYTES: usize = 64 * 1024;

    /// The values of a valid document. None if a required field has no value, which the rules rule out.
    fn parsed(self) -> Option<Self::Parsed>;
}

/// A valid JSON object of at most [`Document::MAX_BYTES`].
pub(crate) struct Body<T: Document>(pub(crate) T::Parsed);

/// A [`Body`] that may come with an `Idempotency-Key`.
pub(crate) struct KeyedBody<T: Document> {
    pub(crate) key: Option<IdempotencyKey>,
    pub(crate) body: T::Parsed,
}

type Extracting<T> = Pin<Box<dyn Future<Output = Result<T, Problem>>>>;

impl<T: Document> FromRequest for Body<T> {
    type Error = Problem;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let document = document::<T>(request, payload);
        Box::pin(async move { valid(document.await?, None).map(Self) })
    }
}

impl<T: Document> FromRequest for KeyedBody<T> {
    type Error = Problem;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let document = document::<T>(request, payload);
        let (key, key_error) = idempotency::key_of(request);
        Box::pin(async move {
            let body = valid(document.await?, key_error)?;
            Ok(Self { key, body })
        })
    }
}

/// Reads the document of a request.
fn document<T: Document>(
    request: &HttpRequest,
    payload: &mut Payload,
) -> impl Future<Output = Result<T, Problem>> + use<T> {
    let (request, payload) = (request.clone(), payload.take());
    async move {
        if !is_json(&request) {
            return Err(Problem::new(Code::UnsupportedMediaType));
        }
        let deadline = part::<Settings>(&request)?.body_deadline;
        let bytes = read(&request, payload, T::MAX_BYTES, deadline).await;
        let bytes = bytes.map_err(|error| match error {
            BodyError::TooLarge => too_large(T::MAX_BYTES),
            BodyError::TooSlow => Problem::new(Code::RequestTimeout),
            BodyError::BrokeOff => invalid("The body broke off."),
        })?;
        // Some programs on Windows begin every text with a byte order mark.
        parse(&repair_json(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes)))
    }
}

fn valid<T: Document>(document: T, key_error: Option<FieldError>) -> Result<T::Parsed, Problem> {
    let errors = key_error.into_iter().chain(field_errors(&document));
    Problem::unless_valid(errors.collect())?;
    document.parsed().ok_or_else(|| Problem::new(Code::Internal))
}

/// Whether a body is JSON, and not in a charset other than UTF-8 or ASCII.
fn is_json(request: &HttpRequest) -> bool {
    let content_type = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let mut parameters = content_type.unwrap_or_default().split(';').skip(1);
    let is_utf8 = parameters.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            let charset = value.trim().trim_matches('"').to_ascii_lowercase();
            matches!(charset.as_str(), "utf-8" | "utf8" | "us-ascii")
        }
        _ => true,
    });
    is_utf8 && is_plain(request, "application/json")
}

fn too_large(max_bytes: usize) -> Problem {
    Problem::with_detail(
        Code::PayloadTooLarge,
        format!("The body may have at most {} KiB.", max_bytes / 1024),
    )
}

/// Parses a JSON object. The problem says where it is broken, but shows none of it.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // serde also accepts a list with the values of the fields in their order.
    let is_object = bytes.trim_ascii_start().starts_with(b"{");
    if !is_object {
        return Err(invalid("The body must be a JSON object."));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        match error.classify() {
            Category::Eof => invalid("The body ends in the middle of its JSON."),
            Category::Data => invalid(format_args!(
                "The body has a field twice at line {line}, column {column}."
            )),
            Category::Syntax | Category::Io => invalid(format_args!(
                "The body is not valid JSON at line {line}, column {column}."
            )),
        }
    })
}

fn invalid(detail: impl fmt::Display) -> Problem {
    Problem::with_detail(Code::ValidationFailed, detail.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing::{INBOUND_KEY, Request, TestApp, seeds_ticket};

    /// The example's ticket with exactly this size.
    fn of_size(bytes: usize) -> String {
        let mut body = seeds_ticket();
        body["padding"] = json!("");
        let missing = bytes - body.to_string().len();
        body["padding"] = json!("x".repeat(missing));
        body.to_string()
    }

    #[test]
    fn a_body_may_have_64_kib_whichever_way_it_comes() {
        let api = TestApp::start();
        for (size, status) in [(65_536, 201), (65_537, 413), (300_000, 413)] {
            let request = Request::post_bytes("/api/ticket", of_size(size));
            assert_eq!(api.send(&request).status, status, "{size}");
            assert_eq!(api.send(request.chunked()).status, status, "{size} in chunks");
        }
        // A body that announces too much is not read.
        let announced = Request::post_bytes("/api/ticket", "{").announcing(65_537);
        assert_eq!(api.send(&announced).code(), "payload_too_large");
    }

    #[test]
    fn a_message_from_n8n_may_have_256_kib() {
        let api = TestApp::start();
        let body = |size: usize| {
            let empty = json!({ "from": "+1234567", "message": "" }).to_string().len();
            json!({ "from": "+1234567", "message": "x".repeat(size - empty) }).to_string()
        };
        for (size, code) in [(262_144, "ticket_not_named"), (262_145, "payload_too_large")] {
            let request = Request::post_bytes("/api/ticket/inbound", body(size)).header("x-api-key", INBOUND_KEY);
            assert_eq!(api.send(&request).code(), code, "{size}");
            assert_eq!(api.send(request.chunked()).code(), code, "{size} in chunks");
        }
    }

    #[test]
    fn only_json_is_read() {
        let api = TestApp::start();
        let post = || Request::post("/api/ticket", &seeds_ticket());
        let typed = |kind: &str| post().without_header("content-type").header("content-type", kind);
        for (request, status) in [
            (typed("Application/JSON; charset=UTF-8"), 201),
            (typed("application/json;charset=\"utf-8\""), 201),
            (typed("application/json; profile=x"), 201),
            (post().header("content-encoding", "identity"), 201),
            (post().without_header("content-type"), 415),
            (typed("text/plain"), 415),
            (typed("application/x-www-form-urlencoded"), 415),
            (typed("application/json; charset=utf-16"), 415),
            (typed("application/json; charset=iso-8859-1"), 415),
            (typed("application/jsonp"), 415),
            (typed("application/problem+json"), 415),
            (typed(""), 415),
            (post().header("content-encoding", "gzip"), 415),
        ] {
            let answer = api.send(&request);
            assert_eq!(answer.status, status, "{request:?}");
            assert!(status == 201 || answer.code() == "unsupported_media_type");
        }
    }

    #[test]
    fn a_slow_body_times_out() {
        let api = TestApp::with(|setup| setup.settings.body_deadline = std::time::Duration::from_millis(100));
        let answer = api.send(Request::post_bytes("/api/ticket", "{\"subject\":").announcing(1_000));
        answer.assert_problem(408, "request_timeout");
    }

    #[test]
    fn a_problem_says_where_json_is_broken_and_shows_none_of_it() {
        let api = TestApp::start();
        let deep = format!("{{\"subject\":{}}}", "[".repeat(10_000));
        for (body, detail) in [
            (&b""[..], "The body must be a JSON object."),
            (
                b"[\"John\",\"+1234567890\",\"john@example.com\",\"S\",\"M\",\"low\"]",
                "The body must be a JSON object.",
            ),
            (b"\"text\"", "The body must be a JSON object."),
            (b"null", "The body must be a JSON object."),
            (b"\xef\xbb\xbf\xef\xbb\xbf{}", "The body must be a JSON object."),
            (b"{\"subject\":", "The body ends in the middle of its JSON."),
            (
                b"{\"subject\": secret}",
                "The body is not valid JSON at line 1, column 13.",
            ),
            (
                b"{\n\"subject\": \"a\" \"b\"}",
                "The body is not valid JSON at line 2, column 16.",
            ),
            (b"{} {}", "The body is not valid JSON at line 1, column 4."),
            (
                b"{\"subject\": 1e999}",
                "The body is not valid JSON at line 1, column 17.",
            ),
            (
                b"{\"subject\":\"a\",\"subject\":\"b\"}",
                "The body has a field twice at line 1, column 24.",
            ),
            (deep.as_bytes(), "The body is not valid JSON at line 1, column 138."),
        ] {
            let answer = api.send(Request::post_bytes("/api/ticket", body));
            assert_eq!(answer.field_errors(), [""; 0]);
            assert_eq!(answer.json()["detail"], detail, "{}", String::from_utf8_lossy(body));
            assert!(!answer.text().contains("secret"));
        }
        // Unknown fields are not read.
        let unknown_twice = b"{\"other\":1,\"other\":2}";
        assert_eq!(
            api.send(Request::post_bytes("/api/ticket", &unknown_twice[..]))
                .field_errors()
                .len(),
            5
        );
    }
}
