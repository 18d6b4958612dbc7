//! Why a call of the store ended without a result, and whether repeating it can help.

use std::sync::Arc;

use diesel::result::{DatabaseErrorKind, Error as QueryError};
use ticket_domain::ports::StoreError;

use crate::postgres::ConnectError;

/// Why the work of a call failed. Whatever it wrote is rolled back.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A query failed.
    Query(QueryError),
    /// A row is corrupt, or the call's time is up.
    Store(StoreError),
    /// A concurrent call committed the same key or id first; the work must be repeated. Postgres only: SQLite has one
    /// writer at a time.
    Conflict,
    /// A caller stopped waiting before the commit.
    GivenUp,
    /// The work panicked.
    Panicked,
    /// The connection broke before it carried out any change, so the work can be repeated on another one.
    LostConnection(QueryError),
}

impl Failure {
    /// Whether a single request may have caused this failure, among several that share a transaction or a statement.
    pub(crate) fn may_be_of_one(&self) -> bool {
        match self {
            Self::Conflict | Self::Panicked | Self::Store(StoreError::Corrupt { .. }) => true,
            Self::Query(error) => !is_transient(error),
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

impl From<UnavailableReason> for Failure {
    fn from(reason: UnavailableReason) -> Self {
        Self::Store(reason.into())
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Query(error) if is_transient(&error) => Self::Unavailable(Arc::new(error)),
            Failure::Query(error) => Self::Failed(Arc::new(error)),
            Failure::Store(error) => error,
            Failure::GivenUp => UnavailableReason::TooSlow.into(),
            Failure::Conflict => UnavailableReason::Conflicts.into(),
            Failure::Panicked => UnavailableReason::Panicked.into(),
            Failure::LostConnection(error) => Self::Unavailable(Arc::new(error)),
        }
    }
}

/// Why a call failed although no query did.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnavailableReason {
    #[error("no database connection came free in time")]
    PoolBusy,
    #[error("no database connection")]
    NoConnection(#[source] ConnectError),
    #[error("the database did not answer in time")]
    TooSlow,
    #[error("concurrent calls kept committing the same id first")]
    Conflicts,
    #[error("the work panicked")]
    Panicked,
    #[error("the work stopped before it replied")]
    NoReply,
}

impl From<UnavailableReason> for StoreError {
    fn from(reason: UnavailableReason) -> Self {
        match reason {
            // A bug of ours: repeating the call won't help.
            UnavailableReason::Panicked | UnavailableReason::NoReply => Self::Failed(Arc::new(reason)),
            _ => Self::Unavailable(Arc::new(reason)),
        }
    }
}

/// Whether the same query may succeed later: the server is gone, stopping, overloaded, full or read-only, or another
/// process holds the file. diesel tells few of these conditions apart and hands on neither `SQLSTATE` nor SQLite's code, so
/// the message decides: Postgres' where its `lc_messages` is English, and SQLite's `sqlite3ErrStr`, which is never
/// translated.
fn is_transient(error: &QueryError) -> bool {
    const POSTGRES: [&str; 14] = [
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
    ];
    const SQLITE: [&str; 6] = [
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
            DatabaseErrorKind::Unknown => {
                let mut known = POSTGRES.iter().chain(&SQLITE);
                known.any(|words| information.message().contains(words))
            }
            _ => false,
        },
        QueryError::BrokenTransactionManager => true,
        QueryError::RollbackErrorOnCommit { commit_error, .. } => is_transient(commit_error),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transient_errors_are_told_from_permanent_ones() {
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
            "attempt to write a readonly database",
            "disk I/O error",
        ] {
            assert!(is_transient(&failed(DatabaseErrorKind::Unknown, said)), "{said}");
        }
        assert!(is_transient(&failed(DatabaseErrorKind::ClosedConnection, "")));
        assert!(is_transient(&failed(DatabaseErrorKind::ReadOnlyTransaction, "")));
        assert!(is_transient(&QueryError::BrokenTransactionManager));

        assert!(!is_transient(&failed(
            DatabaseErrorKind::Unknown,
            "relation \"tickets\" does not exist"
        )));
        assert!(!is_transient(&failed(
            DatabaseErrorKind::Unknown,
            "no such table: tickets"
        )));
        assert!(!is_transient(&failed(
            DatabaseErrorKind::UniqueViolation,
            "duplicate key value"
        )));
        assert!(!is_transient(&QueryError::NotFound));
    }
}
