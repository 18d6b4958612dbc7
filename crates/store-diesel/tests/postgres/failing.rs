//! The database fails in every way that can be staged: each call ends in time, what was refused is not written, and
//! when the database is back so is the store.

use std::time::Duration;

use diesel::{PgConnection, connection::SimpleConnection};
use store_diesel::{PostgresStore, postgres::testing::TestDatabase};
use ticket_domain::{
    LeaseToken, Recipient,
    ports::{Claim, OpenResult, Opening, Outbox, StoreHealth, TicketLookup, TicketStore},
};
use tokio::{task::JoinSet, time::timeout};
use uuid::Uuid;

use crate::{
    fixture::{connect, connection, count, everything, in_time, now, opening, unavailable},
    proxy::Proxy,
};

/// Ends every connection to a database, and waits until they are gone. Says how many there were.
fn end_connections(server: &mut PgConnection, database: &TestDatabase) -> i64 {
    let sql = "SELECT count(pg_terminate_backend(pid, 5000)) AS count FROM pg_stat_activity WHERE datname = '";
    count(server, &format!("{sql}{}'", database.name()))
}

async fn opens(store: &PostgresStore) {
    assert_eq!(in_time(store.open(opening())).await.unwrap(), OpenResult::Opened);
}

async fn is_written(store: &PostgresStore, opening: &Opening) -> bool {
    store
        .find(TicketLookup::Reference(opening.ticket.reference))
        .await
        .unwrap()
        .is_some()
}

