//! What was asked a moment ago.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

/// For how long an answer is good enough.
const LIFE: Duration = Duration::from_secs(1);

/// An answer that many want to hear, and that somebody else gives: it is asked for once a second at most, by one at a
/// time, and the others wait for what that one hears.
pub(crate) struct TtlCache<T> {
    last: Mutex<Option<(Instant, T)>>,
}

impl<T> Default for TtlCache<T> {
    fn default() -> Self {
        Self { last: Mutex::default() }
    }
}

impl<T: Clone> TtlCache<T> {
    /// The answer of a moment ago, or what `ask` says now.
    pub(crate) async fn get(&self, ask: impl Future<Output = T>) -> T {
        let mut last = self.last.lock().await;
        if let Some((_, answer)) = last.as_ref().filter(|(at, _)| at.elapsed() < LIFE) {
            return answer.clone();
        }
        let answer = ask.await;
        *last = Some((Instant::now(), answer.clone()));
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use futures_util::future::join_all;
    use tokio::{task::yield_now, time::sleep};

    use super::*;

    #[actix_web::test]
    async fn many_who_ask_at_once_are_one_question() {
        let (fresh, asked) = (TtlCache::default(), AtomicU32::new(0));
        let ask = || async {
            let number = asked.fetch_add(1, Relaxed);
            yield_now().await;
            number
        };
        assert_eq!(join_all((0..50).map(|_| fresh.get(ask()))).await, [0; 50]);
        assert_eq!(fresh.get(ask()).await, 0);
        sleep(LIFE).await;
        assert_eq!(join_all((0..50).map(|_| fresh.get(ask()))).await, [1; 50]);
    }

    #[actix_web::test]
    async fn who_goes_away_while_asking_leaves_it_to_the_next() {
        let fresh = TtlCache::default();
        let never = tokio::time::timeout(Duration::from_millis(10), fresh.get(std::future::pending::<u32>()));
        assert!(never.await.is_err());
        assert_eq!(fresh.get(async { 1 }).await, 1);
    }
}
