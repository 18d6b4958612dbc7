//! Every row of a file, in the order in which the file has them.

use std::{ops::ControlFlow, sync::Arc};

use diesel::{
    SqliteConnection, connection::DefaultLoadingMode, dsl::sql, prelude::*, result::Error as QueryError,
    sql_types::BigInt,
};
use ticket_domain::ports::{
    Source, StoreError,
    transfer::{Rows, Table, TransferError},
};

use super::rows::{EarlierIdRow, EntryRow, KeyRow, MessageRow, NotificationRow, QuestionRow, ReceiptRow, TicketRow};
use crate::sqlite::schema::{
    earlier_ids, idempotency_keys, messages, notifications, questions, receipts, tickets, trail,
};

/// How many rows go together.
const BATCH: usize = 1_000;

/// Who takes the rows.
pub(super) type Take<'a> = dyn FnMut(Rows) -> ControlFlow<()> + 'a;

/// Reads a file.
pub(super) struct Reading<'c> {
    connection: &'c mut SqliteConnection,
    /// Whose fault it is if that fails.
    fault: fn(Source) -> TransferError,
}

/// Every row of a table with its rowid, by which people find it again; in that order, which is the file's own.
macro_rules! rows_of {
    ($table:ident, $row:ty, $reading:expr) => {{
        let fault = $reading.fault;
        $table::table
            .select((sql::<BigInt>("rowid"), $table::all_columns))
            .order(sql::<BigInt>("rowid"))
            .load_iter::<(i64, $row), DefaultLoadingMode>($reading.connection)
            .map_err(|error| fault(Arc::new(error)))?
    }};
}

impl<'c> Reading<'c> {
    /// Of what is to be copied.
    pub(super) fn of_source(connection: &'c mut SqliteConnection) -> Self {
        Self {
            connection,
            fault: TransferError::Source,
        }
    }

    /// Of what was copied.
    pub(super) fn of_target(connection: &'c mut SqliteConnection) -> Self {
        Self {
            connection,
            fault: TransferError::Target,
        }
    }

    /// How many rows a table has.
    pub(super) fn count(self, table: Table) -> Result<u64, TransferError> {
        let connection = self.connection;
        let counted: Result<i64, QueryError> = match table {
            Table::TicketPage => tickets::table.count().get_result(connection),
            Table::Questions => questions::table.count().get_result(connection),
            Table::Messages => messages::table.count().get_result(connection),
            Table::Notifications => notifications::table.count().get_result(connection),
            Table::EarlierIds => earlier_ids::table.count().get_result(connection),
            Table::IdempotencyKeys => idempotency_keys::table.count().get_result(connection),
            Table::Receipts => receipts::table.count().get_result(connection),
            Table::Trail => trail::table.count().get_result(connection),
        };
        counted
            .map(i64::unsigned_abs)
            .map_err(|error| (self.fault)(Arc::new(error)))
    }

    /// Gives every row once, table by table, until `take` breaks off.
    pub(super) fn all(mut self, take: &mut Take<'_>) -> Result<(), TransferError> {
        for table in Table::ALL {
            if self.table(table, take)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn table(&mut self, table: Table, take: &mut Take<'_>) -> Result<ControlFlow<()>, TransferError> {
        let batches = Batches {
            table,
            fault: self.fault,
        };
        match table {
            Table::TicketPage => batches.give(rows_of!(tickets, TicketRow, self), Rows::TicketPage, take),
            Table::Questions => batches.give(rows_of!(questions, QuestionRow, self), Rows::Questions, take),
            Table::Messages => batches.give(rows_of!(messages, MessageRow, self), Rows::Messages, take),
            Table::Notifications => batches.give(
                rows_of!(notifications, NotificationRow, self),
                Rows::Notifications,
                take,
            ),
            Table::EarlierIds => batches.give(rows_of!(earlier_ids, EarlierIdRow, self), Rows::EarlierIds, take),
            Table::IdempotencyKeys => {
                batches.give(rows_of!(idempotency_keys, KeyRow, self), Rows::IdempotencyKeys, take)
            }
            Table::Receipts => batches.give(rows_of!(receipts, ReceiptRow, self), Rows::Receipts, take),
            Table::Trail => batches.give(rows_of!(trail, EntryRow, self), Rows::Trail, take),
        }
    }
}

/// Rows of one table, each parsed.
struct Batches {
    table: Table,
    fault: fn(Source) -> TransferError,
}

impl Batches {
    fn give<Row, Record>(
        &self,
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
            let (rowid, row) = row.map_err(|error| self.unreadable(last, error))?;
            last = rowid;
            let record = Record::try_from(row);
            batch.push(record.map_err(|error| TransferError::of_row(error, format!("rowid {rowid}"), self.fault))?);
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

    /// A row that is no row, the next one after the rowid `last`; most likely its text is not UTF-8, which SQLite does
    /// not look at.
    fn unreadable(&self, last: i64, error: QueryError) -> TransferError {
        match error {
            QueryError::DeserializationError(_) => TransferError::Corrupt {
                table: self.table.as_str(),
                column: "*",
                row: format!("the first rowid after {last}").into(),
                source: Arc::new(error),
            },
            error => (self.fault)(Arc::new(error)),
        }
    }
}
