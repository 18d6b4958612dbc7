//! Limits and deadlines, as configured and as built in.

use std::time::Duration;

use black_box::{Engine, TempStore, TestServer, ticket};
use tokio::time::{Instant, sleep};

use crate::wire::{connect, exchange, head, read_response, rest, write};

#[tokio::test]
async fn rate_limits_come_from_the_environment() {
    let store = TempStore::new(Engine::Sqlite).await;
    let server = TestServer::on(&store)
        .set("TRUSTED_PROXY_HOPS", "1")
        .set("RATE_LIMIT_CREATIONS", "1/2")
        .set("RATE_LIMIT_READS", "1/3")
        .set("RATE_LIMIT_MISSES", "1/4")
        .set("RATE_LIMIT_WRONG_KEYS", "1/5")
        .start()
        .await;
    let from = |address: &'static str| [("x-forwarded-for", address)];
    let mut passed = 0;
    while server.post("/api/ticket", &from("203.0.113.1"), &ticket()).await.status == 201 {
        passed += 1;
    }
    assert_eq!(passed, 2);
    let reference = server.open().await;
    let wrong = [("x-forwarded-for", "203.0.113.4"), ("authorization", "Bearer guess")];
    for (path, headers, most) in [
        (format!("/api/ticket/{reference}"), &from("203.0.113.2")[..], 3),
        // A miss is a read as well, and so is a wrong key.
        ("/api/ticket/nonsense".to_owned(), &from("203.0.113.3"), 3),
        ("/api/tickets".to_owned(), &wrong, 5),
    ] {
        let mut passed = 0;
        while server.send("GET", &path, headers, None).await.status != 429 {
            passed += 1;
        }
        assert_eq!(passed, most, "{path}");
    }
    assert!(server.stop().await.success());
}

#[tokio::test]
async fn headers_are_checked_before_the_body_is_awaited() {
    let store = TempStore::new(Engine::Sqlite).await;
    let server = TestServer::on(&store)
        .set("TRUSTED_PROXY_HOPS", "1")
        .set("RATE_LIMIT_CREATIONS", "1/1")
        .start()
        .await;
    let reference = server.open().await;
    let ticket = format!("/ticket/{reference}");
    let announced = "content-type: application/x-www-form-urlencoded\r\ncontent-length: 100000\r\n";
    let foreign = "origin: https://elsewhere.example\r\n";
    let remote = "x-forwarded-for: 203.0.113.7\r\n";
    let form = format!("{remote}content-type: application/x-www-form-urlencoded\r\ncontent-length: 0\r\n");
    assert_eq!(
        exchange(server.address(), &head("POST", "/", &form), "").await.status,
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
        ("/", remote, 429),
        ("/", "content-encoding: gzip\r\n", 415),
    ] {
        let begun = Instant::now();
        // Not a byte of it comes.
        let response = exchange(
            server.address(),
            &head("POST", path, &format!("{lines}{announced}")),
            "",
        )
        .await;
        assert_eq!(response.status, status, "{path} {lines}");
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "{path} {lines}: {:?}",
            begun.elapsed()
        );
    }
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_has_ten_seconds_on_every_request_of_a_connection() {
    let store = TempStore::new(Engine::Sqlite).await;
    let server = TestServer::on(&store).start().await;
    let address = server.address();
    let lines = "content-type: application/x-www-form-urlencoded\r\ncontent-length: 1000\r\n";
    let all = [("/", 0), ("/", 1), ("/inbox/session", 0), ("/api/ticket", 1)].map(|(path, before)| async move {
        let mut stream = connect(address).await;
        for _ in 0..before {
            write(&mut stream, &head("GET", "/health/live", "")).await;
            assert_eq!(read_response(&mut stream).await.status, 200);
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
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_headers_of_a_second_request_have_five_seconds() {
    let store = TempStore::new(Engine::Sqlite).await;
    let server = TestServer::on(&store).start().await;
    let mut stream = connect(server.address()).await;
    write(&mut stream, &head("GET", "/health/live", "")).await;
    assert_eq!(read_response(&mut stream).await.status, 200);
    let begun = Instant::now();
    write(&mut stream, "G").await;
    let end = rest(&mut stream).await;
    assert!(end.starts_with("HTTP/1.1 408 "), "{end}");
    let took = begun.elapsed();
    assert!((4..8).contains(&took.as_secs()), "{took:?}");
    assert!(server.stop().await.success());
}
