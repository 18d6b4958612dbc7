//! What is kept of a person is told, and goes, from every table and from the file itself.

use std::{fs, process::Stdio, time::Duration};

use black_box::{Engine, FakeN8n, MANAGER, OPERATOR_TOKEN, Reaction, TempStore, TestServer, on_both_stores, ticket};
use diesel::connection::SimpleConnection as _;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::stores::{TABLES, ask, rows, sqlite};

on_both_stores!(
    everything_of_a_person_is_told_and_erased,
    who_is_not_there_is_said,
    an_erasure_that_is_killed_is_done_by_the_next,
    what_is_told_of_a_stranger_s_message_goes_with_it,
    an_erased_ticket_is_erased_again,
);

const EMAIL: &str = "ada@lovelace.example";
const PHONE: &str = "+15557771234";

/// Words by which the person or what was written would be known.
const TRACES: [&str; 7] = [
    "lovelace",
    "Ada",
    "15557771234",
    "punched",
    "riddle",
    "mollify",
    "example/ada",
];

fn form() -> Value {
    let mut form = ticket();
    form["customerName"] = json!("Ada Lovelace");
    form["customerEmail"] = json!(EMAIL);
    form["customerPhone"] = json!(PHONE);
    form["subject"] = json!("A riddle of engines");
    form["message"] = json!("My punched cards are gone.");
    form
}

async fn open(desk: &TestServer, form: &Value) -> String {
    let key = [("idempotency-key", "ada's own")];
    let reply = desk.post("/api/ticket", &key, form).await;
    assert_eq!(reply.status, 201);
    reply.json()["ticketRef"].as_str().unwrap().to_owned()
}

