//! Calls that write share commits, never a fate.

use std::{
    future::poll_fn,
    panic::resume_unwind,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU8, Ordering},
        mpsc,
    },
    task::Poll,
};

use diesel::{
    Connection, QueryableByName, RunQueryDsl, SqliteConnection, connection::SimpleConnection, dsl::count_star,
    query_dsl::methods::SelectDsl, sql_query, sql_types::BigInt,
};
use store_contract::Fixture;
use ticket_domain::{
    Timestamp,
    ports::{Append, CustomerData, EraseTarget, Erasure, OpenResult, StoreError, StoreHealth, TicketStore},
};
use tokio::{sync::oneshot, task::JoinHandle};

use crate::{failure::Failure, schema::receipts, sqlite::SqliteStore};

/// A store whose writer is kept busy until it is let go.
struct Busy {
    store: SqliteStore,
    folder: tempfile::TempDir,
    release: mpsc::Sender<()>,
    holding: JoinHandle<Result<(), StoreError>>,
}

impl Busy {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("tickets.db")).unwrap();
        let (release, released) = mpsc::channel();
        let (tell, is_held) = oneshot::channel();
        let tell = Mutex::new(Some(tell));
        let db = store.db.clone();
        let holding = tokio::spawn(async move {
            db.write(move |_| {
                if let Some(tell) = tell.lock().unwrap().take() {
                    tell.send(()).unwrap();
                }
                released.recv().unwrap();
                Ok(())
            })
            .await
        });
        is_held.await.unwrap();
        Self {
            store,
            folder,
            release,
            holding,
        }
    }

    /// Has `work` queued behind what is there.
    async fn queue<W>(&self, work: W) -> Pin<Box<dyn Future<Output = Result<(), StoreError>> + '_>>
    where
        W: Fn(&mut SqliteConnection) -> Result<(), Failure> + Send + 'static,
    {
        begun(self.store.db.write(work)).await
    }
}

/// A call that has been made.
async fn begun<'a, T>(call: impl Future<Output = T> + 'a) -> Pin<Box<dyn Future<Output = T> + 'a>> {
    let mut call: Pin<Box<dyn Future<Output = T>>> = Box::pin(call);
    let ended = poll_fn(|context| Poll::Ready(call.as_mut().poll(context).is_ready())).await;
    assert!(!ended);
    call
}

/// Writes one row, and counts how often it did.
fn writing(name: &'static str, times: &Arc<AtomicU8>) -> impl Fn(&mut SqliteConnection) -> Result<(), Failure> + use<> {
    let times = times.clone();
    move |connection| {
        times.fetch_add(1, Ordering::SeqCst);
        connection.batch_execute(&format!("INSERT INTO receipts VALUES ('{name}', 'sent', NULL, 0)"))?;
        Ok(())
    }
}

fn rows(connection: &mut SqliteConnection) -> i64 {
    SelectDsl::select(receipts::table, count_star())
        .get_result(connection)
        .unwrap()
}

/// What waits while a commit is under way is one transaction: the second sees what the first wrote, nobody else does.
#[tokio::test]
async fn what_waits_shares_a_commit() {
    let busy = Busy::new().await;
    let path = busy.folder.path().join("tickets.db");
    let times = Arc::default();
    let first = busy.queue(writing("one", &times)).await;
    let second = busy
        .queue(move |connection| {
            assert_eq!(rows(connection), 1);
            let mut other = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
            assert_eq!(rows(&mut other), 0);
            Ok(())
        })
        .await;
    busy.release.send(()).unwrap();
    first.await.unwrap();
    second.await.unwrap();
    assert_eq!(times.load(Ordering::SeqCst), 1);
    assert_eq!(busy.store.db.read(|connection| Ok(rows(connection))).await.unwrap(), 1);
}

/// One that fails, or panics, is told so, and what it wrote is not there; the others are written.
#[tokio::test]
async fn a_call_that_fails_harms_no_other() {
    let busy = Busy::new().await;
    let (before, after, bad) = (Arc::default(), Arc::default(), Arc::default());
    let first = busy.queue(writing("before", &before)).await;
    let write = writing("bad", &bad);
    let fails = busy
        .queue(move |connection| {
            write(connection)?;
            Err(Failure::Query(diesel::result::Error::NotFound))
        })
        .await;
    let panics = busy.queue(|_| resume_unwind(Box::new("a bug of ours"))).await;
    let last = busy.queue(writing("after", &after)).await;
    busy.release.send(()).unwrap();
    first.await.unwrap();
    assert!(matches!(fails.await, Err(StoreError::Failed(_))));
    assert!(matches!(panics.await, Err(StoreError::Failed(_))));
    last.await.unwrap();
    // Together, and then alone.
    assert_eq!(before.load(Ordering::SeqCst), 2);
    assert_eq!(bad.load(Ordering::SeqCst), 2);
    assert_eq!(after.load(Ordering::SeqCst), 1);
    assert_eq!(busy.store.db.read(|connection| Ok(rows(connection))).await.unwrap(), 2);
}

