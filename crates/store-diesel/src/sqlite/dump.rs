//! What a dump and a load ask of SQLite.

use std::path::Path;

use diesel::{
    Connection, QueryableByName, RunQueryDsl, SqliteConnection,
    connection::{DefaultLoadingMode, SimpleConnection},
    dsl::sql,
    insert_into,
    prelude::*,
    result::Error as QueryError,
    sql_query,
    sql_types::Text,
};

use super::{
    check::{Schema, schema},
    db::SETTINGS,
    file::{File, OpenError},
    migrate::migrate,
};
use crate::{
    dump::{
        Counts, Database, DumpError, Purpose, SourceError, Table, Take, TargetError,
        rows::{
            AuditEntryRow, Batch, IdempotencyKeyRow, MessageRow, NotificationRow, PreviousExternalIdRow, QuestionRow,
            ReceiptRow, Row, TicketRow, for_each_table,
        },
    },
    schema::{
        audit_log, idempotency_keys, messages, notifications, previous_external_ids, questions, receipts, tickets,
    },
};

/// Keeps everybody else out. With a write-ahead log the file is taken for good at the first look, and that fails while
/// any other connection is open, even an idle one. `BEGIN EXCLUSIVE` does the same for a file without: the server never
/// leaves one so, but other programs may.
const HOLD: &str = "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; PRAGMA cache_size = -65536;";

/// Keeps nobody out: everything is read as it was committed at the first look, whatever is written meanwhile.
const LOOK: &str = "PRAGMA cache_size = -65536; BEGIN;";

/// A source is not changed. This comes after the lock, which counts as writing.
const READ_ONLY: &str = "PRAGMA query_only = ON;";

/// All documents of the search at once, in the order of their numbers.
const INDEX: &str = "INSERT INTO ticket_search (rowid, text) SELECT number, text FROM ticket_documents ORDER BY number";

/// An open file.
pub(crate) struct Opened {
    connection: SqliteConnection,
    /// The statements that make the triggers, which were dropped.
    triggers: Vec<String>,
}

/// See [`Source::sqlite`](crate::dump::Source::sqlite).
pub(crate) fn open_source(path: &Path, purpose: Purpose) -> Result<Opened, SourceError> {
    let file = File::named(path)?;
    if !path.exists() {
        return Err(SourceError::Missing(path.to_owned()));
    }
    let begin = match purpose {
        Purpose::Backup => LOOK,
        Purpose::Copy => HOLD,
    };
    let mut connection = connect(&file)?;
    connection.batch_execute(begin).map_err(|error| {
        if is_locked(&error) {
            SourceError::InUse
        } else {
            file.failed(error.into()).into()
        }
    })?;
    let set = connection.batch_execute(READ_ONLY);
    set.map_err(|error| file.failed(error.into()))?;
    match schema(&file, &mut connection)? {
        Schema::UpToDate => Ok(Opened {
            connection,
            triggers: Vec::new(),
        }),
        Schema::Missing | Schema::Pending(_) => Err(SourceError::Outdated),
    }
}

/// See [`Target::sqlite`](crate::dump::Target::sqlite).
pub(crate) fn open_target(path: &Path) -> Result<Opened, TargetError> {
    #[derive(QueryableByName)]
    struct Trigger {
        #[diesel(sql_type = Text)]
        name: String,
        #[diesel(sql_type = Text)]
        sql: String,
    }
    let file = File::prepare(path)?;
    let _lock = file.lock()?;
    file.create_if_missing()?;
    migrate(&file)?;
    let mut connection = connect(&file)?;
    connection.batch_execute(HOLD).map_err(|error| {
        if is_locked(&error) {
            TargetError::InUse
        } else {
            file.failed(error.into()).into()
        }
    })?;
    let triggers: Vec<Trigger> =
        sql_query("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").load(&mut connection)?;
    for Trigger { name, .. } in &triggers {
        connection.batch_execute(&format!("DROP TRIGGER \"{name}\""))?;
    }
    Ok(Opened {
        connection,
        triggers: triggers.into_iter().map(|trigger| trigger.sql).collect(),
    })
}

fn connect(file: &File) -> Result<SqliteConnection, OpenError> {
    let mut connection = SqliteConnection::establish(file.name()).map_err(|error| file.failed(error.into()))?;
    let set = connection.batch_execute(SETTINGS);
    set.map_err(|error| file.failed(error.into()))?;
    Ok(connection)
}

fn is_locked(error: &QueryError) -> bool {
    error.to_string().contains("database is locked")
}

impl SimpleConnection for Opened {
    fn batch_execute(&mut self, query: &str) -> QueryResult<()> {
        self.connection.batch_execute(query)
    }
}

impl Database for Opened {
    fn schema(&mut self) -> Result<String, QueryError> {
        #[derive(QueryableByName)]
        struct Last {
            #[diesel(sql_type = Text)]
            version: String,
        }
        let last = sql_query("SELECT max(version) AS version FROM __diesel_schema_migrations");
        let last: Last = last.get_result(&mut self.connection)?;
        Ok(last.version)
    }

    fn count(&mut self) -> Result<Counts, QueryError> {
        let mut counts = Counts::new();
        macro_rules! count {
            ($($table:ident $variant:ident $row:ident [$order:literal],)+) => {$(
                let rows: i64 = $table::table.count().get_result(&mut self.connection)?;
                counts.insert(Table::$variant, rows.unsigned_abs());
            )+};
        }
        for_each_table!(count);
        Ok(counts)
    }

    fn read(&mut self, take: &mut Take<'_>) -> Result<(), DumpError> {
        macro_rules! read {
            ($($table:ident $variant:ident $row:ident [$order:literal],)+) => {$(
                let mut last = None;
                let failed = |error, last: &Option<String>| DumpError::of_read(error, Table::$variant, last.as_deref());
                let rows = $table::table
                    .select($row::as_select())
                    // Texts compare by their bytes here unless told otherwise.
                    .order(sql::<Text>(&$order.replace("COLLATE \"C\"", "")))
                    .load_iter::<$row, DefaultLoadingMode>(&mut self.connection);
                for row in rows.map_err(|error| failed(error, &last))? {
                    let row = row.map_err(|error| failed(error, &last))?;
                    last = Some(row.key());
                    take(Row::$variant(row))?;
                }
            )+};
        }
        for_each_table!(read);
        Ok(())
    }

    /// Row by row: diesel keeps that statement.
    fn write(&mut self, batch: &Batch) -> Result<(), QueryError> {
        macro_rules! write {
            ($($table:ident $variant:ident $row:ident [$order:literal],)+) => {$(
                for row in &batch.$table {
                    insert_into($table::table).values(row).execute(&mut self.connection)?;
                }
            )+};
        }
        for_each_table!(write);
        Ok(())
    }

    fn complete(&mut self) -> Result<(), QueryError> {
        self.batch_execute(INDEX)?;
        for trigger in std::mem::take(&mut self.triggers) {
            self.batch_execute(&trigger)?;
        }
        Ok(())
    }
}
