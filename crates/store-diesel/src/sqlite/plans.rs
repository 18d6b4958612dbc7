//! What the calls ask of a file, however much there is: by indexes, and prepared once.

use std::{
    collections::{BTreeSet, HashSet},
    mem,
    sync::{Arc, Mutex},
};

use diesel::{
    Connection, QueryableByName, RunQueryDsl, SqliteConnection, connection::InstrumentationEvent, sql_query,
    sql_types::Text,
};
use diesel_migrations::MigrationHarness;
use store_contract::{Fixture, call_everything, list_everything};
use ticket_domain::Timestamp;

use super::{SqliteStore, engine::PING, migrate::MIGRATIONS};
use crate::failure::Failure;

/// They hold only what waits, is not delivered, is not matched or is open, however much was sent; of the open, and of the
/// audit log, only the newest are read.
const SMALL_INDEXES: [&str; 10] = [
    "files_unclaimed",
    // Once a minute while files are received.
    "files_size",
    "notifications_due",
    "notifications_waiting",
    "notifications_undelivered",
    "messages_unmatched",
    "messages_unmatched_id",
    "tickets_open",
    "questions_open",
    "sqlite_autoindex_audit_log_1",
];

/// What the triggers say beside: SQLite does not explain it with the statement that sets them off.
const TRIGGERED: [&str; 2] = [
    "SELECT number << 20 | ?2 FROM tickets WHERE id = ?1 AND ?2 < 1 << 20",
    "UPDATE tickets SET last_sender = ?1 WHERE id = ?2 AND last_sender <> ?1
        AND NOT EXISTS (SELECT 1 FROM messages WHERE ticket_id = ?2 AND seq > ?3 AND visibility = 'public')",
];

/// What is asked seldom, or one of many at once.
const SELDOM: [&str; 29] = [
    // Files, and the messages and tickets that they join.
    "UPDATE `tickets` SET `version` = (`tickets`.`version` + ?), `notes`",
    "`files`",
    "UPDATE `messages` SET `attachments`",
    "BEGIN",
    "COMMIT",
    // Once in 64 tickets, and planned for as many as there are.
    "LIMIT 256",
    // Operators, and managers who are asked back.
    "INSERT INTO `audit_log`",
    "UPDATE `questions`",
    "UPDATE `control_messages`",
    "UPDATE `messages` SET `ticket_id`",
    "UPDATE `tickets` SET `status` = ?, `priority`",
    "UPDATE `notifications` SET `state` = ?, `due_at` = ?, `addressed`",
    "`notifications`.`route` != ?",
    "messages.body = '[erased]'",
    // Who asks for what is kept of a customer, and for its end.
    "messages.sender <> 'manager'",
    "ticket_search",
    "DELETE FROM search_pending WHERE document IN (\n        SELECT t.number",
    "PRAGMA secure_delete",
    "questions.choices",
    "UPDATE `messages` SET `body`",
    "(`messages`.`id` IN (?",
    "(`notifications`.`id` IN (?",
    "UPDATE `tickets` SET `version` = (`tickets`.`version` + ?) WHERE (`tickets`.`id`",
    "UPDATE `tickets` SET `customer_name`",
    // Batches.
    "WHERE (`notifications`.`id` IN (SELECT",
    // What goes wrong: probes, messages that are refused, receipts that overtake.
    "SET `probed_at`",
    "SET `payload`",
    "SET `round`",
    "UPDATE `receipts`",
];

/// What was heard.
#[derive(Default)]
struct Heard {
    /// Every statement that was run.
    run: Vec<String>,
    /// Those that were prepared and kept.
    kept: HashSet<String>,
}

/// From then on, what becomes of every statement of a connection.
fn overhear(connection: &mut SqliteConnection, heard: &Arc<Mutex<Heard>>) {
    let heard = Arc::clone(heard);
    connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
        let mut heard = heard.lock().unwrap();
        match event {
            InstrumentationEvent::StartQuery { query, .. } => {
                // The statement as it is sent, and its values behind it.
                let query = query.to_string();
                heard.run.push(query.split(" -- binds: ").next().unwrap().to_owned());
            }
            InstrumentationEvent::CacheQuery { sql, .. } => {
                heard.kept.insert(sql.to_owned());
            }
            _ => {}
        }
    });
}