/// A disk that fills up in the middle of a shared commit: what was refused is not there, what was acknowledged is, and the
/// store goes on when there is room again.
#[tokio::test]
async fn a_full_disk_splits_a_commit_by_what_was_acknowledged() {
    let busy = Busy::new().await;
    let now = Timestamp::from_unix_micros(0).unwrap();
    let fixture = Fixture::new(Arc::new(busy.store.clone()));
    let openings: Vec<_> = (0..200).map(|_| fixture.opening(now)).collect();
    let store = busy.store.clone();
    let limit = busy
        .queue(|connection| Ok(connection.batch_execute("PRAGMA max_page_count = 60")?))
        .await;
    let mut calls = Vec::new();
    for opening in &openings {
        calls.push(begun(store.open(opening.clone())).await);
    }
    busy.release.send(()).unwrap();
    limit.await.unwrap();
    let (mut written, mut refused) = (0, None);
    for (opening, call) in openings.iter().zip(calls) {
        let ended = call.await;
        let is_there = store.thread(opening.ticket.reference).await.unwrap().is_some();
        match ended {
            Ok(opened) => assert!(opened == OpenResult::Opened && is_there),
            Err(error) => {
                assert!(matches!(error, StoreError::Unavailable(_)) && !is_there, "{error:?}");
                refused = Some(opening);
            }
        }
        written += u64::from(is_there);
    }
    assert!((1..200).contains(&written), "{written}");
    assert_eq!(store.vitals(now).await.unwrap().waiting, written);

    let more_room = |connection: &mut SqliteConnection| Ok(connection.batch_execute("PRAGMA max_page_count = 4000")?);
    store.db.write(more_room).await.unwrap();
    assert_eq!(store.open(refused.unwrap().clone()).await.unwrap(), OpenResult::Opened);
}

#[tokio::test]
async fn readers_cannot_write() {
    let store = SqliteStore::temporary().unwrap();
    let written = store
        .db
        .read(|connection| Ok(connection.batch_execute("DELETE FROM tickets")?));
    assert!(written.await.is_err());
}

/// Tickets that share a commit are one part of the search's index, which need not be merged with others later.
#[tokio::test]
async fn what_shares_a_commit_goes_into_the_search_together() {
    let busy = Busy::new().await;
    let fixture = Fixture::new(Arc::new(busy.store.clone()));
    let mut calls = Vec::new();
    for _ in 0..12 {
        let opening = fixture.opening(Timestamp::from_unix_micros(0).unwrap());
        calls.push(begun(busy.store.open(opening)).await);
    }
    busy.release.send(()).unwrap();
    for call in calls {
        call.await.unwrap();
    }
    assert_eq!(found(&busy, "john").await, (12, 1));
}

/// What was not in the index yet when it was erased does not come into it with the commit that both share.
#[tokio::test]
async fn what_is_erased_by_the_commit_that_wrote_it_is_not_found() {
    let busy = Busy::new().await;
    let now = Timestamp::from_unix_micros(0).unwrap();
    let fixture = Fixture::new(Arc::new(busy.store.clone()));
    let opening = fixture.opening(now);
    let append = Append {
        to: opening.ticket.id,
        message: fixture.message(now),
        attachments: Vec::new(),
        notifications: Vec::new(),
        reopen: false,
        idempotency: None,
        note: None,
        max_of_sender: None,
    };
    // The first step leaves the customer's name.
    let step = |after| Erasure {
        what: EraseTarget::Ticket {
            id: opening.ticket.id,
            after,
            limit: 1,
        },
        stamp: fixture.note(now),
    };
    let opened = begun(busy.store.open(opening.clone())).await;
    let appended = begun(busy.store.append(append)).await;
    let erasing = begun(busy.store.erase(step(0))).await;
    busy.release.send(()).unwrap();
    opened.await.unwrap();
    appended.await.unwrap();
    assert_eq!(erasing.await.unwrap().next, Some(1));
    assert_eq!(found(&busy, "john").await.0, 1);
    assert_eq!(busy.store.erase(step(1)).await.unwrap().next, None);
    assert_eq!(found(&busy, "john").await.0, 0);
    assert_eq!(found(&busy, "erased").await.0, 2);
}

/// How many documents have a word, and of how many parts the index is.
async fn found(busy: &Busy, word: &str) -> (i64, i64) {
    #[derive(QueryableByName)]
    struct Found {
        #[diesel(sql_type = BigInt)]
        documents: i64,
        #[diesel(sql_type = BigInt)]
        parts: i64,
    }
    let found = sql_query(format!(
        "SELECT (SELECT count(*) FROM ticket_search('{word}')) AS documents,
            (SELECT count(DISTINCT segid) FROM ticket_search_idx) AS parts"
    ));
    let read = busy
        .store
        .db
        .read(move |connection| Ok(found.get_result::<Found>(connection)?));
    let Found { documents, parts } = read.await.unwrap();
    (documents, parts)
}

/// The store ends with its last handle: everything it was given is written, and the file is closed.
#[tokio::test]
async fn the_writer_ends_with_the_store() {
    let busy = Busy::new().await;
    let times = Arc::default();
    let job = busy.queue(writing("last", &times)).await;
    busy.release.send(()).unwrap();
    job.await.unwrap();
    let Busy {
        store, folder, holding, ..
    } = busy;
    holding.await.unwrap().unwrap();
    let path = folder.path().join("tickets.db");
    drop(store);
    // SQLite removes it when the last connection is closed.
    assert!(!path.with_extension("db-wal").exists());
    let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    assert_eq!(rows(&mut connection), 1);
}

/// What panics when it is dropped on another thread than where it was made: on the writer's.
struct Unwanted(std::thread::ThreadId);

impl Drop for Unwanted {
    fn drop(&mut self) {
        if std::thread::current().id() != self.0 {
            resume_unwind(Box::new("a bug of ours"));
        }
    }
}

/// Even what panics outside of the work is no end of the only writer.
#[tokio::test]
async fn the_writer_goes_on_after_a_panic() {
    let busy = Busy::new().await;
    let times = Arc::default();
    let committed = busy.queue(writing("before", &times)).await;
    let here = std::thread::current().id();
    drop(begun(busy.store.db.write(move |_| Ok(Unwanted(here)))).await);
    busy.release.send(()).unwrap();
    committed.await.unwrap();
    busy.store.db.write(writing("after", &times)).await.unwrap();
    assert_eq!(busy.store.db.read(|connection| Ok(rows(connection))).await.unwrap(), 2);
}
