//! Stores that outlive the server processes.

use std::path::{Path, PathBuf};

use store_diesel::postgres::testing::TestDatabase;
use tempfile::TempDir;

/// A store's engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// The embedded store.
    Sqlite,
    /// Postgres.
    Postgres,
}

impl Engine {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "Postgres",
        }
    }
}

/// A fresh, empty store. It is removed when this is dropped.
pub struct TempStore {
    folder: TempDir,
    database: Option<TestDatabase>,
}

impl TempStore {
    /// Creates one in the system's temporary folder.
    pub async fn new(engine: Engine) -> Self {
        Self::within(&std::env::temp_dir(), engine).await
    }

    /// Creates one in a new folder below `above`.
    pub async fn within(above: &Path, engine: Engine) -> Self {
        let folder = tempfile::tempdir_in(above).expect("a temporary folder");
        let database = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(TestDatabase::create().await),
        };
        Self { folder, database }
    }

    /// Its `DATABASE_URL`.
    pub fn url(&self) -> String {
        match &self.database {
            Some(database) => database.url().to_owned(),
            None => format!("sqlite://{}", self.file().display()),
        }
    }

    /// Its own folder, the working directory of its server processes.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The file of an embedded store.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("data/tickets.db")
    }
}
