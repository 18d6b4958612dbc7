//! Openings and reads share commits and statements, never a fate.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use diesel::{Connection, QueryableByName, RunQueryDsl, connection::SimpleConnection, sql_query};
use store_contract::Fixture;
use store_diesel::postgres::testing::TestDatabase;
use ticket_domain::{Thread, Timestamp, ports::TicketStore};
use tokio::{
    sync::Semaphore,
    task::{JoinHandle, spawn_blocking},
};

use super::*;
use crate::{
    batch::{
        Batcher, PendingRequest, ReplyReceiver,
        tests::{pending, run},
    },
    postgres::{PostgresStore, connect::Address, db::pool, threads},
};

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    count: i64,
}

fn fixture() -> Fixture {
    Fixture::new(Arc::new(crate::SqliteStore::temporary().unwrap()))
}

fn now() -> Timestamp {
    Timestamp::from_unix_micros(0).unwrap()
}

fn writer(url: &str) -> Batcher<OpenTickets> {
    let address = Address::new(url).unwrap();
    let pool = pool(&address, 2);
    let publisher = Arc::new(Publisher::new(address));
    Batcher::new(OpenTickets { pool, publisher }, OPENINGS, Arc::new(Semaphore::new(2)))
}

fn openings<const N: usize>(fixture: &Fixture) -> [Opening; N] {
    [(); N].map(|()| fixture.opening(now()))
}

fn start<O: BatchOperation>(batcher: Batcher<O>, batch: Vec<PendingRequest<O>>) -> JoinHandle<()> {
    spawn_blocking(move || run(&batcher, batch))
}

async fn replies<O: BatchOperation>(receivers: Vec<ReplyReceiver<O>>) -> Vec<Result<O::Reply, StoreError>> {
    let mut replies = Vec::new();
    for receiver in receivers {
        replies.push(receiver.await.unwrap());
    }
    replies
}

async fn count(database: &TestDatabase, of: &str) -> i64 {
    let (url, sql) = (database.url().to_owned(), format!("SELECT {of} AS count"));
    let counted = spawn_blocking(move || {
        let mut connection = diesel::PgConnection::establish(&url).unwrap();
        sql_query(sql).get_result::<Count>(&mut connection).unwrap().count
    });
    counted.await.unwrap()
}

async fn ticket_count(database: &TestDatabase) -> i64 {
    count(database, "(SELECT count(*) FROM tickets)").await
}

/// How many transactions wrote the tickets.
async fn commits(database: &TestDatabase) -> i64 {
    count(database, "(SELECT count(DISTINCT xmin::text) FROM tickets)").await
}

/// In the middle of the work, when nothing is decided.
#[tokio::test(flavor = "multi_thread")]
async fn callers_that_give_up_meanwhile_are_left_out_and_the_others_share_a_commit() {
    let database = TestDatabase::create().await;
    let (batch, gates, mut receivers) = pending(openings::<5>(&fixture()));
    let mut holder = diesel::PgConnection::establish(database.url()).unwrap();
    holder
        .batch_execute("BEGIN; LOCK TABLE tickets IN EXCLUSIVE MODE")
        .unwrap();
    let running = start(writer(database.url()), batch);
    while count(&database, "(SELECT count(*) FROM pg_locks WHERE NOT granted)").await == 0 {
        tokio::task::yield_now().await;
    }
    assert!(gates[2].give_up());
    holder.batch_execute("COMMIT").unwrap();
    running.await.unwrap();
    assert!(receivers.remove(2).await.is_err());
    for reply in replies::<OpenTickets>(receivers).await {
        assert_eq!(reply.unwrap(), OpenResult::Opened);
    }
    assert_eq!((ticket_count(&database).await, commits(&database).await), (4, 1));
}

/// One look at a database that is away is enough for all of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_is_waited_for_once() {
    let (batch, _gates, receivers) = pending(openings::<20>(&fixture()));
    let began = Instant::now();
    start(writer("postgres://nobody@127.0.0.1:1/nothing"), batch)
        .await
        .unwrap();
    for reply in replies::<OpenTickets>(receivers).await {
        assert!(matches!(reply, Err(StoreError::Unavailable(_))), "{reply:?}");
    }
    assert!(began.elapsed() < CALL_LIMIT, "{:?}", began.elapsed());
}

/// Whether a commit is repeated, and for whom it ends.
#[test]
fn a_failure_reaches_no_further_than_it_must() {
    let reach = |failure, is_in_doubt| match batch_error(failure, is_in_doubt) {
        BatchError::Failed(reach, _) => Some(reach),
        BatchError::GivenUp => None,
    };
    let of_one = || Failure::Query(diesel::result::Error::NotFound);
    let of_all = || Failure::Query(diesel::result::Error::BrokenTransactionManager);
    assert_eq!(reach(of_one(), false), Some(Reach::Request));
    assert_eq!(reach(Failure::Panicked, false), Some(Reach::Request));
    // It may have been written.
    assert_eq!(reach(of_one(), true), Some(Reach::Commit));
    assert_eq!(reach(of_all(), false), Some(Reach::Batch));
    assert_eq!(reach(of_all(), true), Some(Reach::Batch));
    assert_eq!(reach(Failure::GivenUp, false), None);
}

