//! The store in memory keeps the contract.

use std::sync::Arc;

use store_contract::memory::MemoryStore;
use ticket_domain::ports::Store;

#[allow(clippy::unused_async)] // A store that has to connect awaits.
async fn empty_store() -> (Arc<dyn Store>, ()) {
    (Arc::new(MemoryStore::default()), ())
}

store_contract::store_contract!(empty_store);
