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

use crate::postgres::{
    announcements::Publisher,
    connect::{Address, ConnectError},
    opener::TicketWriter,
    reader::Reader,
    tickets,
    turn::{Decision, TRIES, Turn},
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

/// Why the work of a call ended without an answer. Whatever it wrote is rolled back.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A query failed.
    Query(QueryError),
    /// A row is corrupt, or the call's time is up.
    Store(StoreError),
    /// Somebody else came first with the same key or id. The work has to be done again.
    Conflict,
    /// A caller stopped waiting before the commit.
    GivenUp,
    /// The work panicked.
    Panicked,
    /// The connection was dead before anything was sent by it, or what was sent only asked. The work can be done again.
    LostConnection(QueryError),
}

impl Failure {
    /// Whether it may be the fault of one among several that share a transaction or a statement.
    pub(crate) fn may_be_of_one(&self) -> bool {
        match self {
            Self::Conflict | Self::Panicked | Self::Store(StoreError::Corrupt { .. }) => true,
            Self::Query(error) => !is_passing(error),
            Self::Store(_) | Self::GivenUp | Self::LostConnection(_) => false,
        }
    }
}

impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Query(error) if is_passing(&error) => Self::Unavailable(Arc::new(error)),
            Failure::Query(error) => Self::Failed(Arc::new(error)),
            Failure::Store(error) => error,
            Failure::GivenUp => unavailable(UnavailableReason::TooSlow),
            Failure::Conflict => Self::Unavailable(Arc::new(UnavailableReason::Twins)),
            Failure::Panicked => Self::Failed(Arc::new(UnavailableReason::Panicked)),
            Failure::LostConnection(error) => Self::Unavailable(Arc::new(error)),
        }
    }
}

/// Why a call ended that no query failed for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnavailableReason {
    #[error("no database connection came free in time")]
    PoolBusy,
    #[error("no database connection")]
    NoConnection(#[source] ConnectError),
    #[error("the database did not answer in time")]
    TooSlow,
    #[error("others came first with the same id {TRIES} times in a row")]
    Twins,
    #[error("the work panicked")]
    Panicked,
    #[error("the work broke off")]
    BrokeOff,
}

/// The pool of connections.
#[derive(Clone)]
pub(crate) struct Db {
    pool: Pool,
    /// As many as there may be connections.
    places: Arc<Semaphore>,
    opener: TicketWriter,
    heads: Reader<TicketSummary>,
    threads: Reader<Thread>,
    announcer: Arc<Publisher>,
}

impl Db {
    /// At most `size` connections to `address`, and the one to `direct` by which it is told of changes.
    pub(crate) fn new(address: &Address, direct: &Address, size: u32) -> Self {
        let pool = pool(address, size);
        let announcer = Arc::new(Publisher::new(direct.clone()));
        let places = Arc::new(Semaphore::new(pool.max_size() as usize));
        Self {
            opener: TicketWriter::new(pool.clone(), places.clone(), announcer.clone()),
            heads: Reader::new(pool.clone(), places.clone(), 2, HEADS_TOGETHER, tickets::heads),
            threads: Reader::new(pool.clone(), places.clone(), 2, THREADS_TOGETHER, tickets::threads),
            places,
            pool,
            announcer,
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
        self.write_and_tell(work, |_| Vec::new()).await
    }

    /// Runs `work` in a transaction, again if a twin came first, and tells what its answer means. That is told by the
    /// thread that committed: a caller who is gone keeps nobody from hearing it.
    pub(crate) async fn write_and_tell<T, W, N>(&self, work: W, events: N) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: Fn(&mut PgConnection) -> Result<T, Failure> + Send + 'static,
        N: FnOnce(&T) -> Vec<ChangeEvent> + Send + 'static,
    {
        let announcer = self.announcer.clone();
        self.call(move |turn, decision| {
            let ended = turn.write(work, || decision.commit());
            match &ended {
                Ok(answer) => announcer.tell(&events(answer)),
                Err(_) if turn.is_in_doubt() => announcer.tell(&[ChangeEvent::Resync]),
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
    pub(crate) fn announcer(&self) -> &Publisher {
        &self.announcer
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
            return Err(unavailable(UnavailableReason::PoolBusy));
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
            Err(_) if decision.give_up() => return Err(unavailable(UnavailableReason::TooSlow)),
            Err(_) => timeout(COMMIT_LIMIT, task)
                .await
                .map_err(|_| unavailable(UnavailableReason::TooSlow))?,
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

pub(crate) fn unavailable(impediment: UnavailableReason) -> StoreError {
    StoreError::Unavailable(Arc::new(impediment))
}

pub(crate) fn too_slow() -> Failure {
    Failure::Store(unavailable(UnavailableReason::TooSlow))
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

/// Whether a query may succeed later: the server is gone, stopping, overloaded, full or read-only. diesel tells few of
/// these apart, so the server's words decide, as they are where its `lc_messages` is English.
pub(crate) fn is_passing(error: &QueryError) -> bool {
    const WORDS: [&str; 14] = [
        "due to statement timeout",
        "due to lock timeout",
        "deadlock detected",
        "terminating connection",
        "idle-in-transaction timeout",
        "server closed the connection",
        "the database system is",
        "too many clients",
        "too many connections",
        "remaining connection slots",
        "No space left on device",
        "could not extend file",
        "out of memory",
        "out of shared memory",
    ];
    match error {
        QueryError::DatabaseError(kind, information) => match kind {
            DatabaseErrorKind::ClosedConnection
            | DatabaseErrorKind::UnableToSendCommand
            | DatabaseErrorKind::ReadOnlyTransaction
            | DatabaseErrorKind::SerializationFailure => true,
            DatabaseErrorKind::Unknown => WORDS.iter().any(|words| information.message().contains(words)),
            _ => false,
        },
        QueryError::BrokenTransactionManager => true,
        QueryError::RollbackErrorOnCommit { commit_error, .. } => is_passing(commit_error),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_told_from_what_does_not() {
        let failed = |kind, said: &str| QueryError::DatabaseError(kind, Box::new(said.to_owned()));
        for said in [
            "canceling statement due to statement timeout",
            "canceling statement due to lock timeout",
            "deadlock detected",
            "terminating connection due to administrator command",
            "terminating connection due to idle-in-transaction timeout",
            "the database system is shutting down",
            "sorry, too many clients already",
            "could not extend file \"base/5/16384\": No space left on device",
            "out of shared memory",
        ] {
            assert!(is_passing(&failed(DatabaseErrorKind::Unknown, said)), "{said}");
        }
        assert!(is_passing(&failed(DatabaseErrorKind::ClosedConnection, "")));
        assert!(is_passing(&failed(DatabaseErrorKind::ReadOnlyTransaction, "")));
        assert!(is_passing(&QueryError::BrokenTransactionManager));

        assert!(!is_passing(&failed(
            DatabaseErrorKind::Unknown,
            "relation \"tickets\" does not exist"
        )));
        assert!(!is_passing(&failed(
            DatabaseErrorKind::UniqueViolation,
            "duplicate key value"
        )));
        assert!(!is_passing(&QueryError::NotFound));
    }
}
