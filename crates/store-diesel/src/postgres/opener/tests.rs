//! Openings share commits and never a fate.

use diesel::{Connection, QueryableByName, RunQueryDsl, connection::SimpleConnection, sql_query};
use store_contract::Fixture;
use store_diesel::postgres::testing::TestDatabase;
use ticket_domain::{Timestamp, ports::TicketStore};
use tokio::task::{JoinHandle, spawn_blocking};

use super::*;
use crate::postgres::{PostgresStore, connect::Address, db::pool};

type Answer = oneshot::Receiver<Result<OpenResult, StoreError>>;

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

fn opener(url: &str) -> TicketWriter {
    let address = Address::new(url).unwrap();
    let pool = pool(&address, 2);
    TicketWriter::new(pool, Arc::new(Semaphore::new(2)), Arc::new(Publisher::new(address)))
}

/// What waits, and where its answers come.
fn queued(openings: &[Opening]) -> (Vec<Waiting>, Vec<Answer>) {
    let queued = openings.iter().map(|opening| {
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting {
            opening: opening.clone(),
            decision: Decision::default(),
            answer,
        };
        (waiting, answered)
    });
    queued.unzip()
}

fn openings<const N: usize>(fixture: &Fixture) -> [Opening; N] {
    [(); N].map(|()| fixture.opening(now()))
}

fn write(opener: &TicketWriter, batch: Vec<Waiting>) -> JoinHandle<()> {
    let opener = opener.clone();
    spawn_blocking(move || opener.write(batch))
}

async fn count(database: &TestDatabase, of: &str) -> i64 {
    let (url, sql) = (database.url().to_owned(), format!("SELECT {of} AS count"));
    let counted = spawn_blocking(move || {
        let mut connection = diesel::PgConnection::establish(&url).unwrap();
        sql_query(sql).get_result::<Count>(&mut connection).unwrap().count
    });
    counted.await.unwrap()
}

async fn tickets(database: &TestDatabase) -> i64 {
    count(database, "(SELECT count(*) FROM tickets)").await
}

/// How many transactions wrote the tickets.
async fn commits(database: &TestDatabase) -> i64 {
    count(database, "(SELECT count(DISTINCT xmin::text) FROM tickets)").await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gave_up_before_is_left_out_and_the_others_share_a_commit() {
    let database = TestDatabase::create().await;
    let (batch, mut answers) = queued(&openings::<5>(&fixture()));
    assert!(batch[2].decision.give_up());
    write(&opener(database.url()), batch).await.unwrap();
    assert!(answers.remove(2).await.is_err());
    for answer in answers {
        assert_eq!(answer.await.unwrap().unwrap(), OpenResult::Opened);
    }
    assert_eq!((tickets(&database).await, commits(&database).await), (4, 1));
}

/// In the middle of the work, when none of it is decided.
#[tokio::test(flavor = "multi_thread")]
async fn who_gives_up_meanwhile_is_left_out_and_the_others_share_a_commit() {
    let database = TestDatabase::create().await;
    let (batch, mut answers) = queued(&openings::<5>(&fixture()));
    let decisions: Vec<Decision> = batch.iter().map(|waiting| waiting.decision.clone()).collect();
    let mut holder = diesel::PgConnection::establish(database.url()).unwrap();
    holder
        .batch_execute("BEGIN; LOCK TABLE tickets IN EXCLUSIVE MODE")
        .unwrap();
    let writing = write(&opener(database.url()), batch);
    while count(&database, "(SELECT count(*) FROM pg_locks WHERE NOT granted)").await == 0 {
        tokio::task::yield_now().await;
    }
    assert!(decisions[2].give_up());
    holder.batch_execute("COMMIT").unwrap();
    writing.await.unwrap();
    assert!(answers.remove(2).await.is_err());
    for answer in answers {
        assert_eq!(answer.await.unwrap().unwrap(), OpenResult::Opened);
    }
    assert_eq!((tickets(&database).await, commits(&database).await), (4, 1));
}

/// Who was decided could give up no more, and would be told that nobody knows.
#[test]
fn nobody_is_decided_while_another_has_given_up() {
    let (batch, _answers) = queued(&openings::<3>(&fixture()));
    assert!(batch[2].decision.give_up());
    assert!(!decide(&batch));
    assert!(batch[0].decision.give_up(), "the first is still free to");
    assert!(decide(&queued(&openings::<3>(&fixture())).0));
}

/// Its repetition waits for the first, and holds nobody up.
#[test]
fn a_key_is_in_a_batch_once_and_what_is_behind_its_repetition_too() {
    let fixture = fixture();
    let mut openings = openings::<6>(&fixture);
    let key = Some(fixture.idempotency(now()));
    for place in [0, 1, 4] {
        openings[place].idempotency.clone_from(&key);
    }
    let (waiting, _answers) = queued(&openings);
    assert!(waiting[2].decision.give_up());
    let mut waiting = VecDeque::from(waiting);
    let mut picked = || {
        let batch = pick(&mut waiting);
        let place = |picked: &Waiting| {
            openings
                .iter()
                .position(|opening| opening.ticket.id == picked.opening.ticket.id)
        };
        batch.iter().map(|picked| place(picked).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(picked(), [0, 3, 5]);
    assert_eq!(picked(), [1]);
    assert_eq!(picked(), [4]);
    assert!(picked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_fails_harms_no_other() {
    let database = TestDatabase::create().await;
    let mut openings = openings::<3>(&fixture());
    let known = Some(fixture().external_id());
    openings[0].message.external_id.clone_from(&known);
    openings[1].message.external_id = known;
    let (batch, answers) = queued(&openings);
    write(&opener(database.url()), batch).await.unwrap();
    let mut ended = Vec::new();
    for answer in answers {
        ended.push(answer.await.unwrap());
    }
    assert!(
        matches!(
            ended[..],
            [
                Ok(OpenResult::Opened),
                Err(StoreError::Failed(_)),
                Ok(OpenResult::Opened)
            ]
        ),
        "{ended:?}"
    );
    assert_eq!(tickets(&database).await, 2);
}

/// One look at a database that is away is enough for all of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_away_is_waited_for_once() {
    let opener = opener("postgres://nobody@127.0.0.1:1/nothing");
    let (batch, answers) = queued(&openings::<20>(&fixture()));
    let began = Instant::now();
    let writing = spawn_blocking(move || opener.write_each(batch, began + 10 * CALL_LIMIT));
    writing.await.unwrap();
    for answer in answers {
        let ended = answer.await.unwrap();
        assert!(matches!(ended, Err(StoreError::Unavailable(_))), "{ended:?}");
    }
    assert!(began.elapsed() < CALL_LIMIT, "{:?}", began.elapsed());
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
                OpenResult::Opened => panic!("both twins are written"),
            }
            let thread = stores[0].thread(winner.0.ticket.reference).await.unwrap().unwrap();
            assert_eq!(thread.ticket, winner.0.ticket);
        }
        assert_eq!(tickets(&database).await, 150 * round);
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
