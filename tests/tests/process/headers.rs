//! Security headers: on every response of every route, also the errors.

use std::collections::BTreeSet;

use black_box::{Engine, INBOUND_KEY, OPERATOR_TOKEN, TempStore, TestServer, ticket};

use crate::wire::{RawResponse, exchange, head, post_form};

/// The headers of every response; an empty value stands for any.
const HEADERS: [(&str, &str); 8] = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("content-security-policy", ""),
    ("referrer-policy", ""),
    ("cache-control", ""),
    (
        "permissions-policy",
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
    ("cross-origin-opener-policy", "same-origin"),
    ("strict-transport-security", "max-age=31536000"),
];

fn check_headers(what: &str, path: &str, response: &RawResponse) {
    for (name, value) in HEADERS {
        let given = response.header(name);
        let is_right = given.is_some_and(|given| value.is_empty() || given == value);
        assert!(is_right, "{what}: {name} is {given:?}");
    }
    let policy = response.header("content-security-policy").unwrap();
    assert!(
        policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
        "{what}: {policy}"
    );
    let is_widget = path == "/widget.js" && response.status < 400;
    let resource = if is_widget { "cross-origin" } else { "same-origin" };
    assert_eq!(
        response.header("cross-origin-resource-policy"),
        Some(resource),
        "{what}"
    );
    let is_public = matches!(path, "/" | "/docs");
    assert_eq!(response.header("x-robots-tag").is_none(), is_public, "{what}");
    assert!(response.header("x-request-id").is_some(), "{what}");
}

#[tokio::test]
async fn every_response_has_the_security_headers() {
    let store = TempStore::new(Engine::Sqlite).await;
    let server = TestServer::on(&store).set("TRUSTED_PROXY_HOPS", "1").start().await;
    let address = server.address();
    let opened = server.create(&ticket()).await.json();
    let (reference, url) = (
        opened["ticketRef"].as_str().unwrap(),
        opened["ticketUrl"].as_str().unwrap(),
    );
    let query = url.split_once('?').unwrap().1;
    let bearer = format!("authorization: Bearer {OPERATOR_TOKEN}\r\n");
    let key = format!("x-api-key: {INBOUND_KEY}\r\n");
    let mut statuses = BTreeSet::new();
    let mut check = |method: &str, path: &str, response: &RawResponse| {
        let what = format!("{method} {path} {}", response.status);
        let path = path.split('?').next().unwrap();
        check_headers(&what, path, response);
        let has_cookie = method == "POST" && path == "/inbox/session" && response.status == 303;
        assert_eq!(response.header("set-cookie").is_some(), has_cookie, "{what}");
        statuses.insert(response.status);
    };
    let gets = [
        "/",
        "/?returnTo=https://elsewhere.example",
        &format!("/ticket/{reference}"),
        &format!("/ticket/{reference}?{query}"),
        "/ticket/T-20250115-1234",
        "/assets/page.js",
        "/assets/inbox.js",
        "/widget.js",
        "/inbox",
        "/inbox/",
        "/inbox/trail",
        "/inbox/events",
        "/inbox/session",
        "/nowhere",
        "/docs",
        "/docs/swagger-ui.css",
        "/metrics",
        "/health/live",
        "/health/ready",
        "/api/openapi.json",
        "/api/nowhere",
        "/api/ticket",
        &format!("/api/ticket/{reference}"),
        &format!("/api/ticket/{reference}?{query}"),
        "/api/ticket/nonsense",
        "/api/ticket/nonsense/events",
        "/api/ticket/inbound",
        "/api/tickets",
        "/api/tickets?status=nonsense",
        "/api/notifications",
        "/api/unmatched",
        "/api/audit-log",
        "/api/audit-log",
    ];
    for path in gets {
        for method in ["GET", "HEAD", "PUT", "OPTIONS"] {
            for lines in [
                "",
                &bearer,
                "if-none-match: *\r\n",
                "origin: https://elsewhere.example\r\n",
            ] {
                check(method, path, &exchange(address, &head(method, path, lines), "").await);
            }
        }
    }
    let form = "customerName=&message=x";
    for path in [
        "/".to_owned(),
        format!("/ticket/{reference}"),
        format!("/ticket/{reference}?{query}"),
        "/inbox/session".to_owned(),
        "/inbox/session/end".to_owned(),
        format!("/inbox/ticket/{reference}/reply"),
        "/inbox/notifications/redeliver".to_owned(),
        "/api/ticket".to_owned(),
        format!("/api/ticket/{reference}/messages"),
        "/api/ticket/inbound".to_owned(),
        "/api/notifications/redeliver".to_owned(),
    ] {
        for lines in [
            "",
            "origin: https://elsewhere.example\r\n",
            &bearer,
            &key,
            "content-encoding: gzip\r\n",
        ] {
            check("POST", &path, &post_form(address, &path, lines, form).await);
        }
        let json = "content-type: application/json\r\ncontent-length: 2\r\n";
        for lines in [json.to_owned(), format!("{json}{key}"), format!("{json}{bearer}")] {
            check(
                "POST",
                &path,
                &exchange(address, &head("POST", &path, &lines), "{}").await,
            );
        }
        let large = "content-type: application/json\r\ncontent-length: 999999\r\n";
        for lines in [
            large.to_owned(),
            format!("{large}{key}"),
            large.replace("json", "x-www-form-urlencoded"),
        ] {
            check(
                "POST",
                &path,
                &exchange(address, &head("POST", &path, &lines), "").await,
            );
        }
    }
    let token = format!("token={OPERATOR_TOKEN}");
    let entered = post_form(address, "/inbox/session", "", &token).await;
    assert!(entered.header("set-cookie").unwrap().starts_with("__Secure-session="));
    check("POST", "/inbox/session", &entered);
    // A client that exceeds its limits.
    let remote = "x-forwarded-for: 203.0.113.7\r\n";
    for path in ["/ticket/nonsense", "/api/ticket/nonsense", "/api/tickets"] {
        let lines = format!("{remote}authorization: Bearer guess\r\n");
        for _ in 0..130 {
            check("GET", path, &exchange(address, &head("GET", path, &lines), "").await);
        }
    }
    let expected = [200, 303, 304, 400, 401, 403, 404, 405, 413, 415, 429];
    assert!(expected.iter().all(|status| statuses.contains(status)), "{statuses:?}");
    assert!(server.stop().await.success());
}
