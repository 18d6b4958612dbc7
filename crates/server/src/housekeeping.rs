//! The retention job: deletes and erases what is older than configured, in small steps.

use std::{sync::Arc, time::Duration};

use ticket_domain::{
    Actor, NotificationId,
    ports::{Clock, Purge, Random, Store, StoreError},
    use_cases::Customers,
};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// Delay of the first run after the start, and interval between runs.
const BETWEEN_LOOKS: Duration = Duration::from_mins(5);

/// Pause between two steps, so that other writers get their turn.
const BETWEEN_STEPS: Duration = Duration::from_millis(100);

/// How many rows a step examines. On SQLite it occupies the only writer meanwhile.
const STEP: u16 = 200;

/// After this time a pass starts over, because rows that were settled late lie behind its position.
const PASS: Duration = Duration::from_hours(24);

/// The retention job.
pub(crate) struct Housekeeper {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    customers: Customers,
    retention: Retention,
}

/// Retention periods. `None`: without limit.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Retention {
    /// Delivered notifications.
    pub(crate) notifications: Option<Duration>,
    /// Personal data in inactive tickets and in unmatched messages.
    pub(crate) tickets: Option<Duration>,
}

/// A pass through notifications and tickets.
struct Pass {
    begun: Instant,
    notification: Option<NotificationId>,
    /// `None` once all old rows were examined.
    ticket: Option<i64>,
}

impl Pass {
    fn begin() -> Self {
        Self {
            begun: Instant::now(),
            notification: None,
            ticket: Some(0),
        }
    }
}

/// What a run deleted and erased.
#[derive(Debug, Clone, Copy, Default)]
struct Removed {
    notifications: u64,
    keys: u64,
    tickets: u64,
    unmatched: u64,
    contacts: u64,
}

impl Housekeeper {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        retention: Retention,
    ) -> Self {
        Self {
            customers: Customers::new(store.clone(), clock.clone(), random),
            store,
            clock,
            retention,
        }
    }

    /// Runs every few minutes until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let work = async {
            let mut pass = Pass::begin();
            let mut has_failed = false;
            loop {
                sleep(BETWEEN_LOOKS).await;
                let looked = self.look(&mut pass).await;
                log(&looked, &mut has_failed);
            }
        };
        // A step that is under way ends as it would have.
        tokio::select! {
            () = stop.cancelled() => {}
            () = work => {}
        }
    }

    /// Deletes and erases everything whose retention period has ended.
    async fn look(&self, pass: &mut Pass) -> Result<Removed, StoreError> {
        if pass.begun.elapsed() > PASS {
            *pass = Pass::begin();
        }
        let mut removed = Removed::default();
        self.clear_keys(&mut removed).await?;
        if let Some(retention) = self.retention.notifications {
            self.clear_notifications(retention, pass, &mut removed).await?;
        }
        if let Some(retention) = self.retention.tickets {
            self.erase_unmatched(retention, &mut removed).await?;
            removed.contacts = self.customers.forget_unseen(self.clock.now().minus(retention)).await?;
            self.erase_tickets(retention, pass, &mut removed).await?;
        }
        Ok(removed)
    }

    async fn clear_keys(&self, removed: &mut Removed) -> Result<(), StoreError> {
        loop {
            let gone = self.store.purge_keys(self.clock.now(), STEP).await?;
            removed.keys += gone;
            if gone < u64::from(STEP) {
                return Ok(());
            }
            sleep(BETWEEN_STEPS).await;
        }
    }

    async fn clear_notifications(
        &self,
        retention: Duration,
        pass: &mut Pass,
        removed: &mut Removed,
    ) -> Result<(), StoreError> {
        loop {
            let purge = Purge {
                after: pass.notification,
                settled_before: self.clock.now().minus(retention),
                limit: STEP,
            };
            let purged = self.store.purge(purge).await?;
            removed.notifications += purged.gone;
            let Some(next) = purged.next else {
                return Ok(());
            };
            pass.notification = Some(next);
            sleep(BETWEEN_STEPS).await;
        }
    }

    /// Runs once per pass: a ticket that was examined too early is erased a day later at most.
    async fn erase_tickets(
        &self,
        retention: Duration,
        pass: &mut Pass,
        removed: &mut Removed,
    ) -> Result<(), StoreError> {
        while let Some(after) = pass.ticket {
            let since = self.clock.now().minus(retention);
            let (erased, next) = self.customers.erase_stale(after, since, STEP, Actor::Program).await?;
            removed.tickets += erased.tickets;
            pass.ticket = next;
            sleep(BETWEEN_STEPS).await;
        }
        Ok(())
    }

    async fn erase_unmatched(&self, retention: Duration, removed: &mut Removed) -> Result<(), StoreError> {
        loop {
            let before = self.clock.now().minus(retention);
            let gone = self.customers.erase_unmatched(before, STEP, Actor::Program).await?;
            removed.unmatched += gone;
            if gone < u64::from(STEP) {
                return Ok(());
            }
            sleep(BETWEEN_STEPS).await;
        }
    }
}

