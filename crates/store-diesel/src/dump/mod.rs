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

use std::io;

use diesel::{connection::SimpleConnection, result::Error as QueryError};

pub use format::{Counts, FormatError, Summary, compressed};
pub use rows::Table;
pub use source::{DumpError, Purpose, Source, SourceError, verify};
pub use target::{LoadError, Target, TargetError};

use rows::{Batch, Row};

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
