//! `export` gives everything of a person; `erase` removes it from every table and from the file itself. What an erasure
//! does to each row is a case of `store-contract`.

use std::{fs, process::Stdio, time::Duration};

use black_box::{
    Engine, FakeN8n, MANAGER, Reaction, ServerOptions, TempStore, TestServer, on_both_stores, ticket_with,
};
use diesel::connection::SimpleConnection as _;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::stores::rows;

on_both_stores!(
    everything_of_a_person_is_exported_and_erased,
    an_unknown_person_or_ticket_is_reported,
    a_killed_erasure_is_completed_by_the_next,
);

const EMAIL: &str = "ada@lovelace.example";
const PHONE: &str = "+15557771234";
const USER_ID: &str = "US.13491208655302741918";

/// Words by which the person or what was written would be known.
const TRACES: [&str; 8] = [
    "13491208655302741918",
    "lovelace",
    "Ada",
    "15557771234",
    "punched",
    "riddle",
    "mollify",
    "example/ada",
];

fn form() -> Value {
    ticket_with(&json!({
        "customerName": "Ada Lovelace", "customerEmail": EMAIL, "customerPhone": PHONE,
        "subject": "A riddle of engines", "message": "My punched cards are gone.",
    }))
}

async fn open_with_key(server: &TestServer) -> String {
    let key = [("idempotency-key", "ada's own")];
    server.post("/api/ticket", &key, &form()).await.field("ticketRef")
}

async fn export(options: &ServerOptions, customer: &str) -> (Value, String) {
    let ended = options.succeed(&["export", "--customer", customer]).await;
    (serde_json::from_str(&ended.out).unwrap(), ended.err)
}

/// Erases a person's data; returns what was said.
async fn erase(options: &ServerOptions, customer: &str) -> String {
    let ended = options.succeed(&["erase", "--customer", customer, "--yes"]).await;
    ended.out + &ended.err
}

fn values<'a>(list: &'a Value, field: &str) -> Vec<&'a Value> {
    list.as_array().unwrap().iter().map(|entry| &entry[field]).collect()
}

