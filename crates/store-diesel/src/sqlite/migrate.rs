//! The schema, and how it comes up to date.

use std::collections::HashSet;

use diesel::{
    RunQueryDsl, SqliteConnection,
    migration::{Migration, MigrationSource, MigrationVersion},
    result::Error as QueryError,
    sql_query,
    sql_types::Text,
    sqlite::Sqlite,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use ticket_domain::ports::StoreError;

use crate::{
    failure::Failure,
    prepared::typed,
    sqlite::{
        file::{File, OpenError},
        indexing,
    },
};

pub(crate) const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");

/// A file system that can't have a write-ahead log.
#[derive(Debug, thiserror::Error)]
#[error("its file system does not take a write-ahead log (journal mode {0}): use a local disk")]
struct NoWriteAheadLog(String);

/// Brings the schema up to date. Of processes that start together one does it; the caller sees to it that the others
/// wait.
pub(crate) fn migrate(file: &File) -> Result<(), OpenError> {
    let mut connection = file.connect()?;
    let mode = journal_mode(&mut connection).map_err(|error| file.failed(error))?;
    if mode != "wal" {
        return Err(file.failed(NoWriteAheadLog(mode)));
    }
    if let Some(version) = unknown(&mut connection).map_err(|error| file.failed(error))? {
        return Err(file.newer(version.to_string()));
    }
    let done = connection
        .run_pending_migrations(MIGRATIONS)
        .map_err(|error| file.failed(error))?;
    for version in done {
        tracing::info!(%version, "migrated the database");
    }
    gather(&mut connection).map_err(|failure| file.failed(StoreError::from(failure)))
}

/// Puts into the search what somebody wrote by hand while no server ran. Where there is nothing, nothing is locked.
fn gather(connection: &mut SqliteConnection) -> Result<(), Failure> {
    if indexing::is_behind(connection)? {
        tracing::info!("putting messages into the search that were written without it");
    }
    while indexing::is_behind(connection)? {
        connection.immediate_transaction(indexing::catch_up)?;
    }
    Ok(())
}

/// Turns the write-ahead log on, for ever: the file remembers. Says what is on then.
fn journal_mode(connection: &mut SqliteConnection) -> Result<String, QueryError> {
    typed::<Text, _>(sql_query("PRAGMA journal_mode = WAL")).get_result(connection)
}

/// The first migration in the file that this program does not know.
pub(crate) fn unknown(
    connection: &mut SqliteConnection,
) -> diesel::migration::Result<Option<MigrationVersion<'static>>> {
    let migrations: Vec<Box<dyn Migration<Sqlite>>> = MIGRATIONS.migrations()?;
    let known: HashSet<_> = migrations
        .iter()
        .map(|migration| migration.name().version().as_owned())
        .collect();
    let applied = connection.applied_migrations()?;
    Ok(applied.into_iter().rev().find(|version| !known.contains(version)))
}
