//! A new file that takes everything of a store, to be put away: one file, whole or not there at all.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use diesel::connection::SimpleConnection;
use ticket_domain::ports::transfer::{Rows, Step, Tally, TransferError, TransferTarget};

use super::target::{SqliteTarget, TargetError};
use crate::sqlite::seal;

/// Why a backup is not begun.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is something of this name.
    #[error("{} is there already: give the name of a new file", .0.display())]
    Exists(PathBuf),
    /// What an earlier one left behind can't be removed.
    #[error("{} is left of a backup that broke off, and can't be removed", .path.display())]
    LeftOver {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The file can't be written.
    #[error(transparent)]
    Target(#[from] TargetError),
}

/// A backup that is being written, under another name until it is whole.
#[derive(Debug)]
pub struct SqliteBackup {
    target: SqliteTarget,
    tally: Tally,
    partial: PathBuf,
    path: PathBuf,
}

impl SqliteBackup {
    /// Begins a backup that will be at `path`. Meanwhile it has `.partial` behind its name; one that a broken backup left
    /// there is removed. Refused if there is something at `path`. Blocks.
    pub fn create(path: &Path) -> Result<Self, BackupError> {
        if path.symlink_metadata().is_ok() {
            return Err(BackupError::Exists(path.to_owned()));
        }
        let partial = beside(path, ".partial");
        remove_all(&partial).map_err(|source| BackupError::LeftOver {
            path: partial.clone(),
            source,
        })?;
        Ok(Self {
            target: SqliteTarget::open(&partial)?,
            tally: Tally::default(),
            partial,
            path: path.to_owned(),
        })
    }
}

impl TransferTarget for SqliteBackup {
    fn write(&mut self, rows: Rows) -> Result<(), TransferError> {
        self.tally.add(&rows);
        self.target.write(rows)
    }

    fn complete(&mut self, tell: &mut dyn FnMut(Step)) -> Result<(), TransferError> {
        self.target.complete(tell)
    }

    fn read_back(&mut self, take: &mut dyn FnMut(Rows)) -> Result<(), TransferError> {
        self.target.read_back(take)
    }

    fn commit(self) -> Result<(), TransferError> {
        let Self {
            mut target,
            tally,
            partial,
            path,
        } = self;
        let sealed = seal::set(&mut target.connection, tally.seal());
        sealed.map_err(|error| TransferError::Target(Arc::new(error)))?;
        target.end()?;
        // Without the log beside it, it is one file that can be carried about.
        let alone = target.connection.batch_execute("PRAGMA journal_mode = DELETE");
        alone.map_err(|error| TransferError::Target(Arc::new(error)))?;
        drop(target);
        let named = put_in_place(&partial, &path);
        named.map_err(|error| TransferError::Target(Arc::new(error)))
    }
}

/// Gives a whole file its name, unless something got it meanwhile.
fn put_in_place(partial: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(partial, path) {
        Ok(()) => remove_all(partial)?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
        // Not every file system has links. There, somebody who made the file a moment ago would lose it.
        Err(_) => {
            fs::rename(partial, path)?;
            remove_all(partial)?;
        }
    }
    // The name lasts too.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// A file, and what SQLite and we lay beside it.
fn remove_all(path: &Path) -> io::Result<()> {
    for suffix in ["", "-wal", "-shm", "-journal", ".lock"] {
        match fs::remove_file(beside(path, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn beside(path: &Path, suffix: impl AsRef<OsStr>) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(suffix);
    name.into()
}