/// A store of which everything that is asked is heard.
async fn overheard() -> (Fixture, Arc<Mutex<Heard>>) {
    let store = SqliteStore::temporary().unwrap();
    let heard = Arc::<Mutex<Heard>>::default();
    // One call after the other has the same connection to read by, the one that was put back last.
    let (writer, reader) = (heard.clone(), heard.clone());
    let work = move |connection: &mut SqliteConnection| {
        overhear(connection, &writer);
        Ok::<_, Failure>(())
    };
    store.db.write(work).await.unwrap();
    let work = move |connection: &mut SqliteConnection| {
        overhear(connection, &reader);
        Ok::<_, Failure>(())
    };
    store.db.read(work).await.unwrap();
    (Fixture::new(Arc::new(store)), heard)
}

fn now() -> Timestamp {
    Timestamp::from_unix_micros(1_736_937_000_000_000).unwrap()
}

#[tokio::test]
async fn what_is_asked_often_is_prepared_once() {
    let (fixture, heard) = overheard().await;
    call_everything(&fixture, now()).await;
    let kept = mem::take(&mut *heard.lock().unwrap()).kept;
    call_everything(&fixture, now()).await;
    let again = mem::take(&mut *heard.lock().unwrap());
    assert!(again.run.len() > 100, "{}", again.run.len());
    assert_eq!(again.kept, HashSet::new(), "prepared once more");
    let is_seldom = |statement: &&String| SELDOM.iter().any(|words| statement.contains(words));
    let anew: BTreeSet<&String> = again
        .run
        .iter()
        .filter(|statement| !kept.contains(*statement) && !is_seldom(statement))
        .collect();
    assert!(anew.is_empty(), "prepared each time: {anew:#?}");
}

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

#[tokio::test]
async fn every_statement_finds_its_rows_by_an_index() {
    // The last reads one row, whichever it is.
    const NOT_EXPLAINED: [&str; 4] = ["BEGIN", "COMMIT", "PRAGMA", PING];
    let (fixture, heard) = overheard().await;
    call_everything(&fixture, now()).await;
    list_everything(&fixture).await;
    let run = mem::take(&mut *heard.lock().unwrap()).run.into_iter();
    let run: BTreeSet<String> = run.chain(TRIGGERED.map(str::to_owned)).collect();
    assert!(run.len() > 120, "{run:#?}");
    let mut connection = SqliteConnection::establish(":memory:").unwrap();
    connection.run_pending_migrations(MIGRATIONS).unwrap();
    let is_query = |statement: &&String| !NOT_EXPLAINED.iter().any(|word| statement.starts_with(word));
    for statement in run.iter().filter(is_query) {
        let steps: Vec<Step> = sql_query(format!("EXPLAIN QUERY PLAN {statement}"))
            .load(&mut connection)
            .unwrap();
        for Step { detail } in steps {
            let is_small = SMALL_INDEXES.iter().any(|index| detail.ends_with(index));
            // It says "scan" also where a virtual table is sought in, and then by what: a text, a row, or the first word.
            let is_sought = [
                "ticket_search VIRTUAL TABLE INDEX 192:M1<",
                "ticket_search VIRTUAL TABLE INDEX 0:M1",
                "ticket_search VIRTUAL TABLE INDEX 0:=",
                "ticket_words VIRTUAL TABLE INDEX 513:",
            ];
            let is_sought = is_sought.iter().any(|sought| detail.contains(sought));
            // A subquery's own steps stand beside it: `d` is one.
            // `search_pending` holds what is new in one commit.
            let is_no_table = [
                "SCAN CONSTANT ROW",
                "SCAN d",
                // As many as are counted at most, and the first of each priority.
                "SCAN counted",
                "SCAN first",
                "SCAN page",
                "SCAN found",
                "SCAN pending",
                "SCAN search_pending",
            ]
            .contains(&detail.as_str())
                || detail.starts_with("SCAN (subquery")
                || detail.ends_with("-ROW VALUES CLAUSE");
            // What managers were asked about a ticket is looked for when it is erased: by hand, or in old ones once a day.
            let is_rare = detail == "SCAN questions";
            assert!(
                !detail.starts_with("SCAN") || is_small || is_sought || is_no_table || is_rare,
                "{detail}\n{statement}"
            );
        }
    }
}
