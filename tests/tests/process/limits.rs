//! Limits that come from the environment, and what is refused before the body of a page's form is awaited. How each
//! limit works is tested in `http-actix`.

use std::time::Duration;

use black_box::{Engine, TempStore, TestServer, ticket};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Sends the head of a form's request without a byte of its body; returns the status.
async fn status_of_a_head(server: &TestServer, path: &str, lines: &str) -> u16 {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: desk.example\r\n{lines}\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: 100000\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    let read = timeout(Duration::from_secs(5), stream.read_exact(&mut status)).await;
    read.unwrap_or_else(|_| panic!("{path} {lines} waits for the body"))
        .unwrap();
    std::str::from_utf8(&status[9..]).unwrap().parse().unwrap()
}

#[tokio::test]
async fn limits_come_from_the_environment_and_need_no_body() {
    let store = TempStore::new(Engine::Sqlite).await;
    let server = TestServer::on(&store)
        .set("TRUSTED_PROXY_HOPS", "1")
        .set("RATE_LIMIT_CREATIONS", "1/2")
        .set("RATE_LIMIT_READS", "1/3")
        .set("RATE_LIMIT_WRONG_KEYS", "1/5")
        .start()
        .await;
    let from = |address: &'static str| [("x-forwarded-for", address)];
    for status in [201, 201, 429] {
        let created = server.post("/api/ticket", &from("203.0.113.1"), &ticket()).await;
        assert_eq!(created.status, status);
    }
    let reference = server.open().await;
    let wrong = [("x-forwarded-for", "203.0.113.4"), ("authorization", "Bearer guess")];
    for (path, headers, most) in [
        (format!("/api/ticket/{reference}"), &from("203.0.113.2")[..], 3),
        ("/api/tickets".to_owned(), &wrong, 5),
    ] {
        let mut passed = 0;
        while server.send("GET", &path, headers, None).await.status != 429 {
            passed += 1;
        }
        assert_eq!(passed, most, "{path}");
    }

    let foreign = "origin: https://elsewhere.example\r\n";
    for (path, lines, status) in [
        ("/", foreign, 403),
        (&format!("/ticket/{reference}"), foreign, 403),
        ("/inbox/session", foreign, 403),
        ("/inbox/session/end", foreign, 403),
        // Nobody is signed in.
        ("/inbox/session/end", "", 401),
        ("/inbox/notifications/redeliver", "", 401),
        // This address has opened its two tickets.
        ("/", "x-forwarded-for: 203.0.113.1\r\n", 429),
        ("/", "content-encoding: gzip\r\n", 415),
    ] {
        assert_eq!(status_of_a_head(&server, path, lines).await, status, "{path} {lines}");
    }
    server.end().await;
}
