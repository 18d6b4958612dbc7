use std::{
    collections::BTreeSet,
    io::Write,
    sync::{Arc, Mutex, PoisonError},
};

use proptest::prelude::*;
use ticket_domain::{DeliveryRoute, EventKind, MessageStatus, NotificationId, Progress};
use uuid::Uuid;

use super::*;
use crate::testing::{INBOUND_KEY, OPERATOR_TOKEN, Request, Response, TestApp, any_json, changed};
use crate::validation::field_errors;

const TARGET: &str = "/api/ticket/inbound/status";

fn report(api: &TestApp, body: &Value) -> Response {
    api.send(Request::post(TARGET, body).header("x-api-key", INBOUND_KEY))
}

fn status(external_id: &str, status: &str) -> Value {
    json!({ "externalId": external_id, "status": status })
}

/// Reports, and says whether the message was known.
fn is_known(api: &TestApp, body: &Value) -> bool {
    let answer = report(api, body);
    assert_eq!(answer.status, 200, "{body} {answer:?}");
    let answer = answer.json();
    assert_eq!((&answer["ok"], answer.as_object().unwrap().len()), (&json!(true), 2));
    answer["known"].as_bool().unwrap()
}

#[test]
fn a_message_is_unknown_until_it_is_taken_and_never_goes_backwards() {
    let api = TestApp::start();
    let reference = api.open_ticket().reference;
    assert!(!is_known(&api, &status("SM1", "sent")));
    assert_eq!(api.delivery_state(&reference), "waiting");
    api.hand_over("SM1");
    assert_eq!(api.delivery_state(&reference), "sent");
    for (word, state) in [
        ("accepted", "sent"),
        ("sent", "sent"),
        ("delivered", "delivered"),
        ("sending", "delivered"),
        ("read", "read"),
        ("delivered", "read"),
        ("failed", "read"),
        ("undelivered", "read"),
        ("queued", "read"),
    ] {
        assert!(is_known(&api, &status(" SM1 ", word)), "{word}");
        assert_eq!(api.delivery_state(&reference), state, "{word}");
    }
    assert!(!is_known(&api, &status("SM2", "read")));
}

#[test]
fn a_poller_learns_that_it_was_read() {
    let api = TestApp::start();
    let target = format!("/api/ticket/{}", api.open_ticket().reference);
    api.hand_over("SM1");
    let before = api.get(&target).header("etag").unwrap().to_owned();
    let poll = || {
        api.send(Request::new("GET", &target).header("if-none-match", &before))
            .status
    };
    assert_eq!(poll(), 304);
    assert!(is_known(&api, &status("SM1", "read")));
    assert_eq!(poll(), 200);
}

#[test]
fn a_refused_message_goes_another_way_until_there_is_none() {
    let api = TestApp::start();
    let reference = api.open_ticket().reference;
    api.hand_over("SM1");
    let refused = |id: &str, code: Value| changed(status(id, "undelivered"), "errorCode", Some(code));
    // Free text came too late: the template is due at once.
    assert!(is_known(&api, &refused("SM1", json!("63016"))));
    assert_eq!(api.delivery_state(&reference), "waiting");
    // Again, after it had its effect.
    assert!(is_known(&api, &refused("SM1", json!(63_016))));
    assert_eq!(api.delivery_state(&reference), "waiting");
    api.hand_over("SM2");
    assert_eq!(api.delivery_state(&reference), "sent");
    // A late word on the first message says nothing of the second.
    assert!(is_known(&api, &status("SM1", "read")));
    assert_eq!(api.delivery_state(&reference), "sent");
    assert!(is_known(&api, &refused("SM2", json!(63_016))));
    assert_eq!(api.delivery_state(&reference), "failed");

    let list = api.send(Request::new("GET", "/api/notifications").bearer(OPERATOR_TOKEN));
    let dead = &list.json()["notifications"][0];
    assert_eq!(
        (&dead["state"], &dead["lastError"]),
        (&json!("dead"), &json!("WhatsApp reports: undelivered, error 63016"))
    );
    // It was taken, so it is no failed try; it is dead all the same.
    let metrics = api.get("/metrics");
    for line in [
        r#"notifications{state="dead"} 1"#,
        r#"notification_tries_total{outcome="dead"} 0"#,
    ] {
        assert!(metrics.text().lines().any(|other| other == line), "{line}");
    }
}

