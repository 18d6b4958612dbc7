//! A file that an earlier version wrote opens, and reads the same.

use diesel::{
    Connection, QueryableByName, RunQueryDsl, SqliteConnection, connection::SimpleConnection, sql_query, sql_types,
};
use store_diesel::SqliteStore;
use ticket_domain::{Timestamp, ports::OperatorQueries};

use crate::reading::everything;

#[derive(QueryableByName)]
struct Checked {
    #[diesel(sql_type = sql_types::Text)]
    integrity_check: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_the_version_before_opens_and_reads_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tickets.db");
    let mut before = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    before.batch_execute(include_str!("../fixtures/sqlite.sql")).unwrap();
    drop(before);

    let store = SqliteStore::open(&path).unwrap();
    let now = Timestamp::from_unix_micros(1_736_944_200_123_456).unwrap();
    assert_eq!(everything(&store, now).await, include_str!("../fixtures/expected.txt"));
    assert_eq!(store.attention().await.unwrap().awaiting_manager, 1);

    let mut after = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    let checked: Checked = sql_query("PRAGMA integrity_check").get_result(&mut after).unwrap();
    assert_eq!(checked.integrity_check, "ok");
    let dangling = sql_query("PRAGMA foreign_key_check").execute(&mut after).unwrap();
    assert_eq!(dangling, 0);
}
