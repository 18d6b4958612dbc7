mod asking;
mod commands;
mod email;

use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Value, json};
use ticket_domain::Managers;

use crate::testing::{INBOUND_KEY, MANAGER, Request, Response, TestApp, changed, check_fields, send_anything};

fn seeds_message(reference: &str) -> Value {
    json!({
        "ticketRef": reference,
        "message": "Thank you for reporting this. We'll investigate immediately.",
        "from": MANAGER,
        "channel": "whatsapp",
        "externalId": "SM1234567890abcdef"
    })
}

fn receive_bytes(api: &TestApp, body: impl Into<Vec<u8>>) -> Response {
    api.send(Request::post_bytes("/api/ticket/inbound", body).header("x-api-key", INBOUND_KEY))
}

fn last_message(api: &TestApp, reference: &str) -> Value {
    let shown = api.shown(reference);
    shown["messages"].as_array().unwrap().last().unwrap().clone()
}

#[test]
fn the_seeds_message_joins_its_ticket_once() {
    let api = TestApp::start();
    let reference = api.open_ticket().reference;
    let (first, again) = (
        api.receive(&seeds_message(&reference)),
        api.receive(&seeds_message(&reference)),
    );
    assert_eq!((first.status, again.status), (200, 200));
    let (first, again) = (first.json(), again.json());
    assert_eq!(
        (&first["ok"], &first["ticketRef"], &first["duplicate"]),
        (&json!(true), &json!(reference), &json!(false))
    );
    assert_eq!(again["duplicate"], true);
    assert_eq!(first["messageId"], again["messageId"]);
    assert_eq!(last_message(&api, &reference)["id"], first["messageId"]);
}

#[test]
fn fields_are_validated() {
    let api = TestApp::start();
    let reference = api.open_ticket().reference;
    let cases = [
        ("from", Some(json!("whatsapp:")), None),
        ("from", Some(json!("x".repeat(500))), None),
        ("from", Some(json!(["+919655716000"])), None),
        ("from", Some(json!({})), None),
        ("from", Some(json!(true)), None),
        ("from", Some(Value::Null), None),
        ("from", None, None),
        ("fromUserId", Some(json!([12])), None),
        ("fromUserId", Some(json!(" ")), None),
        ("channel", Some(json!(" ")), None),
        ("channel", None, None),
        ("channel", Some(json!("sms")), Some("not_allowed")),
        ("channel", Some(json!(1)), Some("not_allowed")),
        ("externalId", Some(json!("x".repeat(129))), Some("too_long")),
        ("externalId", Some(json!("")), None),
        ("externalId", Some(json!(1e300)), Some("not_text")),
        ("ticketRef", Some(json!([12])), Some("not_text")),
        ("message", None, Some("required")),
        ("message", Some(json!(" \u{0} ")), Some("required")),
        ("message", Some(json!(["Hello"])), Some("not_text")),
        ("message", Some(json!({ "text": "Hello" })), Some("not_text")),
        ("mediaUrl", Some(json!("http://plain.example")), None),
        ("mediaUrl", Some(json!(12)), None),
        ("mediaUrl", Some(Value::Null), None),
        ("repliedToExternalId", Some(json!(12)), None),
        ("repliedToExternalId", Some(json!("x".repeat(500))), None),
        ("repliedToExternalId", Some(json!("nobody knows it")), None),
    ];
    let good = changed(seeds_message(&reference), "externalId", None);
    check_fields(&good, &cases, |body| api.receive(body));
    let errors = ["message required", "ticketRef not_text"];
    assert_eq!(api.receive(&json!({ "ticketRef": {} })).field_errors(), errors);
}

#[test]
fn a_message_is_kept_whoever_sent_it() {
    let api = TestApp::start();
    let reference = api.open_ticket().reference;
    for (number, (from, shown)) in [
        (json!("103000000000001@lid"), json!("103000000000001@lid")),
        (
            json!("whatsapp:US.13491208655302741918"),
            json!("US.13491208655302741918"),
        ),
        (json!("Jane@shop.example"), json!("Jane@shop.example")),
        (json!(15_550_000_001_u64), json!("15550000001")),
        (json!("whatsapp:+1 555 000-0001"), json!("+15550000001")),
        (json!(" "), Value::Null),
        (Value::Null, Value::Null),
        (json!({}), Value::Null),
    ]
    .into_iter()
    .enumerate()
    {
        let message =
            json!({ "from": from, "message": "Refund is on its way", "externalId": format!("SMlid{number}") });
        for _ in 0..2 {
            api.receive(&message).assert_problem(400, "ticket_not_named");
        }
        let kept = api.get_as_operator("/api/unmatched").json()["messages"].clone();
        let kept = kept.as_array().unwrap();
        assert_eq!((kept.len(), &kept[number]["from"]), (number + 1, &shown), "{from}");
    }
    let numbers = json!({ "from": 15_550_000_001_u64, "externalId": 12345, "message": 2 });
    receive_bytes(&api, format!("\u{feff}{numbers}")).assert_problem(400, "ticket_not_named");
    let kept = &api.get_as_operator("/api/unmatched").json()["messages"][8];
    assert_eq!((&kept["from"], &kept["body"]), (&json!("15550000001"), &json!("2")));
    let again = changed(numbers, "ticketRef", Some(json!(reference)));
    let again = changed(again, "externalId", Some(json!("12345")));
    assert_eq!(api.receive(&again).json()["messageId"], kept["id"]);

    let named = json!({ "ticketRef": reference, "from": "103000000000001@lid", "message": "Hello" });
    assert_eq!(api.receive(&named).status, 200);
    assert_eq!(last_message(&api, &reference)["sender"], "agent");
}