#[test]
fn each_rule_has_two_sides() {
    let api = TestApp::start();
    for (field, value, expected) in [
        ("externalId", Some(json!("x".repeat(128))), None),
        ("externalId", Some(json!(" SM1 ")), None),
        ("externalId", Some(json!("x".repeat(129))), Some("too_long")),
        ("externalId", Some(json!("a\nb")), Some("control_character")),
        ("externalId", Some(json!(" ")), Some("required")),
        ("externalId", Some(Value::Null), Some("required")),
        ("externalId", Some(json!(12)), Some("not_text")),
        ("externalId", None, Some("required")),
        ("status", Some(json!("queued")), None),
        ("status", Some(json!("accepted")), None),
        ("status", Some(json!("scheduled")), None),
        ("status", Some(json!("sending")), None),
        ("status", Some(json!("sent")), None),
        ("status", Some(json!("delivered")), None),
        ("status", Some(json!("read")), None),
        ("status", Some(json!("failed")), None),
        ("status", Some(json!("undelivered")), None),
        ("status", Some(json!("Sent")), Some("not_allowed")),
        ("status", Some(json!("received")), Some("not_allowed")),
        ("status", Some(json!("")), Some("required")),
        ("status", Some(json!(true)), Some("not_text")),
        ("status", None, Some("required")),
        ("errorCode", Some(json!(63_016)), None),
        ("errorCode", Some(json!(63_016.0)), None),
        ("errorCode", Some(json!("63016")), None),
        ("errorCode", Some(json!(" 0063016 ")), None),
        ("errorCode", Some(json!(0)), None),
        ("errorCode", Some(json!("0")), None),
        ("errorCode", Some(json!(u32::MAX)), None),
        ("errorCode", Some(json!(" ")), None),
        ("errorCode", Some(Value::Null), None),
        ("errorCode", None, None),
        ("errorCode", Some(json!(u64::from(u32::MAX) + 1)), Some("not_a_number")),
        ("errorCode", Some(json!("4294967296")), Some("not_a_number")),
        ("errorCode", Some(json!(1e30)), Some("not_a_number")),
        ("errorCode", Some(json!(-1)), Some("not_a_number")),
        ("errorCode", Some(json!("+63016")), Some("not_a_number")),
        ("errorCode", Some(json!("-63016")), Some("not_a_number")),
        ("errorCode", Some(json!(63_016.5)), Some("not_a_number")),
        ("errorCode", Some(json!("63 016")), Some("not_a_number")),
        ("errorCode", Some(json!("0x10")), Some("not_a_number")),
        ("errorCode", Some(json!("٦")), Some("not_a_number")),
        ("errorCode", Some(json!("none")), Some("not_a_number")),
        ("errorCode", Some(json!(true)), Some("not_a_number")),
        ("errorCode", Some(json!([63_016])), Some("not_a_number")),
        ("errorCode", Some(json!({})), Some("not_a_number")),
    ] {
        let body = changed(
            changed(status("SM1", "failed"), "errorCode", Some(json!(63_016))),
            field,
            value.clone(),
        );
        let answer = report(&api, &body);
        match expected {
            None => assert_eq!(answer.status, 200, "{field} {value:?} {answer:?}"),
            Some(code) => assert_eq!(answer.faults(), [format!("{field} {code}")], "{field} {value:?}"),
        }
    }
    let faults: BTreeSet<String> = report(&api, &json!({ "errorCode": "x" }))
        .faults()
        .into_iter()
        .collect();
    let expected = ["errorCode not_a_number", "externalId required", "status required"];
    assert_eq!(faults, expected.map(str::to_owned).into());
}

#[test]
fn no_error_and_no_number_are_the_same() {
    let code = |value: Value| {
        let body = changed(status("SM1", "failed"), "errorCode", Some(value));
        let report: StatusReport = serde_json::from_value(body).unwrap();
        assert_eq!(field_errors(&report), []);
        let (id, status, code) = report.parsed().unwrap();
        assert_eq!((id.as_str(), status), ("SM1", MessageStatus::Failed));
        code
    };
    for (value, expected) in [
        (json!(0), None),
        (json!("00"), None),
        (json!(""), None),
        (Value::Null, None),
        (json!(1), Some(1)),
        (json!("063016"), Some(63_016)),
        (json!(u32::MAX), Some(u32::MAX)),
    ] {
        assert_eq!(code(value.clone()), expected, "{value}");
    }
}

#[test]
fn the_words_between_count_as_queued() {
    let parsed = |word: &str| word.parse::<TwilioStatus>().map(|TwilioStatus(status)| status);
    for word in IN_BETWEEN {
        assert_eq!(parsed(word), Ok(MessageStatus::Queued), "{word}");
    }
    for word in MessageStatus::words() {
        assert_eq!(parsed(word).map(MessageStatus::as_str), Ok(word));
    }
    // Twilio's words for what it took back or received are no reports of ours.
    assert!(
        ["canceled", "received", "ACCEPTED", " sent"]
            .iter()
            .all(|word| parsed(word).is_err())
    );
}

