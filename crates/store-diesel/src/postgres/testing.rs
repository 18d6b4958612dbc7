//! A database of its own for each test, on the server at `TEST_POSTGRES_URL`.
//!
//! ```no_run
//! # async fn test() {
//! let database = store_diesel::postgres::testing::TestDatabase::create().await;
//! let store = store_diesel::PostgresStore::connect(database.url(), 4);
//! // The database is dropped with `database`, whoever is still connected.
//! # }
//! ```

#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::print_stderr,
    reason = "a fixture that can't be had fails the test"
)]

use std::hash::{DefaultHasher, Hash, Hasher};

use diesel::{
    Connection, PgConnection, QueryableByName, RunQueryDsl, connection::SimpleConnection, migration::MigrationSource,
    pg::Pg, sql_query, sql_types,
};
use tokio::task::spawn_blocking;

use crate::postgres::{connect::Address, migrate};

const VARIABLE: &str = "TEST_POSTGRES_URL";

/// Tests of several processes that need the template make it one after the other. Any number does that nobody else
/// uses in the server's own database.
const TEMPLATE_LOCK: i64 = i64::from_be_bytes(*b"template");

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = sql_types::Text)]
    name: String,
}

/// A database for one test. It is dropped with this, whoever is still connected to it.
#[derive(Debug)]
pub struct TestDatabase {
    server: String,
    name: String,
    url: String,
}

impl TestDatabase {
    /// A database whose schema is up to date. It is a copy of a template that the first test makes, which takes some
    /// 50 ms instead of migrating anew.
    ///
    /// Panics, and so fails the test, with one line that says what to do if `TEST_POSTGRES_URL` is not set.
    pub async fn create() -> Self {
        let server = server();
        spawn_blocking(move || {
            let template = template(&server);
            Self::new(server, &format!("TEMPLATE {template}"))
        })
        .await
        .expect("a database for the test")
    }

    /// A database with nothing in it, not even the schema.
    pub async fn create_empty() -> Self {
        let server = server();
        spawn_blocking(|| Self::new(server, ""))
            .await
            .expect("a database for the test")
    }

    fn new(server: String, options: &str) -> Self {
        let mut connection = connect(&server);
        let Name { name } = sql_query("SELECT 'test_' || replace(gen_random_uuid()::text, '-', '') AS name")
            .get_result(&mut connection)
            .expect("a name for the test's database");
        run(&mut connection, &format!("CREATE DATABASE {name} {options}"));
        Self {
            url: url_of(&server, &name),
            server,
            name,
        }
    }

    /// Its URL, with a user who may do everything.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its name on the server.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The URL of the server's own database, from which others can be looked at.
    pub fn server_url(&self) -> &str {
        &self.server
    }

    /// Runs SQL in it, past every port.
    pub async fn execute(&self, sql: &str) {
        let (url, sql) = (self.url.clone(), sql.to_owned());
        spawn_blocking(move || run(&mut connect(&url), &sql))
            .await
            .expect("SQL that runs");
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let dropped = PgConnection::establish(&self.server)
            .map_err(|error| error.to_string())
            .and_then(|mut connection| {
                let sql = format!("DROP DATABASE {} WITH (FORCE)", self.name);
                connection.batch_execute(&sql).map_err(|error| error.to_string())
            });
        if let Err(error) = dropped {
            // A second panic would hide why the test failed.
            eprintln!("the test's database {} is left behind: {error}", self.name);
        }
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "the configuration of tests is read here and nowhere else"
)]
fn server() -> String {
    std::env::var(VARIABLE).unwrap_or_else(|_| {
        panic!("{VARIABLE} is not set: run the tests with `make test` (or `scripts/with-postgres cargo test …`)")
    })
}

/// The name of a database with the schema of the migrations that are compiled in; makes it where it is not there yet.
fn template(server: &str) -> String {
    let name = format!("template_{:016x}", migrations_hash());
    let mut connection = connect(server);
    sql_query("SELECT pg_advisory_lock($1)")
        .bind::<sql_types::BigInt, _>(TEMPLATE_LOCK)
        .execute(&mut connection)
        .expect("the lock of the template");
    let found: Vec<Name> = sql_query("SELECT datname::text AS name FROM pg_database WHERE datname = $1")
        .bind::<sql_types::Text, _>(&name)
        .load(&mut connection)
        .expect("the list of databases");
    if found.is_empty() {
        // It gets its name when it is complete, so that an interrupted test leaves no half of it.
        let draft = format!("{name}_draft");
        run(
            &mut connection,
            &format!("DROP DATABASE IF EXISTS {draft} WITH (FORCE)"),
        );
        run(&mut connection, &format!("CREATE DATABASE {draft}"));
        Address::new(&url_of(server, &draft))
            .and_then(|address| migrate::migrate(&address))
            .expect("a template with the schema");
        run(&mut connection, &format!("ALTER DATABASE {draft} RENAME TO {name}"));
    }
    name
}

fn migrations_hash() -> u64 {
    let mut hasher = DefaultHasher::new();
    // Names do: a migration that was released does not change; while one is being written, `with-postgres` starts with
    // an empty server.
    for migration in MigrationSource::<Pg>::migrations(&migrate::MIGRATIONS).expect("the migrations") {
        migration.name().version().to_string().hash(&mut hasher);
    }
    hasher.finish()
}

/// The URL of another database on the same server.
fn url_of(server: &str, database: &str) -> String {
    let (base, query) = server
        .split_once('?')
        .map_or((server, String::new()), |(base, query)| (base, format!("?{query}")));
    let authority = base.find("://").map_or(0, |at| at + 3);
    let path = base[authority..].find('/').map_or(base.len(), |at| authority + at);
    format!("{}/{database}{query}", &base[..path])
}

fn connect(url: &str) -> PgConnection {
    PgConnection::establish(url).unwrap_or_else(|error| panic!("no connection to the server at {VARIABLE}: {error}"))
}

fn run(connection: &mut PgConnection, sql: &str) {
    connection
        .batch_execute(sql)
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
}
