//! Health, metrics, documents, logs, shutdown.

use std::time::{Duration, Instant};

use black_box::{Engine, MANAGER, N8n, Reaction, TempStore, TestServer, on_both_stores, ticket};
use serde_json::json;

on_both_stores!(
    health_and_metrics_tell_how_it_is,
    the_documents_are_served,
    every_answer_has_a_request_id,
    a_request_is_one_line_of_the_log,
    a_stop_finishes_what_is_under_way,
    a_stop_hands_back_what_hangs,
);

async fn health_and_metrics_tell_how_it_is(engine: Engine) {
    let place = TempStore::new(engine).await;
    let desk = TestServer::on(&place).start().await;
    for path in ["/health/live", "/health/ready"] {
        assert_eq!(desk.get(path).await.status, 200, "{path}");
    }
    let reference = desk.open().await;
    desk.inbound(&json!({ "message": "which?", "from": MANAGER })).await;
    desk.get(&format!("/api/ticket/{reference}")).await;
    let metrics = desk.get("/metrics").await;
    assert!(metrics.header("content-type").starts_with("text/plain"), "{metrics:?}");
    for wanted in [
        "http_requests_total{",
        "route=\"/api/ticket/{ticketRef}\"",
        "http_request_duration_seconds_bucket{",
        "notifications{state=\"waiting\"} 1",
        "notifications{state=\"dead\"} 0",
        "notifications_oldest_waiting_age_seconds",
        "messages_unmatched 1",
        "store_connections{",
    ] {
        assert!(metrics.text.contains(wanted), "{wanted} in\n{}", metrics.text);
    }
    assert!(!metrics.text.contains(&reference), "a route is a pattern");
    assert!(desk.stop().await.success());
}

async fn the_documents_are_served(engine: Engine) {
    let place = TempStore::new(engine).await;
    let desk = TestServer::on(&place).start().await;
    let document = desk.get("/api/openapi.json").await.json();
    assert!(
        document["openapi"].as_str().unwrap().starts_with("3.1"),
        "{}",
        document["openapi"]
    );
    for path in [
        "/api/ticket",
        "/api/ticket/{ticketRef}",
        "/api/ticket/inbound",
        "/api/notifications",
        "/api/notifications/{id}/redeliver",
        "/health/live",
        "/health/ready",
        "/metrics",
    ] {
        assert!(document["paths"][path].is_object(), "{path}");
    }
    let page = desk.get("/docs").await;
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.text.contains("idempotency_key_reused"));
    let policy = page.header("content-security-policy");
    assert!(policy.contains("script-src 'self'; style-src 'self'"), "{policy}");
    assert!(
        !page.text.contains("src=\"http") && !page.text.contains("url(http"),
        "nothing from outside"
    );
    let initializer = desk.get("/docs/swagger-initializer.js").await;
    assert!(initializer.text.contains("/api/openapi.json"), "{}", initializer.text);
    assert!(desk.stop().await.success());
}

async fn every_answer_has_a_request_id(engine: Engine) {
    let place = TempStore::new(engine).await;
    let desk = TestServer::on(&place).start().await;
    let own = desk
        .send("GET", "/health/live", &[("x-request-id", "my-id_1.2")], None)
        .await;
    assert_eq!(own.header("x-request-id"), "my-id_1.2");
    let long = "x".repeat(500);
    for insane in ["", "a b", "<script>", &long] {
        let reply = desk
            .send("GET", "/health/live", &[("x-request-id", insane)], None)
            .await;
        let id = reply.header("x-request-id");
        assert!(!id.is_empty() && id != insane, "{id}");
    }
    for path in ["/nowhere", "/api/ticket/nonsense", "/metrics", "/docs"] {
        assert!(!desk.get(path).await.header("x-request-id").is_empty(), "{path}");
    }
    assert!(desk.stop().await.success());
}

async fn a_request_is_one_line_of_the_log(engine: Engine) {
    let place = TempStore::new(engine).await;
    let desk = TestServer::on(&place).start().await;
    let created = desk.create(&ticket()).await.json();
    let key = created["ticketUrl"]
        .as_str()
        .unwrap()
        .split_once("key=")
        .unwrap()
        .1
        .to_owned();
    let path = format!("/api/ticket/{}?key={key}", created["ticketRef"].as_str().unwrap());
    desk.send("GET", &path, &[("x-request-id", "the-one")], None).await;
    desk.wait_for_log("the-one").await;
    let log = desk.log();
    assert_eq!(log.lines().filter(|line| line.contains("the-one")).count(), 1, "{log}");
    assert!(!log.contains(&key), "{log}");
    for line in log.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
    assert!(desk.stop().await.success());
}

async fn a_stop_finishes_what_is_under_way(engine: Engine) {
    let place = TempStore::new(engine).await;
    let n8n = N8n::start();
    n8n.then(Reaction::After(
        Duration::from_secs(3),
        Box::new(Reaction::taken("SM1")),
    ));
    let options = TestServer::on(&place).telling(&n8n);
    let desk = options.start().await;
    desk.open().await;
    n8n.wait_for(1, Duration::from_secs(5)).await;
    let begun = Instant::now();
    assert!(desk.stop().await.success());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let desk = options.start().await;
    assert_eq!(desk.metric("notifications{state=\"waiting\"}").await, 0.0);
    assert_eq!(n8n.received().len(), 1, "it was written down before the end");
    assert!(desk.stop().await.success());
}

async fn a_stop_hands_back_what_hangs(engine: Engine) {
    let place = TempStore::new(engine).await;
    let n8n = N8n::start();
    n8n.always(Reaction::Hang);
    let options = TestServer::on(&place).telling(&n8n);
    let desk = options.start().await;
    desk.open().await;
    n8n.wait_for(1, Duration::from_secs(5)).await;
    let begun = Instant::now();
    assert!(desk.stop().await.success());
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
    n8n.works();
    let desk = options.start().await;
    let received = n8n.wait_for(2, Duration::from_secs(10)).await;
    assert_eq!(received[0].id(), received[1].id());
    desk.all_settled().await;
    assert!(desk.stop().await.success());
}
