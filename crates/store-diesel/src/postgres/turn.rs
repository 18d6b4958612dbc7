//! One call's way through the pool: a connection that answers, a transaction, and who decides whether it is committed.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, OnceLock},
    time::Instant,
};

use diesel::{Connection, PgConnection, r2d2::R2D2Connection};

use crate::{
    failure::{Failure, UnavailableReason},
    postgres::{
        connect::ConnectError,
        db::{POOL_WAIT, Pool, Pooled, is_lost},
    },
};

/// A twin can come first between our look and our commit. Then it is there for the next look, so more than two tries
/// need twins that end as well.
pub(crate) const TRIES: u8 = 4;

/// Whether a call's work is committed or its caller gives it up: who comes first decides for good. So a caller that was
/// told "unavailable" does not find it written afterwards.
#[derive(Debug, Clone, Default)]
pub(crate) struct Decision(Arc<OnceLock<bool>>);

impl Decision {
    /// Whether it is to be committed.
    pub(crate) fn commit(&self) -> bool {
        *self.0.get_or_init(|| true)
    }

    /// Whether it is given up.
    pub(crate) fn give_up(&self) -> bool {
        !*self.0.get_or_init(|| false)
    }

    /// Whether it was given up before.
    pub(crate) fn is_given_up(&self) -> bool {
        self.0.get() == Some(&false)
    }
}

/// One call's way through the pool.
pub(crate) struct Turn {
    pool: Pool,
    /// When no connection is waited for any more.
    ends: Instant,
    /// Whether the commit was begun.
    is_committing: Cell<bool>,
}

impl Turn {
    /// Takes its connections from `pool`, until `ends`.
    pub(crate) fn new(pool: Pool, ends: Instant) -> Self {
        Self {
            pool,
            ends,
            is_committing: Cell::new(false),
        }
    }

    /// Whether a commit was begun. If the work has failed all the same, the connection broke before the commit was
    /// answered, and nobody knows whether it is written.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.is_committing.get()
    }

    /// Runs `work` in a transaction, again if a twin came first. `decide` is asked before the commit, whether somebody
    /// still waits for it.
    pub(crate) fn write<T>(
        &self,
        work: impl Fn(&mut PgConnection) -> Result<T, Failure>,
        decide: impl Fn() -> bool,
    ) -> Result<T, Failure> {
        let mut ended = Err(Failure::Conflict);
        for _ in 0..TRIES {
            ended = self.attempt(|connection| self.transaction(connection, &work, &decide));
            if !matches!(ended, Err(Failure::Conflict)) {
                break;
            }
        }
        ended
    }

    /// Runs `work`, which only asks.
    pub(crate) fn read<T>(&self, work: impl Fn(&mut PgConnection) -> Result<T, Failure>) -> Result<T, Failure> {
        self.attempt(|connection| match work(connection) {
            // Asking twice does no harm.
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
        decide: impl Fn() -> bool,
    ) -> Result<T, Failure> {
        self.is_committing.set(false);
        let mut has_begun = false;
        let ended = connection.transaction(|connection| {
            has_begun = true;
            let answer = work(connection)?;
            // A try that is repeated for a twin has decided nothing.
            if !decide() {
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
        let left = self.ends.saturating_duration_since(Instant::now());
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

/// What `work` comes to, a panic included: others may wait for the thread that does it. r2d2 throws its connection away.
fn caught<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(Failure::Panicked))
}
