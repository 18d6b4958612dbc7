//! Notifications: what n8n receives, when, and how often.

use std::time::Duration;

use black_box::{
    CUSTOMER, Engine, N8n, OPERATOR_TOKEN, Reaction, SHARED_SECRET, TempStore, TestServer, on_both_stores, ticket,
};
use serde_json::json;

on_both_stores!(
    n8n_is_told_at_once_in_the_words_of_the_contract,
    a_notification_is_tried_at_once_and_after_1_2_and_4_seconds,
    what_n8n_asks_for_is_obeyed,
    redirects_are_failures,
    what_is_dead_is_shown_and_sent_again_on_request,
    what_waits_goes_out_when_n8n_is_back,
    without_a_webhook_they_wait_until_it_is_set,
    events_of_a_ticket_go_in_their_order,
    at_most_four_are_sent_together,
    updates_may_go_elsewhere,
);

const SOON: Duration = Duration::from_secs(10);

async fn all_delivered(desk: &TestServer) {
    desk.all_settled().await;
    desk.wait_for_metric("notifications{state=\"dead\"}", 0.0).await;
}

async fn n8n_is_told_at_once_in_the_words_of_the_contract(engine: Engine) {
    let place = TempStore::new(engine).await;
    let n8n = N8n::start();
    let desk = TestServer::on(&place).telling(&n8n).start().await;
    let begun = std::time::Instant::now();
    let created = desk.create(&ticket()).await.json();
    let received = n8n.wait_for(1, Duration::from_secs(2)).await.remove(0);
    assert!(received.at.duration_since(begun) < Duration::from_secs(2));
    assert_eq!(received.path, "/webhook/ticket-created");
    assert_eq!(received.headers["content-type"], "application/json");
    assert_eq!(received.headers["x-api-key"], SHARED_SECRET);
    assert_eq!(received.id().len(), 36);
    assert!(received.headers["webhook-timestamp"].parse::<u64>().unwrap() > 1_700_000_000);
    let told = received.json();
    let form = ticket();
    for field in [
        "customerName",
        "customerPhone",
        "customerEmail",
        "subject",
        "message",
        "priority",
    ] {
        assert_eq!(told[field], form[field]);
    }
    assert_eq!(told["event"], "ticket.created");
    assert_eq!(
        (&told["ticketRef"], &told["ticketId"]),
        (&created["ticketRef"], &created["ticketId"])
    );
    let reference = created["ticketRef"].as_str().unwrap();
    assert_eq!(
        told["ticketUrl"],
        format!("https://desk.example/ticket/{reference}"),
        "without the customer's key"
    );
    assert_eq!(told["createdAt"], desk.ticket(reference).await["ticket"]["createdAt"]);
    let summary = told["summary"].as_str().unwrap();
    assert!(
        summary.contains(reference) && summary.chars().count() <= 500 && !summary.contains('\n'),
        "{summary}"
    );
    assert_eq!(told["to"], black_box::MANAGER);
    assert_eq!(told.as_object().unwrap().len(), 13);
    all_delivered(&desk).await;
    assert_eq!(n8n.received().len(), 1);
    assert!(desk.stop().await.success());
}

async fn a_notification_is_tried_at_once_and_after_1_2_and_4_seconds(engine: Engine) {
    let place = TempStore::new(engine).await;
    let n8n = N8n::start();
    n8n.always(Reaction::status(500));
    let desk = TestServer::on(&place)
        .telling(&n8n)
        .set("NOTIFY_SLOW_RETRIES", "0")
        .start()
        .await;
    desk.open().await;
    let received = n8n.wait_for(4, Duration::from_secs(20)).await;
    let waits: Vec<f64> = received
        .windows(2)
        .map(|two| two[1].at.duration_since(two[0].at).as_secs_f64())
        .collect();
    for (wait, wanted) in waits.iter().zip([1.0, 2.0, 4.0]) {
        // A fifth of jitter, and room for a busy machine.
        assert!((wanted * 0.79..wanted * 1.2 + 1.0).contains(wait), "{waits:?}");
    }
    for again in &received[1..] {
        assert_eq!(
            (again.id(), &again.body),
            (received[0].id(), &received[0].body),
            "identical on every try"
        );
    }
    desk.wait_for_metric("notifications{state=\"dead\"}", 1.0).await;
    desk.wait_for_log("notification given up").await;
    assert_eq!(n8n.received().len(), 4);
    assert!(desk.stop().await.success());
}

