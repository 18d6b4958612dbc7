//! What is copied is what was there.

use black_box::{Engine, FakeN8n, MANAGER, Reaction, TempStore, TestServer, ticket};
use serde_json::{Value, json};

use crate::stores::{ask, dump, execute, file_with};

/// What no caller can bring about at will: every state of a notification, with every column, and its neighbours.
const RARE: &str = "
    UPDATE notifications SET state = 'waiting', due_at = 1736937030000000, lease = randomblob(16),
        attempted_at = 1736937000000001, probed_at = 1736937000000001, failed_attempts = 2, released = 1,
        last_error = 'HTTP 500', addressed = 1, settled_at = NULL, external_id = NULL
        WHERE ticket_id = (SELECT id FROM tickets WHERE number = 1) AND seq = 1;
    UPDATE notifications SET state = 'held', due_at = NULL, addressed = 0, settled_at = NULL
        WHERE ticket_id = (SELECT id FROM tickets WHERE number = 2) AND seq = 1;
    UPDATE notifications SET state = 'dead', due_at = NULL, settled_at = 1736937000000003, route = 'backup_template',
        round = 3, payload = x'00ff7b7d'
        WHERE ticket_id = (SELECT id FROM tickets WHERE number = 3) AND seq = 1;
    INSERT INTO previous_external_ids (external_id, notification_id)
        SELECT 'SM-earlier', id FROM notifications ORDER BY id LIMIT 1;
    INSERT INTO receipts (external_id, status, error_code, at)
        VALUES ('SM-nobody', 'undelivered', 63016, 1736937000000005), ('SM-some', 'read', NULL, 1736937000000006);
    INSERT INTO questions (id, of_phone, choices, text, is_batch, begun_at, asked_at, closed_at, answered_by,
        answered_with, attached)
        SELECT randomblob(16), '+15559998888', reference || ' T-20250115-0001', 'Which?' || char(10) || '1 or 2', 1,
            1736937000000007, 1736937000000008, 1736937000000009, 'SM-answer', id, 2 FROM tickets WHERE number = 1;
    INSERT INTO audit_log (id, at, action, count) VALUES (randomblob(16), 1736937000000010, 'redeliver_dead', 7);";

/// What becomes of a lease: it is handed back, and due since it was taken.
const HANDED_BACK: &str = "UPDATE notifications SET lease = NULL, due_at = attempted_at WHERE lease IS NOT NULL";

async fn thread(desk: &TestServer, reference: &str) -> Value {
    let reply = desk.get(&format!("/api/ticket/{reference}")).await;
    assert_eq!(reply.status, 200);
    json!([reply.json(), reply.header("etag")])
}

async fn found(desk: &TestServer, words: &str) -> Vec<String> {
    let reply = desk.get_as_operator(&format!("/api/tickets?q={words}")).await.json();
    let tickets = reply["tickets"].as_array().unwrap();
    tickets.iter().map(|ticket| ticket["ticketRef"].to_string()).collect()
}

const KEY: (&str, &str) = ("idempotency-key", "the form's own key");

