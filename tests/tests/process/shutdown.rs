//! SIGTERM, and the log. That a stop finishes deliveries under way is what `make chaos` shows (`stop`, also in CI).

use std::time::{Duration, Instant};

use black_box::{Engine, FakeN8n, Reaction, TempStore, TestServer, on_both_stores, ticket};

on_both_stores!(a_stop_releases_a_hanging_delivery);

#[tokio::test]
async fn each_request_is_one_json_line_without_the_key() {
    let store = TempStore::new(Engine::Sqlite).await;
    let server = TestServer::on(&store).start().await;
    let created = server.create(&ticket()).await;
    let url = created.field("ticketUrl");
    let key = url.split_once("key=").unwrap().1;
    let path = format!("/api/ticket/{}?key={key}", created.field("ticketRef"));
    server.send("GET", &path, &[("x-request-id", "the-one")], None).await;
    server.wait_for_log("the-one").await;
    let log = server.log();
    assert_eq!(log.lines().filter(|line| line.contains("the-one")).count(), 1, "{log}");
    assert!(!log.contains(key), "{log}");
    for line in log.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
    server.end().await;
}

async fn a_stop_releases_a_hanging_delivery(engine: Engine) {
    let store = TempStore::new(engine).await;
    let n8n = FakeN8n::start();
    n8n.always(Reaction::Hang);
    let options = TestServer::on(&store).notifying(&n8n);
    let server = options.start().await;
    server.open().await;
    n8n.wait_for(1, Duration::from_secs(5)).await;
    let begun = Instant::now();
    server.end().await;
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
    n8n.always(Reaction::status(200));
    let server = options.start().await;
    let received = n8n.wait_for(2, Duration::from_secs(10)).await;
    assert_eq!(received[0].id(), received[1].id());
    server.wait_for_empty_outbox().await;
    server.end().await;
}
