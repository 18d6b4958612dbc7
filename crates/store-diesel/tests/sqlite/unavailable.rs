//! What passes by itself is "unavailable", and afterwards everything is as if nothing had been.

use std::sync::Arc;

use diesel::{Connection, SqliteConnection, connection::SimpleConnection};
use store_contract::Fixture;
use store_diesel::SqliteStore;
use ticket_domain::{
    Timestamp,
    ports::{OpenResult, StoreError},
};

/// Another process holds the file: writers wait, and then say so; readers read on. In a row that is longer than the
/// wait for a turn, the last ones get none.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_another_process_writes_to_is_unavailable_for_that_time() {
    let now = Timestamp::from_unix_micros(1_736_937_000_123_456).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tickets.db");
    let fixture = Fixture::new(Arc::new(SqliteStore::open(&path).unwrap()));
    let store = fixture.store();
    let mut other = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();

    let openings = [(); 3].map(|()| fixture.opening(now));
    let running = openings.clone().map(|opening| {
        let store = fixture.store();
        tokio::spawn(async move { store.open(opening).await })
    });
    assert_eq!(store.vitals(now).await.unwrap().waiting, 0);
    for opening in running {
        let error = opening.await.unwrap().unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    }

    other.batch_execute("ROLLBACK").unwrap();
    assert_eq!(store.vitals(now).await.unwrap().waiting, 0);
    for opening in openings {
        assert_eq!(store.open(opening).await.unwrap(), OpenResult::Opened);
    }
    assert_eq!(store.vitals(now).await.unwrap().waiting, 3);
}