async fn everything_of_a_person_is_told_and_erased(engine: Engine) {
    let (place, catalogue) = (TempStore::new(engine).await, TempStore::new(Engine::Postgres).await);
    let n8n = FakeN8n::start();
    n8n.always(Reaction::accepted("SM-told"));
    let options = TestServer::on(&place).notifying(&n8n);
    let desk = options.start().await;
    let reference = open(&desk, &form()).await;
    desk.wait_for_empty_outbox().await;
    let others = desk.open().await;
    desk.wait_for_empty_outbox().await;
    n8n.always(Reaction::status(500));
    let answer = json!({ "ticketRef": reference, "from": MANAGER, "message": "I mollify you, Ada", "externalId": "SM-1",
        "mediaUrl": "https://media.example/ada" });
    assert_eq!(desk.inbound(&answer).await.status, 200);
    let said = json!({ "ticketRef": reference, "from": PHONE, "message": "punched again", "externalId": "SM-2" });
    assert_eq!(desk.inbound(&said).await.status, 200);
    // Without a ticket, and asked about.
    let lost = json!({ "from": PHONE, "message": "lovelace here", "externalId": "SM-lost" });
    assert_eq!(desk.inbound(&lost).await.status, 400);
    let bare = json!({ "from": MANAGER, "message": "which one?", "externalId": "SM-bare" });
    assert_eq!(desk.inbound(&bare).await.status, 400);
    let untouched = desk.ticket(&others).await;

    let (status, out, err) = options.run(&["export", "--customer", "ADA@Lovelace.example"]).await;
    assert!(status.success(), "{err}");
    let told: Value = serde_json::from_str(&out).unwrap();
    let tickets = told["tickets"].as_array().unwrap();
    assert_eq!((tickets.len(), &tickets[0]["ticketRef"]), (1, &json!(reference)));
    assert_eq!(tickets[0]["customerPhone"], PHONE);
    let texts: Vec<&str> = tickets[0]["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["body"].as_str().unwrap())
        .collect();
    assert_eq!(
        texts,
        ["My punched cards are gone.", "I mollify you, Ada", "punched again"]
    );
    // Whose number stands in a form, nobody has proved. The manager's own is nobody's business.
    assert_eq!(told["otherMessages"], json!([]));
    assert!(err.contains(&format!("1 other messages came from {PHONE}")), "{err}");
    let numbers: Vec<_> = tickets[0]["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| &message["from"])
        .collect();
    assert_eq!(numbers, [&json!(null), &json!(null), &json!(PHONE)]);
    let (status, out, _) = options.run(&["export", "--customer", PHONE]).await;
    assert!(status.success());
    let told: Value = serde_json::from_str(&out).unwrap();
    let elsewhere = told["otherMessages"].as_array().unwrap();
    assert_eq!((elsewhere.len(), &elsewhere[0]["body"]), (1, &json!("lovelace here")));
    assert_eq!(elsewhere[0]["ticketRef"], json!(null));

    let (status, _, err) = options.run(&["erase", "--customer", EMAIL]).await;
    assert_eq!(status.code(), Some(1));
    assert!(
        err.contains("1 tickets with 3 messages") && err.contains("--yes"),
        "{err}"
    );
    let (status, out, err) = options.run(&["erase", "--customer", EMAIL, "--yes"]).await;
    assert!(status.success(), "{out}{err}");
    assert!(out.contains("erased: 1 tickets, 3 messages; 1 notifications"), "{out}");
    assert!(out.contains("1 other messages came from"), "{out}");
    let (status, out, err) = options.run(&["erase", "--customer", PHONE, "--yes"]).await;
    assert!(status.success(), "{out}{err}");
    assert!(out.contains("erased: 0 tickets, 1 messages; 0 notifications"), "{out}");
    assert!(out.contains("Twilio") && out.contains("backups"), "{out}");
    assert!(!format!("{out}{err}").contains("lovelace"), "{out}{err}");

    // The server goes on, and tells nothing.
    let now = desk.ticket(&reference).await;
    assert_eq!(now["ticket"]["customerName"], "[erased]");
    assert!(
        now["messages"]
            .as_array()
            .unwrap()
            .iter()
            .all(|message| message["body"] == "[erased]")
    );
    assert_eq!(desk.ticket(&others).await["messages"], untouched["messages"]);
    for trace in TRACES {
        let found = desk.get_as_operator(&format!("/api/tickets?q={trace}")).await.json();
        assert_eq!(found["tickets"], json!([]), "{trace}");
    }
    let unmatched = desk.get_as_operator("/api/unmatched").await.json();
    assert!(!unmatched.to_string().contains("lovelace"), "{unmatched}");
    let audit_log = desk
        .get_as_operator(&format!("/api/audit-log?ticketRef={reference}"))
        .await
        .json();
    assert_eq!(audit_log["entries"][0]["act"], "erase");
    // What was done once is not done again.
    assert_eq!(desk.inbound(&said).await.json()["duplicate"], true);
    assert_eq!(desk.inbound(&lost).await.status, 400);
    assert_ne!(open(&desk, &form()).await, reference, "its key is forgotten");
    assert!(desk.stop().await.success());
    let (status, out, _) = options.run(&["erase", "--customer", PHONE, "--yes"]).await;
    assert!(
        status.success() && out.contains("erased: 1 tickets, 1 messages"),
        "{out}"
    );
    n8n.go_away().await;

    let rows = rows(&place, &catalogue);
    for table in TABLES {
        for row in &rows[table] {
            // Bytes stand there as hexadecimal digits.
            for trace in TRACES {
                let digits: Vec<String> = trace.bytes().map(|byte| format!("{byte:02x}")).collect();
                let hex = digits.concat();
                assert!(!row.contains(trace) && !row.contains(&hex), "{trace} in {table}: {row}");
            }
        }
    }
    if engine == Engine::Sqlite {
        nothing_is_left_in_the_files(&place);
    }
}

/// What is said in an erased ticket is nobody's whom it could be found by; it goes by the ticket. The customer has no say in
/// it any more.
async fn an_erased_ticket_is_erased_again(engine: Engine) {
    let place = TempStore::new(engine).await;
    let options = TestServer::on(&place);
    let desk = options.start().await;
    let opened = desk.create(&form()).await.json();
    let (reference, url) = (
        opened["ticketRef"].as_str().unwrap(),
        opened["ticketUrl"].as_str().unwrap(),
    );
    let key = url.split_once("key=").unwrap().1;
    let (status, out, err) = options.run(&["erase", "--customer", EMAIL, "--yes"]).await;
    assert!(status.success(), "{out}{err}");
    let path = format!("/api/ticket/{reference}/messages?key={key}");
    assert_eq!(
        desk.post(&path, &[], &json!({ "message": "punched" })).await.status,
        401
    );
    let answer = json!({ "ticketRef": reference, "from": MANAGER, "message": "Dear Ada", "externalId": "SM-1" });
    assert_eq!(desk.inbound(&answer).await.status, 200);
    let (status, out, err) = options
        .run(&["erase", "--ticket", &reference.to_lowercase(), "--yes"])
        .await;
    assert!(status.success(), "{out}{err}");
    assert!(out.contains("erased: 0 tickets, 1 messages"), "{out}");
    assert!(!desk.ticket(reference).await.to_string().contains("Ada"));
    assert!(desk.stop().await.success());
}

/// Nor in the write-ahead log.
fn nothing_is_left_in_the_files(place: &TempStore) {
    let folder = fs::read_dir(place.file().parent().unwrap()).unwrap();
    let files: Vec<_> = folder
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    assert!(files.contains(&place.file()));
    for file in files {
        let bytes = fs::read(&file).unwrap().to_ascii_lowercase();
        for trace in TRACES
            .map(str::to_ascii_lowercase)
            .iter()
            .filter(|trace| trace.len() > 3)
        {
            let is_there = bytes.windows(trace.len()).any(|window| window == trace.as_bytes());
            assert!(!is_there, "{trace} is left in {}", file.display());
        }
    }
}

/// Among hundreds of others', whose rows share pages with theirs: what a page no longer uses still holds what was there.
#[tokio::test]
async fn a_crowd_leaves_no_remnants() {
    let place = TempStore::new(Engine::Sqlite).await;
    let options = TestServer::on(&place);
    let desk = options.start().await;
    for n in 0..400 {
        let mut others = ticket();
        others["subject"] = json!(format!("Bottles, crate {n}"));
        let form = if n % 7 == 0 { form() } else { others };
        assert_eq!(desk.create(&form).await.status, 201);
    }
    // Who reads meanwhile keeps what they read where it is.
    let mut reader = sqlite(&place);
    reader.batch_execute("BEGIN; SELECT count(*) FROM tickets").unwrap();
    let (status, out, err) = options.run(&["erase", "--customer", EMAIL, "--yes"]).await;
    assert!(
        !status.success() && err.contains("another program reads it"),
        "{out}{err}"
    );
    assert!(out.contains("erased: 58 tickets"), "{out}");
    reader.batch_execute("COMMIT").unwrap();
    let (status, out, err) = options.run(&["erase", "--customer", EMAIL, "--yes", "--vacuum"]).await;
    assert!(status.success(), "{out}{err}");
    assert!(out.contains("nothing is kept") && out.contains("no remnants"), "{out}");
    // While the server goes on.
    assert_eq!(desk.create(&ticket()).await.status, 201);
    nothing_is_left_in_the_files(&place);
    let found = desk.get_as_operator("/api/tickets?q=crate%20398").await.json();
    assert!(found.to_string().contains("crate 398"), "{found}");
    assert!(desk.stop().await.success());
}

/// A person's message that came by WhatsApp into somebody else's ticket, and could not be told yet, is never told.
async fn what_is_told_of_a_stranger_s_message_goes_with_it(engine: Engine) {
    let place = TempStore::new(engine).await;
    let n8n = FakeN8n::start();
    n8n.always(Reaction::accepted("SM-told"));
    let options = TestServer::on(&place).notifying(&n8n);
    let desk = options.start().await;
    let reference = desk.open().await;
    desk.wait_for_empty_outbox().await;
    n8n.always(Reaction::status(500));
    let said = json!({ "from": PHONE, "message": "punched by mistake", "externalId": "SM-stranger" });
    assert_eq!(desk.inbound(&said).await.status, 400);
    let kept = desk.get_as_operator("/api/unmatched").await.json();
    let id = kept["messages"][0]["id"].as_str().unwrap().to_owned();
    let operator = [("authorization", &*format!("Bearer {OPERATOR_TOKEN}"))];
    let path = format!("/api/unmatched/{id}/attach");
    let attached = desk.post(&path, &operator, &json!({ "ticketRef": reference })).await;
    assert_eq!(attached.status, 200);
    let (status, out, err) = options.run(&["erase", "--customer", PHONE, "--yes"]).await;
    assert!(status.success(), "{out}{err}");
    assert!(out.contains("erased: 0 tickets, 1 messages; 1 notifications"), "{out}");
    let tries = n8n.count();
    n8n.always(Reaction::accepted("SM-later"));
    desk.open().await;
    desk.wait_for_empty_outbox().await;
    let later = n8n.received().split_off(tries);
    assert!(!later.is_empty());
    for told in later {
        assert!(!String::from_utf8_lossy(&told.body).contains("punched"));
    }
    assert!(desk.stop().await.success());
    n8n.go_away().await;
}

async fn who_is_not_there_is_said(engine: Engine) {
    let place = TempStore::new(engine).await;
    let options = TestServer::on(&place);
    if engine == Engine::Sqlite {
        for command in [
            &["export", "--customer", EMAIL][..],
            &["erase", "--yes", "--customer", EMAIL],
        ] {
            let (status, out, err) = options.run(command).await;
            assert_eq!((status.code(), &*out), (Some(1), ""));
            assert!(err.contains("there is no store at"), "{err}");
            assert!(!place.file().exists());
        }
    }
    assert!(options.start().await.stop().await.success());
    let (status, out, err) = options.run(&["export", "--customer", EMAIL]).await;
    assert!(status.success());
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["tickets"], json!([]));
    assert!(err.contains("nothing is kept"), "{err}");
    let (status, out, _) = options.run(&["erase", "--customer", EMAIL, "--yes"]).await;
    assert!(status.success() && out.contains("nothing is kept"), "{out}");
    let (status, out, _) = options.run(&["erase", "--ticket", "T-20250115-1234", "--yes"]).await;
    assert!(status.success() && out.contains("there is no such ticket"), "{out}");
    let (status, _, err) = options.run(&["erase", "--ticket", "1234", "--yes"]).await;
    assert!(
        !status.success() && err.contains("--ticket must be a reference"),
        "{err}"
    );
    for wrong in ["Ada", "ada@", "123"] {
        for command in [
            &["export", "--customer", wrong][..],
            &["erase", "--yes", "--customer", wrong],
        ] {
            let (status, _, err) = options.run(command).await;
            assert_eq!(status.code(), Some(1));
            assert!(err.contains("--customer must"), "{err}");
        }
    }
}

async fn an_erasure_that_is_killed_is_done_by_the_next(engine: Engine) {
    let place = TempStore::new(engine).await;
    let options = TestServer::on(&place);
    let desk = options.start().await;
    for n in 0..120 {
        let mut form = form();
        form["subject"] = json!(format!("riddle {n}"));
        assert_eq!(desk.create(&form).await.status, 201);
    }
    let left = || -> u32 {
        ask(
            &place,
            &format!("SELECT count(*) FROM tickets WHERE customer_email = '{EMAIL}'"),
        )
        .parse()
        .unwrap()
    };
    for delay in [30, 60, 120] {
        let mut erasing = options.spawn(&["erase", "--customer", PHONE, "--yes"], Stdio::null());
        sleep(Duration::from_millis(delay)).await;
        // It may have come to its end.
        drop(erasing.kill().await);
        drop(erasing.wait().await);
        assert_eq!(
            ask(
                &place,
                "SELECT count(*) FROM messages WHERE body = 'My punched cards are gone.'"
            ),
            left().to_string(),
            "a ticket is erased wholly or not at all"
        );
    }
    let (status, out, err) = options.run(&["erase", "--customer", PHONE, "--yes"]).await;
    assert!(status.success(), "{out}{err}");
    assert_eq!(left(), 0);
    assert_eq!(
        ask(&place, "SELECT count(*) FROM messages WHERE body <> '[erased]'"),
        "0"
    );
    assert!(desk.stop().await.success());
}
