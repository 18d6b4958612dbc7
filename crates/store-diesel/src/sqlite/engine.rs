//! What the shared statements need to know of SQLite. It has one writer at a time, so nothing needs to be locked.

pub(crate) use diesel::{SqliteConnection as Connection, connection::DefaultLoadingMode as RowByRow};

pub(crate) use super::{
    SqliteStore as Store,
    statements::LockKey,
    threads::{existing_ticket, open as open_one},
};
use crate::failure::Failure;

/// How many notifications one job releases, postpones, holds or redelivers at most: some 30 ms.
pub(crate) const BATCH: u16 = 1_000;

/// Whether an index holds all tickets in the order of their last change, and not only those of each kind.
pub(crate) const HAS_INDEX_OF_ALL: bool = false;

/// Texts by their bytes.
pub(crate) const BYTEWISE: &str = "COLLATE BINARY";

/// Whether the file can be read. A constant would be answered without it.
pub(crate) const PING: &str = "SELECT number FROM tickets LIMIT 1";

#[allow(clippy::unnecessary_wraps, reason = "as on Postgres")]
pub(crate) fn lock(_: &mut Connection, _: LockKey, _: &str) -> Result<(), Failure> {
    Ok(())
}

macro_rules! for_update {
    ($query:expr) => {
        $query
    };
}

macro_rules! for_update_skip_locked {
    ($query:expr) => {
        $query
    };
}

pub(crate) use {for_update, for_update_skip_locked};
