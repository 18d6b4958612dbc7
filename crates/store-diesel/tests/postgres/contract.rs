//! The whole contract of a store, on a real server.

use std::sync::Arc;

use store_diesel::{PostgresStore, postgres::testing::TestDatabase};
use ticket_domain::ports::Store;
use tokio::task::spawn_blocking;

async fn empty_store() -> (Arc<dyn Store>, TestDatabase) {
    let database = TestDatabase::create().await;
    let url = database.url().to_owned();
    let store = spawn_blocking(move || PostgresStore::connect(&url, 10))
        .await
        .unwrap()
        .unwrap();
    (Arc::new(store), database)
}

store_contract::store_contract!(empty_store);
