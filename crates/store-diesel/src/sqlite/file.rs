//! The folder and the file, and why they can't be used.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use diesel::{Connection, SqliteConnection, connection::SimpleConnection};

use crate::sqlite::db::{SETTINGS, TEMPORARY_SETTINGS};

/// Why a database file can't be used, and what would help.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The path is empty, or is not UTF-8.
    #[error("the database path is not usable: give the path of a file, in UTF-8")]
    NotAPath,
    /// The folder is not there and can't be made.
    #[error("the folder {} can't be made: give a path whose folder exists, or one that this user may make", .folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// There is a folder of this name.
    #[error("{} is a folder: give the path of a file in it, such as tickets.db", .0.display())]
    IsAFolder(PathBuf),
    /// The file, or one beside it, can't be made or opened.
    #[error("{} can't be opened: this user needs to write to it and to its folder", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The file may not be written.
    #[error("{} is read-only: make it writable for this user", .0.display())]
    ReadOnly(PathBuf),
    /// The file holds something else.
    #[error("{} is not an SQLite database: name another file, or move this one away", .0.display())]
    NotADatabase(PathBuf),
    /// The file has migrations that this program does not know.
    #[error("{} was made by a newer version of this program (migration {version}): run that version", .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The first migration that is not known.
        version: String,
    },
    /// SQLite can't use the file for another reason.
    #[error("{} can't be used as a database", .path.display())]
    Failed {
        /// The file.
        path: PathBuf,
        /// SQLite's words.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A database file, by an absolute path: SQLite would take some relative ones for something else.
#[derive(Debug)]
pub(crate) struct File {
    path: PathBuf,
    name: String,
    /// Whether a commit waits until it is on the disk.
    pub(crate) is_durable: bool,
}

/// Held while a database file is opened. Ends when it is dropped, or with the process.
#[derive(Debug)]
pub(crate) struct OpeningLock {
    _lock: fs::File,
}

impl File {
    /// Takes a path, without looking at what is there.
    pub(crate) fn named(path: &Path) -> Result<Self, OpenError> {
        let path = std::path::absolute(path).map_err(|_| OpenError::NotAPath)?;
        let name = path.to_str().ok_or(OpenError::NotAPath)?.to_owned();
        if path.parent().is_none() {
            return Err(OpenError::IsAFolder(path));
        }
        Ok(Self {
            path,
            name,
            is_durable: true,
        })
    }

    /// Makes the folder if there is none.
    pub(crate) fn prepare(path: &Path) -> Result<Self, OpenError> {
        let file = Self::named(path)?;
        make_private_folder(file.folder()).map_err(|source| file.folder_error(source))?;
        Ok(file)
    }

    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// Whether the file is there. If it is not, there must be a folder in which the rest can be made.
    pub(crate) fn exists_or_can_be_made(&self) -> Result<bool, OpenError> {
        if self.path.exists() {
            self.is_writable_file()?;
            return Ok(true);
        }
        if self.folder().exists() {
            try_to_write(self.folder()).map_err(|source| self.unusable(source))?;
            return Ok(false);
        }
        let nearest = self.folder().ancestors().find(|folder| folder.exists());
        let tried = nearest.map_or(Err(ErrorKind::NotFound.into()), try_to_write);
        tried.map_err(|source| self.folder_error(source))?;
        Ok(false)
    }

    /// What diesel opens.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Waits until no other process, and no other thread of this one, is opening this file, and keeps them from it.
    pub(crate) fn lock(&self) -> Result<OpeningLock, OpenError> {
        let mut path = self.path.clone().into_os_string();
        path.push(".lock");
        let path = PathBuf::from(path);
        let lock = private().create(true).truncate(false).open(&path).and_then(|file| {
            file.lock()?;
            Ok(OpeningLock { _lock: file })
        });
        lock.map_err(|source| OpenError::File { path, source })
    }

    /// Makes an empty file, unless there is one. SQLite gives `-wal` and `-shm` the same mode.
    ///
    /// An existing file is not opened here: closing it again would end the locks of every SQLite connection that this
    /// process has to it, as POSIX has it.
    pub(crate) fn create_if_missing(&self) -> Result<(), OpenError> {
        match private().create_new(true).open(&self.path) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(source) => return Err(self.unusable(source)),
        }
        self.is_writable_file()
    }

    fn is_writable_file(&self) -> Result<(), OpenError> {
        let metadata = fs::metadata(&self.path).map_err(|source| self.unusable(source))?;
        if metadata.is_dir() {
            return Err(OpenError::IsAFolder(self.path.clone()));
        }
        if metadata.permissions().readonly() {
            return Err(OpenError::ReadOnly(self.path.clone()));
        }
        Ok(())
    }

    /// The settings of every connection.
    pub(crate) fn settings(&self) -> &'static str {
        if self.is_durable { SETTINGS } else { TEMPORARY_SETTINGS }
    }

    /// Opens a connection, set as every one has to be.
    pub(crate) fn connect(&self) -> Result<SqliteConnection, OpenError> {
        let mut connection = SqliteConnection::establish(&self.name).map_err(|error| self.failed(error))?;
        let set = connection.batch_execute(self.settings());
        set.map_err(|error| self.failed(error))?;
        Ok(connection)
    }

    /// What SQLite's error means for who starts the program.
    pub(crate) fn failed(&self, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> OpenError {
        let (path, source) = (self.path.clone(), error.into());
        let words = source.to_string();
        // SQLite's words, which diesel hands on without their code.
        if words.contains("file is not a database") {
            OpenError::NotADatabase(path)
        } else if words.contains("readonly database") {
            OpenError::ReadOnly(path)
        } else {
            OpenError::Failed { path, source }
        }
    }

    /// There is a migration that this program does not know.
    pub(crate) fn newer(&self, version: String) -> OpenError {
        OpenError::Newer {
            path: self.path.clone(),
            version,
        }
    }

    fn folder_error(&self, source: io::Error) -> OpenError {
        OpenError::Folder {
            folder: self.folder().to_owned(),
            source,
        }
    }

    fn unusable(&self, source: io::Error) -> OpenError {
        OpenError::File {
            path: self.path.clone(),
            source,
        }
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Whether this user may make something in `folder`. Only trying tells: modes say nothing of owners, of read-only disks
/// or of rules beyond them. Leaves nothing behind.
fn try_to_write(folder: &Path) -> io::Result<()> {
    let process = std::process::id();
    let mut tries = 0_u32;
    loop {
        // Another check may have this name at this moment, or a killed one may have left it.
        let path = folder.join(format!(".tickets-check-{process}-{tries}"));
        match private().create_new(true).open(&path) {
            Ok(_) => return fs::remove_file(path),
            Err(error) if error.kind() == ErrorKind::AlreadyExists && tries < 100 => tries += 1,
            Err(error) => return Err(error),
        }
    }
}

fn make_private_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
