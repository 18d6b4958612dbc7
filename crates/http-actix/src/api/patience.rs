//! How long an answer may take in all, however many calls to the store it needs.

use std::{sync::Arc, time::Duration};

use ticket_domain::ports::StoreError;
use tokio::time::timeout;

use crate::api::problem::Problem;

/// An answer comes within 4 seconds, whatever is down, also on a busy machine: what is left of them is for the way to us
/// and back. One call to the store mostly ends before; several in a row have no more together.
const PATIENCE: Duration = Duration::from_millis(3_300);

/// Why an answer is given that is none.
#[derive(Debug, thiserror::Error)]
#[error("the store did not answer all calls of the request in time")]
struct TooSlow;

/// Does the work of a request, unless it takes too long. What is under way then ends as it would have, as where the
/// caller is gone; a caller who repeats the request under the same key or id is told how.
pub(crate) async fn in_time<T, E>(work: impl Future<Output = Result<T, E>>) -> Result<T, Problem>
where
    Problem: From<E>,
{
    match timeout(PATIENCE, work).await {
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
    async fn who_asks_has_an_answer_within_four_seconds() {
        let begun = Instant::now();
        let silent = in_time(std::future::pending::<Result<(), StoreError>>()).await;
        assert!(begun.elapsed() < Duration::from_secs(4));
        assert_eq!(silent.unwrap_err().error_response().status(), 500);
        let quick = in_time(async { Ok::<_, StoreError>(7) }).await;
        assert_eq!(quick.ok(), Some(7));
    }
}
