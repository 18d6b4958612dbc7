//! What the shared statements need to know of Postgres.

pub(crate) use diesel::{PgConnection as Connection, pg::PgRowByRowLoadingMode as RowByRow};

pub(crate) use super::{
    PostgresStore as Store,
    locks::lock,
    openings::{existing_ticket, open_one},
    statements::LockKey,
};

/// How many notifications one transaction releases, postpones, holds or redelivers: some 0.2 s.
pub(crate) const BATCH: u16 = 10_000;

/// Whether an index holds all tickets in the order of their last change, and not only those of each kind.
pub(crate) const HAS_INDEX_OF_ALL: bool = true;

/// Texts by their bytes, whatever the database's own collation is.
pub(crate) const BYTEWISE: &str = "COLLATE \"C\"";

/// Whether the database answers.
pub(crate) const PING: &str = "SELECT 1::bigint";

/// Locks the rows of a query until the transaction ends.
macro_rules! for_update {
    ($query:expr) => {
        $query.for_update()
    };
}

/// The same, and leaves out those that others have locked.
macro_rules! for_update_skip_locked {
    ($query:expr) => {
        $query.for_update().skip_locked()
    };
}

pub(crate) use {for_update, for_update_skip_locked};
