//! What a dump and a load ask of SQLite.

use std::path::Path;

use diesel::{
    QueryResult, RunQueryDsl, SqliteConnection, connection::SimpleConnection, insert_into, result::Error as QueryError,
    sql_query, sql_types::Text,
};

use super::{
    check::{self, Schema},
    file::File,
    migrate::migrate,
    statements::dump as statements,
};
use crate::{
    dump::{
        Counts, Database, DumpError, EndpointError, Purpose, Take,
        rows::{Batch, for_each_table},
    },
    prepared::typed,
    schema,
};

/// Keeps everybody else out. With a write-ahead log the file is taken for good at the first look, and that fails while
/// any other connection is open, even an idle one. `BEGIN EXCLUSIVE` does the same for a file without: the server never
/// leaves one so, but other programs may.
const HOLD: &str = "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; PRAGMA cache_size = -65536;";

/// Keeps nobody out: everything is read as it was committed at the first look, whatever is written meanwhile.
const LOOK: &str = "PRAGMA cache_size = -65536; BEGIN;";

/// A source is not changed. This comes after the lock, which counts as writing.
const READ_ONLY: &str = "PRAGMA query_only = ON;";

/// Notes the triggers, which would do for each row what is done for all at the end, so that they can be made again.
const TRIGGERS: &str =
    "CREATE TEMP TABLE dropped_triggers AS SELECT name, sql FROM main.sqlite_schema WHERE type = 'trigger'";

/// All documents of the search at once, in the order of their numbers.
const INDEX: &str = "INSERT INTO ticket_search (rowid, text) SELECT number, text FROM ticket_documents ORDER BY number";

/// See [`Source::sqlite`](crate::dump::Source::sqlite).
pub(crate) fn open_source(path: &Path, purpose: Purpose) -> Result<SqliteConnection, EndpointError> {
    let file = File::named(path)?;
    if !path.exists() {
        return Err(EndpointError::Missing(path.to_owned()));
    }
    let begin = match purpose {
        Purpose::Backup => LOOK,
        Purpose::Copy => HOLD,
    };
    let mut connection = file.connect()?;
    connection.batch_execute(begin).map_err(|error| {
        if is_locked(&error) {
            EndpointError::SourceInUse
        } else {
            file.failed(error).into()
        }
    })?;
    let set = connection.batch_execute(READ_ONLY);
    set.map_err(|error| file.failed(error))?;
    match check::schema(&file, &mut connection)? {
        Schema::UpToDate => Ok(connection),
        Schema::Missing | Schema::Pending(_) => Err(EndpointError::Outdated),
    }
}

/// See [`Target::sqlite`](crate::dump::Target::sqlite).
pub(crate) fn open_target(path: &Path) -> Result<SqliteConnection, EndpointError> {
    let file = File::prepare(path)?;
    let _lock = file.lock()?;
    file.create_if_missing()?;
    migrate(&file)?;
    let mut connection = file.connect()?;
    connection.batch_execute(HOLD).map_err(|error| {
        if is_locked(&error) {
            EndpointError::TargetInUse
        } else {
            file.failed(error).into()
        }
    })?;
    connection.batch_execute(TRIGGERS)?;
    for name in texts(&mut connection, "SELECT name FROM dropped_triggers")? {
        connection.batch_execute(&format!("DROP TRIGGER \"{name}\""))?;
    }
    Ok(connection)
}

fn texts(connection: &mut SqliteConnection, query: &str) -> QueryResult<Vec<String>> {
    typed::<Text, _>(sql_query(query)).load(connection)
}

fn is_locked(error: &QueryError) -> bool {
    error.to_string().contains("database is locked")
}

impl Database for SqliteConnection {
    fn schema(&mut self) -> Result<String, QueryError> {
        statements::last_migration(self)
    }

    fn count(&mut self) -> Result<Counts, QueryError> {
        statements::count(self)
    }

    fn read(&mut self, take: &mut Take<'_>) -> Result<(), DumpError> {
        statements::read(self, take)
    }

    /// Row by row: diesel keeps that statement.
    fn write(&mut self, batch: &Batch) -> Result<(), QueryError> {
        macro_rules! write {
            ($($table:ident $variant:ident $row:ident $order:literal,)+) => {$(
                for row in &batch.$table {
                    insert_into(schema::$table::table).values(row).execute(self)?;
                }
            )+};
        }
        for_each_table!(write);
        Ok(())
    }

    fn complete(&mut self) -> Result<(), QueryError> {
        self.batch_execute(INDEX)?;
        for trigger in texts(self, "SELECT sql FROM dropped_triggers")? {
            self.batch_execute(&trigger)?;
        }
        Ok(())
    }
}
