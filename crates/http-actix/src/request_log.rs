//! Middleware around every request: its id, its log line, its metrics, and problems for errors that actix made.

use std::{panic::AssertUnwindSafe, time::Instant};

use actix_web::{
    Error, HttpResponse, ResponseError,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    error::InternalError,
    http::{
        Method, StatusCode,
        header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
    },
    middleware::Next,
    web,
};
use futures_util::FutureExt;
use ticket_domain::ports::Random;
use tracing::Instrument;
use uuid::Builder;

use crate::{
    Settings,
    access::AccessControl,
    api::{
        Metrics,
        problem::{self, Code, Problem},
    },
    connection::{RequestGuard, TrackedBody},
    protect::{is_public, protect},
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The route label of a request without a route.
const NO_ROUTE: &str = "none";

/// What is logged and counted of a request.
struct Observed {
    id: HeaderValue,
    method: &'static str,
    route: String,
    is_public: bool,
    began: Instant,
    metrics: web::Data<Metrics>,
    is_https: bool,
}

/// Answers a request with an id, and logs and counts it. A panic of the handler is answered with 500.
pub(crate) async fn observe(
    metrics: web::Data<Metrics>,
    random: web::Data<dyn Random>,
    settings: web::Data<Settings>,
    access_control: web::Data<AccessControl>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<TrackedBody>, Error> {
    let guard = RequestGuard::begin(request.request()).await;
    let observed = Observed::of(&request, &**random, metrics, settings.is_https());
    // At the highest level, so that no filter removes the id from warnings and errors.
    let span = tracing::error_span!("request", request_id = observed.id.to_str().unwrap_or_default());
    async move {
        let answer = AssertUnwindSafe(async { next.call(request).await })
            .catch_unwind()
            .await;
        match answer {
            Ok(Ok(response)) => {
                let response = as_problem(response.map_into_boxed_body());
                let (request, response) = response.into_parts();
                let (mut response, body) = response.into_parts();
                match TrackedBody::new(body, guard, &access_control) {
                    Ok(body) => {
                        observed.finish(response.status(), response.headers_mut());
                        Ok(ServiceResponse::new(request, response.set_body(body)))
                    }
                    Err(too_many) => Err(observed.fail(Problem::from(too_many).error_response())),
                }
            }
            Ok(Err(error)) => Err(observed.fail(error.error_response())),
            Err(_panic) => {
                // The panic hook has logged where.
                tracing::error!(route = observed.route, "the handler panicked");
                Err(observed.fail(Problem::new(Code::Internal).error_response()))
            }
        }
    }
    .instrument(span)
    .await
}

impl Observed {
    fn of(request: &ServiceRequest, random: &dyn Random, metrics: web::Data<Metrics>, is_https: bool) -> Self {
        let given = request.headers().get(REQUEST_ID).filter(|id| is_sane(id.as_bytes()));
        Self {
            id: given.cloned().unwrap_or_else(|| new_id(random)),
            method: name_of(request.method()),
            route: request.match_pattern().unwrap_or_else(|| NO_ROUTE.to_owned()),
            is_public: is_public(request.path()),
            began: Instant::now(),
            metrics,
            is_https,
        }
    }

    /// Finishes a response whose request is gone: actix consumed it.
    fn fail(self, mut response: HttpResponse) -> Error {
        let status = response.status();
        self.finish(status, response.headers_mut());
        InternalError::from_response("the request failed", response).into()
    }

    fn finish(self, status: StatusCode, headers: &mut HeaderMap) {
        let (took, status) = (self.began.elapsed(), status.as_u16());
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let (method, route) = (self.method, self.route);
        self.metrics.count(method, &route, status, took);
        // The span has the id.
        tracing::info!(method, route, status, ms, "answered");
        headers.insert(REQUEST_ID, self.id);
        protect(headers, self.is_https, self.is_public);
    }
}

/// The method as a label: few values, whatever callers invent.
fn name_of(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::OPTIONS => "OPTIONS",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

/// Whether a caller's id is safe to log.
fn is_sane(id: &[u8]) -> bool {
    (1..=128).contains(&id.len())
        && id
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte))
}

fn new_id(random: &dyn Random) -> HeaderValue {
    let id = Builder::from_random_bytes(random.bytes()).into_uuid();
    // A UUID is ASCII, so it is always a valid header.
    HeaderValue::from_str(&id.to_string()).unwrap_or(HeaderValue::from_static("unknown"))
}

/// Replaces the body of an error that actix made by a problem. An error page stays as it is, and so do all headers, such as
/// `Allow` and those of CORS.
fn as_problem(mut response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let status = response.status();
    let media_type = response.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let is_told =
        media_type.is_some_and(|kind| kind == problem::MEDIA_TYPE.as_bytes() || kind.starts_with(b"text/html"));
    if !(status.is_client_error() || status.is_server_error()) || is_told {
        return response;
    }
    let problem = Problem::of_status(status);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(problem::MEDIA_TYPE));
    response.map_body(|_, _| problem.error_response().into_body())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{Log, MANAGER, Request, TestApp};

    #[test]
    fn a_safe_request_id_is_returned_and_another_is_replaced() {
        let api = TestApp::start();
        let send = |id: &str| api.send(Request::new("GET", "/health/live").header("x-request-id", id));
        for sane in ["a", "my-id_1.2", &"x".repeat(128)] {
            assert_eq!(send(sane).header("x-request-id"), Some(sane));
        }
        for insane in ["", "a b", "Root=1-a", "<script>", "schlüssel", &"x".repeat(129)] {
            let answer = send(insane);
            let id = answer.header("x-request-id").unwrap_or_default();
            assert!(uuid::Uuid::try_parse(id).is_ok(), "{insane}: {id}");
        }
        let other = api.get("/health/live");
        assert_ne!(
            other.header("x-request-id"),
            api.get("/health/live").header("x-request-id")
        );
    }

    #[test]
    fn unknown_paths_are_problems() {
        let api = TestApp::start();
        for target in [
            "/api",
            "/api/tickets/",
            "/api/tickets/x",
            "/api/ticket/a/b",
            "/api/ticket/a/events/b",
            "/api/unmatched/x",
            "/api/notifications/x",
            "/api/ticket/T-20250115-1234/",
            "/docs/x",
        ] {
            let answer = api.get(target);
            answer.assert_problem(404, "not_found");
        }
    }

    #[test]
    fn other_methods_get_the_allowed_ones() {
        let api = TestApp::start();
        for (method, target, allowed) in [
            ("DELETE", "/api/ticket", "POST, GET, HEAD"),
            ("POST", "/api/ticket/", "GET, HEAD"),
            ("GET", "/api/ticket/inbound", "POST"),
            ("GET", "/api/ticket/inbound/status", "POST"),
            ("PUT", "/api/ticket/inbound/status", "POST"),
            ("PUT", "/api/ticket/T-20250115-1234", "GET, HEAD, PATCH"),
            ("GET", "/api/ticket/T-20250115-1234/messages", "POST"),
            ("POST", "/api/ticket/T-20250115-1234/events", "GET"),
            ("GET", "/api/ticket/T-20250115-1234/replies", "POST"),
            ("PATCH", "/api/ticket", "POST, GET, HEAD"),
            ("POST", "/api/tickets", "GET, HEAD"),
            ("GET", "/api/notifications/redeliver", "POST"),
            ("DELETE", "/api/unmatched", "GET, HEAD"),
            ("GET", "/api/unmatched/x/attach", "POST"),
            ("PATCH", "/api/audit-log", "GET, HEAD"),
            ("OPTIONS", "/api/ticket", "POST, GET, HEAD"),
            ("POST", "/health/live", "GET, HEAD"),
            ("BREW", "/docs", "GET, HEAD"),
        ] {
            let answer = api.send(Request::new(method, target));
            answer.assert_problem(405, "method_not_allowed");
            let sorted = |list: &str| {
                let mut methods: Vec<String> = list.split(',').map(|method| method.trim().to_owned()).collect();
                methods.sort();
                methods
            };
            assert_eq!(
                sorted(answer.header("allow").unwrap_or_default()),
                sorted(allowed),
                "{method} {target}"
            );
        }
        // HEAD is answered only where GET is, and where it ends.
        for (target, allowed) in [
            ("/api/ticket/inbound/status", "POST"),
            ("/api/ticket/T-20250115-1234/events", "GET"),
        ] {
            let head = api.send(Request::new("HEAD", target));
            assert_eq!((head.status, head.header("allow")), (405, Some(allowed)), "{target}");
        }
    }

    #[test]
    fn a_request_is_one_line_without_its_key_or_a_subject() {
        const SUBJECT: &str = "Product Quality Issue";
        let log = Log::default();
        tracing::subscriber::set_global_default(log.subscriber()).unwrap();
        let api = TestApp::start();
        let target = "/api/ticket/T-20250115-1234?key=0123456789abcdef0123456789abcdef";
        api.send(Request::new("GET", target).header("x-request-id", "the-only-request"));
        // What a manager is asked and told holds a customer's subject.
        api.open_ticket();
        for (message, holder) in [("Which was it?", "ask"), ("1", "notice")] {
            let told = api.receive(&json!({ "from": MANAGER, "message": message })).json();
            assert!(told[holder].as_str().unwrap_or_default().contains(SUBJECT), "{told}");
        }
        drop(api);
        let text = log.text();
        let lines: Vec<&str> = text.lines().filter(|line| line.contains("the-only-request")).collect();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!(lines[0].matches("the-only-request").count(), 1, "{}", lines[0]);
        for part in [
            "request_id=\"the-only-request\"",
            "method=\"GET\"",
            "route=\"/api/ticket/{ticketRef}\"",
            "status=404",
            "ms=",
        ] {
            assert!(lines[0].contains(part), "{part}: {}", lines[0]);
        }
        // Other tests' lines may stand here too; none of them has a key either.
        assert!(!text.contains("key=") && !text.contains("0123456789abcdef"), "{text}");
        assert!(!text.contains(SUBJECT), "{text}");
    }

    #[test]
    fn a_panic_is_answered_and_the_next_request_is_served() {
        let api = TestApp::with(|setup| {
            setup.routes = |config| {
                let broken = async || -> HttpResponse { std::panic::panic_any("a fault of our own") };
                config.route("/broken", web::get().to(broken));
            };
        });
        for _ in 0..3 {
            let answer = api.send(Request::new("GET", "/broken"));
            answer.assert_problem(500, "internal");
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        }
        assert_eq!(api.get("/health/live").json(), json!({ "ok": true }));
    }
}
