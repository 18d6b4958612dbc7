//! `POST /api/ticket`: a customer opens a ticket.

use std::{
    fmt,
    future::{Ready, ready},
};

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, http::header::LOCATION};
use garde::Validate;
use serde::{Deserialize, Serialize};
use ticket_domain::{
    Customer, CustomerName, Email, IdempotencyKey, MessageText, Phone, Priority, Rule, Subject, TicketRequest,
};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    api::Api,
    body::{Body, Document},
    field::{Field, check, optional, required},
    keys::is_operator,
    problem::{FieldError, Problem},
    rate_limits::Kind,
};

const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// What a customer sends in. Texts are trimmed first, and CR LF becomes LF. Lengths count characters.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CreateTicket, example = json!({
    "customerName": "John Doe",
    "customerPhone": "+1234567890",
    "customerEmail": "john@example.com",
    "subject": "Product Quality Issue",
    "message": "I received damaged bottles in my last order.",
    "priority": "high"
}))]
pub(crate) struct CreateTicket {
    /// One line of 1–200 characters.
    #[serde(default)]
    #[garde(custom(required))]
    #[schema(value_type = String, required = true, min_length = 1, max_length = 200, example = "John Doe")]
    customer_name: Field<CustomerName>,
    /// 7–15 digits, with or without `+`, once spaces, dots, dashes and brackets are taken away. A leading `00` becomes
    /// `+`.
    #[serde(default)]
    #[garde(custom(required))]
    #[schema(value_type = String, required = true, example = "+1234567890")]
    customer_phone: Field<Phone>,
    /// An address of at most 254 characters.
    #[serde(default)]
    #[garde(custom(required))]
    #[schema(value_type = String, required = true, format = "email", max_length = 254, example = "john@example.com")]
    customer_email: Field<Email>,
    /// One line of 1–200 characters.
    #[serde(default)]
    #[garde(custom(required))]
    #[schema(value_type = String, required = true, min_length = 1, max_length = 200, example = "Product Quality Issue")]
    subject: Field<Subject>,
    /// 1–5,000 characters. Line breaks and tabs are welcome.
    #[serde(default)]
    #[garde(custom(required))]
    #[schema(
        value_type = String, required = true, min_length = 1, max_length = 5_000,
        example = "I received damaged bottles in my last order."
    )]
    message: Field<MessageText>,
    /// `low`, `medium`, `high` or `urgent`. Absent or null: `medium`.
    #[serde(default)]
    #[garde(custom(optional))]
    #[schema(value_type = Option<crate::words::PriorityWord>, required = false, example = "high")]
    priority: Field<Priority>,
}

impl Document for CreateTicket {
    const MAX_BYTES: usize = 64 * 1024;
}

impl CreateTicket {
    /// The request with every fault of it told at once, that of its key among them.
    fn checked(self, key_fault: Option<FieldError>) -> Result<TicketRequest, Problem> {
        check(&self, key_fault)?;
        let priority = self.priority.good().unwrap_or_default();
        match (
            self.customer_name,
            self.customer_phone,
            self.customer_email,
            self.subject,
            self.message,
        ) {
            (Field::Good(name), Field::Good(phone), Field::Good(email), Field::Good(subject), Field::Good(message)) => {
                Ok(TicketRequest {
                    customer: Customer { name, phone, email },
                    subject,
                    message,
                    priority,
                })
            }
            _ => Err(Problem::fields(Vec::new())),
        }
    }
}

/// A ticket that was opened.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreatedTicket {
    /// Always true.
    #[schema(example = true)]
    ok: bool,
    /// What people call the ticket: `T-`, the UTC date, and 4 to 9 digits.
    #[schema(example = "T-20250115-1234")]
    ticket_ref: String,
    /// What programs call it.
    ticket_id: Uuid,
    /// Where the customer reads it. The key in it proves that its holder opened the ticket.
    #[schema(
        format = "uri",
        example = "https://desk.example.com/ticket/T-20250115-1234?key=0123456789abcdef0123456789abcdef"
    )]
    ticket_url: String,
}

