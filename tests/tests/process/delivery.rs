//! Delivery to an n8n that is slow or away.

use std::time::{Duration, Instant};

use black_box::{Engine, FakeN8n, Reaction, Received, TempStore, TestServer, on_both_stores};

on_both_stores!(
    failed_notifications_are_retried_after_1_2_and_4_seconds,
    waiting_notifications_go_out_when_n8n_is_back,
    a_hanging_n8n_delays_nobody,
);

async fn failed_notifications_are_retried_after_1_2_and_4_seconds(engine: Engine) {
    let store = TempStore::new(engine).await;
    let n8n = FakeN8n::start();
    n8n.always(Reaction::status(500));
    let server = TestServer::on(&store)
        .notifying(&n8n)
        .set("NOTIFY_SLOW_RETRIES", "0")
        .start()
        .await;
    let reference = server.open().await;
    let received = n8n.wait_for(4, Duration::from_secs(20)).await;
    let waits: Vec<f64> = received
        .windows(2)
        .map(|two| two[1].at.duration_since(two[0].at).as_secs_f64())
        .collect();
    for (wait, scheduled) in waits.iter().zip([1.0, 2.0, 4.0]) {
        // A fifth of jitter, and room for a busy machine.
        assert!((scheduled * 0.79..scheduled * 1.2 + 1.0).contains(wait), "{waits:?}");
    }
    for again in &received[1..] {
        assert_eq!((again.id(), &again.body), (received[0].id(), &received[0].body));
    }
    server.wait_for_delivery(&reference, "failed").await;
    server.wait_for_log("notification given up").await;
    assert_eq!(n8n.count(), 4);
    assert!(server.stop().await.success());
}

async fn waiting_notifications_go_out_when_n8n_is_back(engine: Engine) {
    let store = TempStore::new(engine).await;
    let n8n = FakeN8n::start();
    n8n.go_away().await;
    let server = TestServer::on(&store).notifying(&n8n).start().await;
    let mut opened = Vec::new();
    for _ in 0..50 {
        opened.push(server.open().await);
    }
    server.wait_for_log("notification failed").await;
    n8n.come_back();
    let received = n8n.wait_for(50, Duration::from_secs(30)).await;
    server.wait_for_empty_outbox().await;
    let mut told: Vec<String> = received.iter().map(Received::ticket_ref).collect();
    told.sort_unstable();
    opened.sort_unstable();
    assert_eq!(told, opened, "each once");
    assert!(server.stop().await.success());
}

/// Not a measurement, which belongs to a benchmark: only that no request waits for n8n, whose silence lasts 15 s.
async fn a_hanging_n8n_delays_nobody(engine: Engine) {
    let store = TempStore::new(engine).await;
    let n8n = FakeN8n::start();
    n8n.always(Reaction::Hang);
    let server = TestServer::on(&store).notifying(&n8n).start().await;
    let mut times = Vec::new();
    for _ in 0..50 {
        let begun = Instant::now();
        server.open().await;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    let median = times[times.len() / 2];
    assert!(median < Duration::from_secs(1), "{median:?}");
    n8n.wait_for(4, Duration::from_secs(5)).await;
    // Nothing shows that a fifth attempt never comes, except that it had a second and a half for it.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(n8n.count(), 4, "at most four at a time");
    n8n.go_away().await;
    server.kill().await;
}
