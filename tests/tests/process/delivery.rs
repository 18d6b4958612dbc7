//! Delivery to an n8n that fails or hangs.

use std::time::Duration;

use black_box::{Engine, FakeN8n, Reaction, TempStore, TestServer, on_both_stores};

on_both_stores!(
    failed_notifications_are_retried_after_1_2_and_4_seconds,
    a_hanging_n8n_delays_nobody,
);

async fn failed_notifications_are_retried_after_1_2_and_4_seconds(engine: Engine) {
    let store = TempStore::new(engine).await;
    let n8n = FakeN8n::start();
    n8n.always(Reaction::status(500));
    let options = TestServer::on(&store).notifying(&n8n);
    let server = options.set("NOTIFY_SLOW_RETRIES", "0").start().await;
    let reference = server.open().await;
    let received = n8n.wait_for(4, Duration::from_secs(20)).await;
    for (two, scheduled) in received.windows(2).zip([1.0, 2.0, 4.0]) {
        // A fifth of jitter, and room for a busy machine.
        let wait = (two[1].at - two[0].at).as_secs_f64();
        assert!(
            (scheduled * 0.79..scheduled * 1.2 + 1.0).contains(&wait),
            "{scheduled}: {wait}"
        );
        assert_eq!((two[1].id(), &two[1].body), (two[0].id(), &two[0].body));
    }
    server.wait_for_delivery(&reference, "failed").await;
    server.wait_for_log("notification given up").await;
    assert_eq!(n8n.count(), 4);
    server.end().await;
}

/// Benchmarks measure the delay; this only shows that no request waits for n8n, which is silent for 15 s.
async fn a_hanging_n8n_delays_nobody(engine: Engine) {
    let store = TempStore::new(engine).await;
    let n8n = FakeN8n::start();
    n8n.always(Reaction::Hang);
    let server = TestServer::on(&store).notifying(&n8n).start().await;
    let opening = async {
        for _ in 0..50 {
            server.open().await;
        }
    };
    let opened = tokio::time::timeout(Duration::from_secs(14), opening).await;
    assert!(opened.is_ok(), "a request waited for n8n");
    n8n.wait_for(4, Duration::from_secs(5)).await;
    // Nothing shows that a fifth attempt never comes, except that it had a second and a half for it.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(n8n.count(), 4, "at most four at a time");
    n8n.go_away().await;
    server.kill().await;
}
