//! Why the work of a call fails, and whether trying again may help.

use std::sync::Arc;

use diesel::result::{DatabaseErrorKind, Error as QueryError};
use ticket_domain::ports::StoreError;

use crate::postgres::ConnectError;

/// Why the work of a call ended without an answer. Whatever it wrote is rolled back.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A query failed.
    Query(QueryError),
    /// A row is corrupt, or the call's time is up.
    Store(StoreError),
    /// A concurrent duplicate with the same key or id was committed first. The work has to be done again. SQLite, which has
    /// one writer at a time, never meets one.
    Conflict,
    /// A caller stopped waiting before the commit.
    GivenUp,
    /// The work panicked.
    Panicked,
    /// The connection was dead before anything was sent, or what was sent only reads. The work can be done again.
    LostConnection(QueryError),
}

impl Failure {
    /// Whether one among several calls that share a transaction or a statement may have caused it alone.
    pub(crate) fn may_be_of_one(&self) -> bool {
        match self {
            Self::Conflict | Self::Panicked | Self::Store(StoreError::Corrupt { .. }) => true,
            Self::Query(error) => !is_passing(error),
            Self::Store(_) | Self::GivenUp | Self::LostConnection(_) => false,
        }
    }
}

impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Query(error) if is_passing(&error) => Self::Unavailable(Arc::new(error)),
            Failure::Query(error) => Self::Failed(Arc::new(error)),
            Failure::Store(error) => error,
            Failure::GivenUp => unavailable(UnavailableReason::TooSlow),
            Failure::Conflict => unavailable(UnavailableReason::Conflict),
            Failure::Panicked => Self::Failed(Arc::new(UnavailableReason::Panicked)),
            Failure::LostConnection(error) => Self::Unavailable(Arc::new(error)),
        }
    }
}

/// Why a call ended although no query failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnavailableReason {
    #[error("no database connection came free in time")]
    PoolBusy,
    #[error("no database connection")]
    NoConnection(#[source] ConnectError),
    #[error("the database did not answer in time")]
    TooSlow,
    #[error("concurrent duplicates came first several times in a row")]
    Conflict,
    #[error("the work panicked")]
    Panicked,
    #[error("the work broke off")]
    BrokeOff,
}

pub(crate) fn unavailable(reason: UnavailableReason) -> StoreError {
    StoreError::Unavailable(Arc::new(reason))
}

/// Whether a query may succeed later: a server that is gone, stopping, overloaded, full or read-only, or a file that
/// another process holds or that can't grow. diesel tells few of these apart and does not hand on SQLite's code, so the
/// engine's words decide: Postgres' as they are where `lc_messages` is English, SQLite's (`sqlite3ErrStr`) always.
pub(crate) fn is_passing(error: &QueryError) -> bool {
    const WORDS: [&str; 20] = [
        // Postgres.
        "due to statement timeout",
        "due to lock timeout",
        "deadlock detected",
        "terminating connection",
        "idle-in-transaction timeout",
        "server closed the connection",
        "the database system is",
        "too many clients",
        "too many connections",
        "remaining connection slots",
        "No space left on device",
        "could not extend file",
        "out of memory",
        "out of shared memory",
        // SQLite.
        "database is locked",
        "database table is locked",
        "database or disk is full",
        "attempt to write a readonly database",
        "disk I/O error",
        "unable to open database file",
    ];
    match error {
        QueryError::DatabaseError(kind, information) => match kind {
            DatabaseErrorKind::ClosedConnection
            | DatabaseErrorKind::UnableToSendCommand
            | DatabaseErrorKind::ReadOnlyTransaction
            | DatabaseErrorKind::SerializationFailure => true,
            DatabaseErrorKind::Unknown => WORDS.iter().any(|words| information.message().contains(words)),
            _ => false,
        },
        QueryError::BrokenTransactionManager => true,
        QueryError::RollbackErrorOnCommit { commit_error, .. } => is_passing(commit_error),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_told_from_what_does_not() {
        let failed = |kind, said: &str| QueryError::DatabaseError(kind, Box::new(said.to_owned()));
        for said in [
            "canceling statement due to statement timeout",
            "canceling statement due to lock timeout",
            "deadlock detected",
            "terminating connection due to administrator command",
            "terminating connection due to idle-in-transaction timeout",
            "the database system is shutting down",
            "sorry, too many clients already",
            "could not extend file \"base/5/16384\": No space left on device",
            "out of shared memory",
            "database is locked",
            "database or disk is full",
        ] {
            assert!(is_passing(&failed(DatabaseErrorKind::Unknown, said)), "{said}");
        }
        assert!(is_passing(&failed(DatabaseErrorKind::ClosedConnection, "")));
        assert!(is_passing(&failed(DatabaseErrorKind::ReadOnlyTransaction, "")));
        assert!(is_passing(&QueryError::BrokenTransactionManager));

        assert!(!is_passing(&failed(
            DatabaseErrorKind::Unknown,
            "relation \"tickets\" does not exist"
        )));
        assert!(!is_passing(&failed(
            DatabaseErrorKind::UniqueViolation,
            "duplicate key value"
        )));
        assert!(!is_passing(&QueryError::NotFound));
    }
}
