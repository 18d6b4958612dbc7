//! What is due goes out.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use uuid::Uuid;

use super::new_id;
use crate::{
    Fallback, LeaseToken, RetrySchedule, Timestamp, UndeliveredReason,
    ports::{
        AttemptOutcome, Claim, Claimed, Clock, Composer, Delivering, DeliveryResult, Failure, FailureKind, Notifier,
        Outbox, Random, RecordResult, StoreError,
    },
};

/// How long a worker has a notification for itself: twice what a try may take, and short enough that a try which a
/// crash interrupted is made again within a minute.
pub const LEASE: Duration = Duration::from_secs(30);

/// A receiver that asks for more patience than this is asked again after this.
const LONGEST_PATIENCE: Duration = Duration::from_hours(1);

/// While nothing gets through, one waiting notification is tried so often beside the schedule.
const PROBE_EVERY: Duration = Duration::from_mins(1);

/// What was never tried for want of an address, and is older than this, waits for an operator's word.
const STALE_AFTER: Duration = Duration::from_hours(24);

/// A clock that was set back by more than this leaves what was due waiting for too long. Less is a delay that nobody
/// minds.
const SET_BACK: Duration = Duration::from_secs(5);

/// Delivers notifications. It does one step at a time; a worker calls the steps.
pub struct Deliver {
    outbox: Arc<dyn Outbox>,
    composer: Arc<dyn Composer>,
    notifier: Arc<dyn Notifier>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    schedule: RetrySchedule,
    line: Mutex<ReceiverHealth>,
}

/// How many notifications a worker can send at this moment.
#[derive(Debug, Clone, Copy)]
pub struct Capacity {
    /// In all.
    pub in_all: u16,
    /// Of those, the ones that may be other than first tries.
    pub for_others: u16,
}

/// What a worker got to send.
#[derive(Debug, Default)]
pub struct Claims {
    /// Never tried before.
    pub first_tries: Vec<Claimed>,
    /// Retries, probes, and what an earlier worker left.
    pub others: Vec<Claimed>,
}

/// What is known of the line to the receiver.
#[derive(Debug, Clone, Copy, Default)]
struct ReceiverHealth {
    /// The receiver asked to be left alone until then.
    paused_until: Option<Timestamp>,
    /// Whether that still has to be told to the store, for other workers and for after a restart.
    is_pause_new: bool,
    /// The first failure after the last success.
    failing_since: Option<Timestamp>,
    /// When this worker last probed.
    probed_at: Option<Timestamp>,
    /// Whether something got through after failures, or the clock was set back, and what waits is to be released.
    is_back: bool,
    /// When this worker last looked for work.
    looked_at: Option<Timestamp>,
}

impl ReceiverHealth {
    fn is_paused(&self, now: Timestamp) -> bool {
        // A clock that was set back must not prolong a pause beyond what any receiver is granted.
        self.paused_until
            .is_some_and(|until| now < until && until.since(now) <= LONGEST_PATIENCE)
    }

    fn wants_probe(&self, now: Timestamp) -> bool {
        self.failing_since.is_some_and(|since| {
            let last = self.probed_at.map_or(since, |probed| probed.max(since));
            now.since(last) >= PROBE_EVERY
        })
    }

    fn note_failure(&mut self, failure: &Failure, now: Timestamp) {
        if failure.kind != FailureKind::Permanent {
            self.failing_since.get_or_insert(now);
        }
        if let (FailureKind::Throttled, Some(patience)) = (failure.kind, failure.retry_after) {
            let until = now.plus(patience.min(LONGEST_PATIENCE));
            self.paused_until = self.paused_until.max(Some(until));
            self.is_pause_new = true;
        }
    }

    /// What was due before the clock was set back is in its future now, and would wait for as long as it was set back.
    fn note_time(&mut self, now: Timestamp) {
        self.is_back |= self.looked_at.is_some_and(|last| last.since(now) > SET_BACK);
        self.looked_at = Some(now);
    }

    fn note_success(&mut self) {
        self.is_back |= self.failing_since.take().is_some();
    }
}

impl Deliver {
    /// Delivers what is in `outbox` by `notifier`, and by another way that `composer` knows where one is refused. It begins as if something had just failed, since it does not
    /// know what an earlier program met: it probes after a minute, and the first success releases what waits.
    pub fn new(
        outbox: Arc<dyn Outbox>,
        composer: Arc<dyn Composer>,
        notifier: Arc<dyn Notifier>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        schedule: RetrySchedule,
    ) -> Self {
        let line = ReceiverHealth {
            failing_since: Some(clock.now()),
            ..ReceiverHealth::default()
        };
        Self {
            outbox,
            composer,
            notifier,
            clock,
            random,
            schedule,
            line: Mutex::new(line),
        }
    }

    /// To be called once before the first claim: holds what waited too long for its first address. Says how many.
    pub async fn hold_stale(&self) -> Result<u64, StoreError> {
        self.outbox.hold_unaddressed(self.clock.now().minus(STALE_AFTER)).await
    }