async fn what_n8n_asks_for_is_obeyed(engine: Engine) {
    let place = TempStore::new(engine).await;
    let n8n = N8n::start();
    let desk = TestServer::on(&place).telling(&n8n).start().await;
    n8n.then(Reaction::Answer(503, vec![("retry-after", "3".into())], String::new()));
    desk.open().await;
    let received = n8n.wait_for(2, SOON).await;
    let wait = received[1].at.duration_since(received[0].at).as_secs_f64();
    assert!((3.0..5.0).contains(&wait), "{wait}");
    all_delivered(&desk).await;

    // 429 is for the whole queue.
    n8n.then(Reaction::Answer(429, vec![("retry-after", "3".into())], String::new()));
    desk.open().await;
    n8n.wait_for(3, SOON).await;
    desk.wait_for_log("answered HTTP 429").await;
    desk.open().await;
    let received = n8n.wait_for(5, SOON).await;
    for later in &received[3..] {
        let wait = later.at.duration_since(received[2].at).as_secs_f64();
        assert!((3.0..6.0).contains(&wait), "{wait}");
    }
    all_delivered(&desk).await;

    // 410 is for ever.
    n8n.then(Reaction::status(410));
    desk.open().await;
    desk.wait_for_metric("notifications{state=\"dead\"}", 1.0).await;
    assert_eq!(n8n.received().len(), 6);
    assert!(desk.stop().await.success());
}

async fn redirects_are_failures(engine: Engine) {
    let place = TempStore::new(engine).await;
    let (n8n, elsewhere) = (N8n::start(), N8n::start());
    for status in [301, 302, 307, 308] {
        n8n.then(Reaction::Answer(
            status,
            vec![("location", elsewhere.url())],
            String::new(),
        ));
    }
    let desk = TestServer::on(&place).telling(&n8n).start().await;
    for _ in 0..4 {
        desk.open().await;
    }
    n8n.wait_for(8, SOON).await;
    all_delivered(&desk).await;
    assert!(elsewhere.received().is_empty());
    assert!(desk.stop().await.success());
}

async fn what_is_dead_is_shown_and_sent_again_on_request(engine: Engine) {
    let place = TempStore::new(engine).await;
    let n8n = N8n::start();
    n8n.then(Reaction::status(410));
    let desk = TestServer::on(&place).telling(&n8n).start().await;
    let reference = desk.open().await;
    desk.wait_for_metric("notifications{state=\"dead\"}", 1.0).await;
    assert_eq!(desk.get("/api/notifications").await.status, 401);
    let listed = desk.get_as_operator("/api/notifications").await;
    let notification = &listed.json()["notifications"][0];
    assert_eq!(
        (&notification["ticketRef"], &notification["state"]),
        (&json!(reference), &json!("dead"))
    );
    assert_eq!(notification["lastError"], "answered HTTP 410");
    let path = format!("/api/notifications/{}/redeliver", notification["id"].as_str().unwrap());
    let bearer = format!("Bearer {OPERATOR_TOKEN}");
    assert_eq!(desk.send("POST", &path, &[], None).await.status, 401);
    assert_eq!(
        desk.send("POST", &path, &[("authorization", &bearer)], None)
            .await
            .status,
        200
    );
    let received = n8n.wait_for(2, SOON).await;
    assert_eq!(
        (received[1].id(), &received[1].body),
        (received[0].id(), &received[0].body)
    );
    all_delivered(&desk).await;
    let unknown = "/api/notifications/00000000-0000-0000-0000-000000000000/redeliver";
    assert_eq!(
        desk.send("POST", unknown, &[("authorization", &bearer)], None)
            .await
            .problem(),
        "not_found"
    );
    assert!(desk.stop().await.success());

    let desk = TestServer::on(&place).set("OPERATOR_TOKEN", "").start().await;
    assert_eq!(desk.get_as_operator("/api/notifications").await.status, 401);
    assert!(desk.stop().await.success());
}

