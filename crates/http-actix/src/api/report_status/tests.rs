use ticket_domain::{DeliveryRoute, EventKind, MessageStatus, NotificationId, Progress, Timestamp};
use uuid::Uuid;

use super::*;
use crate::testing::{INBOUND_KEY, Log, Request, Response, TestApp, changed, check_fields, send_anything};
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
fn a_status_is_unknown_before_the_message_and_never_goes_back() {
    let api = TestApp::start();
    let reference = api.open_ticket().reference;
    assert!(!is_known(&api, &status("SM1", "sent")));
    assert_eq!(api.delivery_state(&reference), "waiting");
    api.deliver(Some("SM1"));
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
fn a_read_receipt_changes_the_version() {
    let api = TestApp::start();
    let target = format!("/api/ticket/{}", api.open_ticket().reference);
    api.deliver(Some("SM1"));
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
fn a_refused_message_takes_its_fallback_and_is_dead_without_one() {
    let api = TestApp::start();
    let reference = api.open_ticket().reference;
    api.deliver(Some("SM1"));
    let refused = |id: &str, code: Value| changed(status(id, "undelivered"), "errorCode", Some(code));
    // Free text came too late: the template is due at once.
    assert!(is_known(&api, &refused("SM1", json!("63016"))));
    assert_eq!(api.delivery_state(&reference), "waiting");
    // Again, after it had its effect.
    assert!(is_known(&api, &refused("SM1", json!(63_016))));
    assert_eq!(api.delivery_state(&reference), "waiting");
    api.deliver(Some("SM2"));
    assert_eq!(api.delivery_state(&reference), "sent");
    // A late word on the first message says nothing of the second.
    assert!(is_known(&api, &status("SM1", "read")));
    assert_eq!(api.delivery_state(&reference), "sent");
    assert!(is_known(&api, &refused("SM2", json!(63_016))));
    assert_eq!(api.delivery_state(&reference), "failed");

    let list = api.get_as_operator("/api/notifications");
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
fn a_temporary_failure_by_callback_waits_for_a_later_attempt() {
    let api = TestApp::start();
    let reference = api.open_ticket().reference;
    api.deliver(Some("MMfirst"));
    let failed = changed(status("MMfirst", "undelivered"), "errorCode", Some(json!(20_429)));
    for _ in 0..2 {
        assert!(is_known(&api, &failed));
        assert_eq!(api.delivery_state(&reference), "waiting");
        let list = api.get_as_operator("/api/notifications").json();
        let waiting = &list["notifications"][0];
        assert_eq!(
            (&waiting["state"], &waiting["failures"], &waiting["lastError"]),
            (
                &json!("waiting"),
                &json!(1),
                &json!("WhatsApp reports: undelivered, error 20429")
            )
        );
        assert!(waiting["at"].as_str() > waiting["createdAt"].as_str(), "{waiting}");
    }
    // A late word on the failed message changes nothing.
    assert!(is_known(&api, &status("MMfirst", "delivered")));
    assert_eq!(api.delivery_state(&reference), "waiting");
}

#[test]
fn fields_are_validated() {
    let api = TestApp::start();
    let cases = [
        ("externalId", Some(json!(" SM1 ")), None),
        ("externalId", Some(json!("x".repeat(129))), Some("too_long")),
        ("externalId", Some(json!(" ")), Some("required")),
        ("externalId", Some(Value::Null), Some("required")),
        ("externalId", Some(json!(12)), Some("not_text")),
        ("externalId", None, Some("required")),
        ("status", Some(json!("queued")), None),
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
    ];
    let good = changed(status("SM1", "failed"), "errorCode", Some(json!(63_016)));
    check_fields(&good, &cases, |body| report(&api, body));
    let errors = ["errorCode not_a_number", "externalId required", "status required"];
    let mut listed = report(&api, &json!({ "errorCode": "x" })).field_errors();
    listed.sort();
    assert_eq!(listed, errors);
}

#[test]
fn error_code_zero_counts_as_absent() {
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
fn statuses_before_whatsapp_count_as_queued() {
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
fn no_body_makes_the_server_fail() {
    let api = TestApp::start();
    api.open_ticket();
    api.deliver(Some("SM1"));
    let good = changed(status("SM1", "failed"), "errorCode", Some(json!(1)));
    send_anything(&good, &["externalId", "status", "errorCode"], |body| {
        api.send(Request::post_bytes(TARGET, body).header("x-api-key", INBOUND_KEY))
    });
}

#[test]
fn only_refusals_are_logged() {
    let id = NotificationId(Uuid::from_u128(1));
    let (event, reason) = (EventKind::Updated, || "WhatsApp reports: failed, error 63016".into());
    let retrying = |to_repair| Reported::Retrying {
        id,
        event,
        due: Timestamp::from_unix_micros(0).unwrap(),
        reason: reason(),
        to_repair,
    };
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
        (
            retrying(None),
            Some(["WARN", "due=1970-01-01T00:00:00", "notification failed"]),
        ),
        (
            retrying(Some("correct the credentials")),
            Some(["ERROR", "to_repair=\"correct the credentials\"", "until its owner acts"]),
        ),
        (diverted, Some(["WARN", "route=backup_template", "goes another way"])),
        (dead, Some(["ERROR", "notification given up", "event="])),
    ] {
        let log = Log::default();
        tracing::subscriber::with_default(log.subscriber(), || log_reported(&reported));
        let text = log.text();
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
