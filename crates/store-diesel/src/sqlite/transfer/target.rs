//! An empty file that takes everything of another store, in one transaction: until it is committed nobody sees any of it,
//! and nothing is left of it however it breaks off.

use std::{
    fmt,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
};

use diesel::{
    Connection, QueryableByName, RunQueryDsl, SqliteConnection, connection::SimpleConnection, insert_into,
    result::Error as QueryError, sql_query, sql_types,
};
use ticket_domain::ports::transfer::{Rows, Step, Table, TransferError, TransferTarget};

use super::{
    reading::Reading,
    rows::{EarlierIdRow, EntryRow, KeyRow, MessageRow, NotificationRow, QuestionRow, ReceiptRow, TicketRow},
};
use crate::sqlite::{
    db::SETTINGS,
    file::{File, OpenError},
    migrate,
    schema::{earlier_ids, idempotency_keys, messages, notifications, questions, receipts, tickets, trail},
};

/// What keeps everybody else out, as for a source that is held.
const HOLD: &str = "PRAGMA locking_mode = EXCLUSIVE; PRAGMA cache_size = -65536; BEGIN EXCLUSIVE;";

/// All documents of the search at once, and not as each message comes.
const GATHER: &str =
    "INSERT INTO ticket_search (rowid, text) SELECT number, text FROM ticket_documents ORDER BY number";

/// Why a file takes nothing.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// It can't be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It has something already.
    #[error(
        "{} is not empty, it has {found}: name another file, so that nothing in it is lost or mixed up", .path.display()
    )]
    NotEmpty {
        /// The file.
        path: PathBuf,
        /// What it has.
        found: Box<str>,
    },
    /// Somebody uses it.
    #[error("another program has {} open: stop the server first", .0.display())]
    InUse(PathBuf),
}

/// An empty file that is held, with its triggers taken down. If it is dropped without a commit, it is as empty as before.
pub struct SqliteTarget {
    pub(super) connection: SqliteConnection,
    /// The statements that make the triggers.
    triggers: Vec<String>,
}

impl fmt::Debug for SqliteTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteTarget").finish_non_exhaustive()
    }
}

#[derive(QueryableByName)]
struct Trigger {
    #[diesel(sql_type = sql_types::Text)]
    name: String,
    #[diesel(sql_type = sql_types::Text)]
    sql: String,
}

/// What refers to something that is not there.
#[derive(Debug, QueryableByName, thiserror::Error)]
#[error("a row of {table} refers to one of {parent} that is not there")]
struct Dangling {
    #[diesel(sql_type = sql_types::Text)]
    table: String,
    #[diesel(sql_type = sql_types::Text)]
    parent: String,
}

impl SqliteTarget {
    /// Makes the file at `path` if there is none, as [`open`](crate::sqlite::SqliteStore::open) does, and takes it for itself.
    /// Refused while anybody else has it open, and unless every table of it is empty. Blocks.
    pub fn open(path: &Path) -> Result<Self, TargetError> {
        let file = File::prepare(path)?;
        let _turn = file.wait_for_turn()?;
        file.create_if_missing()?;
        migrate::migrate(&file)?;
        let mut connection = SqliteConnection::establish(file.name()).map_err(|error| file.failed(error.into()))?;
        let failed = |error: QueryError| file.failed(error.into());
        connection.batch_execute(SETTINGS).map_err(failed)?;
        connection.batch_execute(HOLD).map_err(|error| {
            if error.to_string().contains("database is locked") {
                TargetError::InUse(path.to_owned())
            } else {
                failed(error).into()
            }
        })?;
        let mut found = Vec::new();
        for table in Table::ALL {
            let rows = Reading::of_target(&mut connection).count(table);
            let rows = rows.map_err(|error| file.failed(error.into()))?;
            if rows > 0 {
                found.push(format!("{rows} rows in {table}"));
            }
        }
        if !found.is_empty() {
            return Err(TargetError::NotEmpty {
                path: path.to_owned(),
                found: found.join(", ").into(),
            });
        }
        let triggers = take_down_triggers(&mut connection).map_err(failed)?;
        Ok(Self { connection, triggers })
    }

    pub(super) fn end(&mut self) -> Result<(), TransferError> {
        self.connection.batch_execute("COMMIT").map_err(failed)
    }
}

fn take_down_triggers(connection: &mut SqliteConnection) -> Result<Vec<String>, QueryError> {
    let triggers: Vec<Trigger> =
        sql_query("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name").load(connection)?;
    for Trigger { name, .. } in &triggers {
        connection.batch_execute(&format!("DROP TRIGGER \"{name}\""))?;
    }
    Ok(triggers.into_iter().map(|trigger| trigger.sql).collect())
}

/// Row by row: diesel keeps the statement.
macro_rules! insert {
    ($connection:expr, $table:ident, $row:ty, $rows:expr) => {{
        for record in $rows {
            insert_into($table::table)
                .values(<$row>::from(record))
                .execute($connection)
                .map_err(failed)?;
        }
        Ok(())
    }};
}

impl TransferTarget for SqliteTarget {
    fn write(&mut self, rows: Rows) -> Result<(), TransferError> {
        let connection = &mut self.connection;
        match rows {
            Rows::TicketPage(rows) => insert!(connection, tickets, TicketRow, rows),
            Rows::Questions(rows) => insert!(connection, questions, QuestionRow, rows),
            Rows::Messages(rows) => insert!(connection, messages, MessageRow, rows),
            Rows::Notifications(rows) => insert!(connection, notifications, NotificationRow, rows),
            Rows::EarlierIds(rows) => insert!(connection, earlier_ids, EarlierIdRow, rows),
            Rows::IdempotencyKeys(rows) => insert!(connection, idempotency_keys, KeyRow, rows),
            Rows::Receipts(rows) => insert!(connection, receipts, ReceiptRow, rows),
            Rows::Trail(rows) => insert!(connection, trail, EntryRow, rows),
        }
    }

    fn complete(&mut self, tell: &mut dyn FnMut(Step)) -> Result<(), TransferError> {
        tell(Step::GatheringWords);
        self.connection.batch_execute(GATHER).map_err(failed)?;
        for trigger in &self.triggers {
            self.connection.batch_execute(trigger).map_err(failed)?;
        }
        tell(Step::CheckingReferences);
        let dangling: Vec<Dangling> = sql_query("SELECT \"table\", parent FROM pragma_foreign_key_check LIMIT 1")
            .load(&mut self.connection)
            .map_err(failed)?;
        match dangling.into_iter().next() {
            Some(dangling) => Err(TransferError::Target(Arc::new(dangling))),
            None => Ok(()),
        }
    }

    fn read_back(&mut self, take: &mut dyn FnMut(Rows)) -> Result<(), TransferError> {
        Reading::of_target(&mut self.connection).all(&mut |rows| {
            take(rows);
            ControlFlow::Continue(())
        })
    }

    fn commit(mut self) -> Result<(), TransferError> {
        self.end()
    }
}

fn failed(error: QueryError) -> TransferError {
    TransferError::Target(Arc::new(error))
}
