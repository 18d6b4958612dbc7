//! What an outage of days leaves behind.

use std::time::{Duration, Instant};

use store_diesel::postgres::testing::TestDatabase;
use ticket_domain::{
    LeaseToken, Recipient,
    ports::{Claim, Outbox, StoreHealth},
};
use uuid::Uuid;

use crate::fixture::{connect, now};

/// Of each ticket one notification, made without an address, which is due in an hour.
const CROWD: &str = "
    INSERT INTO tickets (id, reference, customer_name, customer_phone, customer_email, subject, priority, status,
        customer_key, reader_key, version, created_at, updated_at)
    SELECT ('00000000-0000-0000-0001-' || lpad(to_hex(n), 12, '0'))::uuid, 'T-20250115-' || n, 'John', '+1234567',
        'j@example.com', 'Bottles', 'low', 'open', 'k', 'k', 1, '2025-01-15 10:30Z', '2025-01-15 10:30Z'
    FROM generate_series(100000, 124999) n;
    INSERT INTO notifications (id, ticket_id, seq, event, payload, addressed, state, due_at, scheduled_at, failed_attempts,
        created_at)
    SELECT id, id, 1, 'ticket.created', '{}', false, 'waiting', created_at + '1 hour', created_at, 0, created_at
    FROM tickets;
    ANALYZE";

#[tokio::test(flavor = "multi_thread")]
async fn more_than_one_statement_may_change_is_released_and_held() {
    let database = TestDatabase::create().await;
    let store = connect(database.url(), 4).await.unwrap();
    database.execute(CROWD).await;

    // Two workers that had their first success at the same moment share the work.
    let (one, other) = tokio::join!(
        store.release_waiting(Recipient::Manager, now()),
        store.release_waiting(Recipient::Manager, now())
    );
    assert_eq!(one.unwrap() + other.unwrap(), 25_000);
    assert_eq!(store.release_waiting(Recipient::Manager, now()).await.unwrap(), 0);

    let begun = Instant::now();
    let claim = Claim {
        recipient: Recipient::Manager,
        now: now(),
        lease: LeaseToken(Uuid::from_u128(7)),
        until: now().plus(Duration::from_secs(30)),
        first_tries_only: false,
    };
    assert_eq!(store.claim(claim, 100).await.unwrap().len(), 100);
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "a claim took {:?}",
        begun.elapsed()
    );

    assert_eq!(store.hold_unaddressed(Recipient::Manager, now()).await.unwrap(), 24_900);
    let vitals = store.vitals(now()).await.unwrap();
    assert_eq!((vitals.waiting, vitals.leased, vitals.held), (100, 100, 24_900));
}
