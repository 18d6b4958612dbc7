//! What holds of every endpoint, and of the endpoints for one kind of caller.

mod limits;

use serde_json::{Value, json};

use crate::testing::{INBOUND_KEY, MANAGER, Request, TestApp, seeds_ticket};

const SITE: &str = "https://www.example.com";
const ID: &str = "00000000-0000-4000-8000-000000000000";
const N8N: [&str; 2] = ["/api/ticket/inbound", "/api/ticket/inbound/status"];

#[test]
fn a_store_that_is_down_is_an_error() {
    let api = TestApp::with(|setup| setup.is_down = true);
    let message = json!({ "message": "One" });
    let reference = json!({ "ticketRef": "T-20250115-1234" });
    for (method, target, body) in [
        ("POST", "/api/ticket", seeds_ticket()),
        ("GET", "/api/ticket/T-20250115-1234", Value::Null),
        ("GET", "/api/ticket/T-20250115-1234/events", Value::Null),
        ("PATCH", "/api/ticket/T-20250115-1234", json!({ "status": "open" })),
        ("POST", "/api/ticket/T-20250115-1234/messages?key=x", message.clone()),
        ("POST", "/api/ticket/T-20250115-1234/replies", message),
        (
            "POST",
            "/api/ticket/inbound",
            json!({ "from": MANAGER, "message": "Done." }),
        ),
        (
            "POST",
            "/api/ticket/inbound/status",
            json!({ "externalId": "SM1", "status": "sent" }),
        ),
        ("GET", "/api/tickets", Value::Null),
        ("GET", "/api/notifications", Value::Null),
        ("POST", "/api/notifications/redeliver", Value::Null),
        ("POST", &format!("/api/notifications/{ID}/redeliver"), Value::Null),
        ("GET", "/api/unmatched", Value::Null),
        ("POST", &format!("/api/unmatched/{ID}/attach"), reference),
        ("GET", "/api/audit-log", Value::Null),
    ] {
        let request = match body {
            Value::Null => Request::new(method, target),
            body => Request::json(method, target, &body),
        };
        let answer = api.as_operator(request.header("x-api-key", INBOUND_KEY));
        answer.assert_problem(500, "storage_unavailable");
    }
}

#[test]
fn concurrent_duplicates_are_stored_once() {
    let api = TestApp::with(|setup| setup.settings.workers = Some(2));
    for round in 0..5 {
        let opened = api.open_ticket();
        let message = json!({ "from": MANAGER, "externalId": format!("SM{round}"), "message": "Whatever" });
        api.receive(&message).assert_problem(400, "ticket_not_named");
        let pick = json!({ "from": MANAGER, "externalId": format!("SM{round}-pick"), "message": "1" });
        let key = format!("key-{round}");
        for (request, id) in [
            (Request::post("/api/ticket/inbound", &pick), "messageId"),
            (
                Request::post(&opened.messages(), &json!({ "message": "More" })),
                "messageId",
            ),
            (Request::post("/api/ticket", &seeds_ticket()), "ticketId"),
        ] {
            // A pick has its external id instead of a key.
            let request = request.header("x-api-key", INBOUND_KEY);
            let request = request.header("idempotency-key", &format!("{key}-{id}-{}", opened.reference));
            let answers: Vec<Value> = std::thread::scope(|scope| {
                let twins: Vec<_> = (0..16).map(|_| scope.spawn(|| api.send(&request).json())).collect();
                twins.into_iter().map(|twin| twin.join().unwrap()).collect()
            });
            assert!(answers[0][id].is_string(), "{answers:?}");
            assert!(answers.iter().all(|answer| answer[id] == answers[0][id]), "{answers:?}");
        }
        let messages = api.shown(&opened.reference)["messages"].take();
        assert_eq!(messages.as_array().unwrap().len(), 3, "{messages}");
    }
}

#[test]
fn the_key_of_n8n_is_asked_before_anything_of_the_body() {
    let api = TestApp::start();
    let closed = TestApp::with(|setup| setup.settings.inbound_keys.clear());
    for target in N8N {
        // A megabyte is announced and never comes: an answer means that nobody waited for it.
        let post = || Request::new("POST", target).announcing(1_000_000);
        for (api, request) in [
            (&api, post()),
            (&api, post().header("x-api-key", "")),
            (&api, post().header("x-api-key", "wrong")),
            (&api, post().header("x-api-key", &INBOUND_KEY[1..])),
            (&api, post().header("x-api-key", &INBOUND_KEY.to_uppercase())),
            (
                &api,
                post().header("x-api-key", INBOUND_KEY).header("x-api-key", INBOUND_KEY),
            ),
            (&api, post().bearer(INBOUND_KEY)),
            (&closed, post().header("x-api-key", INBOUND_KEY)),
            (&closed, post().header("x-api-key", "")),
        ] {
            api.send(&request).assert_problem(401, "unauthorized");
        }
        // With a right key the same request is judged by its head.
        for key in [INBOUND_KEY, "the-key-before"] {
            let request = post().header("x-api-key", key);
            assert_eq!(api.send(&request).status, 415);
            let large = request.header("content-type", "application/json");
            assert_eq!(api.send(&large).status, 413);
        }
    }
}

