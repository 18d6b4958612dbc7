//! Stores that outlive the server processes.

use std::path::{Path, PathBuf};

use diesel::{
    Connection, PgConnection, QueryableByName, RunQueryDsl, SqliteConnection, connection::SimpleConnection, sql_query,
    sql_types::Text,
};
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
    /// Both.
    pub const ALL: [Self; 2] = [Self::Sqlite, Self::Postgres];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "Postgres",
        }
    }
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
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

    /// Its engine.
    pub fn engine(&self) -> Engine {
        match self.database {
            None => Engine::Sqlite,
            Some(_) => Engine::Postgres,
        }
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

    /// Its own connection to an embedded store.
    pub fn sqlite(&self) -> SqliteConnection {
        let mut connection = SqliteConnection::establish(&self.file().display().to_string()).expect("a connection");
        let patient = connection.batch_execute("PRAGMA busy_timeout = 5000");
        patient.expect("a timeout");
        connection
    }

    /// Its own connection to a Postgres database.
    pub fn postgres(&self) -> PgConnection {
        PgConnection::establish(&self.url()).expect("a connection")
    }

    /// Runs SQL.
    pub fn execute(&self, sql: &str) {
        let ran = match self.engine() {
            Engine::Sqlite => self.sqlite().batch_execute(sql),
            Engine::Postgres => self.postgres().batch_execute(sql),
        };
        ran.unwrap_or_else(|error| panic!("{error}: {sql}"));
    }

    /// The rows of a query that gives one text called `line`.
    pub fn lines(&self, query: &str) -> Vec<String> {
        let query = sql_query(query);
        let lines: Result<Vec<Line>, _> = match self.engine() {
            Engine::Sqlite => query.load(&mut self.sqlite()),
            Engine::Postgres => query.load(&mut self.postgres()),
        };
        let lines = lines.expect("rows").into_iter();
        lines.map(|line| line.line).collect()
    }

    /// The one value of a query, as a text.
    pub fn ask(&self, query: &str) -> String {
        self.lines(&format!("SELECT CAST(({query}) AS text) AS line")).remove(0)
    }
}
