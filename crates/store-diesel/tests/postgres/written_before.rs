//! A database that an earlier version wrote opens, and reads the same.

use store_diesel::postgres::testing::TestDatabase;
use ticket_domain::Timestamp;

use crate::{fixture::connect, reading::everything};

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_the_version_before_opens_and_reads_the_same() {
    let database = TestDatabase::create_empty().await;
    database.execute(include_str!("../fixtures/postgres.sql")).await;
    let store = connect(database.url(), 2).await.unwrap();
    let now = Timestamp::from_unix_micros(1_736_944_200_123_456).unwrap();
    assert_eq!(everything(&store, now).await, include_str!("../fixtures/expected.txt"));
}
