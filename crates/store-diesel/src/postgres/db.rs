//! The connections, and how long a call may take.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use diesel::{
    PgConnection,
    connection::SimpleConnection,
    r2d2::{self, ConnectionManager, CustomizeConnection, NopErrorHandler, R2D2Connection},
    result::{DatabaseErrorKind, Error as QueryError},
};
use ticket_domain::{
    Thread, TicketRef, TicketSummary,
    ports::{ChangeEvent, OpenResult, Opening, PoolUse, StoreError},
};
use tokio::sync::Semaphore;

use crate::{
    batch::Batcher,
    calls::{self, CommitGate, POOL_WAIT},
    failure::Failure,
    postgres::{
        attempt::TransactionAttempt,
        batches::{OPENINGS, OpenTickets, READS, ReadTickets},
        connect::Address,
        publisher::Publisher,
        threads,
    },
};

/// When a call that has not come to its commit is given up.
pub(crate) const CALL_LIMIT: Duration = Duration::from_millis(3_400);

/// How long a commit that is under way then may still take. With it every call ends within 4 seconds.
pub(crate) const COMMIT_LIMIT: Duration = Duration::from_millis(500);

/// What the server itself limits, so that it does not go on with what nobody waits for. Set by statements, since
/// `PgBouncer` refuses it in the connection's options. The last one ends the transaction of a replica that vanished.
pub(crate) const LIMITS: &str = "SET statement_timeout = '3s'; SET lock_timeout = '3s'; \
                      SET idle_in_transaction_session_timeout = '5s'";

/// How the server plans. What a statement asks is found by an index, and a plan is kept: one that was made while a table
/// was small, for a statement of ours or for a foreign key, would go on to read the whole table when it is large. What costs
/// so much that compiling it would pay is not asked.
pub(crate) const PLANS: &str = "SET enable_seqscan = off; SET jit = off";

/// How many summaries of tickets one statement reads at most: a few hundred bytes each.
const MAX_SUMMARIES: usize = 256;

/// How many threads. They may be long, and no caller is to wait for those of many others.
const MAX_THREADS: usize = 32;

pub(crate) type Pool = r2d2::Pool<ConnectionManager<PgConnection>>;
pub(crate) type Pooled = r2d2::PooledConnection<ConnectionManager<PgConnection>>;

/// The pool of connections.
#[derive(Clone)]
pub(crate) struct Db {
    pool: Pool,
    /// One for each connection, so that a call waits without a thread.
    permits: Arc<Semaphore>,
    openings: Batcher<OpenTickets>,
    summaries: Batcher<ReadTickets<TicketSummary>>,
    threads: Batcher<ReadTickets<Thread>>,
    publisher: Arc<Publisher>,
}

impl Db {
    /// At most `size` connections to `address`, and one to `direct` that hears of other processes' changes.
    pub(crate) fn new(address: &Address, direct: &Address, size: u32) -> Self {
        let pool = pool(address, size);
        let publisher = Arc::new(Publisher::new(direct.clone()));
        let permits = Arc::new(Semaphore::new(pool.max_size() as usize));
        let openings = OpenTickets {
            pool: pool.clone(),
            publisher: publisher.clone(),
        };
        let summaries = ReadTickets {
            pool: pool.clone(),
            max_batch: MAX_SUMMARIES,
            read: threads::heads,
        };
        let threads = ReadTickets {
            pool: pool.clone(),
            max_batch: MAX_THREADS,
            read: threads::threads,
        };
        Self {
            openings: Batcher::new(openings, OPENINGS, permits.clone()),
            summaries: Batcher::new(summaries, READS, permits.clone()),
            threads: Batcher::new(threads, READS, permits.clone()),
            permits,
            pool,
            publisher,
        }
    }

    /// Runs `work`, which only reads.
    pub(crate) async fn read<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: Fn(&mut PgConnection) -> Result<T, Failure> + Send + 'static,
    {
        self.call(move |attempt, _| attempt.read(work)).await
    }

    /// Runs `work` in a transaction, again after a conflict. Publishes nothing.
    pub(crate) async fn write<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: Fn(&mut PgConnection) -> Result<T, Failure> + Send + 'static,
    {
        self.write_and_publish(work, |_| None).await
    }

