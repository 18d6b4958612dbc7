//! A row that holds what no value type accepts is an error that names its column, and nothing of what is in it.
#![allow(clippy::unwrap_used)]

use std::{sync::Arc, time::Duration};

use diesel::{Connection, SqliteConnection, connection::SimpleConnection};
use store_contract::Fixture;
use store_sqlite::SqliteStore;
use ticket_domain::{
    Timestamp,
    ports::{LookUp, Opened, Opening, StoreError, Verdict},
};

/// What is asked of a store that holds one ticket.
#[derive(Clone, Copy)]
enum Call {
    Find,
    Thread,
    Record,
    Undelivered,
    Claim,
    Vitals,
    OpenAgain,
    KeepAgain,
}

use Call::{Claim, Find, KeepAgain, OpenAgain, Record, Thread, Undelivered, Vitals};

fn now() -> Timestamp {
    Timestamp::from_unix_micros(1_736_937_000_123_456).unwrap()
}

async fn make(call: Call, fixture: &Fixture, opening: &Opening) -> Result<(), StoreError> {
    let store = fixture.store();
    let (reference, id) = (opening.ticket.reference, opening.notification.id);
    match call {
        Find => store.find(LookUp::Reference(reference)).await.map(drop),
        Thread => store.thread(reference).await.map(drop),
        Record => store.notification(id).await.map(drop),
        Undelivered => store.undelivered(9).await.map(drop),
        Claim => store.claim(fixture.claim_at(now()), 9).await.map(drop),
        Vitals => store.vitals(now()).await.map(drop),
        OpenAgain => store.open(opening.clone()).await.map(drop),
        KeepAgain => {
            let external_id = opening.message.external_id.as_ref().unwrap();
            let message = fixture.message_of(external_id, now());
            store.keep_unmatched(message).await.map(drop)
        }
    }
}

/// Spoils `table.column` of a store with one ticket, and expects `call`, which succeeds before, to say so. A claim takes
/// what it claims, so its cases make that due again as well.
async fn expect_corrupt(table: &str, column: &str, value: &str, call: Call) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tickets.db");
    let fixture = Fixture::new(Arc::new(SqliteStore::open(&path).unwrap()));
    let store = fixture.store();
    let mut opening = fixture.opening(now());
    opening.idempotency = Some(fixture.idempotency(now().plus(Duration::from_hours(1))));
    opening.message.external_id = Some(fixture.external_id());
    assert_eq!(store.open(opening.clone()).await.unwrap(), Opened::Now);
    if value.starts_with("delivered: ") {
        let claimed = store.claim(fixture.claim_at(now()), 1).await.unwrap().remove(0);
        let verdict = Verdict::Delivered {
            at: now(),
            external_id: Some(fixture.external_id()),
        };
        store.settle(claimed.id, claimed.lease, verdict).await.unwrap();
    }
    make(call, &fixture, &opening).await.unwrap();

    let value = value.trim_start_matches("delivered: ");
    SqliteConnection::establish(path.to_str().unwrap())
        .unwrap()
        .batch_execute(&format!(
            "PRAGMA busy_timeout = 2500; PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON;
             UPDATE {table} SET {column} = {value}"
        ))
        .unwrap();
    let error = make(call, &fixture, &opening).await.unwrap_err();
    assert!(
        matches!(error, StoreError::Corrupt { .. }),
        "{table}.{column}: {error:?}"
    );
    assert_eq!(
        error.to_string(),
        format!("{table}.{column} holds a value that the domain refuses")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_ticket_is_told() {
    let cases: [(&str, &str, Call); 13] = [
        ("id", "x'00'", Find),
        ("reference", "'T-1'", Record),
        ("customer_name", "''", Find),
        ("customer_phone", "'none'", Find),
        ("customer_email", "'nobody'", Find),
        ("subject", "'a' || char(10) || 'b'", Find),
        ("priority", "'extreme'", Find),
        ("status", "'lost'", Find),
        ("customer_key", "'short'", Find),
        ("reader_key", "'SHORT'", Find),
        ("version", "-1", Find),
        ("created_at", "9223372036854775807", Find),
        ("updated_at", "-9223372036854775808", Find),
    ];
    for (column, value, call) in cases {
        expect_corrupt("tickets", column, value, call).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_message_is_told() {
    let cases: [(&str, &str, Call); 10] = [
        ("id", "x'00'", Thread),
        ("id", "x'0011'", KeepAgain),
        ("sender", "'bot'", Thread),
        ("channel", "'fax'", Thread),
        ("from_phone", "'x'", Thread),
        ("body", "'a' || char(7)", Thread),
        ("body", "''", Thread),
        ("media_url", "'http://media.example'", Thread),
        ("external_id", "' '", Thread),
        ("created_at", "9223372036854775807", Thread),
    ];
    for (column, value, call) in cases {
        expect_corrupt("messages", column, value, call).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_notification_is_told() {
    let cases: [(&str, &str, Call); 14] = [
        ("id", "x'00'", Undelivered),
        ("ticket_id", "x'00', due_at = 0", Claim),
        ("event", "'ticket.lost'", Record),
        ("event", "'ticket.lost', due_at = 0", Claim),
        ("state", "'lost'", Thread),
        ("due_at", "NULL", Record),
        ("due_at", "9223372036854775807", Record),
        ("scheduled_at", "9223372036854775807, due_at = 0", Claim),
        ("failures", "-1", Record),
        ("failures", "65536, due_at = 0", Claim),
        ("external_id", "delivered: ''", Record),
        ("settled_at", "delivered: NULL", Thread),
        ("created_at", "9223372036854775807", Record),
        ("created_at", "9223372036854775807", Vitals),
    ];
    for (column, value, call) in cases {
        expect_corrupt("notifications", column, value, call).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_key_is_told() {
    expect_corrupt("idempotency_keys", "digest", "x'00'", OpenAgain).await;
}
