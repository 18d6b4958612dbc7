//! A file from which everything is read, to be put into another store. The file is held for this alone, and what is in it
//! stays as it is.

mod rows;

use std::{
    fmt,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
};

use diesel::{
    Connection, SqliteConnection,
    connection::{DefaultLoadingMode, SimpleConnection},
    dsl::sql,
    prelude::*,
    result::Error as QueryError,
    sql_types::BigInt,
};
use ticket_domain::ports::{
    StoreError,
    transfer::{Rows, Table, TransferError, TransferSource},
};

use crate::{
    check::{Schema, schema},
    file::{File, OpenError},
    schema::{earlier_ids, idempotency_keys, messages, notifications, questions, receipts, tickets, trail},
};
use rows::{EarlierIdRow, EntryRow, KeyRow, MessageRow, NotificationRow, QuestionRow, ReceiptRow, TicketRow};

/// How many rows go together.
const BATCH: usize = 1_000;

/// What keeps everybody else out. With a write-ahead log the file is taken for good at the first look, and that fails
/// while any other connection is open, even an idle one. `BEGIN EXCLUSIVE` does the same for a file without: the server
/// never leaves one so, but other programs may.
const HOLD: &str = "PRAGMA busy_timeout = 2500; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; \
                    PRAGMA query_only = ON; PRAGMA cache_size = -65536;";

/// Why nothing can be read from a file.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// There is no file.
    #[error("there is no file {}: give the path of the one that the server has used", .0.display())]
    Missing(PathBuf),
    /// Somebody uses it.
    #[error(
        "another program has {} open: stop the server first, so that no ticket comes in that would not be copied",
        .0.display()
    )]
    InUse(PathBuf),
    /// Its schema is of an older version of this program, or none.
    #[error(
        "{} was made by an older version of this program, or holds no tickets: bring it up to date first, by \
         `server migrate` with DATABASE_URL set to it", .0.display()
    )]
    Outdated(PathBuf),
    /// It can't be opened.
    #[error(transparent)]
    Unusable(#[from] OpenError),
}

/// A file that is held, and read once. Others can open it again when this is dropped.
pub struct SqliteSource {
    connection: SqliteConnection,
}

impl fmt::Debug for SqliteSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteSource").finish_non_exhaustive()
    }
}

impl SqliteSource {
    /// Takes the file at `path` for itself, and changes nothing in it. Refused while anybody else has it open, and if
    /// its schema is not that of this program. Blocks, some seconds at most.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let file = File::named(path)?;
        if !path.exists() {
            return Err(SourceError::Missing(path.to_owned()));
        }
        let mut connection = SqliteConnection::establish(file.name()).map_err(|error| file.failed(error.into()))?;
        connection.batch_execute(HOLD).map_err(|error| {
            if error.to_string().contains("database is locked") {
                SourceError::InUse(path.to_owned())
            } else {
                file.failed(error.into()).into()
            }
        })?;
        match schema(&file, &mut connection)? {
            Schema::UpToDate => Ok(Self { connection }),
            Schema::Missing | Schema::Pending(_) => Err(SourceError::Outdated(path.to_owned())),
        }
    }
}

impl TransferSource for SqliteSource {
    fn count(&mut self, table: Table) -> Result<u64, TransferError> {
        let connection = &mut self.connection;
        let counted: Result<i64, QueryError> = match table {
            Table::Tickets => tickets::table.count().get_result(connection),
            Table::Questions => questions::table.count().get_result(connection),
            Table::Messages => messages::table.count().get_result(connection),
            Table::Notifications => notifications::table.count().get_result(connection),
            Table::EarlierIds => earlier_ids::table.count().get_result(connection),
            Table::IdempotencyKeys => idempotency_keys::table.count().get_result(connection),
            Table::Receipts => receipts::table.count().get_result(connection),
            Table::Trail => trail::table.count().get_result(connection),
        };
        counted.map(i64::unsigned_abs).map_err(failed)
    }

    fn read(&mut self, take: &mut Take<'_>) -> Result<(), TransferError> {
        for table in Table::ALL {
            if self.read_table(table, take)?.is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// Who takes the rows.
type Take<'a> = dyn FnMut(Rows) -> ControlFlow<()> + 'a;

/// Every row of a table with its rowid, by which people find it again; in that order, which is the file's own.
macro_rules! rows_of {
    ($table:ident, $row:ty, $connection:expr) => {
        $table::table
            .select((sql::<BigInt>("rowid"), $table::all_columns))
            .order(sql::<BigInt>("rowid"))
            .load_iter::<(i64, $row), DefaultLoadingMode>($connection)
            .map_err(failed)?
    };
}

impl SqliteSource {
    fn read_table(&mut self, table: Table, take: &mut Take<'_>) -> Result<ControlFlow<()>, TransferError> {
        let file = &mut self.connection;
        match table {
            Table::Tickets => in_batches(table, rows_of!(tickets, TicketRow, file), Rows::Tickets, take),
            Table::Questions => in_batches(table, rows_of!(questions, QuestionRow, file), Rows::Questions, take),
            Table::Messages => in_batches(table, rows_of!(messages, MessageRow, file), Rows::Messages, take),
            Table::Notifications => {
                let rows = rows_of!(notifications, NotificationRow, file);
                in_batches(table, rows, Rows::Notifications, take)
            }
            Table::EarlierIds => in_batches(table, rows_of!(earlier_ids, EarlierIdRow, file), Rows::EarlierIds, take),
            Table::IdempotencyKeys => {
                let rows = rows_of!(idempotency_keys, KeyRow, file);
                in_batches(table, rows, Rows::IdempotencyKeys, take)
            }
            Table::Receipts => in_batches(table, rows_of!(receipts, ReceiptRow, file), Rows::Receipts, take),
            Table::Trail => in_batches(table, rows_of!(trail, EntryRow, file), Rows::Trail, take),
        }
    }
}

/// Gives rows in batches, each parsed.
fn in_batches<Row, Record>(
    table: Table,
    rows: impl Iterator<Item = Result<(i64, Row), QueryError>>,
    together: fn(Vec<Record>) -> Rows,
    take: &mut Take<'_>,
) -> Result<ControlFlow<()>, TransferError>
where
    Record: TryFrom<Row, Error = StoreError>,
{
    let mut batch = Vec::with_capacity(BATCH);
    let mut last = 0;
    for row in rows {
        let (rowid, row) = row.map_err(|error| unreadable(table, last, error))?;
        last = rowid;
        let record = Record::try_from(row);
        batch.push(
            record.map_err(|error| TransferError::of_row(error, format!("rowid {rowid}"), TransferError::Source))?,
        );
        if batch.len() == BATCH {
            let full = std::mem::replace(&mut batch, Vec::with_capacity(BATCH));
            if take(together(full)).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
    }
    if batch.is_empty() {
        return Ok(ControlFlow::Continue(()));
    }
    Ok(take(together(batch)))
}

/// A row that is no row, the next one after the rowid `last`; most likely its text is not UTF-8, which SQLite does not
/// look at.
fn unreadable(table: Table, last: i64, error: QueryError) -> TransferError {
    match error {
        QueryError::DeserializationError(_) => TransferError::Corrupt {
            table: table.as_str(),
            column: "*",
            row: format!("the first rowid after {last}").into(),
            source: Arc::new(error),
        },
        error => failed(error),
    }
}

fn failed(error: QueryError) -> TransferError {
    TransferError::Source(Arc::new(error))
}
