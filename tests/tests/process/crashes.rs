//! A crash, a full disk, and a database that is away. That nothing is lost in many crashes under load is what `make chaos`
//! shows (`kill-some`, also in CI).

use std::time::{Duration, Instant};

use black_box::{
    DatabaseProxy, Engine, FakeN8n, MANAGER, Reaction, TempStore, TestServer, on_both_stores, ticket, ticket_with,
    until,
};
use serde_json::json;

on_both_stores!(a_crash_during_a_send_repeats_it_once_with_the_same_id);

async fn a_crash_during_a_send_repeats_it_once_with_the_same_id(engine: Engine) {
    let store = TempStore::new(engine).await;
    let n8n = FakeN8n::start();
    n8n.then(Reaction::Hang);
    let options = TestServer::on(&store).notifying(&n8n);
    let server = options.start().await;
    server.open().await;
    n8n.wait_for(1, Duration::from_secs(5)).await;
    let crashed = Instant::now();
    server.kill().await;
    let server = options.start().await;
    let received = n8n.wait_for(2, Duration::from_mins(1)).await;
    assert!(crashed.elapsed() < Duration::from_mins(1));
    assert_eq!(
        (received[0].id(), &received[0].body),
        (received[1].id(), &received[1].body)
    );
    server.wait_for_empty_outbox().await;
    assert_eq!(n8n.received().len(), 2);
    server.end().await;
}

#[tokio::test]
async fn a_full_disk_rejects_tickets_and_loses_none() {
    let store = TempStore::new(Engine::Sqlite).await;
    TestServer::on(&store).succeed(&["migrate"]).await;
    let server = TestServer::on(&store).with_file_limit(600).start().await;
    let mut acknowledged = Vec::new();
    let form = ticket_with(&json!({ "message": "x".repeat(5_000) }));
    let rejected = loop {
        let reply = server.create(&form).await;
        if reply.status != 201 {
            break reply;
        }
        acknowledged.push(reply.field("ticketRef"));
        assert!(acknowledged.len() < 1_000, "the disk never filled up");
    };
    assert_eq!(
        (rejected.status, rejected.problem().as_str()),
        (500, "storage_unavailable")
    );
    assert!(!acknowledged.is_empty());
    for reference in &acknowledged {
        server.ticket(reference).await;
    }
    server.kill().await;
    // With room again, everything is there.
    let server = TestServer::on(&store).start().await;
    for reference in &acknowledged {
        server.ticket(reference).await;
    }
    assert_eq!(
        server.metric("notifications{state=\"waiting\"}").await,
        f64::from(u32::try_from(acknowledged.len()).unwrap())
    );
    server.open().await;
    server.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_recovers_when_the_database_is_back() {
    let store = TempStore::new(Engine::Postgres).await;
    let proxy = DatabaseProxy::to(&store.url()).await;
    let n8n = FakeN8n::start();
    let server = TestServer::on(&store)
        .notifying(&n8n)
        .set("DATABASE_URL", proxy.url())
        .start()
        .await;
    let reference = server.open().await;
    proxy.cut();
    let message = json!({ "ticketRef": reference, "message": "x", "from": MANAGER, "externalId": "SM1" });
    for (status, reply) in [
        (500, server.create(&ticket()).await),
        (500, server.get(&format!("/api/ticket/{reference}")).await),
        (500, server.inbound(&message).await),
        (503, server.get("/health/ready").await),
    ] {
        assert_eq!(
            (reply.status, reply.problem().as_str()),
            (status, "storage_unavailable")
        );
        assert!(reply.took < Duration::from_secs(5), "{reply:?}");
    }
    assert_eq!(server.get("/health/live").await.status, 200);
    assert_eq!(server.get("/metrics").await.status, 200);
    proxy.restore();
    let is_ready = async || (server.get("/health/ready").await.status == 200).then_some(());
    let recovered = until(Duration::from_secs(10), is_ready).await;
    assert!(recovered.is_some(), "it did not recover within 10 s");
    assert_eq!(
        server.messages(&reference).await.len(),
        1,
        "a rejected message is not stored"
    );
    assert_eq!(server.inbound(&message).await.json()["duplicate"], json!(false));
    server.open().await;
    n8n.wait_for(2, Duration::from_secs(30)).await;
    server.wait_for_empty_outbox().await;
    server.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_stops_in_time_without_its_database() {
    let store = TempStore::new(Engine::Postgres).await;
    let proxy = DatabaseProxy::to(&store.url()).await;
    let n8n = FakeN8n::start();
    n8n.then(Reaction::status(200).after(Duration::from_millis(500)));
    let options = TestServer::on(&store).notifying(&n8n);
    let server = options.set("DATABASE_URL", proxy.url()).start().await;
    server.open().await;
    n8n.wait_for(1, Duration::from_secs(5)).await;
    proxy.cut();
    // `stop` waits up to 25 s. A result that could not be recorded is sent again, with the same id.
    server.end().await;
    let server = TestServer::on(&store).notifying(&n8n).start().await;
    let received = n8n.wait_for(2, Duration::from_mins(1)).await;
    assert_eq!(received[0].id(), received[1].id());
    server.wait_for_empty_outbox().await;
    server.end().await;
}
