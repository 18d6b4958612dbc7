//! An empty database that takes everything of another store, in one transaction: until it is committed nobody sees any
//! of it, and nothing is left of it however it breaks off. The tables are filled bare, with `COPY`, and what stands on
//! them is put up afterwards.

mod binary;
mod reading;
mod rows;
mod source;
mod structure;

use std::{fmt, ops::ControlFlow, sync::Arc};

use diesel::{
    PgConnection, QueryableByName, RunQueryDsl, Table as DieselTable,
    connection::SimpleConnection,
    pg::{CopyFormat, CopyTarget},
    prelude::*,
    result::{DatabaseErrorKind, Error as QueryError},
    sql_query, sql_types,
};
use ticket_domain::ports::transfer::{Rows, Step, Table, TransferError, TransferTarget};

use crate::postgres::{
    connect::{Address, ConnectError},
    migrate,
    schema::{earlier_ids, idempotency_keys, messages, notifications, questions, receipts, tickets, trail},
};
use binary::Sheet;
use reading::Reading;
use rows::Row;
pub use source::{PostgresSource, SourceError};
use structure::{ROOM, Structure};

/// The table that is made of the others.
const SEARCH: &str = "ticket_search";

/// How this session differs from those that serve. A server may have limits of its own, and sorting takes room. The last
/// one (Postgres 14 and later) has the server look now and then whether we are still there: an interrupted copy is over at
/// once, whatever it was doing.
const SETTINGS: &str = "
    BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
    SET LOCAL statement_timeout = 0;
    SET LOCAL idle_in_transaction_session_timeout = 0;
    SET LOCAL lock_timeout = '5s';
    SET LOCAL jit = off;
    SET LOCAL enable_seqscan = on;
    SET LOCAL work_mem = '64MB';
    SELECT set_config(name, value, true) FROM pg_settings
        JOIN (VALUES ('max_parallel_maintenance_workers', '4'), ('client_connection_check_interval', '1s'))
            AS ours (name, value) USING (name);";

/// Gathers the words of every message in a thread, as the trigger on messages does.
const GATHER: &str = "
    INSERT INTO ticket_search (ticket_number, seq, words)
    SELECT t.number, m.seq, search_vector(t, m.body) FROM messages m JOIN tickets t ON t.id = m.ticket_id";

/// Why a database takes nothing.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// It can't be used.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// It has something already.
    #[error("it is not empty, it has {0}: name an empty database, so that nothing in it is lost or mixed up")]
    NotEmpty(Box<str>),
    /// Others keep it busy.
    #[error("another program is at work in it, a server or another copy: stop it first")]
    InUse,
    /// Anything else.
    #[error("it can't be prepared")]
    Failed(#[source] QueryError),
}

impl From<QueryError> for TargetError {
    fn from(error: QueryError) -> Self {
        match &error {
            QueryError::DatabaseError(_, words) if words.message().contains("lock timeout") => Self::InUse,
            _ => Self::Failed(error),
        }
    }
}

/// An empty database with its tables locked and bare. If it is dropped without a commit, it is as it was.
pub struct PostgresTarget {
    connection: PgConnection,
    structure: Structure,
}

impl fmt::Debug for PostgresTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither the address nor its password.
        f.debug_struct("PostgresTarget").finish_non_exhaustive()
    }
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = sql_types::BigInt)]
    count: i64,
}

impl PostgresTarget {
    /// Connects to the database at `url`, brings its schema up to date, and locks its tables against everybody else.
    /// Refused unless every one of them is empty. Blocks, as [`connect`](crate::postgres::PostgresStore::connect) does.
    pub fn open(url: &str) -> Result<Self, TargetError> {
        let address = Address::new(url)?;
        migrate::migrate(&address)?;
        let mut connection = address.connect()?;
        connection.batch_execute(SETTINGS)?;
        connection.batch_execute(ROOM)?;
        let all = Table::ALL.map(Table::as_str);
        connection.batch_execute(&format!(
            "LOCK TABLE {}, {SEARCH} IN ACCESS EXCLUSIVE MODE; SET LOCAL lock_timeout = 0",
            all.join(", ")
        ))?;
        let mut found = Vec::new();
        for table in all {
            let count = count(&mut connection, table)?;
            if count > 0 {
                found.push(format!("{count} rows in {table}"));
            }
        }
        if !found.is_empty() {
            return Err(TargetError::NotEmpty(found.join(", ").into()));
        }
        let tables: Vec<&str> = all.into_iter().chain([SEARCH]).collect();
        let structure = Structure::take_down(&mut connection, &tables)?;
        // New files beneath the empty tables: rows that go into them need no vacuum later (FREEZE), and if this breaks
        // off, the files are gone too.
        connection.batch_execute(&format!("TRUNCATE {}", tables.join(", ")))?;
        Ok(Self { connection, structure })
    }

