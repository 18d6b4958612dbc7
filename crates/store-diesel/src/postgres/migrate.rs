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

/// Whether the database at `url` can be reached, and how far its schema is; where `migrates`, also whether the user may
/// bring it up to date, as every start does. Changes nothing. Blocks, about 5 seconds if there is no server.
pub fn check(url: &str, migrates: bool) -> Result<Schema, ConnectError> {
    let mut connection = Address::new(url)?.connect()?;
    if migrates {
        check_privileges(&mut connection)?;
    }
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

/// Whether the user may make tables, and change those that are there.
fn check_privileges(connection: &mut PgConnection) -> Result<(), ConnectError> {
    #[derive(QueryableByName)]
    struct Privileges {
        #[diesel(sql_type = sql_types::Bool)]
        creates: bool,
        #[diesel(sql_type = sql_types::Bool)]
        owns: bool,
    }
    // Only its owner alters a table, and members of the role that owns it. Who made the first table made all.
    let privileges: Privileges = sql_query(
        "SELECT coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS creates, NOT EXISTS (
            SELECT FROM pg_class WHERE oid IN (to_regclass('__diesel_schema_migrations'), to_regclass('tickets'))
            AND NOT pg_has_role(relowner, 'USAGE')) AS owns",
    )
    .get_result(connection)
    .map_err(failed)?;
    match privileges {
        Privileges { creates: false, .. } => Err(ConnectError::MayNotMigrate(
            "it may not create tables in the schema; as the schema's owner: GRANT CREATE ON SCHEMA … TO this user",
        )),
        Privileges { owns: false, .. } => Err(ConnectError::MayNotMigrate(
            "the tables belong to another user; connect as that one, or as their owner: GRANT the owner's role TO this user",
        )),
        _ => Ok(()),
    }
}

/// How many migrations are not applied. Diesel's own question after them would make its table, and needs the right to.
pub(crate) fn pending(connection: &mut PgConnection) -> Result<usize, ConnectError> {
    #[derive(QueryableByName)]
    struct Table {
        #[diesel(sql_type = sql_types::Bool)]
        exists: bool,
    }
    #[derive(QueryableByName)]
    struct Applied {
        #[diesel(sql_type = sql_types::Text)]
        version: String,
    }
    let table: Table = sql_query("SELECT to_regclass('__diesel_schema_migrations') IS NOT NULL AS exists")
        .get_result(connection)
        .map_err(failed)?;
    let mut applied = Vec::new();
    if table.exists {
        applied = sql_query("SELECT version FROM __diesel_schema_migrations")
            .load::<Applied>(connection)
            .map_err(failed)?;
    }
    let all = diesel::migration::MigrationSource::<Pg>::migrations(&MIGRATIONS).map_err(ConnectError::Migration)?;
    let is_pending = |version: String| !applied.iter().any(|applied| applied.version == version);
    Ok(all
        .iter()
        .filter(|migration| is_pending(migration.name().version().to_string()))
        .count())
}

fn failed(error: diesel::result::Error) -> ConnectError {
    ConnectError::Migration(Box::new(error))
}
