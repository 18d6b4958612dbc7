//! What is done to everything that waits is done in steps, between which others write.

use diesel::{QueryResult, connection::SimpleConnection};
use store_contract::Fixture;
use ticket_domain::{
    AuditAction, Recipient, Timestamp,
    ports::{OpenResult, OperatorQueries, Outbox, StoreError, TicketStore},
};

use super::{
    SqliteStore,
    engine::{BATCH, Connection},
    statements::{
        outbox::{hold_unaddressed, postpone, release_waiting},
        redelivery,
    },
};
use crate::{failure::Failure, rows::state};

/// Two steps, and one more notification.
const MANY: u64 = 2 * BATCH as u64 + 1;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_micros(seconds * 1_000_000).unwrap()
}

/// A store with a ticket that has many notifications: one that was made with it, which waits, and others like it.
async fn crowded(state: &str) -> (SqliteStore, Fixture, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("tickets.db")).unwrap();
    let fixture = Fixture::new(std::sync::Arc::new(store.clone()));
    let mut opening = fixture.opening(at(100));
    opening.notifications[0].addressed = false;
    assert_eq!(store.open(opening).await.unwrap(), OpenResult::Opened);
    let more = format!(
        "INSERT INTO notifications (id, ticket_id, seq, event, payload, addressed, state, due_at, scheduled_at,
             failed_attempts, created_at)
         WITH RECURSIVE numbers (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM numbers WHERE n < {MANY})
         SELECT randomblob(16), ticket_id, n, event, payload, addressed, state, due_at, scheduled_at,
             failed_attempts, created_at
         FROM notifications, numbers;
         UPDATE notifications SET state = '{state}', due_at = iif('{state}' = 'waiting', due_at, NULL)"
    );
    let crowd = store.db.write(move |connection| Ok(connection.batch_execute(&more)?));
    crowd.await.unwrap();
    (store, fixture, folder)
}

/// Does `step` once, and gives how many it changed.
async fn once(store: &SqliteStore, step: impl Fn(&mut Connection) -> Result<usize, Failure> + Send + 'static) -> usize {
    store.db.write(step).await.unwrap()
}

type Step = fn(&mut Connection, Recipient, Timestamp) -> QueryResult<usize>;

/// Does one `step`, and then `the_rest`, which is done once.
async fn in_steps(
    step: Step,
    moment: Timestamp,
    the_rest: impl AsyncFn(&SqliteStore, Recipient, Timestamp) -> Result<u64, StoreError>,
) {
    let (store, ..) = crowded(state::WAITING).await;
    let first = once(&store, move |connection| {
        Ok(step(connection, Recipient::Manager, moment)?)
    })
    .await;
    assert_eq!(first, usize::from(BATCH));
    for expected in [MANY - u64::from(BATCH), 0] {
        assert_eq!(the_rest(&store, Recipient::Manager, moment).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn everything_is_released_in_steps() {
    in_steps(release_waiting, at(50), async |store, to, at| {
        store.release_waiting(to, at).await
    })
    .await;
}

#[tokio::test]
async fn everything_is_postponed_in_steps() {
    in_steps(postpone, at(200), async |store, to, at| store.postpone(to, at).await).await;
}

#[tokio::test]
async fn everything_is_held_in_steps() {
    in_steps(hold_unaddressed, at(101), async |store, to, at| {
        store.hold_unaddressed(to, at).await
    })
    .await;
}

/// And is one entry in the audit log.
#[tokio::test]
async fn everything_dead_is_redelivered_in_steps() {
    let (store, fixture, _folder) = crowded(state::DEAD).await;
    let note = fixture.note(at(300));
    let step = move |connection: &mut _| Ok(redelivery::redeliver_dead(connection, note, at(0))?.0);
    assert_eq!(once(&store, step).await, usize::from(BATCH));
    assert_eq!(store.redeliver_dead(note).await.unwrap(), MANY - u64::from(BATCH));
    assert_eq!(store.redeliver_dead(fixture.note(at(301))).await.unwrap(), 0);
    let acts: Vec<AuditAction> = store
        .audit_log(None, None, 9)
        .await
        .unwrap()
        .into_iter()
        .map(|entry| entry.act)
        .collect();
    assert_eq!(acts, [AuditAction::RedeliverDead(MANY)]);
}
