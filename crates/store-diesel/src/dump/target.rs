//! An empty store that takes a whole dump or nothing.

use std::{fmt, io::Read, path::Path};

use diesel::result::{DatabaseErrorKind, Error as QueryError};

use super::{
    Batch, Database, DumpError, EndpointError, Step, Summary, Table,
    format::{Counts, FormatError, Reader},
};
use crate::{postgres, sqlite};

/// Rows that are written together. More are not faster.
const TOGETHER: usize = 2_000;

/// Why a load came to nothing. The target is as it was before, but for [`Unsure`](Self::Unsure).
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The dump can't be read.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The target can't be written.
    #[error("the target failed")]
    Write(#[from] QueryError),
    /// The target can't be read back.
    #[error("the target can't be read back")]
    ReadBack(#[from] DumpError),
    /// What was read back is not what was in the dump.
    #[error("{0} in the target is not what it is in the dump")]
    Differs(Table),
    /// Nobody knows whether the target took it.
    #[error("the connection broke while everything was being committed")]
    Unsure(#[source] QueryError),
    /// It was called off before it was committed.
    #[error("it was interrupted")]
    CalledOff,
}

/// An empty store that nobody else can use while this lives. If it is dropped without a load, it is as it was.
pub struct Target(Box<dyn Database>);

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither the address nor its password.
        f.debug_struct("Target").finish_non_exhaustive()
    }
}

impl Target {
    /// Takes the file at `path` for itself; makes it if there is none, as [`SqliteStore::open`](crate::SqliteStore::open)
    /// does. Refused while anybody else has it open, and unless every table is empty. Blocks.
    pub fn sqlite(path: &Path) -> Result<Self, EndpointError> {
        Self::if_empty(sqlite::dump::open_target(path)?)
    }

    /// Connects to the database at `url`, brings its schema up to date, and locks its tables. Refused while anybody else
    /// is at work in them, and unless every one is empty. Blocks.
    pub fn postgres(url: &str) -> Result<Self, EndpointError> {
        Self::if_empty(postgres::dump::open_target(url)?)
    }

    fn if_empty(mut database: impl Database + 'static) -> Result<Self, EndpointError> {
        let counts = database.count()?.into_iter();
        let found: Vec<String> = counts
            .filter(|(_, rows)| *rows > 0)
            .map(|(table, rows)| format!("{rows} rows in {table}"))
            .collect();
        if found.is_empty() {
            Ok(Self(Box::new(database)))
        } else {
            Err(EndpointError::NotEmpty(found.join(", ")))
        }
    }

    /// Takes the dump that `input` holds, compressed or not, in one transaction. What was written is read back and
    /// compared; then `may_commit` is asked, and it is committed. Returns how many rows each table has.
    pub fn load(
        self,
        input: impl Read,
        tell: &mut dyn FnMut(Step),
        may_commit: impl FnOnce() -> bool,
    ) -> Result<Counts, LoadError> {
        let Self(mut database) = self;
        let mut reader = Reader::open(input)?;
        tell(Step::Begin(reader.header.rows.clone()));
        let mut batch = Batch::default();
        while let Some(row) = reader.next()? {
            tell(Step::Written(row.table()));
            batch.push(row);
            if batch.len() == TOGETHER {
                database.write(&batch)?;
                batch = Batch::default();
            }
        }
        database.write(&batch)?;
        tell(Step::Indexing);
        database.complete()?;
        let mut found = Summary::default();
        database.read(&mut |row| {
            tell(Step::ReadBack(row.table()));
            found.add(&row)
        })?;
        if let Some(table) = reader.summary.difference(&found) {
            return Err(LoadError::Differs(table));
        }
        if !may_commit() {
            return Err(LoadError::CalledOff);
        }
        tell(Step::Committing);
        database.batch_execute("COMMIT").map_err(|error| match error {
            QueryError::DatabaseError(
                DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand,
                _,
            ) => LoadError::Unsure(error),
            error => LoadError::Write(error),
        })?;
        Ok(reader.summary.rows())
    }
}
