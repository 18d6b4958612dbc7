//! The store in a file of its own: SQLite, built in. The default, since there is no service to install.
//!
//! - `file.rs`: the folder and the file, private from their first moment.
//! - `migrate.rs`: the schema; `check.rs`: how far it is.
//! - `db.rs`, `writes.rs`: a few readers, and one writer that executes calls in batches.
//! - `engine.rs`: what the shared statements need to know of SQLite.
//! - `claims.rs`, `customer_data.rs`, `indexing.rs`, `search.rs`, `threads.rs`: what is asked in SQLite's own
//!   way.
//! - `scrub.rs`: the file itself, after an erasure.
//!
//! What is committed is on the disk: write-ahead log, `synchronous = FULL`. SQLite has one writer at a time, so no
//! call needs a lock of its own; what looks first and writes then is safe within its transaction.

#[cfg(test)]
mod batch_tests;
mod check;
mod claims;
mod customer_data;
mod db;
pub(crate) mod dump;
mod engine;
mod file;
mod indexing;
mod migrate;
#[cfg(test)]
mod plans;
mod scrub;
mod search;
#[path = "../statements/mod.rs"]
mod statements;
mod threads;
mod writes;

use std::{path::Path, sync::Arc};

use ticket_domain::ports::{ChangeFeed, Subscriber};

pub use check::{Schema, check};
pub use file::OpenError;
pub use scrub::scrub;

use db::Db;
#[cfg(test)]
pub(crate) use migrate::MIGRATIONS;
use writes::MAX_BATCH;

/// Tickets, messages and notifications in one SQLite file.
///
/// Every call ends within about 5 seconds: 2.5 to wait for its turn, 2.5 if another process writes to the file.
#[derive(Clone)]
pub struct SqliteStore {
    db: Db,
    /// Where the file lies if it is a temporary one. Dropped after the connections.
    #[cfg(feature = "testing")]
    _folder: Option<Arc<tempfile::TempDir>>,
}

impl SqliteStore {
    /// Opens the file at `path`, makes it if there is none, and brings its schema up to date. Other processes may do so
    /// at the same time: they wait for each other. Blocks, as long as the migrations take.
    ///
    /// A new folder gets mode 0700 and a new file 0600: they hold what customers wrote. Beside the file lie `-wal` and
    /// `-shm` while it is open (SQLite's own; they belong to the file) and `.lock`, empty, which is held while opening.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Self::open_writing(&file::File::prepare(path)?, MAX_BATCH)
    }

    /// As [`open`](Self::open), but each call that writes gets a commit of its own: what sharing commits is compared with.
    #[cfg(feature = "testing")]
    pub fn open_one_by_one(path: &Path) -> Result<Self, OpenError> {
        Self::open_writing(&file::File::prepare(path)?, 1)
    }

    /// Opens an empty store in a file of its own, which is deleted when the last clone is dropped, and never waits for the disk:
    /// for tests, examples and fuzzing. Blocks, for some 20 ms.
    #[cfg(feature = "testing")]
    pub fn temporary() -> Result<Self, OpenError> {
        let folder = tempfile::tempdir().map_err(|source| OpenError::Folder {
            folder: tempfile::env::temp_dir(),
            source,
        })?;
        let mut file = file::File::prepare(&folder.path().join("tickets.db"))?;
        file.is_durable = false;
        let store = Self::open_writing(&file, MAX_BATCH)?;
        Ok(Self {
            _folder: Some(Arc::new(folder)),
            ..store
        })
    }

    fn open_writing(file: &file::File, max_batch: usize) -> Result<Self, OpenError> {
        // Held until everything is open.
        let _lock = file.lock()?;
        file.create_if_missing()?;
        migrate::migrate(file)?;
        Ok(Self {
            db: Db::new(file, max_batch)?,
            #[cfg(feature = "testing")]
            _folder: None,
        })
    }
}

impl ChangeFeed for SqliteStore {
    fn follow(&self, subscriber: Arc<dyn Subscriber>) {
        self.db.follow(subscriber);
    }
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore").finish_non_exhaustive()
    }
}
