//! Values that are read at most once a second.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

/// How long a value is used.
const TTL: Duration = Duration::from_secs(1);

/// A value that is read at most once a second, by one caller at a time. Others wait for its result.
pub(crate) struct TtlCache<T> {
    last: Mutex<Option<(Instant, T)>>,
}

impl<T> Default for TtlCache<T> {
    fn default() -> Self {
        Self { last: Mutex::default() }
    }
}

impl<T: Clone> TtlCache<T> {
    /// The value, read by `read` unless it was read within the last second.
    pub(crate) async fn get(&self, read: impl Future<Output = T>) -> T {
        let mut last = self.last.lock().await;
        if let Some((_, value)) = last.as_ref().filter(|(at, _)| at.elapsed() < TTL) {
            return value.clone();
        }
        let value = read.await;
        *last = Some((Instant::now(), value.clone()));
        value
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use futures_util::future::join_all;
    use tokio::{task::yield_now, time::sleep};

    use super::*;

    #[actix_web::test]
    async fn concurrent_callers_share_one_read() {
        let (cache, reads) = (TtlCache::default(), AtomicU32::new(0));
        let read = || async {
            let number = reads.fetch_add(1, Relaxed);
            yield_now().await;
            number
        };
        assert_eq!(join_all((0..50).map(|_| cache.get(read()))).await, [0; 50]);
        assert_eq!(cache.get(read()).await, 0);
        sleep(TTL).await;
        assert_eq!(join_all((0..50).map(|_| cache.get(read()))).await, [1; 50]);
    }

    #[actix_web::test]
    async fn a_caller_that_gives_up_leaves_the_read_to_the_next() {
        let cache = TtlCache::default();
        let never = tokio::time::timeout(Duration::from_millis(10), cache.get(std::future::pending::<u32>()));
        assert!(never.await.is_err());
        assert_eq!(cache.get(async { 1 }).await, 1);
    }
}