/// The caller may open one ticket more. It stands first among the handler's arguments, so that the body of a request
/// too many is not read.
pub(crate) struct WithinLimit;

impl FromRequest for WithinLimit {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let check = || {
            let api = Api::of(request)?;
            if !is_operator(api, request)? {
                api.limit(Kind::Creation, request)?;
            }
            Ok(Self)
        };
        ready(check())
    }
}

fn idempotency_key(request: &HttpRequest) -> Result<Option<IdempotencyKey>, FieldError> {
    let fault = |code: &str, message: &dyn fmt::Display| FieldError {
        field: IDEMPOTENCY_KEY.to_owned(),
        code: code.to_owned(),
        message: message.to_string(),
    };
    let mut values = request.headers().get_all(IDEMPOTENCY_KEY);
    let Some(first) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(fault("not_single", &"must be given once"));
    }
    // What is not ASCII is no key either way; the value type says why.
    let text = String::from_utf8_lossy(first.as_bytes());
    text.parse()
        .map(Some)
        .map_err(|error: ticket_domain::IdempotencyKeyError| fault(error.code(), &error))
}

/// Open a ticket
///
/// Stores the ticket with its first message, and tells the manager in the background: the answer waits for nobody.
#[utoipa::path(
    post,
    path = "/api/ticket",
    tag = "Tickets",
    operation_id = "createTicket",
    params((
        "Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255,
        description = "Printable ASCII. For 24 hours the same key with the same request gives the same ticket."
    )),
    request_body = CreateTicket,
    security((), ("operator" = [])),
    responses(
        (status = 201, description = "The ticket is stored.", body = CreatedTicket, headers(
            ("Location" = String, description = "Where the ticket is read."),
            ("Idempotent-Replayed" = String, description = "`true` if this answers a repeated request."),
        )),
        (status = 400, description = "`validation_failed`: the body is no JSON object, or fields are at fault."),
        (status = 408, description = "`request_timeout`"),
        (status = 413, description = "`payload_too_large`: more than 64 KiB."),
        (status = 415, description = "`unsupported_media_type`"),
        (status = 422, description = "`idempotency_key_reused`: the key came with another request."),
        (status = 429, description = "`rate_limited`"),
        (status = 500, description = "`storage_unavailable` or `internal`: nothing was stored."),
    )
)]
pub(crate) async fn create_ticket(
    _: WithinLimit,
    body: Body<CreateTicket>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (key, key_fault) = match idempotency_key(&request) {
        Ok(key) => (key, None),
        Err(fault) => (None, Some(fault)),
    };
    let ticket = body.0.checked(key_fault)?;
    let opened = Api::of(&request)?.open_ticket.open(ticket, key).await?;
    let mut response = HttpResponse::Created();
    if opened.replayed {
        response.insert_header(("Idempotent-Replayed", "true"));
    }
    response.insert_header((LOCATION, format!("/api/ticket/{}", opened.reference)));
    Ok(response.json(CreatedTicket {
        ok: true,
        ticket_ref: opened.reference.to_string(),
        ticket_id: opened.id.0,
        ticket_url: opened.url,
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use crate::{
        body::any_json::any_json,
        testing::{DownStore, Request, Service, changed, seeds_ticket},
    };

    fn create(api: &Service, body: &Value) -> crate::testing::Answer {
        api.send(&Request::post("/api/ticket", body))
    }

    #[test]
    fn the_seeds_ticket_is_opened_and_can_be_read() {
        let api = Service::start();
        let answer = create(&api, &seeds_ticket());
        let body = answer.json();
        let reference = body["ticketRef"].as_str().unwrap();
        assert_eq!(answer.status, 201);
        assert_eq!(body["ok"], true);
        assert!(reference.parse::<ticket_domain::TicketRef>().is_ok());
        assert_eq!(answer.header("location").unwrap(), format!("/api/ticket/{reference}"));
        let url = body["ticketUrl"].as_str().unwrap();
        let page = format!("https://desk.example/ticket/{reference}?key=");
        assert_eq!(url.strip_prefix(&page).unwrap().len(), 32);
        let shown = api.get(answer.header("location").unwrap());
        assert_eq!(shown.json()["ticket"]["id"], body["ticketId"]);
    }

    #[test]
    fn each_rule_has_two_sides() {
        let api = Service::start();
        let long = |c: &str, n: usize| Some(json!(c.repeat(n)));
        let email = |n: usize| {
            Some(json!(format!(
                "{}@{}.example",
                "a".repeat(60),
                ["b"; 90].join(".") + &"c".repeat(n)
            )))
        };
        let email_254 = 254 - 60 - 1 - 179 - 8;
        for (field, value, expected) in [
            ("customerName", long("ü", 200), None),
            ("customerName", long("ü", 201), Some("too_long")),
            ("customerName", Some(json!(" Zoë \u{1f98a} ")), None),
            ("customerName", Some(json!(" \t ")), Some("required")),
            ("customerName", Some(json!("a\nb")), Some("not_one_line")),
            ("customerName", Some(json!("a\u{0}b")), Some("control_character")),
            ("customerName", Some(json!(7)), Some("not_text")),
            ("customerName", Some(json!(["John"])), Some("not_text")),
            ("customerName", Some(Value::Null), Some("required")),
            ("customerName", None, Some("required")),
            ("customerPhone", Some(json!("1234567")), None),
            ("customerPhone", Some(json!("123456")), Some("wrong_length")),
            ("customerPhone", Some(json!("+123456789012345")), None),
            ("customerPhone", Some(json!("+1234567890123456")), Some("wrong_length")),
            ("customerPhone", Some(json!("0049 (30) 123.45-67")), None),
            ("customerPhone", Some(json!("call me")), Some("invalid_phone")),
            ("customerPhone", Some(json!(1_234_567)), Some("not_text")),
            ("customerPhone", None, Some("required")),
            ("customerEmail", Some(json!("a@b.example")), None),
            ("customerEmail", Some(json!("a@b")), Some("invalid_email")),
            ("customerEmail", email(email_254 + 1), Some("too_long")),
            ("customerEmail", Some(json!({})), Some("not_text")),
            ("customerEmail", None, Some("required")),
            ("subject", long("字", 200), None),
            ("subject", long("字", 201), Some("too_long")),
            ("subject", Some(json!("a\r\nb")), Some("not_one_line")),
            ("subject", Some(json!(true)), Some("not_text")),
            ("subject", None, Some("required")),
            ("message", long("\u{1f600}", 5_000), None),
            ("message", long("\u{1f600}", 5_001), Some("too_long")),
            ("message", Some(json!("a\r\n\tb")), None),
            ("message", Some(json!("bell\u{7}")), Some("control_character")),
            ("message", Some(json!(1.5)), Some("not_text")),
            ("message", None, Some("required")),
            ("priority", Some(json!("urgent")), None),
            ("priority", Some(json!("URGENT")), Some("not_allowed")),
            ("priority", Some(json!("")), Some("not_allowed")),
            ("priority", Some(json!(1)), Some("not_text")),
            ("priority", Some(Value::Null), None),
            ("priority", None, None),
            ("somethingElse", Some(json!({ "deep": [1, 2] })), None),
        ] {
            let answer = create(&api, &changed(seeds_ticket(), field, value.clone()));
            match expected {
                None => assert_eq!(answer.status, 201, "{field} {value:?} {answer:?}"),
                Some(code) => assert_eq!(answer.faults(), [format!("{field} {code}")], "{field} {value:?}"),
            }
        }
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let api = Service::start();
        let body = json!({
            "customerName": 1, "customerPhone": "x", "customerEmail": null, "subject": "a\nb", "priority": "soon"
        });
        let faults = [
            "customerEmail required",
            "customerName not_text",
            "customerPhone invalid_phone",
            "message required",
            "priority not_allowed",
            "subject not_one_line",
        ];
        assert_eq!(create(&api, &body).faults(), faults);
        assert_eq!(create(&api, &json!({})).faults().len(), 5);
    }

    #[test]
    fn texts_are_trimmed_and_come_back_unchanged() {
        let api = Service::start();
        let message = " <b>\"quoted\"</b>\r\n\tשלום नमस्ते 👩‍👩‍👧 \\ \u{2028} ' OR 1=1 -- ";
        let body = changed(seeds_ticket(), "message", Some(json!(message)));
        let reference = create(&api, &body).json()["ticketRef"].as_str().unwrap().to_owned();
        let shown = api.get(&format!("/api/ticket/{reference}")).json();
        assert_eq!(shown["messages"][0]["body"], message.trim().replace("\r\n", "\n"));
    }

    #[test]
    fn a_repeated_key_repeats_the_answer() {
        let api = Service::start();
        let send =
            |key: &str, body: &Value| api.send(&Request::post("/api/ticket", body).header("idempotency-key", key));
        let first = send("key-1", &seeds_ticket());
        let again = send("key-1", &seeds_ticket());
        assert_eq!((first.status, again.status), (201, 201));
        assert_eq!(first.body, again.body);
        assert_eq!(first.header("location"), again.header("location"));
        assert_eq!(first.header("idempotent-replayed"), None);
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        let other = send("key-1", &changed(seeds_ticket(), "subject", Some(json!("Other"))));
        assert_eq!((other.status, other.code().as_str()), (422, "idempotency_key_reused"));
        assert_ne!(send("key-2", &seeds_ticket()).body, first.body);
    }

    #[test]
    fn a_key_that_is_none_is_a_fault() {
        let api = Service::start();
        let post = || Request::post("/api/ticket", &seeds_ticket());
        for (request, expected) in [
            (post().header("idempotency-key", &"k".repeat(255)), None),
            (post().header("idempotency-key", &"k".repeat(256)), Some("too_long")),
            (post().header("idempotency-key", ""), Some("required")),
            (post().header("idempotency-key", "schlüssel"), Some("control_character")),
            (
                post().header("idempotency-key", "a").header("idempotency-key", "a"),
                Some("not_single"),
            ),
        ] {
            let answer = api.send(&request);
            match expected {
                None => assert_eq!(answer.status, 201),
                Some(code) => assert_eq!(answer.faults(), [format!("Idempotency-Key {code}")]),
            }
        }
    }

    #[test]
    fn faults_of_the_key_and_of_fields_are_told_together() {
        let api = Service::start();
        let post = || Request::post("/api/ticket", &changed(seeds_ticket(), "subject", None));
        for (request, key_fault) in [
            (post().header("idempotency-key", ""), "required"),
            (
                post().header("idempotency-key", "a").header("idempotency-key", "b"),
                "not_single",
            ),
        ] {
            let faults = [format!("Idempotency-Key {key_fault}"), "subject required".to_owned()];
            assert_eq!(api.send(&request).faults(), faults);
        }
    }

    #[test]
    fn a_text_that_is_cut_in_a_character_is_refused() {
        let api = Service::start();
        for broken in [&br"cut \ud83d"[..], br"cut \uDE00 in two", b"\xff\xfe"] {
            let mut body = changed(seeds_ticket(), "message", None).to_string().into_bytes();
            body.pop();
            body.extend([b",\"message\":\"", broken, b"\"}"].concat());
            let answer = api.send(&Request::post_bytes("/api/ticket", body));
            assert_eq!(answer.faults(), [""; 0]);
            let detail = answer.json()["detail"].as_str().unwrap().to_owned();
            assert!(
                detail.starts_with("The body is not valid JSON at line 1, column "),
                "{detail}"
            );
        }
    }

    #[test]
    fn twins_make_one_ticket() {
        for round in 0..5 {
            let api = Service::with(|setup| setup.settings.workers = Some(2));
            let request =
                Request::post("/api/ticket", &seeds_ticket()).header("idempotency-key", &format!("twin-{round}"));
            let mut ids: Vec<String> = std::thread::scope(|scope| {
                let twins: Vec<_> = (0..16).map(|_| scope.spawn(|| api.send(&request))).collect();
                twins
                    .into_iter()
                    .map(|twin| twin.join().unwrap().json()["ticketId"].to_string())
                    .collect()
            });
            ids.dedup();
            assert_eq!(ids.len(), 1, "{ids:?}");
        }
    }

    #[test]
    fn a_store_that_is_down_is_told_without_its_secrets() {
        let api = Service::with(|setup| setup.store = Some(std::sync::Arc::new(DownStore)));
        let answer = create(&api, &seeds_ticket());
        assert_eq!((answer.status, answer.code().as_str()), (500, "storage_unavailable"));
        assert!(!answer.text().contains("secret"), "{}", answer.text());
    }

    #[test]
    fn callers_behind_a_proxy_are_limited_and_operators_are_not() {
        let api = Service::with(|setup| setup.settings.trusted_proxy_hops = 1);
        let post = |address: &str| Request::post("/api/ticket", &json!({})).header("x-forwarded-for", address);
        let refused = (0..1_000)
            .map(|_| api.send(&post("6.6.6.6, 1.2.3.4")))
            .find(|answer| answer.status != 400)
            .unwrap();
        assert_eq!((refused.status, refused.code().as_str()), (429, "rate_limited"));
        assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
        assert_eq!(api.send(&post("6.6.6.6, 1.2.3.5")).status, 400);
        let operator = post("1.2.3.4").bearer(crate::testing::OPERATOR_TOKEN);
        assert!((0..5).all(|_| api.send(&operator).status == 400));
        // The same address may still read.
        let read = Request::new("GET", "/api/ticket/T-20250115-1234").header("x-forwarded-for", "1.2.3.4");
        assert_eq!(api.send(&read).status, 404);
    }

    #[test]
    fn callers_on_this_machine_and_those_of_an_unlimited_api_are_not_limited() {
        let api = Service::start();
        assert!((0..150).all(|_| create(&api, &json!({})).status == 400));
        let api = Service::with(|setup| setup.settings.rate_limits = false);
        let proxied = Request::post("/api/ticket", &json!({})).header("x-forwarded-for", "1.2.3.4");
        assert!((0..150).all(|_| api.send(&proxied).status == 400));
    }

    #[test]
    fn no_body_makes_the_server_fail() {
        let api = Service::start();
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let fields = [
            "customerName",
            "customerPhone",
            "customerEmail",
            "subject",
            "message",
            "priority",
        ];
        let bodies = prop::collection::vec(prop::option::of(any_json()), fields.len());
        runner
            .run(&bodies, |values| {
                let body = fields
                    .iter()
                    .zip(values)
                    .fold(seeds_ticket(), |body, (field, value)| match value {
                        Some(value) => changed(body, field, Some(value)),
                        None => body,
                    });
                prop_assert!(create(&api, &body).status < 500);
                Ok(())
            })
            .unwrap();
        runner
            .run(&prop::collection::vec(any::<u8>(), 0..60), |bytes| {
                for prefix in [&b""[..], b"{", b"{\"message\":"] {
                    let body = [prefix, &bytes].concat();
                    prop_assert_eq!(api.send(&Request::post_bytes("/api/ticket", body)).status, 400);
                }
                Ok(())
            })
            .unwrap();
    }
}
