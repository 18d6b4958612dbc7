//! Failures of the store in the log.

use std::error::Error;

use ticket_domain::ports::StoreError;

/// Logs a failure once, with its causes. The caller of the API or a page sees none of it.
pub(crate) fn log_store_failure(error: &StoreError) {
    tracing::error!("{}", causes(error));
}

/// An error and its causes.
pub(super) fn causes(error: &StoreError) -> String {
    let mut causes = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        causes = format!("{causes}: {source}");
        cause = source.source();
    }
    causes
}

#[cfg(test)]
mod tests {
    use std::{io, sync::Arc};

    use super::*;

    #[test]
    fn an_error_is_logged_with_its_causes() {
        let error = StoreError::Unavailable(Arc::new(io::Error::other("no route")));
        assert_eq!(causes(&error), "the store is unavailable: no route");
    }
}