    /// Has the next ticket get the number after the last one.
    fn move_numbers(&mut self) -> Result<(), QueryError> {
        #[derive(QueryableByName)]
        struct Sequence {
            #[diesel(sql_type = sql_types::Text)]
            restart: String,
        }
        let sequence: Sequence = sql_query(
            "SELECT format('ALTER TABLE tickets ALTER number RESTART WITH %s', coalesce(max(number), 0) + 1) AS restart \
             FROM tickets",
        )
        .get_result(&mut self.connection)?;
        // Unlike setval, this is undone with the transaction.
        self.connection.batch_execute(&sequence.restart)
    }

    /// That every message in a thread can be found.
    fn check_words(&mut self) -> Result<(), TransferError> {
        let connection = &mut self.connection;
        let words = count(connection, SEARCH).map_err(failed)?;
        let messages = count(connection, "messages WHERE ticket_id IS NOT NULL").map_err(failed)?;
        if words == messages {
            return Ok(());
        }
        Err(TransferError::Target(Arc::new(WordsMissing { words, messages })))
    }
}

impl TransferTarget for PostgresTarget {
    fn write(&mut self, rows: Rows) -> Result<(), TransferError> {
        let connection = &mut self.connection;
        match rows {
            Rows::TicketPage(rows) => write(connection, tickets::table, &rows),
            Rows::Questions(rows) => write(connection, questions::table, &rows),
            Rows::Messages(rows) => write(connection, messages::table, &rows),
            Rows::Notifications(rows) => write(connection, notifications::table, &rows),
            Rows::EarlierIds(rows) => write(connection, earlier_ids::table, &rows),
            Rows::IdempotencyKeys(rows) => write(connection, idempotency_keys::table, &rows),
            Rows::Receipts(rows) => write(connection, receipts::table, &rows),
            Rows::Trail(rows) => write(connection, trail::table, &rows),
        }
    }

    fn complete(&mut self, tell: &mut dyn FnMut(Step)) -> Result<(), TransferError> {
        tell(Step::GatheringWords);
        self.move_numbers().map_err(failed)?;
        self.connection.batch_execute(GATHER).map_err(failed)?;
        self.check_words()?;
        let Self { connection, structure } = self;
        let indexed = structure.put_up_indexes(connection, &mut |number, of| tell(Step::Indexing(number, of)));
        indexed.map_err(failed)?;
        tell(Step::CheckingReferences);
        structure.put_up_the_rest(connection).map_err(failed)?;
        let all = Table::ALL.map(Table::as_str).join(", ");
        connection
            .batch_execute(&format!("ANALYZE {all}, {SEARCH}"))
            .map_err(failed)
    }

    fn read_back(&mut self, take: &mut dyn FnMut(Rows)) -> Result<(), TransferError> {
        let reading = Reading {
            connection: &mut self.connection,
            fault: TransferError::Target,
        };
        reading.all(&mut |rows| {
            take(rows);
            ControlFlow::Continue(())
        })
    }

    fn commit(mut self) -> Result<(), TransferError> {
        self.connection.batch_execute("COMMIT").map_err(|error| match error {
            QueryError::DatabaseError(
                DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand,
                _,
            ) => TransferError::Unsure(Arc::new(error)),
            error => failed(error),
        })
    }
}

/// Not every message can be found.
#[derive(Debug, thiserror::Error)]
#[error("{messages} messages are in threads, but {words} can be found")]
struct WordsMissing {
    words: i64,
    messages: i64,
}

fn count(connection: &mut PgConnection, of: &str) -> Result<i64, QueryError> {
    let Count { count } = sql_query(format!("SELECT count(*) AS count FROM {of}")).get_result(connection)?;
    Ok(count)
}

fn write<T, R>(connection: &mut PgConnection, table: T, rows: &[R]) -> Result<(), TransferError>
where
    T: DieselTable + CopyTarget<Table = T> + Copy,
    R: Row,
{
    let mut sheet = Sheet::new();
    for row in rows {
        sheet.row(R::COLUMNS);
        row.write(&mut sheet)
            .map_err(|error| TransferError::Target(Arc::new(error)))?;
    }
    let sheet = sheet.finished();
    let written = diesel::copy_from(table)
        .from_raw_data(table, |target| {
            let sent = target.write_all(&sheet);
            sent.map_err(|error| QueryError::SerializationError(error.into()))
        })
        .with_format(CopyFormat::Binary)
        .with_freeze(true)
        .execute(connection);
    written.map(drop).map_err(failed)
}

fn failed(error: QueryError) -> TransferError {
    TransferError::Target(Arc::new(error))
}