    /// As [`write`](Self::write), and then publishes the `events` that its result means. The thread that committed does
    /// so: if the caller is gone by then, the subscribers still hear of it.
    pub(crate) async fn write_and_publish<T, W, E, I>(&self, work: W, events: E) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: Fn(&mut PgConnection) -> Result<T, Failure> + Send + 'static,
        E: FnOnce(&T) -> I + Send + 'static,
        I: IntoIterator<Item = ChangeEvent>,
    {
        let publisher = self.publisher.clone();
        self.call(move |attempt, gate| {
            let ended = attempt.write(work, || gate.commit());
            match &ended {
                Ok(result) => publisher.publish(&Vec::from_iter(events(result))),
                Err(_) if attempt.is_in_doubt() => publisher.publish(&[ChangeEvent::Resync]),
                Err(_) => {}
            }
            ended
        })
        .await
    }

    /// Reads the summary of a ticket, by one statement with concurrent calls.
    pub(crate) async fn summary(&self, reference: TicketRef) -> Result<Option<TicketSummary>, StoreError> {
        self.summaries.call(reference).await?
    }

    /// Reads a thread, by one statement with concurrent calls.
    pub(crate) async fn thread(&self, reference: TicketRef) -> Result<Option<Thread>, StoreError> {
        self.threads.call(reference).await?
    }

    /// Opens a ticket, in one commit with concurrent calls.
    pub(crate) async fn open(&self, opening: Opening) -> Result<OpenResult, StoreError> {
        self.openings.call(opening).await
    }

    /// Who publishes changes.
    pub(crate) fn publisher(&self) -> &Publisher {
        &self.publisher
    }

    /// How the connections are used.
    pub(crate) fn pool_use(&self) -> PoolUse {
        let state = self.pool.state();
        PoolUse {
            open: state.connections,
            idle: state.idle_connections,
            max: self.pool.max_size(),
        }
    }

    /// Runs `work` on a blocking thread. It ends as it would have even if the returned future is dropped.
    async fn call<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&TransactionAttempt, &CommitGate) -> Result<T, Failure> + Send + 'static,
    {
        let deadline = Instant::now() + CALL_LIMIT;
        let permit = calls::permit(&self.permits).await?;
        let gate = CommitGate::default();
        let work = {
            let (pool, gate) = (self.pool.clone(), gate.clone());
            move || work(&TransactionAttempt::new(pool, deadline), &gate)
        };
        gate.wait(calls::spawn(permit, work), deadline.into(), COMMIT_LIMIT)
            .await?
    }
}

/// A pool that opens connections as they are needed. It logs nothing by itself, since libpq's words may hold what is secret;
/// a call that gets no connection says why.
pub(crate) fn pool(address: &Address, size: u32) -> Pool {
    Pool::builder()
        .max_size(size.max(1))
        .min_idle(Some(1))
        .connection_timeout(POOL_WAIT)
        // It would cost every call a round trip. A dead connection is noticed by its first statement instead.
        .test_on_check_out(false)
        .connection_customizer(Box::new(Settings))
        .error_handler(Box::new(NopErrorHandler))
        .build_unchecked(ConnectionManager::new(address.as_str()))
}

/// Tells each new connection what it needs.
#[derive(Debug)]
struct Settings;

impl CustomizeConnection<PgConnection, r2d2::Error> for Settings {
    fn on_acquire(&self, connection: &mut PgConnection) -> Result<(), r2d2::Error> {
        let settings = format!("{LIMITS}; {PLANS}");
        connection.batch_execute(&settings).map_err(r2d2::Error::QueryError)
    }
}

/// Whether a query failed because its connection is dead. diesel does not notice that of a statement which could not even
/// be prepared, and the pool would keep the connection; what it asks then does notice.
pub(crate) fn is_lost(connection: &mut PgConnection, error: &QueryError) -> bool {
    let is_closed = matches!(
        error,
        QueryError::DatabaseError(
            DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand,
            _
        )
    );
    connection.is_broken() || (is_closed && connection.ping().is_err())
}
