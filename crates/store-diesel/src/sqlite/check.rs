//! A look at a database file that leaves everything as it is.

use std::{fmt, path::Path};

use diesel::{SqliteConnection, connection::SimpleConnection};
use diesel_migrations::MigrationHarness;

use crate::sqlite::{
    file::{File, OpenError},
    migrate::{MIGRATIONS, unknown},
};

/// How far a file is, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// There is no file yet; the first start makes it.
    Missing,
    /// All of it is there.
    UpToDate,
    /// So many migrations wait for the next start.
    Pending(usize),
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("the file will be made at the first start"),
            Self::UpToDate => f.write_str("the file can be used, its schema is up to date"),
            Self::Pending(count) => write!(
                f,
                "the file can be used, migrations waiting for the next start: {count}"
            ),
        }
    }
}

/// Whether the file at `path` can be used, and how far its schema is. Leaves everything as it is; where there is no
/// file yet, it makes an empty one of another name and removes it, since only that tells whether it may. Blocks.
pub fn check(path: &Path) -> Result<Schema, OpenError> {
    let file = File::named(path)?;
    if !file.exists_or_can_be_made()? {
        return Ok(Schema::Missing);
    }
    let mut connection = file.connect()?;
    let set = connection.batch_execute("PRAGMA query_only = ON");
    set.map_err(|error| file.failed(error))?;
    schema(&file, &mut connection)
}

/// How far the schema of an open file is.
pub(crate) fn schema(file: &File, connection: &mut SqliteConnection) -> Result<Schema, OpenError> {
    // Also asks diesel's own table, which a file that is empty or somebody else's does not have.
    let is_ours = connection
        .batch_execute("SELECT version FROM __diesel_schema_migrations LIMIT 1")
        .map(|()| true)
        .or_else(|error| {
            if error.to_string().contains("no such table") {
                Ok(false)
            } else {
                Err(file.failed(error))
            }
        })?;
    if !is_ours {
        return Ok(Schema::Pending(all_migrations(file)?));
    }
    if let Some(version) = unknown(connection).map_err(|error| file.failed(error))? {
        return Err(file.newer(version.to_string()));
    }
    let pending = connection.pending_migrations(MIGRATIONS);
    match pending.map_err(|error| file.failed(error))?.len() {
        0 => Ok(Schema::UpToDate),
        count => Ok(Schema::Pending(count)),
    }
}

fn all_migrations(file: &File) -> Result<usize, OpenError> {
    let all = diesel::migration::MigrationSource::<diesel::sqlite::Sqlite>::migrations(&MIGRATIONS);
    Ok(all.map_err(|error| file.failed(error))?.len())
}
