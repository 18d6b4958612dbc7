//! Waiting for something that changes by itself.

use std::time::Duration;

use tokio::time::{sleep, timeout};

/// Pause between two looks.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Looks again and again until `look` finds something; `None` if it found nothing within `limit`.
pub async fn until<T>(limit: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            sleep(POLL_INTERVAL).await;
        }
    };
    timeout(limit, looking).await.ok()
}
