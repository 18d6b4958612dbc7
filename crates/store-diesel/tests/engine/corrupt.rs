//! A row that no value type accepts is named by table and column, and nothing of it is repeated.

use std::time::Duration;

use store_diesel::{PostgresStore, testing::TestDatabase};
use ticket_domain::{
    LeaseToken,
    ports::{Claim, Idempotency, LookUp, Opening, Outbox, StoreError, TicketStore},
};
use uuid::Uuid;

use crate::fixture::{connect, everything, now, opening};

/// Every column that is parsed, and what its type refuses.
const COLUMNS: [(&str, &str, &str); 23] = [
    ("tickets", "reference", "'bad'"),
    ("tickets", "customer_name", "E'bad\\tbad'"),
    ("tickets", "customer_phone", "'bad'"),
    ("tickets", "customer_email", "'bad'"),
    ("tickets", "subject", "E'bad\\nbad'"),
    ("tickets", "priority", "'bad'"),
    ("tickets", "status", "'bad'"),
    ("tickets", "customer_key", "'bad'"),
    ("tickets", "reader_key", "'bad'"),
    ("tickets", "version", "-1"),
    ("messages", "sender", "'bad'"),
    ("messages", "channel", "'bad'"),
    ("messages", "from_phone", "'bad'"),
    ("messages", "body", "E'bad\\x01'"),
    ("messages", "body", "''"),
    ("messages", "media_url", "'bad'"),
    ("messages", "external_id", "''"),
    ("notifications", "event", "'bad'"),
    ("notifications", "state", "'bad'"),
    ("notifications", "failures", "-1"),
    ("notifications", "settled_at", "NULL"),
    ("notifications", "external_id", "''"),
    ("idempotency_keys", "digest", "'bad'"),
];

/// Asks for everything that there is of a ticket, and gives the first error.
async fn read_all(store: &PostgresStore, opening: &Opening) -> Result<(), StoreError> {
    // A repetition under the key, which draws another reference.
    let mut again = crate::fixture::opening();
    again.idempotency = opening.idempotency.clone();
    store.notification(opening.notification.id).await?;
    store.find(LookUp::Quoted("SM1".parse().unwrap())).await?;
    store.undelivered(10).await?;
    let claim = Claim {
        now: now(),
        lease: LeaseToken(Uuid::from_u128(7)),
        until: now().plus(Duration::from_secs(30)),
    };
    store.claim(claim, 10).await?;
    store.thread(opening.ticket.reference).await?;
    store.open(again).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_column_that_no_type_accepts_is_named() {
    for (table, column, bad) in COLUMNS {
        let database = TestDatabase::create().await;
        let store = connect(database.url(), 1).await.unwrap();
        let mut written = opening();
        written.message.external_id = Some("SM1".parse().unwrap());
        written.idempotency = Some(Idempotency {
            key: "key".parse().unwrap(),
            digest: [7; 32],
            expires_at: now().plus(Duration::from_mins(1)),
        });
        store.open(written.clone()).await.unwrap();
        database
            .execute("UPDATE notifications SET state = 'delivered', due_at = NULL, settled_at = created_at")
            .await;
        read_all(&store, &written).await.unwrap();

        // Past the checks, as a hand with SQL or a later version may.
        database
            .execute(&format!(
                "ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {table}_{column}_check; UPDATE {table} SET {column} = {bad}"
            ))
            .await;
        match read_all(&store, &written).await {
            Err(
                error @ StoreError::Corrupt {
                    table: of, column: at, ..
                },
            ) => {
                assert_eq!((of, at), (table, column));
                assert!(!everything(&error).contains("bad"), "{}", everything(&error));
            }
            other => panic!("{table}.{column}: {other:?}"),
        }
    }
}