#[test]
fn wrong_keys_of_n8n_are_limited() {
    let api = TestApp::start();
    for (target, address) in N8N.into_iter().zip(["2001:db8::1", "2001:db8:0:1::1"]) {
        let post = |key: &str| {
            let request = Request::post(target, &json!({})).header("x-api-key", key);
            api.send(request.sent_from(address)).status
        };
        assert!((0..1_000).any(|_| post("wrong") == 429));
        assert!((0..140).all(|_| post(INBOUND_KEY) == 400));
    }
}

/// Asks whether a browser may send a request from a site. The headers of the response are empty if it may not.
fn preflight(target: &str, origin: &str, method: &str, headers: &str) -> Request {
    Request::new("OPTIONS", target)
        .header("origin", origin)
        .header("access-control-request-method", method)
        .header("access-control-request-headers", headers)
}

#[test]
fn a_listed_site_may_call_the_public_endpoints() {
    let api = TestApp::with(|setup| setup.settings.allowed_origins = vec![SITE.into()]);
    let opened = api.open_ticket();
    let ticket = format!("/api/ticket/{}", opened.reference);
    let (messages, events) = (format!("{ticket}/messages"), format!("{ticket}/events"));
    for (target, method, headers, expected) in [
        ("/api/ticket", "POST", "content-type, idempotency-key", Some(SITE)),
        (&messages, "POST", "content-type, idempotency-key", Some(SITE)),
        (&events, "GET", "last-event-id", Some(SITE)),
        (&ticket, "GET", "if-none-match", Some(SITE)),
        (&ticket, "PATCH", "content-type", None),
        (&ticket, "GET", "authorization", None),
    ] {
        let asked = api.send(preflight(target, SITE, method, headers));
        let origin = asked.header("access-control-allow-origin");
        assert_eq!(origin.filter(|_| asked.status == 200), expected, "{method} {target}");
    }
    let send = |request: Request, status: u16| {
        let answer = api.send(request.header("origin", SITE));
        let origin = answer.header("access-control-allow-origin");
        assert_eq!((answer.status, origin), (status, Some(SITE)), "{answer:?}");
        answer
    };
    let created = send(Request::post("/api/ticket", &seeds_ticket()), 201);
    let exposed = created.header("access-control-expose-headers").unwrap().to_lowercase();
    for name in ["location", "etag", "idempotent-replayed", "retry-after", "x-request-id"] {
        assert!(exposed.contains(name), "{name}: {exposed}");
    }
    send(Request::post(&opened.messages(), &json!({ "message": "More" })), 201);
    send(Request::get("/api/ticket/T-20250115-1234"), 404).assert_problem(404, "ticket_not_found");
    let followed = api.follow(&Request::get(&events).header("origin", SITE));
    assert_eq!(followed.head.header("access-control-allow-origin"), Some(SITE));
}

#[test]
fn a_subdomain_of_an_allowed_domain_may_call_the_public_endpoints() {
    let api = TestApp::with(|setup| setup.settings.allowed_origins = vec!["https://*.shop.example".into()]);
    for (origin, expected) in [
        ("https://www.shop.example", Some("https://www.shop.example")),
        ("https://shop.example", None),
        ("https://evil-shop.example", None),
    ] {
        let asked = api.send(preflight("/api/ticket", origin, "POST", "content-type"));
        assert_eq!(asked.header("access-control-allow-origin"), expected);
        let read = api.send(Request::get("/api/ticket/T-20250115-1234").header("origin", origin));
        assert_eq!(read.header("access-control-allow-origin"), expected);
    }
}

#[test]
fn other_sites_and_other_endpoints_are_not_for_browsers() {
    let api = TestApp::with(|setup| setup.settings.allowed_origins = vec![SITE.into()]);
    let unlisted = TestApp::start();
    for (api, target, origin) in [
        (&unlisted, "/api/ticket", SITE),
        (&api, "/api/ticket", "https://evil.example"),
        (&api, "/api/ticket", "null"),
        (&api, "/api/ticket/inbound", SITE),
        (&api, "/api/ticket/inbound/status", SITE),
        (&api, "/api/tickets", SITE),
        (&api, "/api/ticket/T-20250115-1234/replies", SITE),
        (&api, "/api/notifications", SITE),
        (&api, "/api/notifications/redeliver", SITE),
        (&api, "/api/unmatched", SITE),
        (&api, "/api/unmatched/x/attach", SITE),
        (&api, "/api/audit-log", SITE),
        (&api, "/api/trail", SITE),
        (&api, "/metrics", SITE),
    ] {
        let asked = preflight(target, origin, "POST", "content-type, idempotency-key");
        for request in [asked, Request::get(target).header("origin", origin)] {
            let answer = api.send(&request);
            let names = answer.headers.iter().map(|(name, _)| name);
            let told: Vec<_> = names.filter(|name| name.ends_with("allow-origin")).collect();
            assert!(told.is_empty(), "{target} {origin} {told:?}");
        }
    }
}
