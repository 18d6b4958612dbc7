use serde_json::{Value, json};
use ticket_domain::Access;

use crate::testing::{MANAGER, Request, Response, TestApp, changed, check_fields};

fn body() -> Value {
    json!({ "message": "The second parcel was broken too." })
}

fn add(api: &TestApp, target: &str) -> Response {
    api.send(Request::post(target, &body()))
}

fn texts(api: &TestApp, reference: &str) -> Vec<Value> {
    let shown = api.shown(reference);
    let messages = shown["messages"].as_array().unwrap().iter();
    messages.map(|message| message["body"].clone()).collect()
}

#[test]
fn the_customer_adds_a_message_and_the_manager_is_notified() {
    let api = TestApp::start();
    let opened = api.open_ticket();
    api.deliver(Some("SM1"));
    assert_eq!(api.delivery_state(&opened.reference), "sent");
    let answer = add(&api, &opened.messages().to_lowercase());
    let added = answer.json();
    assert_eq!((answer.status, &added["ok"]), (201, &json!(true)));
    assert_eq!(added["ticketRef"], json!(opened.reference));
    assert_eq!(answer.header("idempotent-replayed"), None);
    let thread = api.shown(&opened.reference);
    let last = &thread["messages"][1];
    assert_eq!(
        *last,
        json!({
            "id": added["messageId"], "sender": "customer", "channel": "web", "mediaUrl": null,
            "body": "The second parcel was broken too.", "createdAt": added["createdAt"]
        })
    );
    // The newest notification is the one of this message, and waits.
    assert_eq!(api.delivery_state(&opened.reference), "waiting");
    let undelivered = api.get_as_operator("/api/notifications").json();
    assert_eq!(undelivered["notifications"][0]["event"], "ticket.updated");
    api.deliver(None);
    assert_eq!(api.delivery_state(&opened.reference), "sent");
}

#[test]
fn a_message_reopens_the_ticket() {
    let api = TestApp::start();
    let opened = api.open_ticket();
    for status in ["resolved", "closed"] {
        api.set_status(&opened.reference, status);
        assert_eq!(add(&api, &opened.messages()).status, 201);
        let ticket = api.shown(&opened.reference);
        assert_eq!(ticket["ticket"]["status"], "open", "{status}");
    }
}

#[test]
fn only_the_customers_key_writes() {
    for access in [Access::Open, Access::Private] {
        let api = TestApp::with(|setup| setup.settings.ticket_access = access);
        let (opened, other) = (api.open_ticket(), api.open_ticket());
        let reader_key = reader_key(&api, &opened.reference);
        let target = format!("/api/ticket/{}/messages", opened.reference);
        let (hidden, refused) = ((404, "ticket_not_found"), (401, "unauthorized"));
        let by_access = if access == Access::Open { refused } else { hidden };
        for (target, expected) in [
            (target.clone(), by_access),
            (format!("{target}?key="), by_access),
            (format!("{target}?key={}", "0".repeat(32)), by_access),
            (format!("{target}?key={}", other.key), by_access),
            (format!("{target}?key={reader_key}"), refused),
            (
                format!("/api/ticket/T-20250115-1234/messages?key={}", opened.key),
                hidden,
            ),
            (format!("/api/ticket/x/messages?key={}", opened.key), hidden),
            ("/api/ticket/x/messages".into(), hidden),
        ] {
            let answer = add(&api, &target);
            assert_eq!((answer.status, answer.code().as_str()), expected, "{target}");
            assert_eq!(answer.header("www-authenticate"), None);
        }
        // An operator is no customer.
        let as_operator = api.as_operator(Request::post(&target, &body()));
        assert_eq!(as_operator.status, by_access.0);
        assert_eq!(add(&api, &opened.messages()).status, 201);
    }
}

/// The key in the manager's link.
fn reader_key(api: &TestApp, reference: &str) -> String {
    api.thread(reference).ticket.keys.reader.to_string()
}

#[test]
fn fields_are_validated() {
    let api = TestApp::start();
    let opened = api.open_ticket();
    let send = |body: &Value| api.send(Request::post(&opened.messages(), body));
    let long = |n: usize| Some(json!("\u{1f600}".repeat(n)));
    let cases = [
        ("message", long(5_000), None),
        ("message", long(5_001), Some("too_long")),
        ("message", Some(json!("a\r\n\tb")), None),
        ("message", Some(json!(" \t ")), Some("required")),
        ("message", Some(json!("\u{7}")), Some("required")),
        ("message", Some(json!([1.5])), Some("not_text")),
        ("message", Some(Value::Null), Some("required")),
        ("message", None, Some("required")),
        ("other", Some(json!(1)), None),
    ];
    check_fields(&body(), &cases, send);
    assert_eq!(texts(&api, &opened.reference)[2], "a\n\tb");
    let both = Request::post(&opened.messages(), &json!({})).header("idempotency-key", "");
    assert_eq!(
        api.send(&both).field_errors(),
        ["Idempotency-Key required", "message required"]
    );
    let padded = changed(body(), "padding", Some(json!("x".repeat(65_536))));
    send(&padded).assert_problem(413, "payload_too_large");
    let form = Request::post(&opened.messages(), &body()).without_header("content-type");
    assert_eq!(api.send(&form).status, 415);
}

