//! One call's way through the pool: a connection that answers, and a transaction that is repeated after a conflict.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use diesel::{Connection, PgConnection, r2d2::R2D2Connection};

use crate::{
    calls::POOL_WAIT,
    failure::{Failure, UnavailableReason},
    postgres::{
        connect::ConnectError,
        db::{Pool, Pooled, is_lost},
    },
};

/// How often a transaction is attempted. A concurrent call can commit the same id first, between our look and our commit.
/// The next look finds it, so more than two attempts need one that is gone again by then.
const ATTEMPTS: u8 = 4;

/// One call's way through the pool.
pub(crate) struct TransactionAttempt {
    pool: Pool,
    /// No connection is waited for any longer.
    deadline: Instant,
    /// Whether the commit began.
    is_committing: Cell<bool>,
}

impl TransactionAttempt {
    /// Takes its connections from `pool`, until `deadline`.
    pub(crate) fn new(pool: Pool, deadline: Instant) -> Self {
        Self {
            pool,
            deadline,
            is_committing: Cell::new(false),
        }
    }

    /// Whether a commit began. If the work has failed all the same, the connection broke before the server confirmed the
    /// commit, and nobody knows whether it is written.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.is_committing.get()
    }

    /// Runs `work` in a transaction, again after a conflict. Commits only if `commit` then returns true: whether the
    /// caller is still waiting.
    pub(crate) fn write<T>(
        &self,
        work: impl Fn(&mut PgConnection) -> Result<T, Failure>,
        commit: impl Fn() -> bool,
    ) -> Result<T, Failure> {
        let mut ended = Err(Failure::Conflict);
        for _ in 0..ATTEMPTS {
            ended = self.attempt(|connection| self.transaction(connection, &work, &commit));
            if !matches!(ended, Err(Failure::Conflict)) {
                break;
            }
        }
        ended
    }

    /// Runs `work`, which only reads.
    pub(crate) fn read<T>(&self, work: impl Fn(&mut PgConnection) -> Result<T, Failure>) -> Result<T, Failure> {
        self.attempt(|connection| match work(connection) {
            // Reading twice does no harm.
            Err(Failure::Query(error)) if is_lost(connection, &error) => Err(Failure::LostConnection(error)),
            ended => ended,
        })
    }

    /// Runs `work` on a connection. One that died in the pool, as all do when the server restarts, costs a second try
    /// on one that answers; r2d2 throws the dead ones away as they come back.
    fn attempt<T>(&self, work: impl Fn(&mut PgConnection) -> Result<T, Failure>) -> Result<T, Failure> {
        let ended = caught(|| work(&mut *self.connection()?));
        match ended {
            Err(Failure::LostConnection(_)) => caught(|| work(&mut *self.answering_connection()?)),
            ended => ended,
        }
    }

    /// Runs `work` and commits. If the connection does not even take the BEGIN, nothing of `work` was sent.
    fn transaction<T>(
        &self,
        connection: &mut PgConnection,
        work: impl Fn(&mut PgConnection) -> Result<T, Failure>,
        commit: impl Fn() -> bool,
    ) -> Result<T, Failure> {
        self.is_committing.set(false);
        let mut has_begun = false;
        let ended = connection.transaction(|connection| {
            has_begun = true;
            let answer = work(connection)?;
            // Asked here, so that an attempt which ends in a conflict binds nobody.
            if !commit() {
                return Err(Failure::GivenUp);
            }
            self.is_committing.set(true);
            Ok(answer)
        });
        match ended {
            Err(Failure::Query(error)) if !has_begun => Err(Failure::LostConnection(error)),
            ended => ended,
        }
    }

    fn connection(&self) -> Result<Pooled, Failure> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(UnavailableReason::TooSlow.into());
        }
        self.pool.get_timeout(POOL_WAIT.min(left)).map_err(|error| {
            let message = error.to_string();
            // r2d2 puts the last failure to connect behind a colon, if there was one.
            let reason = match message.split_once(": ") {
                Some((_, failure)) => UnavailableReason::NoConnection(ConnectError::of(failure)),
                None => UnavailableReason::PoolBusy,
            };
            Failure::from(reason)
        })
    }

    fn answering_connection(&self) -> Result<Pooled, Failure> {
        loop {
            let mut connection = self.connection()?;
            if connection.ping().is_ok() {
                return Ok(connection);
            }
        }
    }
}

/// The outcome of `work`, a panic included: others may wait for its thread. r2d2 throws its connection away.
fn caught<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(Failure::Panicked))
}
