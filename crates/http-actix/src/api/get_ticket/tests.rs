use serde_json::{Value, json};
use ticket_domain::{Access, Delivery, DeliveryState};

use super::*;
use crate::testing::{MANAGER, OPERATOR_TOKEN, Request, TestApp};

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn a_ticket_has_the_seeds_shape() {
    let api = TestApp::start();
    let opened = api.open_ticket();
    let reply = json!({
        "ticketRef": opened.reference, "message": "We look into it.", "from": MANAGER, "externalId": "SM1",
        "mediaUrl": "https://media.example/1"
    });
    assert_eq!(api.receive(&reply).status, 200);
    let answer = api.get(&format!("/api/ticket/{}", opened.reference.to_lowercase()));
    let mut body = answer.json();
    assert_eq!(answer.status, 200);
    assert_eq!(keys(&body), ["messages", "ok", "ticket"]);
    let ticket = &mut body["ticket"];
    let times = ["createdAt", "updatedAt"].map(|name| ticket[name].take().as_str().unwrap().to_owned());
    assert!(
        times.iter().all(|time| time.len() == 27 && time.ends_with('Z')),
        "{times:?}"
    );
    assert!(times[0] < times[1]);
    assert_eq!(
        *ticket,
        json!({
            "id": opened.id, "ticketRef": opened.reference, "subject": "Product Quality Issue", "status": "open",
            "customerName": "John Doe", "customerPhone": "+1234567890", "customerEmail": "john@example.com",
            "priority": "high", "createdAt": null, "updatedAt": null,
            "delivery": { "state": "waiting", "at": times[0] }
        })
    );
    let messages = body["messages"].as_array().unwrap();
    let told: Vec<_> = messages
        .iter()
        .map(|m| (&m["sender"], &m["channel"], &m["body"], &m["mediaUrl"]))
        .collect();
    assert_eq!(
        told,
        [
            (
                &json!("customer"),
                &json!("web"),
                &json!("I received damaged bottles in my last order."),
                &Value::Null
            ),
            (
                &json!("manager"),
                &json!("whatsapp"),
                &json!("We look into it."),
                &json!("https://media.example/1")
            ),
        ]
    );
    assert_eq!(
        keys(&messages[0]),
        ["body", "channel", "createdAt", "id", "mediaUrl", "sender"]
    );
    assert_eq!(answer.header("cache-control"), Some("private, no-cache"));
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
}

#[test]
fn a_poller_is_told_only_what_is_new() {
    let api = TestApp::start();
    let opened = api.open_ticket();
    let target = format!("/api/ticket/{}", opened.reference);
    let poll = |known: &str| api.send(Request::new("GET", &target).header("if-none-match", known));
    let tag = api.get(&target).header("etag").unwrap().to_owned();
    assert!(tag.starts_with('"'), "strong: {tag}");
    for (known, status) in [
        (tag.clone(), 304),
        (format!("\"other\", {tag}"), 304),
        (format!("W/{tag}"), 304),
        ("*".into(), 304),
        ("\"other\"".into(), 200),
        ("nonsense".into(), 200),
        (String::new(), 200),
    ] {
        let answer = poll(&known);
        assert_eq!(
            (answer.status, answer.header("etag")),
            (status, Some(tag.as_str())),
            "{known}"
        );
        assert_eq!(answer.body.is_empty(), status == 304);
    }
    let reply = json!({ "ticketRef": opened.reference, "message": "Hello", "from": MANAGER });
    assert_eq!(api.receive(&reply).status, 200);
    let answer = poll(&tag);
    assert_eq!(answer.status, 200);
    assert_ne!(answer.header("etag"), Some(tag.as_str()));
}

#[test]
fn a_delivery_changes_the_tag() {
    let tag = |version, state, micros| {
        let at = ticket_domain::Timestamp::from_unix_micros(micros).unwrap();
        state_tag(TicketVersion {
            version,
            delivery: Delivery { state, at },
        })
    };
    let first = tag(1, DeliveryState::Waiting, 1);
    for other in [
        tag(2, DeliveryState::Waiting, 1),
        tag(1, DeliveryState::Sent, 1),
        tag(1, DeliveryState::Waiting, 2),
    ] {
        assert_ne!(first, other);
    }
}

