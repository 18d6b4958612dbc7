//! Clears away what nobody asks for any more, a little at a time.

use std::{sync::Arc, time::Duration};

use ticket_domain::{
    NotificationId,
    ports::{Clock, Purge, Store, StoreError},
};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// How long after the start the first look is, and how long between two.
const BETWEEN_LOOKS: Duration = Duration::from_mins(5);

/// How long between two steps, so that those who write find their turn.
const BETWEEN_STEPS: Duration = Duration::from_millis(100);

/// How many rows a step looks at. On SQLite it holds the only writer meanwhile.
const STEP: u16 = 200;

/// After so long it begins anew: what was settled late lies behind where it is.
const WALK: Duration = Duration::from_hours(24);

/// Clears away until it is stopped.
pub(crate) struct Housekeeper {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    /// How long delivered notifications are kept. `None`: for ever.
    retention: Option<Duration>,
}

/// Where it is on its way through the notifications.
struct Walk {
    begun: Instant,
    after: Option<NotificationId>,
}

impl Housekeeper {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, retention: Option<Duration>) -> Self {
        Self {
            store,
            clock,
            retention,
        }
    }

    /// Looks every few minutes until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let work = async {
            let mut walk = Walk {
                begun: Instant::now(),
                after: None,
            };
            let mut has_failed = false;
            loop {
                sleep(BETWEEN_LOOKS).await;
                let looked = self.look(&mut walk).await;
                log(&looked, &mut has_failed);
            }
        };
        // A step that is under way ends as it would have.
        tokio::select! {
            () = stop.cancelled() => {}
            () = work => {}
        }
    }

    /// Clears away all that has become old by now. How many notifications and how many keys went.
    async fn look(&self, walk: &mut Walk) -> Result<(u64, u64), StoreError> {
        let now = self.clock.now();
        let (mut notifications, mut keys) = (0, 0);
        loop {
            let gone = self.store.purge_keys(now, STEP).await?;
            keys += gone;
            if gone < u64::from(STEP) {
                break;
            }
            sleep(BETWEEN_STEPS).await;
        }
        let Some(retention) = self.retention else {
            return Ok((notifications, keys));
        };
        if walk.begun.elapsed() > WALK {
            *walk = Walk {
                begun: Instant::now(),
                after: None,
            };
        }
        loop {
            let purge = Purge {
                after: walk.after,
                settled_before: now.minus(retention),
                limit: STEP,
            };
            let purged = self.store.purge(purge).await?;
            notifications += purged.gone;
            let Some(next) = purged.next else {
                return Ok((notifications, keys));
            };
            walk.after = Some(next);
            sleep(BETWEEN_STEPS).await;
        }
    }
}

/// Says what went, and a failure once until it is over.
fn log(looked: &Result<(u64, u64), StoreError>, has_failed: &mut bool) {
    match looked {
        Ok((notifications, keys)) => {
            *has_failed = false;
            if notifications + keys > 0 {
                tracing::info!(notifications, keys, "cleared away what is old");
            }
        }
        Err(error) => {
            if !std::mem::replace(has_failed, true) {
                tracing::warn!(
                    error = error as &dyn std::error::Error,
                    "what is old can't be cleared away for now"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use store_contract::{Fixture, memory::MemoryStore};
    use ticket_domain::{
        EventKind, Message, Timestamp,
        ports::{Append, Claim, Verdict},
    };

    use super::*;

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
        let first = opening.notification.clone();
        let message: Message = fixture.message(day(1));
        let mut second = fixture.opening(day(1)).notification;
        second.event = EventKind::Updated;
        let append = Append {
            to: opening.ticket.id,
            message,
            notification: Some(second.clone()),
            reopen: false,
            ends_question_of: None,
            idempotency: None,
            note: None,
        };
        store.open(opening).await.unwrap();
        store.append(append).await.unwrap();
        for now in [day(0), day(1)] {
            let claim: Claim = fixture.claim_at(now);
            for claimed in store.claim(claim, 9).await.unwrap() {
                let delivered = Verdict::Delivered {
                    at: now,
                    external_id: None,
                };
                store.settle(claimed.id, claimed.lease, delivered).await.unwrap();
            }
        }
        [first.id, second.id]
    }

    /// What is left of the two after as many looks as there are in some days.
    async fn left_on(now: Timestamp, retention: Option<Duration>) -> [bool; 2] {
        let fixture = Fixture::new(Arc::new(MemoryStore::default()));
        let ids = two_delivered(&fixture).await;
        let store = fixture.store();
        let stop = CancellationToken::new();
        let housekeeper = Housekeeper::new(store.clone(), Arc::new(Stopped(now)), retention);
        let running = tokio::spawn(housekeeper.run(stop.clone()));
        sleep(2 * DAY).await;
        stop.cancel();
        running.await.unwrap();
        assert_eq!(
            store.purge_keys(now, 9).await.unwrap(),
            0,
            "keys are cleared away in any case"
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
}
