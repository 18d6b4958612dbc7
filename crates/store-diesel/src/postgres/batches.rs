//! What Postgres executes in batches: tickets that are read at the same time by one statement, since a reader pays mostly
//! for the way to the database and back; and tickets that are opened at the same time in one commit.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use diesel::PgConnection;
use ticket_domain::{
    TicketRef,
    ports::{ChangeEvent, OpenResult, Opening, StoreError},
};

use crate::{
    batch::{BatchError, BatchOperation, Limits, Reach},
    failure::Failure,
    postgres::{
        attempt::TransactionAttempt,
        db::{CALL_LIMIT, COMMIT_LIMIT, Pool},
        openings,
        publisher::Publisher,
    },
};

/// Two readers: while one waits for the database, the next batch is put together.
pub(crate) const READS: Limits = Limits {
    workers: 2,
    call: CALL_LIMIT,
    // A read has none.
    commit: Duration::ZERO,
};

/// Two writers: while one waits for the disk, the next commit is put together.
pub(crate) const OPENINGS: Limits = Limits {
    workers: 2,
    call: CALL_LIMIT,
    commit: COMMIT_LIMIT,
};

/// How many tickets one commit has at most.
const MAX_OPENINGS: usize = 256;

/// Those of the tickets that exist, by their reference. A corrupt row is an error for that ticket alone.
pub(crate) type Found<A> = HashMap<TicketRef, Result<A, StoreError>>;

/// Reads one kind of thing of tickets.
pub(crate) struct ReadTickets<A> {
    pub(crate) pool: Pool,
    /// How many tickets one statement reads at most.
    pub(crate) max_batch: usize,
    pub(crate) read: fn(&mut PgConnection, &[TicketRef]) -> Result<Found<A>, Failure>,
}

impl<A: Clone + Send + 'static> BatchOperation for ReadTickets<A> {
    type Request = TicketRef;
    type Reply = Result<Option<A>, StoreError>;

    const OUTLIVES_CALLER: bool = false;

    fn max_batch(&self) -> usize {
        self.max_batch
    }

    fn execute(
        &self,
        requests: &mut [&mut TicketRef],
        deadline: Instant,
        _: &dyn Fn() -> bool,
    ) -> Result<Vec<Self::Reply>, BatchError> {
        let mut references: Vec<TicketRef> = requests.iter().map(|reference| **reference).collect();
        references.sort_unstable();
        references.dedup();
        let attempt = TransactionAttempt::new(self.pool.clone(), deadline);
        let found = attempt
            .read(|connection| (self.read)(connection, &references))
            .map_err(|failure| batch_error(failure, false))?;
        let replies = requests
            .iter()
            .map(|reference| found.get(reference).cloned().transpose());
        Ok(replies.collect())
    }
}

/// Opens tickets.
pub(crate) struct OpenTickets {
    pub(crate) pool: Pool,
    pub(crate) publisher: Arc<Publisher>,
}

impl BatchOperation for OpenTickets {
    type Request = Opening;
    type Reply = OpenResult;

    fn max_batch(&self) -> usize {
        MAX_OPENINGS
    }

    fn key(opening: &Opening) -> Option<&str> {
        opening.idempotency.as_ref().map(|idempotency| idempotency.key.as_str())
    }

    fn execute(
        &self,
        requests: &mut [&mut Opening],
        deadline: Instant,
        commit: &dyn Fn() -> bool,
    ) -> Result<Vec<OpenResult>, BatchError> {
        let openings: Vec<&Opening> = requests.iter().map(|opening| &**opening).collect();
        let attempt = TransactionAttempt::new(self.pool.clone(), deadline);
        attempt
            .write(|connection| openings::open(connection, &openings), commit)
            .map_err(|failure| {
                if attempt.is_in_doubt() {
                    self.publisher.publish(&[ChangeEvent::Resync]);
                }
                batch_error(failure, attempt.is_in_doubt())
            })
    }

    fn committed(&self, requests: &mut [&mut Opening], replies: &[OpenResult]) {
        let events: Vec<ChangeEvent> = requests
            .iter()
            .zip(replies)
            .filter(|(_, opened)| **opened == OpenResult::Opened)
            .map(|(opening, _)| ChangeEvent::Ticket(opening.ticket.id))
            .collect();
        self.publisher.publish(&events);
    }
}

/// What a failure means for a batch. A commit that `is_in_doubt` may have been written, so it is not repeated.
fn batch_error(failure: Failure, is_in_doubt: bool) -> BatchError {
    let reach = match failure {
        Failure::GivenUp => return BatchError::GivenUp,
        _ if !failure.may_be_of_one() => Reach::Batch,
        _ if is_in_doubt => Reach::Commit,
        _ => Reach::Request,
    };
    BatchError::Failed(reach, failure.into())
}

#[cfg(test)]
mod tests;