#[test]
fn head_is_get_without_a_body() {
    let api = TestApp::start();
    let target = format!("/api/ticket/{}", api.open_ticket().reference);
    let (get, head) = (api.get(&target), api.send(Request::new("HEAD", &target)));
    assert_eq!(head.status, 200);
    assert!(head.body.is_empty());
    assert_eq!(head.header("etag"), get.header("etag"));
    assert_eq!(head.header("content-length"), get.header("content-length"));
    assert_eq!(api.send(Request::new("HEAD", "/api/ticket")).status, 400);
}

#[test]
fn no_reference_is_a_fault_and_a_wrong_one_is_not_found() {
    let api = TestApp::start();
    for target in ["/api/ticket", "/api/ticket/"] {
        assert_eq!(api.get(target).faults(), ["ticketRef required"]);
    }
    let missing = api.get("/api/ticket/T-20250115-1234");
    missing.assert_problem(404, "ticket_not_found");
    for ill_formed in [
        "x",
        "T-1",
        "T-20250115-12345678901",
        "%00",
        "%F0%9F%8E%AB",
        "%ff",
        "'%20OR%201=1",
    ] {
        let answer = api.get(&format!("/api/ticket/{ill_formed}"));
        assert_eq!((answer.status, &answer.body), (404, &missing.body), "{ill_formed}");
    }
}

#[test]
fn private_tickets_exist_for_their_holders_and_operators_only() {
    let api = TestApp::with(|setup| setup.settings.ticket_access = Access::Private);
    let opened = api.open_ticket();
    let target = format!("/api/ticket/{}", opened.reference);
    let missing = api.get("/api/ticket/T-20250115-1234");
    for hidden in [
        target.clone(),
        format!("{target}?key="),
        format!("{target}?key={}", "0".repeat(32)),
        format!("{target}?%ff&key"),
    ] {
        let answer = api.get(&hidden);
        assert_eq!((answer.status, answer.body), (404, missing.body.clone()), "{hidden}");
    }
    assert_eq!(api.get(&format!("{target}?a=b&key={}", opened.key)).status, 200);
    let as_operator = |token| api.send(Request::new("GET", &target).bearer(token));
    assert_eq!(as_operator(OPERATOR_TOKEN).status, 200);
    assert_eq!(as_operator("wrong").status, 404);

    // Nor is anybody else told that what they know is still so.
    let tag = as_operator(OPERATOR_TOKEN).header("etag").unwrap().to_owned();
    let poll = |target: String| Request::new("GET", &target).header("if-none-match", &tag);
    for (request, status) in [
        (poll(target.clone()), 404),
        (poll(format!("{target}?key={}", "0".repeat(32))), 404),
        (poll(target.clone()).bearer("wrong"), 404),
        (poll("/api/ticket/T-20250115-1234".into()), 404),
        (poll(format!("{target}?key={}", opened.key)), 304),
        (poll(target.clone()).bearer(OPERATOR_TOKEN), 304),
    ] {
        let answer = api.send(&request);
        assert_eq!(answer.status, status, "{request:?}");
        if status == 404 {
            assert_eq!((answer.header("etag"), &answer.body), (None, &missing.body));
        }
    }
}

#[test]
fn wrong_keys_are_limited_and_right_ones_are_not() {
    let api = TestApp::start();
    let opened = api.open_ticket();
    let read = |key: &str| {
        let target = format!("/api/ticket/{}?key={key}", opened.reference);
        api.send(Request::new("GET", &target).header("x-forwarded-for", "1.2.3.4"))
    };
    let refused = (0..1_000)
        .map(|_| read("wrong"))
        .find(|answer| answer.status != 200)
        .unwrap();
    refused.assert_problem(429, "rate_limited");
    assert!((0..140).all(|_| read(&opened.key).status == 200));
}