async fn what_waits_goes_out_when_n8n_is_back(engine: Engine) {
    let place = TempStore::new(engine).await;
    let n8n = N8n::start();
    n8n.go_away().await;
    let desk = TestServer::on(&place).telling(&n8n).start().await;
    let mut references = Vec::new();
    for _ in 0..50 {
        references.push(desk.open().await);
    }
    desk.wait_for_log("notification failed").await;
    n8n.come_back();
    let received = n8n.wait_for(50, Duration::from_secs(30)).await;
    all_delivered(&desk).await;
    let mut told: Vec<_> = received.iter().map(black_box::Received::ticket_ref).collect();
    told.sort_unstable();
    references.sort_unstable();
    assert_eq!(told, references, "each once");
    assert!(desk.stop().await.success());
}

async fn without_a_webhook_they_wait_until_it_is_set(engine: Engine) {
    let place = TempStore::new(engine).await;
    let desk = TestServer::on(&place).start().await;
    desk.wait_for_log("N8N_TICKET_CREATED_WEBHOOK is not set").await;
    let reference = desk.open().await;
    assert_eq!(desk.metric("notifications{state=\"waiting\"}").await, 1.0);
    assert!(desk.stop().await.success());
    let n8n = N8n::start();
    let desk = TestServer::on(&place).telling(&n8n).start().await;
    assert_eq!(n8n.wait_for(1, SOON).await[0].ticket_ref(), reference);
    all_delivered(&desk).await;
    assert!(desk.stop().await.success());
}

async fn events_of_a_ticket_go_in_their_order(engine: Engine) {
    let place = TempStore::new(engine).await;
    let n8n = N8n::start();
    n8n.then(Reaction::status(500));
    n8n.then(Reaction::status(500));
    let desk = TestServer::on(&place).telling(&n8n).start().await;
    let reference = desk.open().await;
    for number in 1..=3 {
        let body = json!({ "ticketRef": reference, "message": number.to_string(), "from": CUSTOMER });
        assert_eq!(desk.inbound(&body).await.status, 200);
    }
    let received = n8n.wait_for(6, Duration::from_secs(20)).await;
    let messages: Vec<_> = received
        .iter()
        .map(|r| r.json()["message"].as_str().unwrap().to_owned())
        .collect();
    let first = ticket()["message"].as_str().unwrap().to_owned();
    assert_eq!(messages, [&first, &first, &first, "1", "2", "3"]);
    all_delivered(&desk).await;
    assert!(desk.stop().await.success());
}

async fn at_most_four_are_sent_together(engine: Engine) {
    let place = TempStore::new(engine).await;
    let n8n = N8n::start();
    n8n.always(Reaction::Hang);
    let desk = TestServer::on(&place).telling(&n8n).start().await;
    for _ in 0..8 {
        desk.open().await;
    }
    n8n.wait_for(4, SOON).await;
    // Nothing tells that a fifth does not come, but that it had a second and a half for it.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(n8n.received().len(), 4);
    n8n.go_away().await;
    n8n.works();
    n8n.come_back();
    n8n.wait_for(12, Duration::from_secs(20)).await;
    all_delivered(&desk).await;
    assert!(desk.stop().await.success());
}

async fn updates_may_go_elsewhere(engine: Engine) {
    let place = TempStore::new(engine).await;
    let (n8n, updates) = (N8n::start(), N8n::start());
    let desk = TestServer::on(&place)
        .telling(&n8n)
        .set("N8N_TICKET_UPDATED_WEBHOOK", &updates.url())
        .start()
        .await;
    let reference = desk.open().await;
    desk.inbound(&json!({ "ticketRef": reference, "message": "x", "from": CUSTOMER }))
        .await;
    assert_eq!(updates.wait_for(1, SOON).await[0].json()["event"], "ticket.updated");
    assert_eq!(n8n.wait_for(1, SOON).await[0].json()["event"], "ticket.created");
    all_delivered(&desk).await;
    assert!(desk.stop().await.success());
}
