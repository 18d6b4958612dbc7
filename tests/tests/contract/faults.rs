//! Faults: crashes, a hanging n8n, a store that is away or full.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use black_box::{Engine, MANAGER, N8n, Reaction, TempStore, TestServer, on_both_stores, ticket};
use serde_json::{Value, json};

on_both_stores!(
    nothing_acknowledged_is_lost_over_twenty_power_cuts,
    a_power_cut_during_a_send_repeats_it_once_under_the_same_id,
    two_replicas_send_each_notification_once,
    a_hanging_n8n_is_not_felt,
);

/// Opens ten tickets a second until the server is gone; gives the references that were acknowledged.
async fn create_until_it_is_gone(desk: &TestServer) -> Vec<String> {
    let mut acknowledged = Vec::new();
    let headers = [("content-type", "application/json")];
    let mut beat = tokio::time::interval(Duration::from_millis(100));
    loop {
        beat.tick().await;
        match desk
            .try_send("POST", "/api/ticket", &headers, Some(ticket().to_string().into_bytes()))
            .await
        {
            Ok(reply) if reply.status == 201 => {
                acknowledged.push(reply.json()["ticketRef"].as_str().unwrap().to_owned());
            }
            Ok(reply) => panic!("{reply:?}"),
            Err(_) => return acknowledged,
        }
    }
}

async fn nothing_acknowledged_is_lost_over_twenty_power_cuts(engine: Engine) {
    let place = TempStore::new(engine).await;
    let n8n = N8n::start();
    let options = TestServer::on(&place).telling(&n8n);
    let mut acknowledged = Vec::new();
    for cut in 0..20_u64 {
        let desk = Arc::new(options.start().await);
        let creating = tokio::spawn({
            let desk = desk.clone();
            async move { create_until_it_is_gone(&desk).await }
        });
        // Every cut at another point of a beat.
        tokio::time::sleep(Duration::from_millis(330 + cut * 7)).await;
        let pid = desk.pid().to_string();
        assert!(
            std::process::Command::new("kill")
                .args(["-KILL", &pid])
                .status()
                .unwrap()
                .success()
        );
        acknowledged.extend(creating.await.unwrap());
    }
    assert!(acknowledged.len() >= 40, "{} tickets", acknowledged.len());
    let desk = options.start().await;
    // A try that a cut interrupted is made again within a minute.
    desk.all_settled().await;
    let told: HashSet<String> = n8n.received().iter().map(black_box::Received::ticket_ref).collect();
    for reference in &acknowledged {
        let thread = desk.ticket(reference).await;
        assert_eq!(thread["messages"].as_array().unwrap().len(), 1);
        assert!(told.contains(reference), "{reference} was never told");
    }
    let ids: HashSet<String> = n8n.received().iter().map(|received| received.id().to_owned()).collect();
    assert_eq!(ids.len(), told.len(), "one id a ticket");
    assert!(desk.stop().await.success());
}

async fn a_power_cut_during_a_send_repeats_it_once_under_the_same_id(engine: Engine) {
    let place = TempStore::new(engine).await;
    let n8n = N8n::start();
    n8n.then(Reaction::Hang);
    let options = TestServer::on(&place).telling(&n8n);
    let desk = options.start().await;
    desk.open().await;
    n8n.wait_for(1, Duration::from_secs(5)).await;
    let cut = Instant::now();
    desk.kill().await;
    let desk = options.start().await;
    let received = n8n.wait_for(2, Duration::from_mins(1)).await;
    assert!(cut.elapsed() < Duration::from_mins(1));
    assert_eq!(
        (received[0].id(), &received[0].body),
        (received[1].id(), &received[1].body)
    );
    desk.all_settled().await;
    assert_eq!(n8n.received().len(), 2);
    assert!(desk.stop().await.success());
}

async fn two_replicas_send_each_notification_once(engine: Engine) {
    let place = TempStore::new(engine).await;
    let n8n = N8n::start();
    let options = TestServer::on(&place).telling(&n8n);
    let (one, two) = tokio::join!(options.start(), options.start());
    for _ in 0..50 {
        tokio::join!(one.open(), two.open(), two.open(), one.open());
    }
    n8n.wait_for(200, Duration::from_mins(1)).await;
    one.all_settled().await;
    let ids: HashSet<String> = n8n.received().iter().map(|received| received.id().to_owned()).collect();
    assert_eq!((ids.len(), n8n.received().len()), (200, 200));
    assert!(one.stop().await.success());
    assert!(two.stop().await.success());
}

