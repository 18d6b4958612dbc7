//! What stands at the door: headers, forms from strangers, limits.

use std::{collections::BTreeSet, time::Duration};

use black_box::{Engine, INBOUND_KEY, OPERATOR_TOKEN, TempStore, TestServer, ticket};
use tokio::time::{Instant, sleep};

use crate::wire::{Answer, answer, connect, exchange, head, post_form, rest, write};

/// What browsers are told with every answer; where nothing stands, whatever is set.
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

fn check_headers(what: &str, path: &str, answer: &Answer) {
    for (name, value) in HEADERS {
        let given = answer.header(name);
        let is_right = given.is_some_and(|given| value.is_empty() || given == value);
        assert!(is_right, "{what}: {name} is {given:?}");
    }
    let policy = answer.header("content-security-policy").unwrap();
    assert!(
        policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
        "{what}: {policy}"
    );
    let is_widget = path == "/widget.js" && answer.status < 400;
    let resource = if is_widget { "cross-origin" } else { "same-origin" };
    assert_eq!(answer.header("cross-origin-resource-policy"), Some(resource), "{what}");
    let is_public = matches!(path, "/" | "/docs");
    assert_eq!(answer.header("x-robots-tag").is_none(), is_public, "{what}");
    assert!(answer.header("x-request-id").is_some(), "{what}");
}

#[tokio::test]
async fn every_answer_tells_browsers_what_it_is_not_for() {
    let place = TempStore::new(Engine::Sqlite).await;
    let desk = TestServer::on(&place).set("TRUSTED_PROXY_HOPS", "1").start().await;
    let address = desk.address();
    let opened = desk.create(&ticket()).await.json();
    let (reference, url) = (
        opened["ticketRef"].as_str().unwrap(),
        opened["ticketUrl"].as_str().unwrap(),
    );
    let query = url.split_once('?').unwrap().1;
    let bearer = format!("authorization: Bearer {OPERATOR_TOKEN}\r\n");
    let key = format!("x-api-key: {INBOUND_KEY}\r\n");
    let mut statuses = BTreeSet::new();
    let mut check = |method: &str, path: &str, answer: &Answer| {
        let what = format!("{method} {path} {}", answer.status);
        let path = path.split('?').next().unwrap();
        check_headers(&what, path, answer);
        let is_cookie_welcome = method == "POST" && path == "/inbox/session" && answer.status == 303;
        assert_eq!(answer.header("set-cookie").is_some(), is_cookie_welcome, "{what}");
        statuses.insert(answer.status);
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
        "/api/trail",
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
    // One who asks too often.
    let afar = "x-forwarded-for: 203.0.113.7\r\n";
    for path in ["/ticket/nonsense", "/api/ticket/nonsense", "/api/tickets"] {
        let lines = format!("{afar}authorization: Bearer guess\r\n");
        for _ in 0..130 {
            check("GET", path, &exchange(address, &head("GET", path, &lines), "").await);
        }
    }
    let expected = [200, 303, 304, 400, 401, 403, 404, 405, 413, 415, 429];
    assert!(expected.iter().all(|status| statuses.contains(status)), "{statuses:?}");
    assert!(desk.stop().await.success());
}

#[tokio::test]
async fn without_https_browsers_are_not_kept_to_it() {
    let place = TempStore::new(Engine::Sqlite).await;
    let desk = TestServer::on(&place)
        .set("BASE_URL", "http://desk.example")
        .start()
        .await;
    for path in ["/", "/health/live"] {
        let answer = exchange(desk.address(), &head("GET", path, ""), "").await;
        assert_eq!((answer.status, answer.header("strict-transport-security")), (200, None));
    }
    assert!(desk.stop().await.success());
}

#[tokio::test]
async fn the_limits_are_those_of_the_environment() {
    let place = TempStore::new(Engine::Sqlite).await;
    let desk = TestServer::on(&place)
        .set("TRUSTED_PROXY_HOPS", "1")
        .set("RATE_LIMIT_CREATIONS", "1/2")
        .set("RATE_LIMIT_READS", "1/3")
        .set("RATE_LIMIT_MISSES", "1/4")
        .set("RATE_LIMIT_WRONG_KEYS", "1/5")
        .start()
        .await;
    let from = |address: &'static str| [("x-forwarded-for", address)];
    let mut passed = 0;
    while desk.post("/api/ticket", &from("203.0.113.1"), &ticket()).await.status == 201 {
        passed += 1;
    }
    assert_eq!(passed, 2);
    let reference = desk.open().await;
    let wrong = [("x-forwarded-for", "203.0.113.4"), ("authorization", "Bearer guess")];
    for (path, headers, most) in [
        (format!("/api/ticket/{reference}"), &from("203.0.113.2")[..], 3),
        // A miss is a read as well, and so is a wrong key.
        ("/api/ticket/nonsense".to_owned(), &from("203.0.113.3"), 3),
        ("/api/tickets".to_owned(), &wrong, 5),
    ] {
        let mut passed = 0;
        while desk.send("GET", &path, headers, None).await.status != 429 {
            passed += 1;
        }
        assert_eq!(passed, most, "{path}");
    }
    assert!(desk.stop().await.success());
}

#[tokio::test]
async fn what_the_head_of_a_form_tells_is_judged_before_the_form_is_waited_for() {
    let place = TempStore::new(Engine::Sqlite).await;
    let desk = TestServer::on(&place)
        .set("TRUSTED_PROXY_HOPS", "1")
        .set("RATE_LIMIT_CREATIONS", "1/1")
        .start()
        .await;
    let reference = desk.open().await;
    let ticket = format!("/ticket/{reference}");
    let announced = "content-type: application/x-www-form-urlencoded\r\ncontent-length: 100000\r\n";
    let foreign = "origin: https://elsewhere.example\r\n";
    let afar = "x-forwarded-for: 203.0.113.7\r\n";
    let form = format!("{afar}content-type: application/x-www-form-urlencoded\r\ncontent-length: 0\r\n");
    assert_eq!(
        exchange(desk.address(), &head("POST", "/", &form), "").await.status,
        400
    );
    for (path, lines, status) in [
        ("/", foreign, 403),
        (ticket.as_str(), foreign, 403),
        ("/inbox/session", foreign, 403),
        ("/inbox/session/end", foreign, 403),
        // Nobody is signed in.
        ("/inbox/session/end", "", 401),
        ("/inbox/notifications/redeliver", "", 401),
        // One was sent already.
        ("/", afar, 429),
        ("/", "content-encoding: gzip\r\n", 415),
    ] {
        let begun = Instant::now();
        // Not a byte of it comes.
        let answer = exchange(desk.address(), &head("POST", path, &format!("{lines}{announced}")), "").await;
        assert_eq!(answer.status, status, "{path} {lines}");
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "{path} {lines}: {:?}",
            begun.elapsed()
        );
    }
    assert!(desk.stop().await.success());
}

