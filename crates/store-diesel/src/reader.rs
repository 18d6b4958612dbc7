//! Tickets that are read at the same time are read by one statement: what a reader pays is mostly the way to the database
//! and back.

use std::{collections::HashMap, sync::Arc, time::Instant};

use diesel::PgConnection;
use ticket_domain::{TicketRef, ports::StoreError};
use tokio::{sync::oneshot, time::timeout};

use crate::{
    crew::{Crew, Worker},
    db::{CALL_LIMIT, Failure, Impediment, Pool, unavailable},
    turn::Turn,
};

/// Those of the tickets that there are, each by its reference. A row that is corrupt is that ticket's fault alone.
pub(crate) type Found<A> = HashMap<TicketRef, Result<A, StoreError>>;

/// Reads one kind of thing of tickets.
pub(crate) struct Reader<A: Send + 'static> {
    pool: Pool,
    read: fn(&mut PgConnection, &[TicketRef]) -> Result<Found<A>, Failure>,
    /// How many tickets one statement has at most.
    together: usize,
    crew: Arc<Crew<Asked<A>>>,
}

struct Asked<A> {
    reference: TicketRef,
    answer: oneshot::Sender<Result<Option<A>, StoreError>>,
}

// A derive would ask the same of `A`.
impl<A: Send + 'static> Clone for Reader<A> {
    fn clone(&self) -> Self {
        Self {
            pool: self.pool.clone(),
            crew: self.crew.clone(),
            ..*self
        }
    }
}

impl<A: Clone + Send + 'static> Reader<A> {
    /// Reads by `read`, from at most `size` threads, so many tickets `together`.
    pub(crate) fn new(
        pool: Pool,
        size: u8,
        together: usize,
        read: fn(&mut PgConnection, &[TicketRef]) -> Result<Found<A>, Failure>,
    ) -> Self {
        Self {
            pool,
            read,
            together,
            crew: Crew::new(size),
        }
    }

    /// What there is of a ticket, if there is one.
    pub(crate) async fn read(&self, reference: TicketRef) -> Result<Option<A>, StoreError> {
        let (answer, answered) = oneshot::channel();
        let reader = self.clone();
        self.crew
            .hand_in(Asked { reference, answer }, move |worker| reader.run(worker));
        match timeout(CALL_LIMIT, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(StoreError::Failed(Arc::new(Impediment::BrokeOff))),
            Err(_) => Err(unavailable(Impediment::TooSlow)),
        }
    }

    fn run(&self, mut worker: Worker<Asked<A>>) {
        while let Some(mut asked) = worker.next(|waiting| {
            let count = waiting.len().min(self.together);
            waiting.drain(..count).collect()
        }) {
            asked.retain(|asked| !asked.answer.is_closed());
            self.answer(asked);
        }
    }

    fn answer(&self, asked: Vec<Asked<A>>) {
        if asked.is_empty() {
            return;
        }
        let mut references: Vec<TicketRef> = asked.iter().map(|asked| asked.reference).collect();
        references.sort_unstable();
        references.dedup();
        let turn = Turn::new(self.pool.clone(), Instant::now() + CALL_LIMIT);
        let found = turn
            .read(|connection| (self.read)(connection, &references))
            .map_err(StoreError::from);
        for Asked { reference, answer } in asked {
            let this = match &found {
                Ok(found) => found.get(&reference).cloned().transpose(),
                Err(error) => Err(error.clone()),
            };
            // The caller may be gone.
            drop(answer.send(this));
        }
    }
}