async fn everything_of_a_person_is_exported_and_erased(engine: Engine) {
    let store = TempStore::new(engine).await;
    let n8n = FakeN8n::start();
    n8n.always(Reaction::accepted("SM-told"));
    let options = TestServer::on(&store).notifying(&n8n);
    let server = options.start().await;
    let reference = open_with_key(&server).await;
    server.wait_for_empty_outbox().await;
    let others = server.open().await;
    server.wait_for_empty_outbox().await;
    n8n.always(Reaction::status(500));
    let reply = json!({ "from": PHONE, "message": "punched again", "externalId": "SM-2", "ticketRef": reference });
    let unmatched =
        json!({ "from": PHONE, "message": "lovelace here", "externalId": "SM-lost", "fromUserId": USER_ID });
    let by_id = json!({ "from": USER_ID, "message": "lovelace again", "externalId": "SM-id" });
    for (status, body) in [
        (
            200,
            json!({ "from": MANAGER, "message": "I mollify you, Ada", "externalId": "SM-1", "ticketRef": reference,
                "mediaUrl": "https://media.example/ada" }),
        ),
        (200, reply.clone()),
        (400, unmatched.clone()),
        (400, by_id),
        // Answered with a question.
        (
            400,
            json!({ "from": MANAGER, "message": "which one?", "externalId": "SM-bare" }),
        ),
    ] {
        assert_eq!(server.inbound(&body).await.status, status, "{body}");
    }
    let untouched = server.ticket(&others).await;

    let (exported, err) = export(&options, "ADA@Lovelace.example").await;
    assert_eq!(values(&exported["tickets"], "ticketRef"), [&json!(reference)]);
    assert_eq!(values(&exported["tickets"], "customerPhone"), [&json!(PHONE)]);
    let messages = &exported["tickets"][0]["messages"];
    let texts = ["My punched cards are gone.", "I mollify you, Ada", "punched again"];
    assert_eq!(values(messages, "body"), texts);
    assert_eq!(values(messages, "from"), [&json!(null), &json!(null), &json!(PHONE)]);
    // The number in a form may be anybody's, so it opens no other message.
    assert_eq!(exported["otherMessages"], json!([]));
    assert!(err.contains(&format!("1 other messages came from {PHONE}")), "{err}");
    let (exported, _) = export(&options, PHONE).await;
    assert_eq!(
        values(&exported["otherMessages"], "body"),
        ["lovelace here", "lovelace again"]
    );
    assert_eq!(exported["whatsappUserIds"], json!([USER_ID]));
    assert_eq!(
        values(&exported["otherMessages"], "ticketRef"),
        [&json!(null), &json!(null)]
    );

    let err = options.fail(&["erase", "--customer", EMAIL]).await;
    assert!(
        err.contains("1 tickets with 3 messages") && err.contains("--yes"),
        "{err}"
    );
    let said = erase(&options, EMAIL).await;
    assert!(
        said.contains("erased: 1 tickets, 3 messages; 1 notifications"),
        "{said}"
    );
    assert!(said.contains("1 other messages came from"), "{said}");
    let said = erase(&options, PHONE).await;
    assert!(
        said.contains("erased: 0 tickets, 2 messages; 0 notifications"),
        "{said}"
    );
    assert!(
        said.contains("Twilio") && said.contains("backups") && !said.contains("lovelace"),
        "{said}"
    );

    // The server goes on, and shows nothing of it.
    let now = server.ticket(&reference).await;
    assert_eq!(now["ticket"]["customerName"], "[erased]");
    assert_eq!(values(&now["messages"], "body"), ["[erased]"; 3]);
    assert_eq!(server.ticket(&others).await["messages"], untouched["messages"]);
    for trace in TRACES {
        let found = server.get_as_operator(&format!("/api/tickets?q={trace}")).await.json();
        assert_eq!(found["tickets"], json!([]), "{trace}");
    }
    let listed = server.get_as_operator("/api/unmatched").await.text;
    assert!(!listed.contains("lovelace"), "{listed}");
    let audit_log = format!("/api/audit-log?ticketRef={reference}");
    assert_eq!(
        server.get_as_operator(&audit_log).await.json()["entries"][0]["act"],
        "erase"
    );
    // Repeats are still recognised, but for the idempotency key.
    assert_eq!(server.inbound(&reply).await.json()["duplicate"], true);
    assert_eq!(server.inbound(&unmatched).await.status, 400);
    assert_ne!(open_with_key(&server).await, reference);
    server.end().await;
    let said = erase(&options, PHONE).await;
    assert!(said.contains("erased: 1 tickets, 1 messages"), "{said}");
    let again = ["erase", "--ticket", &reference.to_lowercase(), "--yes"];
    let out = options.succeed(&again).await.out;
    assert!(
        out.contains("erased: 0 tickets, 0 messages") || out.contains("nothing is kept"),
        "{out}"
    );
    n8n.go_away().await;

    for (table, rows) in rows(&store) {
        for row in rows {
            for trace in TRACES {
                // Bytes are written in hexadecimal.
                let hex: Vec<String> = trace.bytes().map(|byte| format!("{byte:02x}")).collect();
                assert!(
                    !row.contains(trace) && !row.contains(&hex.concat()),
                    "{trace} in {table}: {row}"
                );
            }
        }
    }
    if engine == Engine::Sqlite {
        assert_files_are_clean(&store);
    }
}

/// Neither the file of an embedded store nor its write-ahead log has a trace of the person.
fn assert_files_are_clean(store: &TempStore) {
    let folder = fs::read_dir(store.file().parent().unwrap()).unwrap();
    let files = folder.map(|entry| entry.unwrap().path());
    let files: Vec<_> = files.filter(|path| path.is_file()).collect();
    assert!(files.contains(&store.file()));
    for file in files {
        let bytes = fs::read(&file).unwrap().to_ascii_lowercase();
        for trace in TRACES.iter().filter(|trace| trace.len() > 3) {
            let trace = trace.to_ascii_lowercase();
            let is_there = bytes.windows(trace.len()).any(|window| window == trace.as_bytes());
            assert!(!is_there, "{trace} is left in {}", file.display());
        }
    }
}

