//! A copy has every row of its source, whichever engines it goes between.

use black_box::{Engine, FakeN8n, MANAGER, Reaction, TempStore, TestServer, ticket_with};
use serde_json::{Value, json};

use super::{
    refused::copy,
    stores::{file_with, rows},
};

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
    INSERT INTO questions (id, asked, choices, text, kind, sent_at, asked_at, closed_at, answered_by,
        answered_with, attached)
        SELECT randomblob(16), '+15559998888', reference || ' T-20250115-0001', 'Which?' || char(10) || '1 or 2', 'names',
            1736937000000007, 1736937000000008, 1736937000000009, 'SM-answer', id, 2 FROM tickets WHERE number = 1;
    INSERT INTO contacts (user_id, phone, seen_at) VALUES ('US.134', '+15559998888', 1736937000000011);
    UPDATE questions SET merged_into = (SELECT max(id) FROM questions);
    INSERT INTO control_messages (external_id, kind, ticket_id, reply, at)
        SELECT 'SM-control', 'unclear', id, 'Reply 1–4, or 0.', 1736937000000011 FROM tickets WHERE number = 2;
    INSERT INTO audit_log (id, at, action, count) VALUES (randomblob(16), 1736937000000010, 'redeliver_dead', 7);";

/// What becomes of a leased notification: it is handed back, and due since it was claimed.
const HANDED_BACK: &str = "UPDATE notifications SET lease = NULL, due_at = attempted_at WHERE lease IS NOT NULL";

async fn thread(server: &TestServer, reference: &str) -> Value {
    let reply = server.get(&format!("/api/ticket/{reference}")).await;
    assert_eq!(reply.status, 200);
    json!([reply.json(), reply.header("etag")])
}

async fn found(server: &TestServer, words: &str) -> Vec<String> {
    let reply = server.get_as_operator(&format!("/api/tickets?q={words}")).await.json();
    let tickets = reply["tickets"].as_array().unwrap();
    tickets.iter().map(|ticket| ticket["ticketRef"].to_string()).collect()
}

const KEY: (&str, &str) = ("idempotency-key", "the form's own key");

async fn talk(server: &TestServer) -> Vec<String> {
    let mut references = Vec::new();
    for n in 0..4 {
        let form = ticket_with(&json!({ "subject": format!("Fläschchen {n}") }));
        let keyed: &[_] = if n == 0 { &[KEY] } else { &[] };
        references.push(server.post("/api/ticket", keyed, &form).await.field("ticketRef"));
    }
    let answer = json!({ "ticketRef": references[0], "from": MANAGER, "message": "Seen 👀\nwe look", "externalId": "SM-1",
        "mediaUrl": "https://media.example/1" });
    assert_eq!(server.inbound(&answer).await.status, 200);
    let lost = json!({ "from": MANAGER, "message": "which one?", "externalId": "SM-lost" });
    assert_eq!(server.inbound(&lost).await.status, 400);
    let path = format!("/api/ticket/{}", references[1]);
    let change = json!({ "status": "resolved", "priority": "low" });
    assert_eq!(server.send_as_operator("PATCH", &path, &change).await.status, 200);
    references
}

/// From SQLite to Postgres, and from there into another SQLite file.
#[tokio::test(flavor = "multi_thread")]
async fn every_row_arrives_unchanged_and_the_server_goes_on_with_it() {
    let (file, postgres, back) = (
        TempStore::new(Engine::Sqlite).await,
        TempStore::new(Engine::Postgres).await,
        TempStore::new(Engine::Sqlite).await,
    );
    let n8n = FakeN8n::start();
    n8n.always(Reaction::accepted("SM-first"));
    let server = TestServer::on(&file).notifying(&n8n).start().await;
    let references = talk(&server).await;
    server.wait_for_empty_outbox().await;
    server.end().await;
    n8n.go_away().await;
    file.execute(RARE);

    // As the server tells it, without a webhook: nothing moves.
    let server = TestServer::on(&file).start().await;
    let mut before = Vec::new();
    for reference in &references {
        before.push(thread(&server, reference).await);
    }
    let words = ["fl%C3%A4schchen", "zoe", "seen", "T-"];
    let mut found_before = Vec::new();
    for word in words {
        found_before.push(found(&server, word).await);
    }
    assert_eq!(found_before[0].len(), 4);
    server.end().await;
    let source = rows(&file);
    assert!(source.values().all(|rows| !rows.is_empty()), "{source:?}");

    for (from, to) in [(&file, &postgres), (&postgres, &back)] {
        let said = copy(from, to).await;
        assert!(
            said.contains("copied and verified: 4 tickets") && said.contains("DATABASE_URL"),
            "{said}"
        );
        assert!(!said.contains("postgres://"), "{said}");
    }
    assert_eq!(rows(&file), source, "the file is as it was");
    file.execute(HANDED_BACK);
    let source = rows(&file);
    assert_eq!(rows(&postgres), source);
    assert_eq!(rows(&back), source);

    for store in [&postgres, &back] {
        let server = TestServer::on(store).start().await;
        for (reference, before) in references.iter().zip(&before) {
            assert_eq!(thread(&server, reference).await, *before);
        }
        for (word, before) in words.into_iter().zip(&found_before) {
            assert_eq!(found(&server, word).await, *before, "{word}");
        }
        goes_on(&server, store, &references).await;
        server.end().await;
    }
}

async fn goes_on(server: &TestServer, store: &TempStore, references: &[String]) {
    // What was done once is not done again.
    let form = ticket_with(&json!({ "subject": "Fläschchen 0" }));
    let again = server.post("/api/ticket", &[KEY], &form).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (201, "true"));
    assert_eq!(again.json()["ticketRef"], references[0].as_str());
    let answer = json!({ "ticketRef": references[0], "from": MANAGER, "message": "again", "externalId": "SM-1" });
    assert_eq!(server.inbound(&answer).await.json()["duplicate"], true);
    // What was kept joins its ticket, and a new ticket has the next number.
    let joins = json!({ "ticketRef": references[2], "from": MANAGER, "message": "x", "externalId": "SM-lost" });
    assert_eq!(server.inbound(&joins).await.status, 200);
    let newest = server.open().await;
    let number = format!("SELECT number FROM tickets WHERE reference = '{newest}'");
    assert_eq!(store.ask(&number), "5");
    assert_eq!(found(server, "which").await, [json!(references[2]).to_string()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_file_and_many_rows_go_too() {
    let postgres = TempStore::new(Engine::Postgres).await;
    for tickets in [0, 2_500] {
        // The empty one comes first, so that its copy leaves an empty target for the other.
        let file = file_with(tickets.max(1)).await;
        if tickets == 0 {
            file.execute("DELETE FROM notifications; DELETE FROM messages; DELETE FROM tickets");
        }
        copy(&file, &postgres).await;
        assert_eq!(rows(&postgres), rows(&file));
    }
    assert_eq!(postgres.ask("SELECT count(*) FROM ticket_search"), "2500");
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
    let arguments = ["copy", "--from", "sqlite://data/tickets.db", "--to", &postgres.url()];
    let err = broken.succeed(&arguments).await.err;
    // Not a terminal: plain lines.
    assert!(err.contains("making it searchable") && !err.contains('\u{1b}'), "{err}");
}