#[test]
fn the_key_is_asked_before_anything_of_the_body() {
    let api = TestApp::start();
    let closed = TestApp::with(|setup| setup.settings.inbound_keys.clear());
    // A megabyte is announced and never comes: an answer means that nobody waited for it.
    let post = || Request::new("POST", TARGET).announcing(1_000_000);
    for (api, request) in [
        (&api, post()),
        (&api, post().header("x-api-key", "wrong")),
        (
            &api,
            post().header("x-api-key", INBOUND_KEY).header("x-api-key", INBOUND_KEY),
        ),
        (&api, post().bearer(INBOUND_KEY)),
        (&closed, post().header("x-api-key", INBOUND_KEY)),
        (&closed, post().header("x-api-key", "")),
    ] {
        let answer = api.send(&request);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (401, "unauthorized"),
            "{request:?}"
        );
    }
    // With the right key the same request is judged by its head.
    assert_eq!(api.send(post().header("x-api-key", INBOUND_KEY)).status, 415);
    let large = post().header("content-type", "application/json");
    assert_eq!(api.send(large.header("x-api-key", INBOUND_KEY)).status, 413);
}

#[test]
fn wrong_keys_are_limited() {
    let api = TestApp::start();
    let post = |key: &str| {
        let request = Request::post(TARGET, &json!({})).header("x-api-key", key);
        api.send(request.header("x-forwarded-for", "2001:db8::1")).status
    };
    assert!((0..1_000).map(|_| post("wrong")).any(|status| status == 429));
    assert!((0..140).all(|_| post(INBOUND_KEY) == 400));
}

#[test]
fn a_report_may_have_64_kib() {
    let api = TestApp::start();
    let body = |size: usize| {
        let empty = changed(status("SM1", "sent"), "padding", Some(json!("")));
        let missing = size - empty.to_string().len();
        changed(empty, "padding", Some(json!("x".repeat(missing))))
    };
    assert_eq!(report(&api, &body(65_536)).status, 200);
    assert_eq!(report(&api, &body(65_537)).code(), "payload_too_large");
}

#[test]
fn a_store_that_is_down_is_an_error() {
    let api = TestApp::with(|setup| setup.is_down = true);
    let answer = report(&api, &status("SM1", "sent"));
    assert_eq!((answer.status, answer.code().as_str()), (500, "storage_unavailable"));
}

#[test]
fn no_body_makes_the_server_fail() {
    let api = TestApp::start();
    api.open_ticket();
    api.hand_over("SM1");
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let fields = ["externalId", "status", "errorCode"];
    runner
        .run(
            &prop::collection::vec(prop::option::of(any_json()), fields.len()),
            |values| {
                let body = fields.iter().zip(values).fold(
                    json!({ "externalId": "SM1", "status": "failed", "errorCode": 1 }),
                    |body, (field, value)| match value {
                        Some(value) => changed(body, field, Some(value)),
                        None => body,
                    },
                );
                prop_assert!(matches!(report(&api, &body).status, 200 | 400));
                Ok(())
            },
        )
        .unwrap();
    runner
        .run(&prop::collection::vec(any::<u8>(), 0..60), |bytes| {
            let request = Request::post_bytes(TARGET, [b"{\"status\":", &*bytes].concat());
            prop_assert_eq!(api.send(request.header("x-api-key", INBOUND_KEY)).status, 400);
            Ok(())
        })
        .unwrap();
}

/// What one thread logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn only_refusals_are_logged() {
    let id = NotificationId(Uuid::from_u128(1));
    let (event, reason) = (EventKind::Updated, || "WhatsApp reports: failed, error 63016".into());
    let diverted = Reported::Diverted {
        id,
        event,
        route: DeliveryRoute::new("backup_template"),
        reason: reason(),
    };
    let dead = Reported::Dead {
        id,
        event,
        reason: reason(),
    };
    let common = [
        "notification=00000000-0000-0000-0000-000000000001",
        "event=ticket.updated",
        "reason=WhatsApp reports: failed, error 63016",
    ];
    for (reported, own) in [
        (Reported::Unknown, None),
        (Reported::Nothing, None),
        (Reported::Further(id, Progress::Read), None),
        (diverted, Some(["WARN", "route=backup_template", "goes another way"])),
        (dead, Some(["ERROR", "notification given up", "event="])),
    ] {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::TRACE)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || log_reported(&reported));
        let text = log.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(text.lines().count(), usize::from(own.is_some()), "{reported:?} {text}");
        for part in own
            .into_iter()
            .flatten()
            .chain(common.into_iter().filter(|_| own.is_some()))
        {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