    /// Takes notifications to send now, at most as many as there is room for. First tries go first: those that were
    /// tried before may take long to fail again, and must not keep the others back. After the first success since
    /// something failed, and after the clock was set back, everything that waits is among them.
    pub async fn claim(&self, room: Capacity) -> Result<Claims, StoreError> {
        let now = self.clock.now();
        self.line().note_time(now);
        self.spread_pause().await?;
        if room.in_all == 0 || self.line().is_paused(now) {
            return Ok(Claims::default());
        }
        self.release_if_back(now).await?;
        let first_tries = Claim {
            first_tries_only: true,
            ..self.lease(now)
        };
        let first_tries = self.outbox.claim(first_tries, room.in_all).await?;
        let taken = u16::try_from(first_tries.len()).unwrap_or(u16::MAX);
        let left = room.in_all.saturating_sub(taken).min(room.for_others);
        // What is leased already must be sent, or it would lie until its lease ends. A store that failed meanwhile fails
        // the next claim too, and is told of then.
        let others = match self.claim_others(now, left).await {
            Err(_) if !first_tries.is_empty() => Vec::new(),
            others => others?,
        };
        Ok(Claims { first_tries, others })
    }

    /// Takes what is due, or if nothing is, one to probe the line with.
    async fn claim_others(&self, now: Timestamp, limit: u16) -> Result<Vec<Claimed>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let due = self.outbox.claim(self.lease(now), limit).await?;
        let wants_probe = self.line().wants_probe(now);
        if !due.is_empty() || !wants_probe {
            return Ok(due);
        }
        let probe = self.outbox.claim_probe(self.lease(now), now.minus(PROBE_EVERY)).await?;
        if probe.is_some() {
            self.line().probed_at = Some(now);
        }
        Ok(probe.into_iter().collect())
    }

    /// Makes one try, and judges how it went. What would go to somebody who is no longer the one to be told is not
    /// sent, and is addressed anew.
    pub async fn send(&self, claimed: &Claimed) -> AttemptOutcome {
        let begun = self.clock.now();
        if let Some(payload) = self.composer.retarget(&claimed.payload, claimed.route) {
            return AttemptOutcome::Rerouted {
                at: begun,
                fallback: Fallback {
                    route: claimed.route,
                    payload,
                },
                reason: "another number is set by now".into(),
            };
        }
        let delivering = Delivering {
            id: claimed.id,
            round: claimed.round,
            event: claimed.event,
            payload: &claimed.payload,
        };
        let answer = self.notifier.deliver(delivering).await;
        let now = self.clock.now();
        match answer {
            DeliveryResult::Accepted { external_id } => {
                self.line().note_success();
                AttemptOutcome::Delivered { at: now, external_id }
            }
            DeliveryResult::Failed(failure) => {
                self.line().note_failure(&failure, now);
                self.judge(claimed, failure, begun, now)
            }
        }
    }

    /// Writes the verdict of a try.
    pub async fn record_attempt(&self, claimed: &Claimed, outcome: AttemptOutcome) -> Result<RecordResult, StoreError> {
        self.outbox.record_attempt(claimed.id, claimed.lease, outcome).await
    }

    /// Gives a notification back untried.
    pub async fn hand_back(&self, claimed: &Claimed) -> Result<RecordResult, StoreError> {
        let outcome = AttemptOutcome::Returned {
            due: claimed.scheduled_at,
            reason: None,
        };
        self.outbox.record_attempt(claimed.id, claimed.lease, outcome).await
    }

    fn judge(&self, claimed: &Claimed, failure: Failure, begun: Timestamp, now: Timestamp) -> AttemptOutcome {
        let Failure {
            reason,
            kind,
            retry_after,
        } = failure;
        let earliest = now.plus(retry_after.unwrap_or_default().min(LONGEST_PATIENCE));
        let beside_schedule = claimed.scheduled_at > begun;
        if kind == FailureKind::Permanent {
            let fallback = Fallback::after(
                claimed.route,
                UndeliveredReason::OutOfReach,
                &claimed.payload,
                &*self.composer,
            );
            return match fallback {
                Some(fallback) => AttemptOutcome::Rerouted {
                    at: now,
                    fallback,
                    reason,
                },
                None => AttemptOutcome::Dead { at: now, reason },
            };
        }
        if beside_schedule {
            return AttemptOutcome::Returned {
                due: claimed.scheduled_at.max(earliest),
                reason: Some(reason),
            };
        }
        match self
            .schedule
            .wait_after(claimed.failures.saturating_add(1), self.random.bits())
        {
            Some(wait) => AttemptOutcome::RetryAt {
                due: now.plus(wait).max(earliest),
                reason,
            },
            None => AttemptOutcome::Dead { at: now, reason },
        }
    }

    /// A receiver that is overwhelmed is left alone by all that waits, whichever worker would send it.
    async fn spread_pause(&self) -> Result<(), StoreError> {
        let line = *self.line();
        if let (true, Some(until)) = (line.is_pause_new, line.paused_until) {
            self.outbox.postpone(until).await?;
            self.line().is_pause_new = false;
        }
        Ok(())
    }

    /// After the first success since something failed, everything that waits becomes due. One that then fails while
    /// others do not is at fault itself, and keeps to its schedule from there on: the store releases each once only
    /// between two tries of its schedule.
    async fn release_if_back(&self, now: Timestamp) -> Result<(), StoreError> {
        if self.line().is_back {
            self.outbox.release_waiting(now).await?;
            self.line().is_back = false;
        }
        Ok(())
    }

    fn lease(&self, now: Timestamp) -> Claim {
        let lease: Uuid = new_id(now, &*self.random);
        Claim {
            now,
            lease: LeaseToken(lease),
            until: now.plus(LEASE),
            first_tries_only: false,
        }
    }

    fn line(&self) -> MutexGuard<'_, ReceiverHealth> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
