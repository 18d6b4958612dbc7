//! The failing store fails when it is told to, and counts.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use store_contract::FailingStore;
use store_diesel::SqliteStore;
use ticket_domain::ports::{OperatorQueries, StoreError, StoreHealth};

#[tokio::test]
async fn it_fails_the_call_it_is_told_to_or_all() {
    let store = FailingStore::new(Arc::new(SqliteStore::temporary().unwrap()), false);
    store.fail_call(2);
    store.ping().await.unwrap();
    assert!(matches!(store.attention().await, Err(StoreError::Unavailable(_))));
    store.attention().await.unwrap();
    store.set_failing(true);
    assert!(matches!(store.ping().await, Err(StoreError::Unavailable(_))));
    store.set_failing(false);
    store.ping().await.unwrap();
    assert_eq!((store.take_calls("ping"), store.take_calls("attention")), (3, 2));
    assert_eq!(store.take_calls("ping"), 0);
}
