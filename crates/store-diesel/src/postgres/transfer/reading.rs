//! Every row of a database, with `COPY`.

use std::{ops::ControlFlow, sync::Arc};

use diesel::{
    PgConnection, Table as DieselTable,
    connection::SimpleConnection,
    pg::{CopyFormat, CopyTarget},
    result::Error as QueryError,
};
use ticket_domain::ports::{
    Source, StoreError,
    transfer::{Rows, Table, TransferError},
};

use super::{binary::Reader, rows::Row};
use crate::postgres::schema::{
    earlier_ids, idempotency_keys, messages, notifications, questions, receipts, tickets, trail,
};

/// How many rows go together.
const BATCH: usize = 1_000;

/// Who takes the rows.
pub(super) type Take<'a> = dyn FnMut(Rows) -> ControlFlow<()> + 'a;

/// Reads a database.
pub(super) struct Reading<'c> {
    pub(super) connection: &'c mut PgConnection,
    /// Whose fault it is if that fails.
    pub(super) fault: fn(Source) -> TransferError,
}

impl Reading<'_> {
    /// Gives every row once, table by table, until `take` breaks off. The connection is of no use then.
    pub(super) fn all(mut self, take: &mut Take<'_>) -> Result<(), TransferError> {
        for table in Table::ALL {
            if self.table(table, take)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn table(&mut self, table: Table, take: &mut Take<'_>) -> Result<ControlFlow<()>, TransferError> {
        match table {
            Table::TicketPage => self.read(tickets::table, table, Rows::TicketPage, take),
            Table::Questions => self.read(questions::table, table, Rows::Questions, take),
            Table::Messages => self.read(messages::table, table, Rows::Messages, take),
            Table::Notifications => self.read(notifications::table, table, Rows::Notifications, take),
            Table::EarlierIds => self.read(earlier_ids::table, table, Rows::EarlierIds, take),
            Table::IdempotencyKeys => self.read(idempotency_keys::table, table, Rows::IdempotencyKeys, take),
            Table::Receipts => self.read(receipts::table, table, Rows::Receipts, take),
            Table::Trail => self.read(trail::table, table, Rows::Trail, take),
        }
    }

    fn read<T, R>(
        &mut self,
        from: T,
        table: Table,
        together: fn(Vec<R>) -> Rows,
        take: &mut Take<'_>,
    ) -> Result<ControlFlow<()>, TransferError>
    where
        T: DieselTable + CopyTarget<Table = T>,
        R: Row,
    {
        let flow = self.read_rows(from, table, together, take)?;
        if flow.is_continue() {
            // diesel (2.3) leaves the end of a COPY lying in the connection, where only this kind of statement clears it
            // away.
            let cleared = self.connection.batch_execute("SELECT 1");
            cleared.map_err(|error| self.failed(error))?;
        }
        Ok(flow)
    }

    fn read_rows<T, R>(
        &mut self,
        from: T,
        table: Table,
        together: fn(Vec<R>) -> Rows,
        take: &mut Take<'_>,
    ) -> Result<ControlFlow<()>, TransferError>
    where
        T: DieselTable + CopyTarget<Table = T>,
        R: Row,
    {
        let fault = self.fault;
        let input = diesel::copy_to(from)
            .with_format(CopyFormat::Binary)
            .load_raw(self.connection)
            .map_err(|error| fault(Arc::new(error)))?;
        let mut count = 0_u64;
        let of_row = |error: StoreError, number: u64| {
            TransferError::of_row(error, format!("number {number} of those that were read"), fault)
        };
        let mut reader = Reader::new(table.as_str(), input).map_err(|error| of_row(error, count))?;
        let mut batch = Vec::with_capacity(BATCH);
        while reader.has_row(R::COLUMNS).map_err(|error| of_row(error, count))? {
            count += 1;
            batch.push(R::read(&mut reader).map_err(|error| of_row(error, count))?);
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

    fn failed(&self, error: QueryError) -> TransferError {
        (self.fault)(Arc::new(error))
    }
}