#[test]
fn wrong_keys_are_limited_also_where_nothing_is_new() {
    let api = TestApp::start();
    let opened = api.open_ticket();
    let read = |key: &str, tag: &str| {
        let target = format!("/api/ticket/{}?key={key}", opened.reference);
        let request = Request::new("GET", &target).header("x-forwarded-for", "1.2.3.4");
        api.send(request.header("if-none-match", tag))
    };
    let tag = read(&opened.key, "").header("etag").unwrap().to_owned();
    assert_eq!(read("wrong", &tag).status, 304);
    assert!((0..1_000).any(|_| read("wrong", &tag).status == 429));
    assert!((0..140).all(|_| read(&opened.key, &tag).status == 304));
}

#[test]
fn a_wrong_key_buys_no_reads_beyond_the_limit() {
    let api = TestApp::start();
    let target = format!("/api/ticket/{}", api.open_ticket().reference);
    let read = |target: &str| {
        let request = Request::new("GET", target).header("x-forwarded-for", "1.2.3.4");
        api.send(&request).status
    };
    let with_key = format!("{target}?key=wrong");
    assert!((0..1_000).any(|_| read(&with_key) == 429));
    // One read comes in a second, so a whole minute's worth can't be there.
    assert!((0..60).any(|_| read(&target) == 429));
}

fn from(target: &str, address: &str) -> Request {
    Request::new("GET", target).header("x-forwarded-for", address)
}

#[test]
fn guessing_references_ends_before_reading_does() {
    let api = TestApp::start();
    let opened = api.open_ticket();
    let ticket = format!("/api/ticket/{}", opened.reference);
    for (guess, address) in [
        ("/api/ticket/T-20250115-1234", "1.2.3.4"),
        ("/api/ticket/nonsense", "1.2.3.5"),
        ("/api/ticket/T-20250115-1234?key=guess", "1.2.3.6"),
        ("/api/ticket/T-20250115-1234/events", "1.2.3.7"),
        ("/api/ticket/T-20250115-1234/events?key=guess", "1.2.3.8"),
    ] {
        let missed = (0..200)
            .take_while(|_| api.send(from(guess, address)).status == 404)
            .count();
        // One more comes in for every three seconds that this takes.
        assert!((40..55).contains(&missed), "{guess} {missed}");
        let refused = api.send(from(guess, address));
        refused.assert_problem(429, "rate_limited");
        let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=3).contains(&seconds), "{seconds}");
        // Else the answers would still tell which references are right.
        assert_eq!(api.send(from(&ticket, address)).status, 429);
        // Whoever has a key of theirs is not concerned, nor is anybody elsewhere, nor an operator.
        let theirs = format!("{ticket}?key={}", opened.key);
        assert!((0..50).all(|_| api.send(from(&theirs, address)).status == 200));
        assert_eq!(api.as_operator(from(guess, address)).status, 404);
    }
    assert_eq!(api.send(from(&ticket, "1.2.3.9")).status, 200);
}

#[test]
fn whoever_has_spent_their_guesses_costs_the_store_nothing() {
    let api = TestApp::with(|setup| {
        setup.is_down = true;
    });
    // What is no reference is not looked up.
    assert!((0..200).any(|_| api.send(from("/api/ticket/nonsense", "1.2.3.4")).status == 429));
    for (target, status) in [
        ("/api/ticket/T-20250115-1234", 429),
        ("/api/ticket/T-20250115-1234/events", 429),
        // It may be right; and only a store that answers can say that it is not.
        ("/api/ticket/T-20250115-1234?key=guess", 500),
    ] {
        assert_eq!(api.send(from(target, "1.2.3.4")).status, status, "{target}");
    }
}

#[test]
fn the_limits_are_those_that_are_set() {
    let api = TestApp::with(|setup| {
        setup.settings.rates.misses = "1/3".parse().unwrap();
        setup.settings.rates.reads = "1/5".parse().unwrap();
    });
    let ticket = format!("/api/ticket/{}", api.open_ticket().reference);
    let passed = |target: &str, address: &str| {
        (0..10)
            .filter(|_| api.send(from(target, address)).status != 429)
            .count()
    };
    assert_eq!(passed("/api/ticket/nonsense", "1.2.3.4"), 3);
    assert_eq!(passed(&ticket, "1.2.3.5"), 5);
}
