//! Everything that a store holds, as lines of JSON: what `server backup`, `restore` and `copy` read and write.
//!
//! - `format.rs`: the lines, their compression and their checksum.
//! - `rows.rs`: the tables and their columns. `encoding.rs`: how values look. `check.rs`: which of them the domain accepts.
//! - `source.rs`: a store that is read, as it is at one moment. `target.rs`: an empty one that takes a whole dump or
//!   nothing.
//! - `statements/dump.rs`: how both engines read. `postgres/dump.rs`, `sqlite/dump.rs`: how each is opened and written.
//!
//! All of it blocks: it belongs to commands that do nothing else.

mod check;
mod encoding;
mod format;
pub(crate) mod rows;
mod source;
mod target;
#[cfg(test)]
mod tests;

use std::{io, path::PathBuf};

use diesel::{connection::SimpleConnection, result::Error as QueryError};

pub use format::{Counts, FormatError, Summary, compressed};
pub use rows::Table;
pub use source::{DumpError, Purpose, Source, verify};
pub use target::{LoadError, Target};

use crate::{postgres::ConnectError, sqlite::OpenError};
use rows::{Batch, Row};

/// Why a store can't be read or filled.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// There is no file to be read.
    #[error("there is no file {}: give the path of the one that the server has used", .0.display())]
    Missing(PathBuf),
    /// Its schema is of an older version of this program, or it has none.
    #[error(
        "it was made by an older version of this program, or holds no tickets: bring it up to date first, by `server \
         migrate` with DATABASE_URL set to it"
    )]
    Outdated,
    /// Somebody uses the store that is to be copied.
    #[error("another program has it open: stop the server first, so that no ticket comes in that would not be copied")]
    SourceInUse,
    /// Somebody uses the store that is to be filled.
    #[error("another program is at work in it, a server or another copy: stop the server first")]
    TargetInUse,
    /// The store that is to be filled has something already.
    #[error("it is not empty, it has {0}: name an empty store, so that nothing in it is lost or mixed up")]
    NotEmpty(String),
    /// The file can't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database can't be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Anything else.
    #[error("a query failed")]
    Failed(#[from] QueryError),
}

/// How far a dump or a load is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It begins, and there are so many rows.
    Begin(Counts),
    /// One more row of the table was written.
    Written(Table),
    /// The rows are made searchable.
    Indexing,
    /// One more row of the table was read back.
    ReadBack(Table),
    /// It is committed.
    Committing,
}

/// Takes one row after the other.
pub(crate) type Take<'a> = dyn FnMut(Row) -> io::Result<()> + 'a;

/// A connection with a transaction open, from which everything is read or into which everything is written. If it is
/// dropped without a commit, nothing was written.
pub(crate) trait Database: SimpleConnection {
    /// The version of the last migration.
    fn schema(&mut self) -> Result<String, QueryError>;

    /// How many rows each table has.
    fn count(&mut self) -> Result<Counts, QueryError>;

    /// Gives every row once, table by table, in the order of [`Table::ALL`] and of the tables' keys.
    fn read(&mut self, take: &mut Take<'_>) -> Result<(), DumpError>;

    /// Inserts rows. What is derived from them is not made yet.
    fn write(&mut self, batch: &Batch) -> Result<(), QueryError>;

    /// Makes what is derived from the rows once all are written.
    fn complete(&mut self) -> Result<(), QueryError>;
}
