//! The store keeps the contract, on real files.

use std::sync::Arc;

use store_diesel::SqliteStore;
use tempfile::TempDir;
use ticket_domain::ports::Store;

#[allow(clippy::unused_async)] // A store that has to connect awaits.
async fn empty_store() -> (Arc<dyn Store>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("tickets.db")).unwrap();
    (Arc::new(store), folder)
}

store_contract::store_contract!(empty_store);