/// Two replicas that are asked for the same references and keys at once, in opposite orders.
#[tokio::test(flavor = "multi_thread")]
async fn batches_that_cross_wait_for_each_other_in_no_circle() {
    let database = TestDatabase::create().await;
    let fixture = fixture();
    let connect = || {
        let url = database.url().to_owned();
        spawn_blocking(move || PostgresStore::connect(&url, 4).unwrap())
    };
    let stores = [connect().await.unwrap(), connect().await.unwrap()];
    for round in 1..=10 {
        let ours = [(); 150].map(|()| Opening {
            idempotency: Some(fixture.idempotency(Timestamp::from_unix_micros(9).unwrap())),
            ..fixture.opening(now())
        });
        let twins = ours.iter().enumerate().map(|(number, ours)| {
            let mut twin = fixture.opening(now());
            if number % 2 == 0 {
                twin.ticket.reference = ours.ticket.reference;
            } else {
                twin.idempotency.clone_from(&ours.idempotency);
            }
            twin
        });
        let mut twins: Vec<Opening> = twins.collect();
        twins.reverse();
        let [ours_ended, twins_ended] = [open(&stores[0], &ours), open(&stores[1], &twins)];
        let (ours_ended, twins_ended) = (ours_ended.await.unwrap(), twins_ended.await.unwrap());
        let pairs = ours.iter().zip(ours_ended).zip(twins.iter().zip(twins_ended).rev());
        for (number, (ours, twin)) in pairs.enumerate() {
            let (winner, loser) = if ours.1 == OpenResult::Opened {
                (ours, twin)
            } else {
                (twin, ours)
            };
            assert_eq!(winner.1, OpenResult::Opened);
            match loser.1 {
                OpenResult::ReferenceTaken => assert_eq!(number % 2, 0),
                OpenResult::AlreadyOpened(precedent) => assert_eq!((number % 2, precedent.id), (1, winner.0.ticket.id)),
                OpenResult::Opened | OpenResult::UploadGone => panic!("{:?} is written too", loser.0.ticket.id),
            }
            let thread = stores[0].thread(winner.0.ticket.reference).await.unwrap().unwrap();
            assert_eq!(thread.ticket, winner.0.ticket);
        }
        assert_eq!(ticket_count(&database).await, 150 * round);
    }
}

/// Opens all at once, and says how each ended.
fn open(store: &PostgresStore, openings: &[Opening]) -> JoinHandle<Vec<OpenResult>> {
    let calls: Vec<_> = openings
        .iter()
        .map(|opening| {
            let (store, opening) = (store.clone(), opening.clone());
            tokio::spawn(async move { store.open(opening).await.unwrap() })
        })
        .collect();
    tokio::spawn(async move {
        let mut ended = Vec::new();
        for call in calls {
            ended.push(call.await.unwrap());
        }
        ended
    })
}

/// A database with all but the last of the tickets.
async fn database(openings: &[Opening]) -> TestDatabase {
    let database = TestDatabase::create().await;
    let url = database.url().to_owned();
    let store = spawn_blocking(move || PostgresStore::connect(&url, 2).unwrap())
        .await
        .unwrap();
    for opening in &openings[..openings.len() - 1] {
        store.open(opening.clone()).await.unwrap();
    }
    database
}

/// Reads all of them by one statement.
async fn read(
    database: &TestDatabase,
    openings: &[Opening],
    read: fn(&mut PgConnection, &[TicketRef]) -> Result<Found<Thread>, Failure>,
) -> Vec<Result<Option<Thread>, StoreError>> {
    let operation = ReadTickets {
        pool: pool(&Address::new(database.url()).unwrap(), 2),
        max_batch: 32,
        read,
    };
    let (batch, _gates, receivers) = pending(openings.iter().map(|opening| opening.ticket.reference));
    let reader = Batcher::new(operation, READS, Arc::new(Semaphore::new(2)));
    start(reader, batch).await.unwrap();
    let replies = replies::<ReadTickets<Thread>>(receivers).await;
    replies.into_iter().map(Result::flatten).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_can_not_even_be_read_is_its_ticket_s_fault_alone() {
    let openings = openings::<4>(&fixture());
    let database = database(&openings).await;
    let infinite = format!(
        "UPDATE tickets SET updated_at = 'infinity' WHERE reference = '{}'",
        openings[1].ticket.reference
    );
    database.execute(&infinite).await;
    let replies = read(&database, &openings, threads::threads).await;
    assert!(
        matches!(
            &replies[..],
            [Ok(Some(_)), Err(StoreError::Failed(_)), Ok(Some(_)), Ok(None)]
        ),
        "{replies:?}"
    );
    assert_eq!(
        replies[2].as_ref().unwrap().as_ref().unwrap().ticket,
        openings[2].ticket
    );
}

/// No other is read by the statement that panics, and so none is answered by it.
#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_its_ticket_s_fault_alone() {
    fn panicking(connection: &mut PgConnection, references: &[TicketRef]) -> Result<Found<Thread>, Failure> {
        let found = threads::threads(connection, references)?;
        if found.len() < references.len() {
            std::panic::resume_unwind(Box::new("a bug of ours"));
        }
        Ok(found)
    }
    let openings = openings::<3>(&fixture());
    let database = database(&openings).await;
    let replies = read(&database, &openings, panicking).await;
    assert!(
        matches!(&replies[..], [Ok(Some(_)), Ok(Some(_)), Err(StoreError::Failed(_))]),
        "{replies:?}"
    );
}

/// Two callers that ask for the same ticket both get it.
#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_that_is_read_twice_is_asked_for_once() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    fn counting(connection: &mut PgConnection, references: &[TicketRef]) -> Result<Found<Thread>, Failure> {
        ASKED.fetch_add(references.len(), Ordering::SeqCst);
        threads::threads(connection, references)
    }
    let openings = openings::<2>(&fixture());
    let database = database(&openings).await;
    let twice = [openings[0].clone(), openings[0].clone()];
    let replies = read(&database, &twice, counting).await;
    assert!(matches!(&replies[..], [Ok(Some(_)), Ok(Some(_))]), "{replies:?}");
    assert_eq!(ASKED.load(Ordering::SeqCst), 1);
}
