//! No call looks through a whole table: each statement that the store sends is explained by SQLite.

use std::sync::{Arc, Mutex};

use diesel::{
    Connection, QueryableByName, RunQueryDsl, SqliteConnection, connection::InstrumentationEvent, sql_query,
    sql_types::Text,
};
use diesel_migrations::MigrationHarness;
use store_contract::{Fixture, memory::MemoryStore};
use ticket_domain::{
    Timestamp,
    ports::{Append, LookUp, Verdict},
};

use crate::{health, messages, migrate::MIGRATIONS, outbox, tickets};

/// They hold only what waits or is not delivered, however much was sent.
const SMALL_INDEXES: [&str; 4] = [
    "notifications_due",
    "notifications_waiting",
    "notifications_undelivered",
    "messages_unmatched",
];

/// Calls everything once, and gives the statements that were sent.
fn statements(connection: &mut SqliteConnection) -> Vec<String> {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&sent);
    connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            log.lock().unwrap().push(query.to_string());
        }
    });
    let fixture = Fixture::new(Arc::new(MemoryStore::default()));
    let now = Timestamp::from_unix_micros(0).unwrap();
    let mut opening = fixture.opening(now);
    opening.idempotency = Some(fixture.idempotency(now));
    let id = opening.notification.id;
    let external_id = fixture.external_id();

    tickets::open(connection, &opening).unwrap();
    tickets::opened_since(connection, now).unwrap();
    tickets::thread(connection, opening.ticket.reference).unwrap().unwrap();
    messages::keep(connection, &fixture.message_of(&external_id, now)).unwrap();
    messages::kept(connection, &external_id).unwrap().unwrap();
    for message in [fixture.message(now), fixture.message_of(&external_id, now)] {
        let append = Append {
            to: opening.ticket.id,
            message,
            notification: None,
            reopen: true,
        };
        messages::append(connection, &append).unwrap();
    }
    tickets::find(connection, &LookUp::Quoted(external_id))
        .unwrap()
        .unwrap();
    outbox::redeliver(connection, id, now).unwrap();
    outbox::release_waiting(connection, now).unwrap();
    outbox::hold_unaddressed(connection, now).unwrap();
    outbox::postpone(connection, now).unwrap();
    outbox::claim_probe(connection, fixture.claim_at(now), now).unwrap();
    let claimed = outbox::claim_due(connection, fixture.claim_at(now), 9)
        .unwrap()
        .remove(0);
    let verdict = Verdict::Delivered {
        at: now,
        external_id: None,
    };
    outbox::undelivered(connection, 9).unwrap();
    outbox::settle(connection, id, claimed.lease, &verdict).unwrap();
    health::vitals(connection, now).unwrap();
    std::mem::take(&mut *sent.lock().unwrap())
}

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

#[test]
fn every_statement_finds_its_rows_by_an_index() {
    let mut connection = SqliteConnection::establish(":memory:").unwrap();
    connection.run_pending_migrations(MIGRATIONS).unwrap();
    let statements = statements(&mut connection);
    assert!(statements.len() > 25, "{statements:#?}");
    for statement in statements {
        let steps: Vec<Step> = sql_query(format!("EXPLAIN QUERY PLAN {statement}"))
            .load(&mut connection)
            .unwrap();
        for Step { detail } in steps {
            let is_small = SMALL_INDEXES.iter().any(|index| detail.ends_with(index));
            let is_no_table = detail == "SCAN CONSTANT ROW";
            assert!(
                !detail.starts_with("SCAN") || is_small || is_no_table,
                "{detail}\n{statement}"
            );
        }
    }
}