async fn talk(desk: &TestServer) -> Vec<String> {
    let mut references = Vec::new();
    for n in 0..4 {
        let mut form = ticket();
        form["subject"] = json!(format!("Fläschchen {n}"));
        let keyed = [KEY];
        let headers: &[(&str, &str)] = if n == 0 { &keyed } else { &[] };
        let reply = desk.post("/api/ticket", headers, &form).await;
        assert_eq!(reply.status, 201);
        references.push(reply.json()["ticketRef"].as_str().unwrap().to_owned());
    }
    let answer = json!({ "ticketRef": references[0], "from": MANAGER, "message": "Seen 👀\nwe look", "externalId": "SM-1",
        "mediaUrl": "https://media.example/1" });
    assert_eq!(desk.inbound(&answer).await.status, 200);
    let lost = json!({ "from": MANAGER, "message": "which one?", "externalId": "SM-lost" });
    assert_eq!(desk.inbound(&lost).await.status, 400);
    let path = format!("/api/ticket/{}", references[1]);
    let authorization = format!("Bearer {}", black_box::OPERATOR_TOKEN);
    let headers = [
        ("authorization", authorization.as_str()),
        ("content-type", "application/json"),
    ];
    let change = json!({ "status": "resolved", "priority": "low" })
        .to_string()
        .into_bytes();
    assert_eq!(desk.send("PATCH", &path, &headers, Some(change)).await.status, 200);
    references
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_arrives_unchanged_and_the_server_goes_on_with_it() {
    let (file, postgres) = (
        TempStore::new(Engine::Sqlite).await,
        TempStore::new(Engine::Postgres).await,
    );
    let n8n = FakeN8n::start();
    n8n.always(Reaction::accepted("SM-first"));
    let desk = TestServer::on(&file).notifying(&n8n).start().await;
    let references = talk(&desk).await;
    desk.wait_for_empty_outbox().await;
    assert!(desk.stop().await.success());
    n8n.go_away().await;
    execute(&file, RARE);

    // As the server tells it, without a webhook: nothing moves.
    let desk = TestServer::on(&file).start().await;
    let mut before = Vec::new();
    for reference in &references {
        before.push(thread(&desk, reference).await);
    }
    let words = ["fl%C3%A4schchen", "zoe", "seen", "T-"];
    let mut found_before = Vec::new();
    for word in words {
        found_before.push(found(&desk, word).await);
    }
    assert_eq!(found_before[0].len(), 4);
    assert!(desk.stop().await.success());
    let source = dump(&file, &postgres);
    assert!(source.values().all(|rows| !rows.is_empty()), "{source:?}");

    let (status, out, err) = TestServer::on(&file)
        .run(&["copy", "--from", &file.url(), "--to", &postgres.url()])
        .await;
    assert!(status.success(), "{out}{err}");
    assert!(
        out.contains("copied and verified: 4 tickets") && out.contains("DATABASE_URL"),
        "{out}"
    );
    assert!(!format!("{out}{err}").contains("postgres://"), "{out}{err}");

    assert_eq!(dump(&file, &postgres), source, "the file is as it was");
    execute(&file, HANDED_BACK);
    assert_eq!(dump(&postgres, &postgres), dump(&file, &postgres));

    let desk = TestServer::on(&postgres).start().await;
    for (reference, before) in references.iter().zip(before) {
        assert_eq!(thread(&desk, reference).await, before);
    }
    for (word, before) in words.into_iter().zip(found_before) {
        assert_eq!(found(&desk, word).await, before, "{word}");
    }
    // What was done once is not done again.
    let mut form = ticket();
    form["subject"] = json!("Fläschchen 0");
    let again = desk.post("/api/ticket", &[KEY], &form).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (201, "true"));
    assert_eq!(again.json()["ticketRef"], references[0].as_str());
    let answer = json!({ "ticketRef": references[0], "from": MANAGER, "message": "again", "externalId": "SM-1" });
    assert_eq!(desk.inbound(&answer).await.json()["duplicate"], true);
    // What was kept joins its ticket, and a new ticket has the next number.
    let joins = json!({ "ticketRef": references[2], "from": MANAGER, "message": "x", "externalId": "SM-lost" });
    assert_eq!(desk.inbound(&joins).await.status, 200);
    let newest = desk.open().await;
    assert_eq!(
        ask(
            &postgres,
            &format!("SELECT number FROM tickets WHERE reference = '{newest}'")
        ),
        "5"
    );
    assert_eq!(found(&desk, "which").await, [json!(references[2]).to_string()]);
    assert!(desk.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_file_and_many_rows_go_too() {
    let postgres = TempStore::new(Engine::Postgres).await;
    for tickets in [0, 2_500] {
        // Only the rows of the second are there then, so an empty copy leaves an empty target.
        let file = if tickets == 0 {
            let file = file_with(1).await;
            execute(
                &file,
                "DELETE FROM notifications; DELETE FROM messages; DELETE FROM tickets",
            );
            file
        } else {
            file_with(tickets).await
        };
        let (status, out, err) = TestServer::on(&file)
            .run(&["copy", "--from", &file.url(), "--to", &postgres.url()])
            .await;
        assert!(status.success(), "{out}{err}");
        assert_eq!(dump(&postgres, &postgres), dump(&file, &postgres));
    }
    assert_eq!(ask(&postgres, "SELECT count(*) FROM ticket_search"), "2500");
}

/// A broken configuration of the server is no reason not to copy.
#[tokio::test(flavor = "multi_thread")]
async fn no_other_configuration_is_read() {
    let (file, postgres) = (file_with(1).await, TempStore::new(Engine::Postgres).await);
    std::fs::write(file.folder().join(".env"), "this is no configuration").unwrap();
    let broken = TestServer::on(&file)
        .set("PORT", "none")
        .set("DATABASE_URL", "mysql://x");
    // Relative to the working folder, as in DATABASE_URL.
    let (status, out, err) = broken
        .run(&["copy", "--from", "sqlite://data/tickets.db", "--to", &postgres.url()])
        .await;
    assert!(status.success(), "{out}{err}");
    // Not a terminal: plain lines.
    assert!(err.contains("building indexes") && !err.contains('\u{1b}'), "{err}");
}
