//! A database from which everything is read as it is at one moment, while servers go on writing to it.

use std::{fmt, sync::Arc};

use diesel::{PgConnection, connection::SimpleConnection, result::Error as QueryError};
use ticket_domain::ports::transfer::{Table, TransferError, TransferSource};

use super::{
    count,
    reading::{Reading, Take},
};
use crate::postgres::{
    connect::{Address, ConnectError},
    migrate::{Schema, check},
};

/// One state of the database throughout. A server may have limits of its own.
const LOOK: &str = "
    BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
    SET LOCAL statement_timeout = 0;
    SET LOCAL idle_in_transaction_session_timeout = 0;
    SET LOCAL lock_timeout = '5s'";

/// Why nothing can be read from a database.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It can't be used.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Its schema is not this program's.
    #[error("its schema is of an older version of this program, or none: run `server migrate` first")]
    Outdated,
    /// Anything else.
    #[error("it can't be read")]
    Failed(#[from] QueryError),
}

/// A database that is read once.
pub struct PostgresSource {
    connection: PgConnection,
}

impl fmt::Debug for PostgresSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither the address nor its password.
        f.debug_struct("PostgresSource").finish_non_exhaustive()
    }
}

impl PostgresSource {
    /// Connects to the database at `url`, and holds on to what is committed at this moment. Keeps nobody from writing.
    /// Refused if its schema is not that of this program. Blocks, as [`connect`](crate::postgres::PostgresStore::connect) does.
    pub fn open(url: &str) -> Result<Self, SourceError> {
        if check(url)? != Schema::UpToDate {
            return Err(SourceError::Outdated);
        }
        let mut connection = Address::new(url)?.connect()?;
        connection.batch_execute(LOOK)?;
        // The moment is that of the first question.
        count(&mut connection, Table::TicketPage.as_str())?;
        Ok(Self { connection })
    }
}

impl TransferSource for PostgresSource {
    fn count(&mut self, table: Table) -> Result<u64, TransferError> {
        let rows = count(&mut self.connection, table.as_str());
        rows.map(i64::unsigned_abs)
            .map_err(|error| TransferError::Source(Arc::new(error)))
    }

    fn read(&mut self, take: &mut Take<'_>) -> Result<(), TransferError> {
        let reading = Reading {
            connection: &mut self.connection,
            fault: TransferError::Source,
        };
        reading.all(take)
    }
}