#[tokio::test]
async fn a_form_that_is_compressed_is_not_read() {
    let place = TempStore::new(Engine::Sqlite).await;
    let desk = TestServer::on(&place).start().await;
    let reference = desk.open().await;
    for encoding in ["gzip", "deflate", "br", "zstd", "identity, gzip"] {
        for path in ["/", &format!("/ticket/{reference}"), "/inbox/session"] {
            let lines = format!("content-encoding: {encoding}\r\n");
            let answer = post_form(desk.address(), path, &lines, "message=x").await;
            assert_eq!(answer.status, 415, "{path} {encoding}");
        }
    }
    assert!(desk.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_has_ten_seconds_on_every_request_of_a_connection() {
    let place = TempStore::new(Engine::Sqlite).await;
    let desk = TestServer::on(&place).start().await;
    let address = desk.address();
    let lines = "content-type: application/x-www-form-urlencoded\r\ncontent-length: 1000\r\n";
    let all = [("/", 0), ("/", 1), ("/inbox/session", 0), ("/api/ticket", 1)].map(|(path, before)| async move {
        let mut stream = connect(address).await;
        for _ in 0..before {
            write(&mut stream, &head("GET", "/health/live", "")).await;
            assert_eq!(answer(&mut stream).await.status, 200);
        }
        let lines = match path {
            "/api/ticket" => lines.replace("x-www-form-urlencoded", "json"),
            _ => lines.to_owned(),
        };
        write(&mut stream, &head("POST", path, &lines)).await;
        let begun = Instant::now();
        let (mut reader, mut writer) = stream.into_split();
        let trickle = tokio::spawn(async move {
            while tokio::io::AsyncWriteExt::write_all(&mut writer, b"x").await.is_ok() {
                sleep(Duration::from_millis(200)).await;
            }
        });
        let mut text = String::new();
        let reading = tokio::io::AsyncReadExt::read_to_string(&mut reader, &mut text);
        let read = tokio::time::timeout(Duration::from_secs(20), reading).await;
        drop(read.expect("the server closes"));
        trickle.abort();
        assert!(text.starts_with("HTTP/1.1 408 "), "{path} {before}: {text}");
        assert!(begun.elapsed() >= Duration::from_secs(9), "{:?}", begun.elapsed());
    });
    futures_util::future::join_all(all).await;
    assert!(desk.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_head_has_five_seconds() {
    let place = TempStore::new(Engine::Sqlite).await;
    let desk = TestServer::on(&place).start().await;
    let mut stream = connect(desk.address()).await;
    write(&mut stream, &head("GET", "/health/live", "")).await;
    assert_eq!(answer(&mut stream).await.status, 200);
    let begun = Instant::now();
    write(&mut stream, "G").await;
    let end = rest(&mut stream).await;
    assert!(end.starts_with("HTTP/1.1 408 "), "{end}");
    let took = begun.elapsed();
    assert!((4..8).contains(&took.as_secs()), "{took:?}");
    assert!(desk.stop().await.success());
}
