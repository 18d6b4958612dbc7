//! A store that can be taken away.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use store_diesel::SqliteStore;
use ticket_domain::{
    ExternalId, Message, Thread, Ticket, TicketRef, TicketSummary, Timestamp,
    ports::{
        Append, Appended, OpenResult, Opening, StoreError, StoreUnmatched, StoredUnmatched, TicketLookup, TicketStore,
    },
};

/// A store, until it is taken away.
pub(super) struct Fragile {
    store: Arc<SqliteStore>,
    is_down: AtomicBool,
}

impl Fragile {
    pub(super) fn over(store: Arc<SqliteStore>) -> Self {
        let is_down = AtomicBool::new(false);
        Self { store, is_down }
    }

    pub(super) fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::SeqCst);
    }

    fn up(&self) -> Result<&SqliteStore, StoreError> {
        if self.is_down.load(Ordering::SeqCst) {
            let error = std::io::Error::other("secret-host refused");
            return Err(StoreError::Unavailable(Arc::new(error)));
        }
        Ok(&self.store)
    }
}

#[async_trait]
impl TicketStore for Fragile {
    async fn open(&self, opening: Opening) -> Result<OpenResult, StoreError> {
        self.up()?.open(opening).await
    }
    async fn opened_since(&self, since: Timestamp) -> Result<u64, StoreError> {
        self.up()?.opened_since(since).await
    }
    async fn find(&self, what: TicketLookup) -> Result<Option<Ticket>, StoreError> {
        self.up()?.find(what).await
    }
    async fn head(&self, reference: TicketRef) -> Result<Option<TicketSummary>, StoreError> {
        self.up()?.head(reference).await
    }
    async fn thread(&self, reference: TicketRef) -> Result<Option<Thread>, StoreError> {
        self.up()?.thread(reference).await
    }
    async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        self.up()?.append(append).await
    }
    async fn kept(&self, id: ExternalId) -> Result<Option<Message>, StoreError> {
        self.up()?.kept(id).await
    }
    async fn store_unmatched(&self, keep: StoreUnmatched) -> Result<StoredUnmatched, StoreError> {
        self.up()?.store_unmatched(keep).await
    }
}
