use serde_json::{Value, json};
use ticket_domain::Access;

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
fn polling_returns_only_new_versions() {
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
fn a_missing_reference_is_invalid_and_a_wrong_one_is_not_found() {
    let api = TestApp::start();
    for target in ["/api/ticket", "/api/ticket/"] {
        assert_eq!(api.get(target).field_errors(), ["ticketRef required"]);
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
fn private_tickets_are_visible_to_key_holders_and_operators_only() {
    let api = TestApp::with(|setup| setup.settings.ticket_access = Access::Private);
    let opened = api.open_ticket();
    let target = format!("/api/ticket/{}", opened.reference);
    let missing = api.get("/api/ticket/T-20250115-1234");
    for query in ["", "?key=", "?key=00000000000000000000000000000000", "?%ff&key"] {
        for path in [
            target.clone(),
            format!("{target}/events"),
            "/api/ticket/x/events".into(),
        ] {
            let answer = api.get(&format!("{path}{query}"));
            assert_eq!(
                (answer.status, answer.body),
                (404, missing.body.clone()),
                "{path}{query}"
            );
        }
    }
    let by_key = Request::get(&format!("{target}/events?key={}", opened.key));
    let as_operator = Request::get(&format!("{target}/events")).bearer(OPERATOR_TOKEN);
    for request in [by_key, as_operator] {
        assert_eq!(api.follow(&request).told(2).len(), 2);
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
fn a_long_thread_is_the_same_in_json_and_as_events() {
    let api = TestApp::start();
    let opened = api.open_ticket();
    let texts: Vec<String> = (0..40)
        .map(|number| format!("{number} \"\u{1f600}\n.{}", "x".repeat(1_000 * (number % 7))))
        .collect();
    for text in &texts {
        api.answer(&opened.reference, text, None);
    }
    let target = format!("/api/ticket/{}", opened.reference);
    let answer = api.get(&target);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(
        answer.header("content-length"),
        Some(answer.text().len().to_string().as_str())
    );
    let thread = answer.json();
    assert_eq!(thread["ok"], true);
    let messages = thread["messages"].as_array().unwrap();
    let bodies = messages[1..].iter().map(|message| message["body"].as_str().unwrap());
    assert!(bodies.eq(texts.iter().map(String::as_str)));
    let mut stream = api.events(&opened.reference);
    stream.piece();
    assert_eq!(stream.event().data, thread["ticket"]);
    for message in messages {
        assert_eq!(stream.event().data, *message);
    }
}
