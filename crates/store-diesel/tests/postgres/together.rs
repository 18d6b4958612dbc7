//! Tickets that are opened at the same time share commits, and never a fate.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use store_diesel::{PostgresStore, postgres::testing::TestDatabase};
use ticket_domain::ports::{OpenResult, Opening, StoreError, TicketStore};
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::fixture::{connect, connection, count, opening};

/// Starts all openings while nobody may write tickets, so that the first are under way and all others wait for them.
async fn open_behind_a_lock(
    store: &PostgresStore,
    database: &TestDatabase,
    openings: &[Opening],
) -> Vec<JoinHandle<Result<OpenResult, StoreError>>> {
    let mut lock = connection(database.url()).await;
    lock.batch_execute("BEGIN; LOCK TABLE tickets IN SHARE MODE").unwrap();
    // Within a transaction Postgres keeps showing those connections that it has shown first.
    let mut watcher = connection(database.url()).await;
    let calls: Vec<_> = openings
        .iter()
        .map(|opening| {
            let (store, opening) = (store.clone(), opening.clone());
            tokio::spawn(async move { store.open(opening).await })
        })
        .collect();
    let waiting = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = '{}'",
        database.name()
    );
    timeout(Duration::from_secs(3), async {
        while count(&mut watcher, &waiting) == 0 {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
    lock.batch_execute("ROLLBACK").unwrap();
    calls
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_shares_a_commit() {
    let database = TestDatabase::create().await;
    let store = connect(database.url(), 4).await.unwrap();
    let openings: Vec<Opening> = (0..60).map(|_| opening()).collect();
    for call in open_behind_a_lock(&store, &database, &openings).await {
        assert_eq!(call.await.unwrap().unwrap(), OpenResult::Opened);
    }
    let mut connection = connection(database.url()).await;
    let transactions = "SELECT count(DISTINCT xmin::text) AS count FROM";
    let of_tickets = count(&mut connection, &format!("{transactions} tickets"));
    assert!((1..20).contains(&of_tickets), "{of_tickets} transactions");
    // Each ticket with everything that belongs to it.
    let whole = "SELECT count(*) FROM tickets t JOIN messages m ON m.ticket_id = t.id AND m.xmin = t.xmin
        JOIN notifications n ON n.ticket_id = t.id AND n.xmin = t.xmin
        JOIN ticket_search s ON s.ticket_number = t.number AND s.xmin = t.xmin";
    assert_eq!(count(&mut connection, whole), 60);
}

/// One that the database refuses is told so; the others of its commit are written.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_refused_harms_no_other() {
    let database = TestDatabase::create().await;
    let store = connect(database.url(), 4).await.unwrap();
    let mut openings: Vec<Opening> = (0..40).map(|_| opening()).collect();
    let taken = openings[0].message.external_id.insert("SM1".parse().unwrap()).clone();
    store.open(openings[0].clone()).await.unwrap();
    openings.remove(0);
    for refused in [7, 20] {
        openings[refused].message.external_id = Some(taken.clone());
    }
    let calls = open_behind_a_lock(&store, &database, &openings).await;
    for (number, call) in calls.into_iter().enumerate() {
        let ended = call.await.unwrap();
        if [7, 20].contains(&number) {
            assert!(matches!(ended, Err(StoreError::Failed(_))), "{ended:?}");
        } else {
            assert_eq!(ended.unwrap(), OpenResult::Opened, "{number}");
        }
    }
    let mut connection = connection(database.url()).await;
    for table in ["tickets", "messages", "notifications"] {
        assert_eq!(count(&mut connection, &format!("SELECT count(*) FROM {table}")), 38);
    }
}
