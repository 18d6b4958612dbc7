//! Tickets that are read at the same time are read by one statement: what a reader pays is mostly the way to the database
//! and back.

use std::{collections::HashMap, sync::Arc, time::Instant};

use diesel::PgConnection;
use ticket_domain::{TicketRef, ports::StoreError};
use tokio::{
    sync::{Semaphore, oneshot},
    time::timeout,
};

use crate::{
    failure::{Failure, UnavailableReason},
    postgres::{
        crew::{Worker, WorkerPool},
        db::{CALL_LIMIT, Pool},
        turn::Turn,
    },
};

/// Those of the tickets that there are, each by its reference. A row that is corrupt is that ticket's fault alone.
pub(crate) type Found<A> = HashMap<TicketRef, Result<A, StoreError>>;

/// Reads one kind of thing of tickets.
pub(crate) struct Reader<A: Send + 'static> {
    pool: Pool,
    read: fn(&mut PgConnection, &[TicketRef]) -> Result<Found<A>, Failure>,
    /// How many tickets one statement has at most.
    together: usize,
    crew: Arc<WorkerPool<Asked<A>>>,
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
    /// Reads by `read`, from at most `size` threads at one of the `places` each, so many tickets `together`.
    pub(crate) fn new(
        pool: Pool,
        places: Arc<Semaphore>,
        size: u8,
        together: usize,
        read: fn(&mut PgConnection, &[TicketRef]) -> Result<Found<A>, Failure>,
    ) -> Self {
        Self {
            pool,
            read,
            together,
            crew: WorkerPool::new(size, places),
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
            Ok(Err(_)) => Err(UnavailableReason::NoReply.into()),
            Err(_) => Err(UnavailableReason::TooSlow.into()),
        }
    }

    fn run(&self, worker: &mut Worker<Asked<A>>) {
        while let Some((asked, _place)) = worker.next(|waiting| {
            let count = waiting.len().min(self.together);
            waiting.drain(..count).collect()
        }) {
            self.answer(asked, Instant::now() + CALL_LIMIT);
        }
    }

    /// Answers by one statement, or else for each ticket by its own.
    fn answer(&self, mut asked: Vec<Asked<A>>, ends: Instant) {
        asked.retain(|asked| !asked.answer.is_closed());
        if asked.is_empty() {
            return;
        }
        let mut references: Vec<TicketRef> = asked.iter().map(|asked| asked.reference).collect();
        references.sort_unstable();
        references.dedup();
        let turn = Turn::new(self.pool.clone(), ends);
        let found = turn.read(|connection| (self.read)(connection, &references));
        if let Err(failure) = &found
            && references.len() > 1
            && failure.may_be_of_one()
        {
            for reference in references {
                self.answer(
                    asked.extract_if(.., |asked| asked.reference == reference).collect(),
                    ends,
                );
            }
            return;
        }
        let found = found.map_err(StoreError::from);
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

#[cfg(test)]
mod tests {
    use store_contract::{Fixture, memory::MemoryStore};
    use store_diesel::postgres::testing::TestDatabase;
    use ticket_domain::{
        Thread, Timestamp,
        ports::{Opening, TicketStore},
    };
    use tokio::task::spawn_blocking;

    use super::*;
    use crate::postgres::{PostgresStore, connect::Address, db::pool, threads};

    type Answer = oneshot::Receiver<Result<Option<Thread>, StoreError>>;

    fn openings<const N: usize>() -> [Opening; N] {
        let fixture = Fixture::new(Arc::new(MemoryStore::default()));
        [(); N].map(|()| fixture.opening(Timestamp::from_unix_micros(0).unwrap()))
    }

    /// A database with all but the last of the tickets.
    async fn database(openings: &[Opening]) -> TestDatabase {
        let database = TestDatabase::create().await;
        let url = database.url().to_owned();
        let store = spawn_blocking(move || PostgresStore::connect(&url, 2).unwrap())
            .await
            .unwrap();
        for opening in &openings[..openings.len() - 1] {
            store.open(opening.clone()).await.unwrap();
        }
        database
    }

    /// Reads all of them by one statement.
    async fn read(
        database: &TestDatabase,
        openings: &[Opening],
        by: fn(&mut PgConnection, &[TicketRef]) -> Result<Found<Thread>, Failure>,
    ) -> Vec<Result<Option<Thread>, StoreError>> {
        let pool = pool(&Address::new(database.url()).unwrap(), 2);
        let reader = Reader::new(pool, Arc::new(Semaphore::new(2)), 2, 32, by);
        let (asked, answers): (Vec<Asked<Thread>>, Vec<Answer>) = openings
            .iter()
            .map(|opening| {
                let (answer, answered) = oneshot::channel();
                let reference = opening.ticket.reference;
                (Asked { reference, answer }, answered)
            })
            .unzip();
        let ends = Instant::now() + CALL_LIMIT;
        spawn_blocking(move || reader.answer(asked, ends)).await.unwrap();
        let mut ended = Vec::new();
        for answer in answers {
            ended.push(answer.await.unwrap());
        }
        ended
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_row_that_can_not_even_be_read_is_its_ticket_s_fault_alone() {
        let openings = openings::<4>();
        let database = database(&openings).await;
        let infinite = format!(
            "UPDATE tickets SET updated_at = 'infinity' WHERE reference = '{}'",
            openings[1].ticket.reference
        );
        database.execute(&infinite).await;
        let ended = read(&database, &openings, threads::threads).await;
        assert!(
            matches!(
                &ended[..],
                [Ok(Some(_)), Err(StoreError::Failed(_)), Ok(Some(_)), Ok(None)]
            ),
            "{ended:?}"
        );
        assert_eq!(ended[2].as_ref().unwrap().as_ref().unwrap().ticket, openings[2].ticket);
    }

    /// No other is read by the statement that panics, and so none is answered by it.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_panic_is_its_ticket_s_fault_alone() {
        fn panicking(connection: &mut PgConnection, references: &[TicketRef]) -> Result<Found<Thread>, Failure> {
            let found = threads::threads(connection, references)?;
            if found.len() < references.len() {
                std::panic::resume_unwind(Box::new("a fault of ours"));
            }
            Ok(found)
        }
        let openings = openings::<3>();
        let database = database(&openings).await;
        let ended = read(&database, &openings, panicking).await;
        assert!(
            matches!(&ended[..], [Ok(Some(_)), Ok(Some(_)), Err(StoreError::Failed(_))]),
            "{ended:?}"
        );
    }
}
