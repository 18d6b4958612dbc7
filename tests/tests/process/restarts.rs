//! What outlives the process.

use std::time::Duration;

use black_box::{Engine, FakeN8n, MANAGER, TempStore, TestServer, on_both_stores, ticket};
use serde_json::{Value, json};

use crate::events::Events;

on_both_stores!(
    tickets_and_idempotency_keys_survive,
    a_question_to_a_manager_survives,
    an_event_stream_resumes,
    notifications_wait_for_a_webhook,
);

fn manager_writes(id: &str, text: &str) -> Value {
    json!({ "message": text, "from": MANAGER, "externalId": id })
}

async fn tickets_and_idempotency_keys_survive(engine: Engine) {
    let store = TempStore::new(engine).await;
    let options = TestServer::on(&store);
    let server = options.start().await;
    let key = [("idempotency-key", "a form's key")];
    let created = server.post("/api/ticket", &key, &ticket()).await;
    let reference = created.field("ticketRef");
    let mut reply = manager_writes("SM1", "Hello");
    reply["ticketRef"] = json!(reference);
    server.inbound(&reply).await;
    let before = server.ticket(&reference).await;
    server.end().await;

    let server = options.start().await;
    assert_eq!(server.ticket(&reference).await, before);
    assert_eq!(server.inbound(&reply).await.json()["duplicate"], true);
    let replayed = server.post("/api/ticket", &key, &ticket()).await;
    assert_eq!(replayed.header("idempotent-replayed"), "true");
    assert_eq!(replayed.text, created.text);
    server.end().await;
}

async fn a_question_to_a_manager_survives(engine: Engine) {
    let store = TempStore::new(engine).await;
    let options = TestServer::on(&store);
    let server = options.start().await;
    let reference = server.open().await;
    server.inbound(&manager_writes("SM1", "We send you a new one")).await;
    server.kill().await;
    let server = options.start().await;
    server.inbound(&manager_writes("SM2", "It comes in two days")).await;
    server.kill().await;
    let server = options.start().await;
    let choice = server.inbound(&manager_writes("SM3", &reference)).await;
    assert_eq!(
        choice.field("notice"),
        format!("2 messages sent to Zoë Quuxley 🦊 – Product Quality Issue ({reference}). /undo takes them back.")
    );
    server.kill().await;
    let server = options.start().await;
    let repeated = server.inbound(&manager_writes("SM3", &reference)).await;
    assert_eq!(repeated.json()["duplicate"], true);
    assert_eq!(
        server.messages(&reference).await[1..],
        ["We send you a new one", "It comes in two days"]
    );
    server.end().await;
}

async fn an_event_stream_resumes(engine: Engine) {
    let store = TempStore::new(engine).await;
    let options = TestServer::on(&store);
    let server = options.start().await;
    let reference = server.open().await;
    let mut events = Events::open(&server, &reference, None).await;
    let (last, _) = events.next_message().await.unwrap();
    let mut reply = manager_writes("SM1", "While you were away");
    reply["ticketRef"] = json!(reference);
    server.end().await;
    assert!(events.next_message().await.is_none(), "the stream ends with the server");

    let server = options.start().await;
    server.inbound(&reply).await;
    let mut events = Events::open(&server, &reference, Some(&last)).await;
    assert!(events.next_message().await.unwrap().1.contains("While you were away"));
    server.end().await;
}

async fn notifications_wait_for_a_webhook(engine: Engine) {
    let store = TempStore::new(engine).await;
    let server = TestServer::on(&store).start().await;
    server.wait_for_log("N8N_TICKET_CREATED_WEBHOOK is not set").await;
    let reference = server.open().await;
    assert_eq!(server.metric("notifications{state=\"waiting\"}").await, 1.0);
    server.end().await;
    let n8n = FakeN8n::start();
    let server = TestServer::on(&store).notifying(&n8n).start().await;
    let received = n8n.wait_for(1, Duration::from_secs(10)).await;
    assert_eq!(received[0].ticket_ref(), reference);
    server.wait_for_delivery(&reference, "sent").await;
    server.end().await;
}