/// A page of the file that is shared with hundreds of other tickets may still hold what it no longer uses.
#[tokio::test]
async fn erased_data_leaves_no_remnants_among_others() {
    let store = TempStore::new(Engine::Sqlite).await;
    let options = TestServer::on(&store);
    let server = options.start().await;
    for n in 0..400 {
        let others = ticket_with(&json!({ "subject": format!("Bottles, crate {n}") }));
        server.open_with(&if n % 7 == 0 { form() } else { others }).await;
    }
    // A transaction that reads meanwhile keeps the pages that it reads.
    let mut reader = store.sqlite();
    reader.batch_execute("BEGIN; SELECT count(*) FROM tickets").unwrap();
    let ended = options.run(&["erase", "--customer", EMAIL, "--yes"]).await;
    assert!(
        ended.code != Some(0) && ended.err.contains("another program reads it"),
        "{ended:?}"
    );
    assert!(ended.out.contains("erased: 58 tickets"), "{ended:?}");
    reader.batch_execute("COMMIT").unwrap();
    let arguments = ["erase", "--customer", EMAIL, "--yes", "--vacuum"];
    let out = options.succeed(&arguments).await.out;
    assert!(out.contains("nothing is kept") && out.contains("no remnants"), "{out}");
    // While the server goes on.
    server.open().await;
    assert_files_are_clean(&store);
    let found = server.get_as_operator("/api/tickets?q=crate%20398").await.text;
    assert!(found.contains("crate 398"), "{found}");
    server.end().await;
}

async fn an_unknown_person_or_ticket_is_reported(engine: Engine) {
    let store = TempStore::new(engine).await;
    let options = TestServer::on(&store);
    let of = |customer| {
        [
            vec!["export", "--customer", customer],
            vec!["erase", "--yes", "--customer", customer],
        ]
    };
    if engine == Engine::Sqlite {
        for command in of(EMAIL) {
            let ended = options.run(&command).await;
            assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""));
            assert!(ended.err.contains("there is no store at"), "{ended:?}");
            assert!(!store.file().exists());
        }
    }
    options.start().await.end().await;
    let (exported, err) = export(&options, EMAIL).await;
    assert_eq!(exported["tickets"], json!([]));
    assert!(err.contains("nothing is kept"), "{err}");
    let said = erase(&options, EMAIL).await;
    assert!(said.contains("nothing is kept"), "{said}");
    let out = options
        .succeed(&["erase", "--ticket", "T-20250115-1234", "--yes"])
        .await
        .out;
    assert!(out.contains("there is no such ticket"), "{out}");
    let ended = options.run(&["erase", "--ticket", "1234", "--yes"]).await;
    assert!(
        ended.code != Some(0) && ended.err.contains("--ticket must be a reference"),
        "{ended:?}"
    );
    for wrong in ["Ada", "ada@", "123"] {
        for command in of(wrong) {
            let err = options.fail(&command).await;
            assert!(err.contains("--customer must"), "{err}");
        }
    }
}

async fn a_killed_erasure_is_completed_by_the_next(engine: Engine) {
    let store = TempStore::new(engine).await;
    let options = TestServer::on(&store);
    let server = options.start().await;
    for _ in 0..120 {
        server.open_with(&form()).await;
    }
    let left = || {
        store.ask(&format!(
            "SELECT count(*) FROM tickets WHERE customer_email = '{EMAIL}'"
        ))
    };
    for delay in [30, 60, 120] {
        let mut erasing = options.spawn(&["erase", "--customer", PHONE, "--yes"], Stdio::null());
        sleep(Duration::from_millis(delay)).await;
        // It may have come to its end.
        drop(erasing.kill().await);
        drop(erasing.wait().await);
        let texts = store.ask("SELECT count(*) FROM messages WHERE body = 'My punched cards are gone.'");
        assert_eq!(texts, left(), "a ticket is erased wholly or not at all");
    }
    erase(&options, PHONE).await;
    assert_eq!(left(), "0");
    assert_eq!(store.ask("SELECT count(*) FROM messages WHERE body <> '[erased]'"), "0");
    server.end().await;
}
