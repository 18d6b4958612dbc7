//! Several processes on one store.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use black_box::{Engine, FakeN8n, MANAGER, TempStore, TestServer, on_both_stores};
use serde_json::json;

use crate::events::Events;

on_both_stores!(replicas_may_start_together, two_replicas_send_each_notification_once);

async fn replicas_may_start_together(engine: Engine) {
    let store = TempStore::new(engine).await;
    let options = TestServer::on(&store);
    let (a, b, c) = tokio::join!(options.start(), options.start(), options.start());
    let reference = a.open().await;
    assert_eq!(b.ticket(&reference).await, c.ticket(&reference).await);
    for server in [a, b, c] {
        server.end().await;
    }
}

async fn two_replicas_send_each_notification_once(engine: Engine) {
    let store = TempStore::new(engine).await;
    let n8n = FakeN8n::start();
    let options = TestServer::on(&store).notifying(&n8n);
    let (one, two) = tokio::join!(options.start(), options.start());
    for _ in 0..50 {
        tokio::join!(one.open(), two.open(), two.open(), one.open());
    }
    n8n.wait_for(200, Duration::from_mins(1)).await;
    one.wait_for_empty_outbox().await;
    let ids: HashSet<String> = n8n.received().iter().map(|received| received.id().to_owned()).collect();
    assert_eq!((ids.len(), n8n.count()), (200, 200));
    one.end().await;
    two.end().await;
}

/// Postgres only: subscribers of the embedded store are in its own process.
#[tokio::test(flavor = "multi_thread")]
async fn a_reply_at_one_replica_appears_at_another_within_a_second() {
    let store = TempStore::new(Engine::Postgres).await;
    let options = TestServer::on(&store);
    let (here, there) = (options.start().await, options.start().await);
    let reference = here.open().await;
    let mut events = Events::open(&here, &reference, None).await;
    events.next_message().await.unwrap();
    for round in 0..5 {
        let text = format!("From over there, {round}");
        let begun = Instant::now();
        let reply = json!({ "ticketRef": reference, "from": MANAGER, "message": text });
        assert_eq!(there.inbound(&reply).await.status, 200);
        assert!(events.next_message().await.unwrap().1.contains(&text));
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    }
    here.end().await;
    there.end().await;
}