#[test]
fn no_reply_is_lost_over_its_text_or_its_medium() {
    let api = TestApp::start();
    let reference = api.open_ticket().reference;
    let good = "https://media.example/1";
    for (text, media, body, shown_media) in [
        (json!("a\u{0}b\r\nc"), Value::Null, "ab\nc".to_owned(), Value::Null),
        (
            json!("x".repeat(16_001)),
            Value::Null,
            "x".repeat(16_000) + "… [cut]",
            Value::Null,
        ),
        (json!("x".repeat(16_000)), Value::Null, "x".repeat(16_000), Value::Null),
        (Value::Null, json!(good), String::new(), json!(good)),
        (json!("look"), json!(good), "look".into(), json!(good)),
        (json!("look"), json!("ftp://x"), "look".into(), Value::Null),
        (json!("look"), json!({}), "look".into(), Value::Null),
        (
            json!(" "),
            json!("ftp://x"),
            "[attachment without a usable address]".into(),
            Value::Null,
        ),
        (
            Value::Null,
            json!(["https://x.example"]),
            "[attachment without a usable address]".into(),
            Value::Null,
        ),
    ] {
        let message = json!({ "ticketRef": reference, "from": MANAGER, "message": text, "mediaUrl": media });
        assert_eq!(api.receive(&message).status, 200, "{message}");
        let shown = last_message(&api, &reference);
        assert_eq!((&shown["body"], &shown["mediaUrl"]), (&json!(body), &shown_media));
    }
}

#[test]
fn no_reply_is_lost_over_how_its_text_is_written() {
    let api = TestApp::start();
    let reference = api.open_ticket().reference;
    for (message, shown) in [
        (&br#""cut \ud83d""#[..], "cut"),
        (br#""\uDE00 \uD83D\uDE00 \\ud83d""#, "\u{1f600} \\ud83d"),
        (b"\"a\xff\xfeb\"", "a\u{fffd}\u{fffd}b"),
        (b"1234", "1234"),
        (b"-1.50", "-1.50"),
        (b"1e999", "1e999"),
        (b"123456789012345678901234567890", "123456789012345678901234567890"),
        (b"true", "true"),
        (b" false ", "false"),
    ] {
        let head = format!("{{\"ticketRef\":\"{reference}\",\"from\":\"{MANAGER}\",\"message\":");
        let answer = receive_bytes(&api, [head.as_bytes(), message, b"}"].concat());
        assert_eq!(answer.status, 200, "{shown} {answer:?}");
        assert_eq!(last_message(&api, &reference)["body"], shown);
    }
}

#[test]
fn a_message_without_a_certain_ticket_is_kept_and_joins_later() {
    let api = TestApp::start();
    let reference = api.open_ticket().reference;
    let unnamed = changed(seeds_message(&reference), "ticketRef", Some(json!(" ")));
    for _ in 0..2 {
        let answer = api.receive(&unnamed);
        answer.assert_problem(400, "ticket_not_named");
    }
    for unknown in ["T-20250115-12345", "no reference at all"] {
        let answer = api.receive(&changed(seeds_message(unknown), "externalId", Some(json!(unknown))));
        answer.assert_problem(404, "ticket_not_found");
    }
    let joined = api.receive(&seeds_message(&reference));
    assert_eq!((joined.status, &joined.json()["duplicate"]), (200, &json!(false)));
    // Named by the manager's own text.
    let named = json!({ "from": MANAGER, "message": format!("done: {reference}") });
    assert_eq!(api.receive(&named).json()["ticketRef"], reference);
}

#[test]
fn no_body_makes_the_server_fail() {
    let api = TestApp::start();
    let reference = api.open_ticket().reference;
    let fields = [
        "ticketRef",
        "message",
        "from",
        "channel",
        "externalId",
        "mediaUrl",
        "repliedToExternalId",
    ];
    send_anything(&seeds_message(&reference), &fields, |body| receive_bytes(&api, body));
    // In the middle of a text any bytes may do.
    let mut runner = TestRunner::deterministic();
    let sent = runner.run(&prop::collection::vec(any::<u8>(), 0..60), |bytes| {
        for quoted in ["message", "ticketRef", "externalId"] {
            let head = format!("{{\"from\":\"{MANAGER}\",\"{quoted}\":\"");
            let status = receive_bytes(&api, [head.as_bytes(), &bytes, b"\"}"].concat()).status;
            prop_assert!(matches!(status, 200 | 400 | 404), "{}", status);
        }
        Ok(())
    });
    sent.unwrap();
}

#[test]
fn one_person_is_recognised_by_either_spelling_and_by_user_id() {
    for (manager, from) in [
        ("+5511987654321", "whatsapp:+551187654321"),
        ("+551187654321", "whatsapp:+5511987654321"),
    ] {
        let api = TestApp::with(|setup| setup.managers = Managers::new(vec![manager.parse().unwrap()]));
        let reference = api.open_ticket().reference;
        let text = format!("done: {reference}");
        let said = json!({ "from": from, "fromUserId": "BR.13491208655302741918", "message": text });
        assert_eq!(api.receive(&said).json()["ticketRef"], reference);
        assert_eq!(last_message(&api, &reference)["sender"], "manager");
        let by_id = json!({ "from": "whatsapp:BR.13491208655302741918", "message": text });
        assert_eq!(api.receive(&by_id).json()["ticketRef"], reference);
        let landline = json!({ "from": "whatsapp:+5511287654321", "message": text });
        api.receive(&landline).assert_problem(400, "ticket_not_named");
    }
}
