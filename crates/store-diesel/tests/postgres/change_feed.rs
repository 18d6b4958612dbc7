//! Changes that one process commits reach the subscribers of the others.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use store_diesel::{PostgresStore, postgres::testing::TestDatabase};
use ticket_domain::{
    Actor, AuditEntryId, TicketId,
    ports::{ChangeEvent, ChangeFeed, OpenResult, OperatorQueries, Subscriber, TicketStore, UpdateTicket},
};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::timeout,
};
use uuid::Uuid;

use crate::fixture::{connect, connection, count, now, opening};

/// Passes on every event.
struct Recorder(UnboundedSender<ChangeEvent>);

impl Subscriber for Recorder {
    fn on_change(&self, event: ChangeEvent) {
        self.0.send(event).ok();
    }
}

type Heard = UnboundedReceiver<ChangeEvent>;

fn follow(store: &PostgresStore) -> Heard {
    let (recorder, heard) = unbounded_channel();
    store.follow(Arc::new(Recorder(recorder)));
    heard
}

/// Waits for this event, whatever comes before it.
async fn hears(heard: &mut Heard, wanted: ChangeEvent) {
    timeout(Duration::from_secs(5), async {
        while heard.recv().await.unwrap() != wanted {}
    })
    .await
    .expect("an event");
}

/// A store that is listening by now, beside so many others.
async fn listening(database: &TestDatabase, others: i64) -> (PostgresStore, Heard) {
    let store = connect(database.url(), 2).await.unwrap();
    let heard = follow(&store);
    listen(database, others + 1).await;
    (store, heard)
}

/// Waits until so many listen.
async fn listen(database: &TestDatabase, wanted: i64) {
    let mut server = connection(database.server_url()).await;
    let sql = format!("SELECT count(*) AS count {LISTENING} '{}'", database.name());
    timeout(Duration::from_secs(5), async {
        while count(&mut server, &sql) != wanted {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("as many as are wanted");
}

async fn opens(store: &PostgresStore) -> TicketId {
    let opening = opening();
    let id = opening.ticket.id;
    assert_eq!(store.open(opening).await.unwrap(), OpenResult::Opened);
    id
}

/// The connections that listen on a database.
const LISTENING: &str =
    "FROM pg_stat_activity WHERE query LIKE '%pg_notify%' AND pid <> pg_backend_pid() AND datname = ";

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_reaches_another_process_within_a_second() {
    let database = TestDatabase::create().await;
    let (one, _heard) = listening(&database, 0).await;
    let (_other, mut heard) = listening(&database, 1).await;
    for _ in 0..5 {
        let id = opens(&one).await;
        let events = timeout(Duration::from_secs(1), heard.recv())
            .await
            .expect("an event in time");
        assert_eq!(events, Some(ChangeEvent::Ticket(id)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_process_that_commits_gets_its_event_once() {
    let database = TestDatabase::create().await;
    let (one, mut heard) = listening(&database, 0).await;
    let (other, mut heard_by_other) = listening(&database, 1).await;
    let id = opens(&one).await;
    assert_eq!(heard.try_recv(), Ok(ChangeEvent::Ticket(id)));
    hears(&mut heard_by_other, ChangeEvent::Ticket(id)).await;
    // What the other says after it has heard comes after any echo.
    let answer = opens(&other).await;
    assert_eq!(heard.recv().await, Some(ChangeEvent::Ticket(answer)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_changes_nothing_publishes_nothing() {
    let database = TestDatabase::create().await;
    let (one, mut heard) = listening(&database, 0).await;
    let first = opening();
    let mut second = opening();
    second.ticket.reference = first.ticket.reference;
    let id = first.ticket.id;
    assert_eq!(one.open(first).await.unwrap(), OpenResult::Opened);
    assert_eq!(one.open(second).await.unwrap(), OpenResult::ReferenceTaken);
    let update = UpdateTicket {
        ticket: id,
        patch: ticket_domain::TicketPatch::default(),
        at: now(),
        by: Actor::Operator(None),
        entries: [AuditEntryId(Uuid::from_u128(1)), AuditEntryId(Uuid::from_u128(2))],
        notifications: Vec::new(),
    };
    one.change(update).await.unwrap();
    let last = opens(&one).await;
    assert_eq!(heard.try_recv(), Ok(ChangeEvent::Ticket(id)));
    assert_eq!(heard.try_recv(), Ok(ChangeEvent::Ticket(last)));
    assert!(heard.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_quick_commits_are_all_heard() {
    let database = TestDatabase::create().await;
    let (one, _heard) = listening(&database, 0).await;
    let (_other, mut heard) = listening(&database, 1).await;
    let made = Arc::new(Mutex::new(HashSet::new()));
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (one, made) = (one.clone(), made.clone());
        writers.spawn(async move {
            for _ in 0..250 {
                let id = opens(&one).await;
                made.lock().unwrap().insert(id);
            }
        });
    }
    writers.join_all().await;
    let mut made = made.lock().unwrap().clone();
    assert_eq!(made.len(), 1_000);
    timeout(Duration::from_secs(5), async {
        while !made.is_empty() {
            let Some(ChangeEvent::Ticket(id)) = heard.recv().await else {
                panic!("something else than a ticket");
            };
            made.remove(&id);
        }
    })
    .await
    .expect("all of them");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_lost_connection_comes_a_resync_and_then_every_event_again() {
    let database = TestDatabase::create().await;
    let (one, _heard) = listening(&database, 0).await;
    let (_other, mut heard) = listening(&database, 1).await;
    let mut server = connection(database.server_url()).await;
    for _ in 0..3 {
        let ended = format!(
            "SELECT count(pg_terminate_backend(pid, 5000)) AS count {LISTENING} '{}'",
            database.name()
        );
        assert_eq!(count(&mut server, &ended), 2);
        hears(&mut heard, ChangeEvent::Resync).await;
        // The first one listens again too, or says it when it does.
        let id = opens(&one).await;
        hears(&mut heard, ChangeEvent::Ticket(id)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_listens_before_the_first_follower_and_after_the_store() {
    let database = TestDatabase::create().await;
    let mut server = connection(database.server_url()).await;
    let listening_now = format!("SELECT count(*) AS count {LISTENING} '{}'", database.name());
    let store = connect(database.url(), 2).await.unwrap();
    opens(&store).await;
    assert_eq!(count(&mut server, &listening_now), 0);
    let heard = [follow(&store), follow(&store)];
    listen(&database, 1).await;
    let id = opens(&store).await;
    for mut heard in heard {
        assert_eq!(heard.try_recv(), Ok(ChangeEvent::Ticket(id)));
    }
    drop(store);
    listen(&database, 0).await;
}
