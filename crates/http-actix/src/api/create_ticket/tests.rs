mod pasted;

use serde_json::{Value, json};

use crate::testing::{Request, Response, TestApp, changed, check_fields, seeds_ticket, send_anything};

fn create(api: &TestApp, body: &Value) -> Response {
    api.send(Request::post("/api/ticket", body))
}

#[test]
fn the_seeds_ticket_is_opened_and_can_be_read() {
    let api = TestApp::start();
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
fn fields_are_validated() {
    let api = TestApp::start();
    let long = |c: &str, n: usize| Some(json!(c.repeat(n)));
    let cases = [
        ("customerName", Some(json!(" Zoë \u{1f98a} ")), None),
        ("customerName", Some(json!([7])), Some("not_text")),
        ("customerName", Some(json!("\u{0} ")), Some("required")),
        ("customerName", Some(Value::Null), Some("required")),
        ("customerName", None, Some("required")),
        ("customerPhone", Some(json!("123456")), Some("wrong_length")),
        ("customerPhone", Some(json!("0049 (30) 123.45-67")), None),
        ("customerPhone", Some(json!("call me")), Some("invalid_phone")),
        ("customerPhone", Some(json!(123_456)), Some("wrong_length")),
        ("customerPhone", Some(json!(true)), Some("not_text")),
        ("customerPhone", None, Some("required")),
        ("customerEmail", Some(json!("a@b.example")), None),
        ("customerEmail", Some(json!("a@b")), Some("invalid_email")),
        ("customerEmail", Some(json!({})), Some("not_text")),
        ("customerEmail", None, Some("required")),
        ("subject", long("字", 201), Some("too_long")),
        ("subject", Some(json!(true)), Some("not_text")),
        ("subject", None, Some("required")),
        ("message", long("\u{1f600}", 5_000), None),
        ("message", Some(json!("\u{7}")), Some("required")),
        ("message", Some(json!(1e300)), Some("not_text")),
        ("message", None, Some("required")),
        ("priority", Some(json!("urgent")), None),
        ("priority", Some(json!(" URGENT ")), None),
        ("priority", Some(json!(" ")), None),
        ("priority", Some(json!("soon")), Some("not_allowed")),
        ("priority", Some(json!(1)), Some("not_allowed")),
        ("priority", Some(Value::Null), None),
        ("priority", None, None),
        ("somethingElse", Some(json!({ "deep": [1, 2] })), None),
    ];
    check_fields(&seeds_ticket(), &cases, |body| create(&api, body));
}

#[test]
fn all_errors_are_listed_at_once() {
    let api = TestApp::start();
    let body = json!({
        "customerName": {}, "customerPhone": "y", "customerEmail": null, "subject": "\n", "priority": "soon"
    });
    let errors = [
        "customerEmail required",
        "customerName not_text",
        "customerPhone invalid_phone",
        "message required",
        "priority not_allowed",
        "subject required",
    ];
    assert_eq!(create(&api, &body).field_errors(), errors);
    assert_eq!(create(&api, &json!({})).field_errors().len(), 5);
}

#[test]
fn texts_are_trimmed_and_come_back_unchanged() {
    let api = TestApp::start();
    let message = " <b>\"quoted\"</b>\r\n\tשלום नमस्ते 👩‍👩‍👧 \\ \u{2028} ' OR 1=1 -- ";
    let body = changed(seeds_ticket(), "message", Some(json!(message)));
    let reference = create(&api, &body).json()["ticketRef"].as_str().unwrap().to_owned();
    let shown = api.shown(&reference);
    assert_eq!(shown["messages"][0]["body"], message.trim().replace("\r\n", "\n"));
}

#[test]
fn a_repeated_key_repeats_the_answer() {
    let api = TestApp::start();
    let send = |key: &str, body: &Value| api.send(Request::post("/api/ticket", body).header("idempotency-key", key));
    let first = send("key-1", &seeds_ticket());
    let again = send("key-1", &seeds_ticket());
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(first.body, again.body);
    assert_eq!(first.header("location"), again.header("location"));
    assert_eq!(first.header("idempotent-replayed"), None);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    let other = send("key-1", &changed(seeds_ticket(), "subject", Some(json!("Other"))));
    other.assert_problem(422, "idempotency_key_reused");
    assert_ne!(send("key-2", &seeds_ticket()).body, first.body);
}

#[test]
fn an_invalid_idempotency_key_is_an_error() {
    let api = TestApp::start();
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
            Some(code) => assert_eq!(answer.field_errors(), [format!("Idempotency-Key {code}")]),
        }
    }
}

#[test]
fn errors_of_the_key_and_of_fields_are_listed_together() {
    let api = TestApp::start();
    let post = || Request::post("/api/ticket", &changed(seeds_ticket(), "subject", None));
    for (request, key_error) in [
        (post().header("idempotency-key", ""), "required"),
        (
            post().header("idempotency-key", "a").header("idempotency-key", "b"),
            "not_single",
        ),
    ] {
        let errors = [format!("Idempotency-Key {key_error}"), "subject required".to_owned()];
        assert_eq!(api.send(&request).field_errors(), errors);
    }
}

#[test]
fn no_body_makes_the_server_fail() {
    let api = TestApp::start();
    let fields = [
        "customerName",
        "customerPhone",
        "customerEmail",
        "subject",
        "message",
        "priority",
    ];
    send_anything(&seeds_ticket(), &fields, |body| {
        api.send(Request::post_bytes("/api/ticket", body))
    });
}