/// Logs what a run did, and a failure once until it is over.
fn log(looked: &Result<Removed, StoreError>, has_failed: &mut bool) {
    match looked {
        Ok(Removed {
            notifications,
            keys,
            tickets,
            unmatched,
            contacts,
        }) => {
            *has_failed = false;
            if notifications + keys > 0 {
                tracing::info!(notifications, keys, "deleted old notifications and idempotency keys");
            }
            if tickets + unmatched + contacts > 0 {
                tracing::info!(
                    tickets,
                    unmatched,
                    contacts,
                    "erased personal data from inactive tickets"
                );
            }
        }
        Err(error) => {
            if !std::mem::replace(has_failed, true) {
                tracing::warn!(
                    error = error as &dyn std::error::Error,
                    "cleanup failed, and will be retried"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use store_contract::Fixture;
    use store_diesel::SqliteStore;
    use ticket_domain::{
        EventKind, Message, Timestamp,
        ports::{Append, AttemptOutcome, Claim, StoreUnmatched},
    };

    use super::*;
    use crate::environment::OsRandom;

    const DAY: Duration = Duration::from_hours(24);

    struct Stopped(Timestamp);

    impl Clock for Stopped {
        fn now(&self) -> Timestamp {
            self.0
        }
    }

    fn day(number: u32) -> Timestamp {
        Timestamp::from_unix_micros(1_736_937_000_000_000)
            .unwrap()
            .plus(DAY * number)
    }

    /// A ticket with two notifications, delivered on days 0 and 1, and a key that ends on day 1.
    async fn two_delivered(fixture: &Fixture) -> [NotificationId; 2] {
        let store = fixture.store();
        let mut opening = fixture.opening(day(0));
        opening.idempotency = Some(fixture.idempotency(day(1)));
        let first = opening.notifications[0].clone();
        let message: Message = fixture.message(day(1));
        let mut second = fixture.opening(day(1)).notifications.remove(0);
        second.event = EventKind::Updated;
        let append = Append {
            to: opening.ticket.id,
            message,
            attachments: Vec::new(),
            notifications: vec![second.clone()],
            reopen: false,
            idempotency: None,
            note: None,
            max_of_sender: None,
        };
        store.open(opening).await.unwrap();
        store.append(append).await.unwrap();
        for now in [day(0), day(1)] {
            let claim: Claim = fixture.claim_at(now);
            for claimed in store.claim(claim, 9).await.unwrap() {
                let delivered = AttemptOutcome::Delivered {
                    at: now,
                    external_id: None,
                };
                store
                    .record_attempt(claimed.id, claimed.lease, delivered)
                    .await
                    .unwrap();
            }
        }
        [first.id, second.id]
    }

    /// What is left of the two after as many looks as there are in some days.
    async fn left_on(now: Timestamp, retention: Option<Duration>) -> [bool; 2] {
        let fixture = Fixture::new(Arc::new(SqliteStore::temporary().unwrap()));
        let ids = two_delivered(&fixture).await;
        let store = fixture.store();
        let stop = CancellationToken::new();
        let retention = Retention {
            notifications: retention,
            tickets: None,
        };
        let housekeeper = Housekeeper::new(store.clone(), Arc::new(Stopped(now)), Arc::new(OsRandom), retention);
        let running = tokio::spawn(housekeeper.run(stop.clone()));
        sleep(2 * DAY).await;
        stop.cancel();
        running.await.unwrap();
        assert_eq!(
            store.purge_keys(now, 9).await.unwrap(),
            0,
            "keys are deleted in any case"
        );
        let mut left = [false; 2];
        for (left, id) in left.iter_mut().zip(ids) {
            *left = store.notification(id).await.unwrap().is_some();
        }
        left
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_old_goes_after_its_time_and_the_newest_stays() {
        let month = Some(30 * DAY);
        assert_eq!(left_on(day(30), month).await, [true, true]);
        assert_eq!(left_on(day(31), month).await, [false, true]);
        assert_eq!(left_on(day(3_000), month).await, [false, true]);
        assert_eq!(left_on(day(3_000), None).await, [true, true]);
    }

    /// Whether the customers of a ticket of day 0 and of one of day 0 that something happened to on day 10, and what was
    /// kept on day 0, are erased on a day.
    async fn erased_on(now: Timestamp, tickets: Option<Duration>) -> [bool; 3] {
        let fixture = Fixture::new(Arc::new(SqliteStore::temporary().unwrap()));
        let store = fixture.store();
        let (old, alive) = (fixture.opening(day(0)), fixture.opening(day(0)));
        for opening in [&old, &alive] {
            store.open(opening.clone()).await.unwrap();
        }
        let append = Append {
            to: alive.ticket.id,
            message: fixture.message(day(10)),
            attachments: Vec::new(),
            notifications: Vec::new(),
            reopen: false,
            idempotency: None,
            note: None,
            max_of_sender: None,
        };
        store.append(append).await.unwrap();
        let keep = StoreUnmatched {
            message: fixture.message(day(0)),
            asking: None,
        };
        store.store_unmatched(keep).await.unwrap();
        let retention = Retention {
            notifications: None,
            tickets,
        };
        let stop = CancellationToken::new();
        let housekeeper = Housekeeper::new(store.clone(), Arc::new(Stopped(now)), Arc::new(OsRandom), retention);
        let running = tokio::spawn(housekeeper.run(stop.clone()));
        sleep(Duration::from_hours(1)).await;
        stop.cancel();
        running.await.unwrap();
        let mut erased = [false; 3];
        for (erased, opening) in erased.iter_mut().zip([old, alive]) {
            let thread = store.thread(opening.ticket.reference).await.unwrap().unwrap();
            *erased = thread.ticket.is_erased();
        }
        erased[2] = store.unmatched(None, 9).await.unwrap().is_empty();
        erased
    }

    #[tokio::test(start_paused = true)]
    async fn who_wrote_and_what_is_erased_after_its_time_if_that_is_wanted() {
        let year = Some(365 * DAY);
        assert_eq!(erased_on(day(365), year).await, [false, false, false]);
        assert_eq!(erased_on(day(366), year).await, [true, false, true]);
        assert_eq!(erased_on(day(376), year).await, [true, true, true]);
        assert_eq!(erased_on(day(3_000), None).await, [false, false, false]);
    }
}
