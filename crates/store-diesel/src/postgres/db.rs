//! How a call gets a connection, and how long it may take. Blocking lives here and nowhere else: the wait for a
//! connection, the queries and the commit are one closure on a blocking thread.

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
use tokio::{
    sync::Semaphore,
    task::{JoinError, spawn_blocking},
    time::{timeout, timeout_at},
};

pub(crate) use crate::failure::Failure;
use crate::{
    failure::UnavailableReason,
    postgres::{
        announcements::Publisher,
        connect::Address,
        opener::TicketWriter,
        reader::Reader,
        threads,
        turn::{Decision, Turn},
    },
};

/// How long a call waits for a connection.
pub(crate) const POOL_WAIT: Duration = Duration::from_millis(2_500);

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

/// How many heads of tickets one statement asks for at most: a few hundred bytes each.
const HEADS_TOGETHER: usize = 256;

/// How many threads. They may be long, and nobody is to wait for those of many others.
const THREADS_TOGETHER: usize = 32;

pub(crate) type Pool = r2d2::Pool<ConnectionManager<PgConnection>>;
pub(crate) type Pooled = r2d2::PooledConnection<ConnectionManager<PgConnection>>;

/// The pool of connections.
#[derive(Clone)]
pub(crate) struct Db {
    pool: Pool,
    /// As many as there may be connections.
    places: Arc<Semaphore>,
    opener: TicketWriter,
    heads: Reader<TicketSummary>,
    threads: Reader<Thread>,
    publisher: Arc<Publisher>,
}

impl Db {
    /// At most `size` connections to `address`, and the one to `direct` by which it is told of changes.
    pub(crate) fn new(address: &Address, direct: &Address, size: u32) -> Self {
        let pool = pool(address, size);
        let publisher = Arc::new(Publisher::new(direct.clone()));
        let places = Arc::new(Semaphore::new(pool.max_size() as usize));
        Self {
            opener: TicketWriter::new(pool.clone(), places.clone(), publisher.clone()),
            heads: Reader::new(pool.clone(), places.clone(), 2, HEADS_TOGETHER, threads::heads),
            threads: Reader::new(pool.clone(), places.clone(), 2, THREADS_TOGETHER, threads::threads),
            places,
            pool,
            publisher,
        }
    }

    /// Runs `work`, which only asks.
    pub(crate) async fn read<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: Fn(&mut PgConnection) -> Result<T, Failure> + Send + 'static,
    {
        self.call(move |turn, _| turn.read(work)).await
    }

    /// Runs `work` in a transaction, again if a twin came first. Nobody is told.
    pub(crate) async fn write<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: Fn(&mut PgConnection) -> Result<T, Failure> + Send + 'static,
    {
        self.write_and_publish(work, |_| Vec::new()).await
    }

    /// Runs `work` in a transaction, again if a twin came first, and tells what its answer means. That is told by the
    /// thread that committed: a caller who is gone keeps nobody from hearing it.
    pub(crate) async fn write_and_publish<T, W, N>(&self, work: W, events: N) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: Fn(&mut PgConnection) -> Result<T, Failure> + Send + 'static,
        N: FnOnce(&T) -> Vec<ChangeEvent> + Send + 'static,
    {
        let publisher = self.publisher.clone();
        self.call(move |turn, decision| {
            let ended = turn.write(work, || decision.commit());
            match &ended {
                Ok(answer) => publisher.publish(&events(answer)),
                Err(_) if turn.is_in_doubt() => publisher.publish(&[ChangeEvent::Resync]),
                Err(_) => {}
            }
            ended
        })
        .await
    }

    /// Reads who may see a ticket and how it stands, together with others that are asked for at the same time.
    pub(crate) async fn head(&self, reference: TicketRef) -> Result<Option<TicketSummary>, StoreError> {
        self.heads.read(reference).await
    }

    /// Reads a thread, together with others that are asked for at the same time.
    pub(crate) async fn thread(&self, reference: TicketRef) -> Result<Option<Thread>, StoreError> {
        self.threads.read(reference).await
    }

    /// Writes a ticket, in one commit with others that come at the same time.
    pub(crate) async fn open(&self, opening: Opening) -> Result<OpenResult, StoreError> {
        self.opener.open(opening).await
    }

    /// Who tells of changes.
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

    /// Runs `work` on a blocking thread. If nobody waits for its end any more, because the caller is gone, it still
    /// ends as it would have.
    async fn call<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Turn, &Decision) -> Result<T, Failure> + Send + 'static,
    {
        let ends = Instant::now() + CALL_LIMIT;
        // Who waits for a connection waits without a thread.
        let place = timeout(POOL_WAIT, self.places.clone().acquire_owned()).await;
        let Ok(Ok(place)) = place else {
            return Err(UnavailableReason::PoolBusy.into());
        };
        let decision = Decision::default();
        let span = tracing::Span::current();
        let mut task = spawn_blocking({
            let (pool, decision) = (self.pool.clone(), decision.clone());
            move || {
                let _place = place;
                span.in_scope(|| work(&Turn::new(pool, ends), &decision).map_err(StoreError::from))
            }
        });
        let ended = match timeout_at(ends.into(), &mut task).await {
            Ok(ended) => ended,
            Err(_) if decision.give_up() => return Err(UnavailableReason::TooSlow.into()),
            Err(_) => timeout(COMMIT_LIMIT, task)
                .await
                .map_err(|_| UnavailableReason::TooSlow)?,
        };
        ended.unwrap_or_else(|panicked: JoinError| Err(StoreError::Failed(Arc::new(panicked))))
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
