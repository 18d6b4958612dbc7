//! What the calls ask often, they have prepared once.

use std::{
    collections::HashSet,
    mem,
    sync::{Arc, Mutex},
};

use diesel::{Connection, SqliteConnection, connection::InstrumentationEvent};
use store_contract::{Fixture, call_everything};
use ticket_domain::Timestamp;

use super::SqliteStore;
use crate::failure::Failure;

/// What is asked seldom, or one of many at once.
const SELDOM: [&str; 25] = [
    "BEGIN",
    "COMMIT",
    // Once in 64 tickets, and planned for as many as there are.
    "LIMIT 256",
    // Operators, and managers who are asked back.
    "INSERT INTO `audit_log`",
    "UPDATE `questions`",
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

#[tokio::test]
async fn what_is_asked_often_is_prepared_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("tickets.db")).unwrap();
    let fixture = Fixture::new(Arc::new(store.clone()));
    let now = Timestamp::from_unix_micros(1_736_937_000_000_000).unwrap();
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

    call_everything(&fixture, now).await;
    let kept = mem::take(&mut *heard.lock().unwrap()).kept;
    call_everything(&fixture, now).await;
    let again = mem::take(&mut *heard.lock().unwrap());
    assert!(again.run.len() > 100, "{}", again.run.len());
    assert_eq!(again.kept, HashSet::new(), "prepared once more");
    let is_seldom = |statement: &str| SELDOM.iter().any(|words| statement.contains(words));
    let mut anew: Vec<_> = again
        .run
        .into_iter()
        .filter(|statement| !kept.contains(statement) && !is_seldom(statement))
        .collect();
    anew.sort_unstable();
    anew.dedup();
    assert!(anew.is_empty(), "prepared each time: {anew:#?}");
}