async fn median_creation(desk: &TestServer, count: usize) -> Duration {
    let mut times = Vec::new();
    for _ in 0..count {
        let begun = Instant::now();
        desk.open().await;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    times[count / 2]
}

/// Not a measurement, which belongs to a benchmark: only that nobody waits for n8n, whose silence lasts 15 s.
async fn a_hanging_n8n_is_not_felt(engine: Engine) {
    let place = TempStore::new(engine).await;
    let n8n = N8n::start();
    n8n.always(Reaction::Hang);
    let desk = TestServer::on(&place).telling(&n8n).start().await;
    let median = median_creation(&desk, 50).await;
    assert!(median < Duration::from_secs(1), "{median:?}");
    assert_eq!(n8n.wait_for(4, Duration::from_secs(5)).await.len(), 4);
    n8n.go_away().await;
    desk.kill().await;
}

#[tokio::test]
async fn a_full_disk_refuses_and_loses_nothing_acknowledged() {
    let place = TempStore::new(Engine::Sqlite).await;
    assert!(TestServer::on(&place).run(&["migrate"]).await.0.success());
    let desk = TestServer::on(&place).with_file_limit(600).start().await;
    let mut acknowledged = Vec::new();
    let mut form = ticket();
    form["message"] = json!("x".repeat(5_000));
    let refused = loop {
        let reply = desk.create(&form).await;
        if reply.status != 201 {
            break reply;
        }
        acknowledged.push(reply.json()["ticketRef"].as_str().unwrap().to_owned());
        assert!(acknowledged.len() < 1_000, "the disk never filled up");
    };
    assert_eq!(
        (refused.status, refused.problem().as_str()),
        (500, "storage_unavailable")
    );
    assert!(!acknowledged.is_empty());
    for reference in &acknowledged {
        desk.ticket(reference).await;
    }
    desk.kill().await;
    // With room again, everything is there and it goes on.
    let desk = TestServer::on(&place).start().await;
    for reference in &acknowledged {
        desk.ticket(reference).await;
    }
    assert_eq!(
        desk.metric("notifications{state=\"waiting\"}").await,
        f64::from(u32::try_from(acknowledged.len()).unwrap())
    );
    desk.open().await;
    assert!(desk.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_is_a_problem_and_comes_back_by_itself() {
    let place = TempStore::new(Engine::Postgres).await;
    let gate = black_box::Gate::before(&place.url()).await;
    let n8n = N8n::start();
    let desk = TestServer::on(&place)
        .telling(&n8n)
        .set("DATABASE_URL", gate.url())
        .start()
        .await;
    let reference = desk.open().await;
    gate.close();
    let message = json!({ "ticketRef": reference, "message": "x", "from": MANAGER, "externalId": "SM1" });
    let away = async |reply: black_box::Reply, begun: Instant| {
        assert_eq!((reply.status, reply.problem().as_str()), (500, "storage_unavailable"));
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    };
    let begun = Instant::now();
    away(desk.create(&ticket()).await, begun).await;
    let begun = Instant::now();
    away(desk.get(&format!("/api/ticket/{reference}")).await, begun).await;
    let begun = Instant::now();
    away(desk.inbound(&message).await, begun).await;
    let ready = desk.get("/health/ready").await;
    assert_eq!((ready.status, ready.problem().as_str()), (503, "storage_unavailable"));
    assert_eq!(desk.get("/health/live").await.status, 200);
    assert_eq!(desk.get("/metrics").await.status, 200);
    gate.open();
    let recovered = tokio::time::timeout(Duration::from_secs(10), async {
        while desk.get("/health/ready").await.status != 200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    assert!(recovered.await.is_ok(), "it did not recover within 10 s");
    let count = |thread: &Value| thread["messages"].as_array().unwrap().len();
    assert_eq!(
        count(&desk.ticket(&reference).await),
        1,
        "what was refused was not written"
    );
    assert_eq!(desk.inbound(&message).await.json()["duplicate"], json!(false));
    desk.open().await;
    n8n.wait_for(2, Duration::from_secs(30)).await;
    desk.all_settled().await;
    assert!(desk.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_in_time_even_if_the_database_is_away() {
    let place = TempStore::new(Engine::Postgres).await;
    let gate = black_box::Gate::before(&place.url()).await;
    let n8n = N8n::start();
    n8n.then(Reaction::After(
        Duration::from_millis(500),
        Box::new(Reaction::status(200)),
    ));
    let options = TestServer::on(&place).telling(&n8n);
    let desk = options.set("DATABASE_URL", gate.url()).start().await;
    desk.open().await;
    n8n.wait_for(1, Duration::from_secs(5)).await;
    gate.close();
    // `stop` waits for 25 s at the most. What could not be written down is sent again, under the same id.
    assert!(desk.stop().await.success());
    let desk = TestServer::on(&place).telling(&n8n).start().await;
    let received = n8n.wait_for(2, Duration::from_mins(1)).await;
    assert_eq!(received[0].id(), received[1].id());
    desk.all_settled().await;
    assert!(desk.stop().await.success());
}
