//! The connections: one that writes (`writes.rs`), and a few that read what was last committed meanwhile.

use std::sync::Arc;

use diesel::{
    Connection, SqliteConnection,
    connection::SimpleConnection,
    r2d2::{self, ConnectionManager, CustomizeConnection, NopErrorHandler},
};
use ticket_domain::ports::{ChangeEvent, PoolUse, StoreError, Subscriber};
use tokio::sync::Semaphore;

use crate::{
    calls::{self, POOL_WAIT},
    failure::{Failure, UnavailableReason},
    sqlite::{
        file::{File, OpenError},
        writes::Writer,
    },
    subscribers::Subscribers,
};

/// How many calls read at the same time.
const READERS: u32 = 4;

/// What each connection needs to be told. Another process (a backup, an operator's shell) may hold the file for a
/// moment; a commit is on the disk when it returns. While somebody reads for minutes the write-ahead log grows; as soon as it
/// begins anew, what is beyond 64 MiB is given back.
pub(crate) const SETTINGS: &str = "PRAGMA busy_timeout = 2500; PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL;
    PRAGMA journal_size_limit = 67108864;";

/// For a file that is deleted in the end: nothing waits for the disk.
pub(crate) const TEMPORARY_SETTINGS: &str =
    "PRAGMA busy_timeout = 2500; PRAGMA foreign_keys = ON; PRAGMA synchronous = OFF;";

/// A reader that tries to write is a fault of ours.
const READER_SETTINGS: &str = "PRAGMA query_only = ON;";

pub(crate) type Pool = r2d2::Pool<ConnectionManager<SqliteConnection>>;

/// The connections.
#[derive(Clone)]
pub(crate) struct Db {
    writer: Arc<Writer>,
    writers: Pool,
    readers: Pool,
    /// One for each reader, so that a call waits without a thread.
    permits: Arc<Semaphore>,
    subscribers: Arc<Subscribers>,
}

impl Db {
    /// Opens all connections. At most `max_batch` calls that write share a commit.
    pub(crate) fn new(file: &File, max_batch: usize) -> Result<Self, OpenError> {
        let writers = pool(file, 1, Settings::new(file, false))?;
        let subscribers = Arc::<Subscribers>::default();
        Ok(Self {
            writer: Arc::new(Writer::new(writers.clone(), subscribers.clone(), max_batch)),
            writers,
            readers: pool(file, READERS, Settings::new(file, true))?,
            permits: Arc::new(Semaphore::new(READERS as usize)),
            subscribers,
        })
    }

    /// Runs `work`, which only reads, on a blocking thread. It sees one state of the store throughout.
    pub(crate) async fn read<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&mut SqliteConnection) -> Result<T, Failure> + Send + 'static,
    {
        let permit = calls::permit(&self.permits).await?;
        let readers = self.readers.clone();
        let work = move || {
            let mut connection = readers.get().map_err(|_| UnavailableReason::PoolBusy)?;
            connection.transaction(|connection| work(connection))
        };
        calls::spawn(permit, work).await
    }

    /// Runs `work` in a transaction that no other writer is beside. It is an `Fn`: if it shares a commit with others and
    /// that fails, each runs again alone. Publishes nothing.
    pub(crate) async fn write<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: Fn(&mut SqliteConnection) -> Result<T, Failure> + Send + 'static,
    {
        self.write_and_publish(work, |_| None).await
    }

    /// As [`write`](Self::write), and then publishes the `events` that its result means. The thread that committed does
    /// so: if the caller is gone by then, the subscribers still hear of it.
    pub(crate) async fn write_and_publish<T, W, E, I>(&self, work: W, events: E) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: Fn(&mut SqliteConnection) -> Result<T, Failure> + Send + 'static,
        E: FnOnce(&T) -> I + Send + 'static,
        I: IntoIterator<Item = ChangeEvent>,
    {
        self.writer.write(work, events).await
    }

    /// From now on `subscriber` hears of changes.
    pub(crate) fn follow(&self, subscriber: Arc<dyn Subscriber>) {
        self.subscribers.add(subscriber);
    }

    /// How the connections are used, the writer's and the readers'.
    pub(crate) fn pool_use(&self) -> PoolUse {
        let (writer, readers) = (self.writers.state(), self.readers.state());
        PoolUse {
            open: writer.connections + readers.connections,
            idle: writer.idle_connections + readers.idle_connections,
            max: self.writers.max_size() + self.readers.max_size(),
        }
    }
}

fn pool(file: &File, size: u32, settings: Settings) -> Result<Pool, OpenError> {
    Pool::builder()
        .max_size(size)
        .connection_timeout(POOL_WAIT)
        // A file does not hang up.
        .test_on_check_out(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connection_customizer(Box::new(settings))
        // It logs nothing by itself: a call that gets no connection says so.
        .error_handler(Box::new(NopErrorHandler))
        .build(ConnectionManager::new(file.name()))
        .map_err(|error| file.failed(error))
}

/// Tells each new connection what it needs.
#[derive(Debug, Clone, Copy)]
struct Settings {
    all: &'static str,
    is_reader: bool,
}

impl Settings {
    fn new(file: &File, is_reader: bool) -> Self {
        Self {
            all: file.settings(),
            is_reader,
        }
    }
}

impl CustomizeConnection<SqliteConnection, r2d2::Error> for Settings {
    fn on_acquire(&self, connection: &mut SqliteConnection) -> Result<(), r2d2::Error> {
        connection.batch_execute(self.all).map_err(r2d2::Error::QueryError)?;
        if self.is_reader {
            connection
                .batch_execute(READER_SETTINGS)
                .map_err(r2d2::Error::QueryError)?;
        }
        Ok(())
    }
}