#[test]
fn a_repeated_key_repeats_the_answer() {
    let api = TestApp::start();
    let (opened, other) = (api.open_ticket(), api.open_ticket());
    let send = |target: &str, key: &str, text: &str| {
        let body = json!({ "message": text });
        api.send(Request::post(target, &body).header("idempotency-key", key))
    };
    let first = send(&opened.messages(), "key-1", "One");
    let again = send(&opened.messages(), "key-1", " One ");
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(first.body, again.body);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(texts(&api, &opened.reference).len(), 2);
    for (target, key, text) in [(opened.messages(), "key-1", "Two"), (other.messages(), "key-1", "One")] {
        let reused = send(&target, key, text);
        reused.assert_problem(422, "idempotency_key_reused");
    }
    // A ticket's key is no message's.
    let ticket = Request::post("/api/ticket", &crate::testing::seeds_ticket()).header("idempotency-key", "key-2");
    assert_eq!(api.send(&ticket).status, 201);
    assert_eq!(send(&opened.messages(), "key-2", "One").status, 422);
    assert_eq!(send(&opened.messages(), "key-3", "One").status, 201);
}

/// What still comes in when the customer's key writes no more.
fn others_still_write(api: &TestApp, reference: &str) {
    for (number, from) in [MANAGER, "+1234567890"].into_iter().enumerate() {
        let id = format!("SM{reference}{number}");
        let message = json!({ "ticketRef": reference, "message": "Hello", "from": from, "externalId": id });
        assert_eq!(api.receive(&message).status, 200, "{from}");
    }
    let reply = Request::post(&format!("/api/ticket/{reference}/replies"), &body());
    assert_eq!(api.as_operator(reply).status, 201);
}

#[test]
fn a_ticket_takes_so_many_messages_a_minute_whoever_sends_them() {
    let api = TestApp::with(|setup| setup.settings.rates.messages = "2/3".parse().unwrap());
    let (opened, other) = (api.open_ticket(), api.open_ticket());
    // Strangers use nothing up.
    for _ in 0..5 {
        assert_eq!(
            add(&api, &format!("/api/ticket/{}/messages?key=wrong", opened.reference)).status,
            401
        );
    }
    for address in ["203.0.113.1", "203.0.113.2", "203.0.113.3"] {
        let post = Request::post(&opened.messages(), &body()).sent_from(address);
        assert_eq!(api.send(post).status, 201);
    }
    let refused = add(&api, &opened.messages());
    refused.assert_problem(429, "rate_limited");
    assert!(refused.text().contains("in a short time"), "{}", refused.text());
    assert!((25..=30).contains(&refused.header("retry-after").unwrap().parse::<u32>().unwrap()));
    let page = format!("/ticket/{}?key={}", opened.reference, opened.key);
    let page = api.send(Request::form(&page, &[("message", "kept words")]));
    page.assert_page(429);
    page.shows(&["in a short time", "kept words</textarea>", "seconds"]);
    others_still_write(&api, &opened.reference);
    assert_eq!(add(&api, &other.messages()).status, 201);
}

#[test]
fn a_ticket_takes_so_many_messages_of_its_customer_in_all() {
    let api = TestApp::with(|setup| {
        setup.settings.max_customer_messages = 3;
        setup.settings.rate_limits = false;
    });
    let opened = api.open_ticket();
    let once = |key: &str| api.send(Request::post(&opened.messages(), &body()).header("idempotency-key", key));
    others_still_write(&api, &opened.reference);
    assert_eq!([once("a").status, once("b").status], [201, 201]);
    let refused = once("c");
    refused.assert_problem(429, "rate_limited");
    assert!(
        refused.text().contains("as many messages as it takes"),
        "{}",
        refused.text()
    );
    assert_eq!(refused.header("retry-after"), Some("86400"));
    // What was acknowledged stays so.
    assert_eq!(once("a").header("idempotent-replayed"), Some("true"));
    let page = format!("/ticket/{}?key={}", opened.reference, opened.key);
    let page = api.send(Request::form(&page, &[("message", "kept words")]));
    page.assert_page(429);
    page.shows(&["Open a new one", "kept words</textarea>"]);
    assert_eq!(texts(&api, &opened.reference).len(), 6);
}
