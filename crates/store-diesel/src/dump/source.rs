//! A store that is read, as it is at one moment.

use std::{
    fmt,
    io::{self, Read, Write},
    path::Path,
};

use diesel::result::Error as QueryError;
use ticket_domain::Timestamp;

use super::{
    Database, EndpointError, Step, Summary, Table,
    format::{FormatError, Header, Reader, Writer},
    rows::Row,
};
use crate::{postgres, sqlite};

/// What a store is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To be kept. Servers go on writing meanwhile.
    Backup,
    /// To be used in another place from now on: no ticket may come in that would be left behind. So it is refused while
    /// anybody else uses the store, and nobody can write to it until it is read.
    Copy,
}

/// Why a dump broke off.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// A row holds what is no value of its column's type.
    #[error("the row of {table} that comes after {after} can't be read")]
    Row {
        /// The table.
        table: Table,
        /// The key of the row before it.
        after: String,
        /// Which column, and why.
        #[source]
        source: QueryError,
    },
    /// The store can't be read.
    #[error("the store can't be read")]
    Read(#[from] QueryError),
    /// The dump can't be written.
    #[error("the dump can't be written")]
    Write(#[from] io::Error),
}

impl DumpError {
    /// What a failed read means: `last` is the row of `table` that came before.
    pub(crate) fn of_read(error: QueryError, table: Table, last: Option<&str>) -> Self {
        match error {
            QueryError::DeserializationError(_) => Self::Row {
                table,
                after: last.unwrap_or("none").to_owned(),
                source: error,
            },
            error => Self::Read(error),
        }
    }
}

/// A store that is read in one transaction.
pub struct Source(Box<dyn Database + Send>);

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither the address nor its password.
        f.debug_struct("Source").finish_non_exhaustive()
    }
}

impl Source {
    /// Opens the file at `path`, and changes nothing in it. Refused if its schema is not that of this program. Blocks,
    /// some seconds at most.
    pub fn sqlite(path: &Path, purpose: Purpose) -> Result<Self, EndpointError> {
        Ok(Self(Box::new(sqlite::dump::open_source(path, purpose)?)))
    }

    /// Connects to the database at `url`, and changes nothing in it. Refused if its schema is not that of this program.
    /// Blocks, some seconds at most.
    pub fn postgres(url: &str, purpose: Purpose) -> Result<Self, EndpointError> {
        Ok(Self(Box::new(postgres::dump::open_source(url, purpose)?)))
    }

    /// Writes everything to `out`, not compressed, with `now` as the time of the dump. Returns what it wrote.
    pub fn dump(&mut self, out: impl Write, now: Timestamp, tell: &mut dyn FnMut(Step)) -> Result<Summary, DumpError> {
        let (schema, rows) = (self.0.schema()?, self.0.count()?);
        let mut writer = Writer::begin(out, &Header::new(now, schema, rows.clone()))?;
        tell(Step::Begin(rows));
        self.0.read(&mut |mut row| {
            if let Row::Notifications(row) = &mut row {
                row.hand_back();
            }
            tell(Step::Written(row.table()));
            writer.row(&row)
        })?;
        let (_, summary) = writer.end()?;
        Ok(summary)
    }
}

/// Reads a whole dump, compressed or not, and returns what is in it. It is whole, and every row can be loaded.
pub fn verify(input: impl Read, tell: &mut dyn FnMut(Step)) -> Result<Summary, FormatError> {
    let mut reader = Reader::open(input)?;
    while let Some(row) = reader.next()? {
        tell(Step::ReadBack(row.table()));
    }
    Ok(reader.summary)
}
