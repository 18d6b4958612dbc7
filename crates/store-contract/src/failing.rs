//! A store that fails when a test wants it to.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use ticket_domain::{
    Timestamp,
    ports::{ChangeFeed, PoolUse, Store, StoreError, StoreHealth, Subscriber, Vitals},
};

/// A store that hands every call on to another one, or answers it with [`StoreError::Unavailable`] instead. It counts the
/// calls.
///
/// The error's source names a `secret-host`, so that a test can see that nothing of it gets out.
pub struct FailingStore {
    inner: Arc<dyn Store>,
    fails: AtomicBool,
    /// How many calls are left until the one that fails; 0 if none is to.
    countdown: AtomicU64,
    calls: Mutex<HashMap<&'static str, usize>>,
}

impl FailingStore {
    /// A store over `inner`; if it `fails`, every call does until it is told otherwise.
    pub fn new(inner: Arc<dyn Store>, fails: bool) -> Self {
        Self {
            inner,
            fails: AtomicBool::new(fails),
            countdown: AtomicU64::new(0),
            calls: Mutex::default(),
        }
    }

    /// Fails every call from now on, or none.
    pub fn set_failing(&self, fails: bool) {
        self.fails.store(fails, Ordering::SeqCst);
    }

    /// Fails the `nth` call from now on, the next being 1, and no other.
    pub fn fail_call(&self, nth: u64) {
        self.countdown.store(nth, Ordering::SeqCst);
    }

    /// How often the call of this name was made since this was last asked, those that failed included.
    pub fn take_calls(&self, name: &str) -> usize {
        self.calls.lock().unwrap().remove(name).unwrap_or_default()
    }

    /// The store to hand a call on to, unless the call is to fail.
    pub(crate) fn admit(&self, name: &'static str) -> Result<&dyn Store, StoreError> {
        *self.calls.lock().unwrap().entry(name).or_default() += 1;
        let counted = self
            .countdown
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if counted == Ok(1) || self.fails.load(Ordering::SeqCst) {
            let cause = std::io::Error::other("secret-host refused");
            return Err(StoreError::Unavailable(Arc::new(cause)));
        }
        Ok(&*self.inner)
    }
}

#[async_trait]
impl StoreHealth for FailingStore {
    async fn ping(&self) -> Result<(), StoreError> {
        self.admit("ping")?.ping().await
    }

    async fn vitals(&self, now: Timestamp) -> Result<Vitals, StoreError> {
        self.admit("vitals")?.vitals(now).await
    }

    fn pool_use(&self) -> Option<PoolUse> {
        self.inner.pool_use()
    }
}

impl ChangeFeed for FailingStore {
    fn follow(&self, subscriber: Arc<dyn Subscriber>) {
        self.inner.follow(subscriber);
    }
}
