//! Where tickets are kept while processes come and go.

use std::path::{Path, PathBuf};

use store_diesel::postgres::testing::TestDatabase;
use tempfile::TempDir;

/// A kind of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// The embedded one.
    Sqlite,
    /// Postgres.
    Postgres,
}

/// A fresh, empty store. It is removed when this is dropped.
pub struct TempStore {
    folder: TempDir,
    database: Option<TestDatabase>,
}

impl TempStore {
    /// Makes one, in the system's folder for what is temporary.
    pub async fn new(engine: Engine) -> Self {
        Self::within(&std::env::temp_dir(), engine).await
    }

    /// Makes one in a new folder below `above`.
    pub async fn within(above: &Path, engine: Engine) -> Self {
        let folder = tempfile::tempdir_in(above).expect("a temporary folder");
        let database = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(TestDatabase::create().await),
        };
        Self { folder, database }
    }

    /// What `DATABASE_URL` has to be.
    pub fn url(&self) -> String {
        match &self.database {
            Some(database) => database.url().to_owned(),
            None => format!("sqlite://{}", self.file().display()),
        }
    }

    /// A folder of its own, to start processes in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The file of the embedded store.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("data/tickets.db")
    }
}