/// Opens and finds at the same time, more often than there are connections.
async fn many_calls(store: &PostgresStore) -> (Vec<Opening>, Vec<String>) {
    let openings: Vec<Opening> = (0..12).map(|_| opening()).collect();
    let mut calls = JoinSet::new();
    for opening in &openings {
        let (to_open, to_find) = (
            (store.clone(), opening.clone()),
            (store.clone(), opening.ticket.reference),
        );
        calls.spawn(async move { unavailable(in_time(to_open.0.open(to_open.1)).await) });
        calls.spawn(async move { unavailable(in_time(to_find.0.find(TicketLookup::Reference(to_find.1))).await) });
    }
    let said = calls.join_all().await;
    (openings, said)
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_no_call_fails() {
    let database = TestDatabase::create().await;
    let store = connect(database.url(), 6).await.unwrap();
    let mut server = connection(database.server_url()).await;
    for round in 0..3 {
        // All connections are in use at once, so that the pool is full of them.
        let mut lock = connection(database.url()).await;
        lock.batch_execute("BEGIN; LOCK TABLE tickets").unwrap();
        let mut calls = JoinSet::new();
        for _ in 0..6 {
            let (store, reference) = (store.clone(), opening().ticket.reference);
            calls.spawn(async move { assert_eq!(store.find(TicketLookup::Reference(reference)).await.unwrap(), None) });
        }
        let open = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = '{}'",
            database.name()
        );
        timeout(Duration::from_secs(2), async {
            while count(&mut server, &open) < 6 {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("six calls under way");
        lock.batch_execute("COMMIT").unwrap();
        calls.join_all().await;
        drop(lock);

        assert!(end_connections(&mut server, &database) >= 6);
        if round % 2 == 0 {
            in_time(store.ping()).await.unwrap();
        }
        for _ in 0..8 {
            opens(&store).await;
            in_time(store.vitals(now())).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_dies_under_a_call_fails_that_call_only() {
    let database = TestDatabase::create().await;
    let store = connect(database.url(), 2).await.unwrap();
    let mut server = connection(database.server_url()).await;
    let mut lock = connection(database.url()).await;
    lock.batch_execute("BEGIN; LOCK TABLE notifications").unwrap();

    let refused = opening();
    let call = tokio::spawn({
        let (store, refused) = (store.clone(), refused.clone());
        async move { in_time(store.open(refused)).await }
    });
    let killed = format!(
        "SELECT count(pg_terminate_backend(pid, 5000)) AS count FROM pg_stat_activity \
         WHERE datname = '{}' AND wait_event_type = 'Lock'",
        database.name()
    );
    timeout(Duration::from_secs(2), async {
        while count(&mut server, &killed) == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("a call that waits for the lock");
    unavailable(call.await.unwrap());
    lock.batch_execute("COMMIT").unwrap();
    assert!(!is_written(&store, &refused).await);
    assert_eq!(store.open(refused).await.unwrap(), OpenResult::Opened);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_table_makes_calls_unavailable_and_nothing_is_written_later() {
    let database = TestDatabase::create().await;
    let store = connect(database.url(), 4).await.unwrap();
    let mut lock = connection(database.url()).await;
    lock.batch_execute("BEGIN; LOCK TABLE tickets").unwrap();
    let (openings, _) = many_calls(&store).await;
    lock.batch_execute("COMMIT").unwrap();

    opens(&store).await;
    // Waits for every transaction that has touched the table.
    lock.batch_execute("BEGIN; LOCK TABLE tickets").unwrap();
    assert_eq!(count(&mut lock, "SELECT count(*) FROM tickets"), 1);
    lock.batch_execute("COMMIT").unwrap();
    for opening in openings {
        assert!(!is_written(&store, &opening).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_falls_silent_makes_calls_unavailable() {
    let database = TestDatabase::create().await;
    let proxy = Proxy::to(database.url()).await;
    let store = connect(&proxy.url(database.url()), 4).await.unwrap();
    opens(&store).await;

    proxy.fall_silent();
    let (openings, _) = many_calls(&store).await;
    let claim = Claim {
        recipient: Recipient::Manager,
        now: now(),
        lease: LeaseToken(Uuid::from_u128(7)),
        until: now().plus(Duration::from_secs(30)),
        first_tries_only: false,
    };
    unavailable(in_time(store.claim(claim, 10)).await);
    unavailable(in_time(store.ping()).await);

    proxy.flow();
    timeout(Duration::from_secs(10), async { while store.ping().await.is_err() {} })
        .await
        .expect("the store is back");
    opens(&store).await;
    for opening in openings {
        assert!(!is_written(&store, &opening).await);
    }
    // Nor was anything claimed.
    assert_eq!(store.vitals(now()).await.unwrap().leased, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_away_is_told_without_secrets() {
    let database = TestDatabase::create().await;
    let proxy = Proxy::to(database.url()).await;
    let url = proxy.url(database.url());
    // The server trusts this user without a password, so any will do.
    let url = url.replace("@127.0.0.1", ":hunter2@127.0.0.1");
    let store = connect(&url, 4).await.unwrap();
    opens(&store).await;

    drop(proxy);
    let (_, said) = many_calls(&store).await;
    for said in said {
        assert!(!said.contains("hunter2") && !said.contains(database.name()), "{said}");
    }
    // A call that waits beside others may hear only that it got no connection; one of them hears why.
    timeout(Duration::from_secs(15), async {
        while !unavailable(in_time(store.ping()).await).contains("no database server answers") {}
    })
    .await
    .expect("a call that says why");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_database_is_unavailable_to_writers() {
    let database = TestDatabase::create().await;
    let store = connect(database.url(), 2).await.unwrap();
    let written = opening();
    store.open(written.clone()).await.unwrap();
    let mut server = connection(database.server_url()).await;
    let mut set_read_only = |on: bool| {
        let sql = format!(
            "ALTER DATABASE {} SET default_transaction_read_only = {on}",
            database.name()
        );
        server.batch_execute(&sql).unwrap();
        end_connections(&mut server, &database);
    };

    set_read_only(true);
    unavailable(store.open(opening()).await);
    assert!(is_written(&store, &written).await);
    set_read_only(false);
    opens(&store).await;
}

/// What no value of ours can cause is no passing trouble.
#[tokio::test(flavor = "multi_thread")]
async fn a_missing_table_is_a_failure_and_not_unavailable() {
    let database = TestDatabase::create().await;
    let store = connect(database.url(), 1).await.unwrap();
    database
        .execute("DROP TABLE idempotency_keys; ALTER TABLE notifications RENAME TO elsewhere")
        .await;
    let error = store.open(opening()).await.unwrap_err();
    assert!(
        matches!(error, ticket_domain::ports::StoreError::Failed(_)),
        "{}",
        everything(&error)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_nobody_waits_for_is_written_wholly() {
    let database = TestDatabase::create().await;
    let store = connect(database.url(), 2).await.unwrap();
    let mut lock = connection(database.url()).await;
    for _ in 0..5 {
        lock.batch_execute("BEGIN; LOCK TABLE notifications").unwrap();
        let dropped = opening();
        // The request goes away while its ticket is written and its notification is not.
        let gone = timeout(Duration::from_millis(50), store.open(dropped.clone())).await;
        assert!(gone.is_err());
        lock.batch_execute("COMMIT").unwrap();
        let reference = dropped.ticket.reference;
        timeout(Duration::from_secs(3), async {
            while store.thread(reference).await.unwrap().is_none() {}
        })
        .await
        .expect("the ticket with its notification");
    }
}
