//! The schema, and how it comes up to date.

use std::fmt;

use diesel::{
    QueryableByName, RunQueryDsl, connection::SimpleConnection, pg::Pg, pg::PgConnection, sql_query, sql_types,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::postgres::connect::{Address, ConnectError};

pub(crate) const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");

/// Under this number, replicas that start together take turns. Any number does that nobody else uses in this database.
const LOCK: i64 = i64::from_be_bytes(*b"migrates");

/// How far a database's schema is, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// All of it is there.
    UpToDate,
    /// So many migrations wait for the next start.
    Pending(usize),
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UpToDate => f.write_str("Postgres answers, its schema is up to date"),
            Self::Pending(count) => write!(f, "Postgres answers, migrations waiting for the next start: {count}"),
        }
    }
}

/// Whether the database at `url` can be reached, and how far its schema is. Changes nothing. Blocks, about 5 seconds if
/// there is no server.
pub fn check(url: &str) -> Result<Schema, ConnectError> {
    let mut connection = Address::new(url)?.connect()?;
    match pending(&mut connection)? {
        0 => Ok(Schema::UpToDate),
        count => Ok(Schema::Pending(count)),
    }
}

/// Brings the schema up to date. Of replicas that start together one does it, and the others wait.
pub(crate) fn migrate(address: &Address) -> Result<(), ConnectError> {
    let mut connection = address.connect()?;
    // The lock is the connection's, so it ends with it however this ends. It is waited for as long as it takes.
    lock(&mut connection).map_err(failed)?;
    let done = connection
        .run_pending_migrations(MIGRATIONS)
        .map_err(ConnectError::Migration)?;
    for version in done {
        tracing::info!(%version, "migrated the database");
    }
    Ok(())
}

fn lock(connection: &mut PgConnection) -> diesel::QueryResult<()> {
    #[derive(QueryableByName)]
    struct Lock {
        #[diesel(sql_type = sql_types::Bool)]
        taken: bool,
    }
    // A server, or the role that we are, may be set up with limits and plans of its own: those of a connection that serves,
    // behind a pooler. What reads a whole table here has to.
    connection.batch_execute("SET statement_timeout = 0; SET lock_timeout = 0; SET enable_seqscan = on")?;
    let lock: Lock = sql_query("SELECT pg_try_advisory_lock($1) AS taken")
        .bind::<sql_types::BigInt, _>(LOCK)
        .get_result(connection)?;
    if !lock.taken {
        tracing::info!("waiting for another replica to migrate the database");
        sql_query("SELECT pg_advisory_lock($1)")
            .bind::<sql_types::BigInt, _>(LOCK)
            .execute(connection)?;
    }
    Ok(())
}

/// How many migrations are not applied. Does not make diesel's own table, as its question after them would.
pub(crate) fn pending(connection: &mut PgConnection) -> Result<usize, ConnectError> {
    #[derive(QueryableByName)]
    struct Table {
        #[diesel(sql_type = sql_types::Bool)]
        exists: bool,
    }
    let table: Table = sql_query("SELECT to_regclass('__diesel_schema_migrations') IS NOT NULL AS exists")
        .get_result(connection)
        .map_err(failed)?;
    if table.exists {
        let pending = connection
            .pending_migrations(MIGRATIONS)
            .map_err(ConnectError::Migration)?;
        return Ok(pending.len());
    }
    let all = diesel::migration::MigrationSource::<Pg>::migrations(&MIGRATIONS).map_err(ConnectError::Migration)?;
    Ok(all.len())
}

fn failed(error: diesel::result::Error) -> ConnectError {
    ConnectError::Migration(Box::new(error))
}
