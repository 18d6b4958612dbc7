//! A file from which everything is read, to be put into another store. The file is held for this alone, and what is in it
//! stays as it is.

mod backup;
mod reading;
mod rows;
mod target;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use diesel::{Connection, SqliteConnection, connection::SimpleConnection};
use ticket_domain::ports::transfer::{Table, Tally, TransferError, TransferSource};

use crate::sqlite::{
    check::{Schema, schema},
    file::{File, OpenError},
    seal,
};
pub use backup::{BackupError, SqliteBackup};
use reading::{Reading, Take};
pub use target::{SqliteTarget, TargetError};

/// What keeps everybody else out. With a write-ahead log the file is taken for good at the first look, and that fails
/// while any other connection is open, even an idle one. `BEGIN EXCLUSIVE` does the same for a file without: the server
/// never leaves one so, but other programs may.
const HOLD: &str = "PRAGMA busy_timeout = 2500; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; \
                    PRAGMA query_only = ON; PRAGMA cache_size = -65536;";

/// What keeps nobody out: everything is read as it was committed at the first look, whatever is written meanwhile.
const LOOK: &str = "PRAGMA busy_timeout = 2500; PRAGMA query_only = ON; PRAGMA cache_size = -65536; BEGIN;";

/// Why nothing can be read from a file.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// There is no file.
    #[error("there is no file {}: give the path of the one that the server has used", .0.display())]
    Missing(PathBuf),
    /// Somebody uses it.
    #[error(
        "another program has {} open: stop the server first, so that no ticket comes in that would not be copied",
        .0.display()
    )]
    InUse(PathBuf),
    /// Its schema is of an older version of this program, or none.
    #[error(
        "{} was made by an older version of this program, or holds no tickets: bring it up to date first, by \
         `server migrate` with DATABASE_URL set to it", .0.display()
    )]
    Outdated(PathBuf),
    /// It can't be opened.
    #[error(transparent)]
    Unusable(#[from] OpenError),
}

#[derive(Debug, thiserror::Error)]
#[error("it is a backup whose rows are no longer those that were put into it: it was damaged or changed; take another")]
struct Changed;

/// A file that is read once, as it was at one moment.
pub struct SqliteSource {
    connection: SqliteConnection,
}

impl fmt::Debug for SqliteSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteSource").finish_non_exhaustive()
    }
}

impl SqliteSource {
    /// Takes the file at `path` for itself, and changes nothing in it. Refused while anybody else has it open, and if
    /// its schema is not that of this program. Blocks, some seconds at most.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        Self::take(path, HOLD)
    }

    /// Reads the file at `path` as it is at this moment, and keeps nobody from it: a server may go on writing. Refused if
    /// its schema is not that of this program.
    pub fn snapshot(path: &Path) -> Result<Self, SourceError> {
        Self::take(path, LOOK)
    }

    fn take(path: &Path, how: &str) -> Result<Self, SourceError> {
        let file = File::named(path)?;
        if !path.exists() {
            return Err(SourceError::Missing(path.to_owned()));
        }
        let mut connection = SqliteConnection::establish(file.name()).map_err(|error| file.failed(error.into()))?;
        connection.batch_execute(how).map_err(|error| {
            if error.to_string().contains("database is locked") {
                SourceError::InUse(path.to_owned())
            } else {
                file.failed(error.into()).into()
            }
        })?;
        match schema(&file, &mut connection)? {
            Schema::UpToDate => Ok(Self { connection }),
            Schema::Missing | Schema::Pending(_) => Err(SourceError::Outdated(path.to_owned())),
        }
    }
}

impl TransferSource for SqliteSource {
    fn count(&mut self, table: Table) -> Result<u64, TransferError> {
        Reading::of_source(&mut self.connection).count(table)
    }

    fn read(&mut self, take: &mut Take<'_>) -> Result<(), TransferError> {
        let fault = |error| TransferError::Source(Arc::new(error));
        let seal = seal::get(&mut self.connection).map_err(fault)?;
        if seal == 0 {
            return Reading::of_source(&mut self.connection).all(take);
        }
        let mut tally = Tally::default();
        Reading::of_source(&mut self.connection).all(&mut |rows| {
            tally.add(&rows);
            take(rows)
        })?;
        if seal != tally.seal() {
            return Err(TransferError::Source(Arc::new(Changed)));
        }
        Ok(())
    }
}
