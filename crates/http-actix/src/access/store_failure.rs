//! A failure of the store, on its way to the log.

use std::error::Error;

use ticket_domain::ports::StoreError;

/// Logs a store's failure, once, with everything beneath it: who called learns none of it.
pub(crate) fn log_store_failure(error: &StoreError) {
    let mut causes = String::new();
    let mut cause = error.source();
    while let Some(source) = cause {
        causes.push_str(": ");
        causes.push_str(&source.to_string());
        cause = source.source();
    }
    tracing::error!("{error}{causes}");
}
