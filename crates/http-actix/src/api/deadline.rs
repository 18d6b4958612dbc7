//! The deadline of a request, however many calls to the store it makes.

use std::{sync::Arc, time::Duration};

use ticket_domain::ports::StoreError;
use tokio::time::timeout;

use crate::api::problem::Problem;

/// A caller has its response within 4 seconds, even on a busy machine while the store is down; the rest of them is for
/// the network. A call to the store usually ends sooner; several in a row share the deadline.
const DEADLINE: Duration = Duration::from_millis(3_300);

/// The request timed out waiting for the store.
#[derive(Debug, thiserror::Error)]
#[error("the store did not answer all calls of the request in time")]
struct TooSlow;

/// Does the work of a request. When the deadline passes, calls to the store go on as if the caller had gone away; whoever
/// repeats the request under the same key or id learns how they ended.
///
/// # Errors
/// The work's own, and `storage_unavailable` after the deadline.
pub(crate) async fn with_timeout<T, E>(work: impl Future<Output = Result<T, E>>) -> Result<T, Problem>
where
    Problem: From<E>,
{
    match timeout(DEADLINE, work).await {
        Ok(ended) => Ok(ended?),
        Err(_) => Err(StoreError::Unavailable(Arc::new(TooSlow)).into()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use actix_web::ResponseError as _;

    use super::*;

    #[actix_web::test]
    async fn a_silent_store_is_a_problem_within_four_seconds() {
        let begun = Instant::now();
        let silent = with_timeout(std::future::pending::<Result<(), StoreError>>()).await;
        assert!(begun.elapsed() < Duration::from_secs(4));
        assert_eq!(silent.unwrap_err().error_response().status(), 500);
        let quick = with_timeout(async { Ok::<_, StoreError>(7) }).await;
        assert_eq!(quick.ok(), Some(7));
    }
}
