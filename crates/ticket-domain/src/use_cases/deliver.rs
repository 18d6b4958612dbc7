//! Delivers notifications.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::Context;
use crate::{
    Fallback, LeaseToken, Recipient, RetrySchedule, Timestamp,
    ports::{
        AttemptOutcome, Claim, Claimed, Composer, Delivering, DeliveryResult, Failure, FailureKind, NextStep, Notifier,
        Outbox, RecordResult, Rejection, StoreError,
    },
};

/// Duration of a worker's lease: twice the longest attempt, and short enough that an attempt which a crash interrupted is
/// repeated within a minute.
pub const LEASE: Duration = Duration::from_secs(30);

/// The longest `Retry-After` that is obeyed.
const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(1);

/// Interval of health probes while nothing is delivered.
const PROBE_EVERY: Duration = Duration::from_mins(1);

/// Notifications that were never tried for want of a receiver, and are older than this, are held for an operator.
const STALE_AFTER: Duration = Duration::from_hours(24);

/// How long to wait before the store is asked again what is new.
const NEWS_AGAIN: Duration = Duration::from_secs(5);

/// A clock that was set back by more than this would delay due notifications noticeably.
const SET_BACK: Duration = Duration::from_secs(5);

/// Delivers one recipient's notifications, one step per call; a worker loops over the steps.
pub struct Deliver {
    outbox: Arc<dyn Outbox>,
    recipient: Recipient,
    notifier: Arc<dyn Notifier>,
    context: Context,
    schedule: RetrySchedule,
    health: Mutex<ReceiverHealth>,
}

/// How many notifications a worker can send at the moment.
#[derive(Debug, Clone, Copy)]
pub struct Capacity {
    /// In total.
    pub in_all: u16,
    /// Of those, how many may be retries or probes.
    pub for_others: u16,
}

/// Notifications that a worker has claimed.
#[derive(Debug, Default)]
pub struct Claims {
    /// First attempts.
    pub first_tries: Vec<Claimed>,
    /// Retries, health probes, and expired leases.
    pub others: Vec<Claimed>,
}

/// What is known of the receiver.
#[derive(Debug, Clone, Copy, Default)]
struct ReceiverHealth {
    /// The receiver asked to wait until then.
    paused_until: Option<Timestamp>,
    /// Whether the pause still has to be stored, for other workers and for the time after a restart.
    is_pause_new: bool,
    /// The first failure after the last success.
    failing_since: Option<Timestamp>,
    /// When this worker last probed.
    probed_at: Option<Timestamp>,
    /// Whether a delivery succeeded after failures, or the clock was set back, so that waiting notifications are due.
    is_back: bool,
    /// When this worker last looked for work.
    looked_at: Option<Timestamp>,
}

impl ReceiverHealth {
    fn is_paused(&self, now: Timestamp) -> bool {
        // A clock that was set back must not prolong a pause beyond what any receiver is granted.
        self.paused_until
            .is_some_and(|until| now < until && until.since(now) <= LONGEST_RETRY_AFTER)
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
        if let (FailureKind::Throttled, Some(wait)) = (failure.kind, failure.retry_after) {
            let until = now.plus(wait.min(LONGEST_RETRY_AFTER));
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
    /// Delivers from `outbox` to `recipient` by `notifier`, with fallbacks from the recipient's composer. It starts as if an
    /// attempt had just failed, because it does not know how an earlier process fared: it probes after a minute, and the
    /// first success makes all waiting notifications due.
    pub fn new(
        outbox: Arc<dyn Outbox>,
        recipient: Recipient,
        notifier: Arc<dyn Notifier>,
        context: Context,
        schedule: RetrySchedule,
    ) -> Self {
        let health = ReceiverHealth {
            failing_since: Some(context.clock.now()),
            ..ReceiverHealth::default()
        };
        Self {
            outbox,
            recipient,
            notifier,
            context,
            schedule,
            health: Mutex::new(health),
        }
    }

    /// Whose notifications it delivers.
    pub fn recipient(&self) -> Recipient {
        self.recipient
    }

    /// Holds notifications that waited too long for their first receiver, and returns how many. To be called once before
    /// the first claim.
    ///
    /// # Errors
    ///
    /// If the store is unavailable.
    pub async fn hold_stale(&self) -> Result<u64, StoreError> {
        let made_before = self.context.clock.now().minus(STALE_AFTER);
        self.outbox.hold_unaddressed(self.recipient, made_before).await
    }

    /// Claims notifications to send now, at most as many as `room` allows. First attempts come first, because retries may
    /// take long to fail again. After the first success since a failure, and after the clock was set back, all waiting
    /// notifications are due.
    ///
    /// # Errors
    ///
    /// If the store is unavailable.
    pub async fn claim(&self, room: Capacity) -> Result<Claims, StoreError> {
        let now = self.context.clock.now();
        self.health().note_time(now);
        self.spread_pause().await?;
        if room.in_all == 0 || self.health().is_paused(now) {
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

    /// Claims what is due or, if nothing is, one notification as a health probe.
    async fn claim_others(&self, now: Timestamp, limit: u16) -> Result<Vec<Claimed>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let due = self.outbox.claim(self.lease(now), limit).await?;
        let wants_probe = self.health().wants_probe(now);
        if !due.is_empty() || !wants_probe {
            return Ok(due);
        }
        let probe = self.outbox.claim_probe(self.lease(now), now.minus(PROBE_EVERY)).await?;
        if probe.is_some() {
            self.health().probed_at = Some(now);
        }
        Ok(probe.into_iter().collect())
    }

    /// Makes one attempt and decides its outcome. A message whose receiver has changed is not sent but retargeted.
    pub async fn send(&self, claimed: &Claimed) -> AttemptOutcome {
        let begun = self.context.clock.now();
        let composer = self.composer();
        if let Some(payload) = composer.and_then(|composer| composer.retarget(&claimed.route, &claimed.payload)) {
            return AttemptOutcome::Rerouted {
                at: begun,
                fallback: Fallback {
                    route: claimed.route.clone(),
                    payload,
                },
                reason: "another address is set by now".into(),
            };
        }
        let news = if claimed.event.is_digest() {
            match self.outbox.news(claimed.id).await {
                Ok(news) if news.is_empty() => return AttemptOutcome::Dropped,
                Ok(news) => Some(news),
                Err(_) => {
                    return AttemptOutcome::Returned {
                        due: begun.plus(NEWS_AGAIN),
                        reason: Some("the store did not say what is new".into()),
                    };
                }
            }
        } else {
            None
        };
        let delivering = Delivering {
            id: claimed.id,
            round: claimed.round,
            event: claimed.event,
            payload: &claimed.payload,
            news: news.as_ref(),
        };
        let answer = self.notifier.deliver(delivering).await;
        let now = self.context.clock.now();
        match answer {
            DeliveryResult::Accepted { external_id } => {
                self.health().note_success();
                AttemptOutcome::Delivered { at: now, external_id }
            }
            DeliveryResult::Failed(failure) => {
                self.health().note_failure(&failure, now);
                self.judge(claimed, failure, begun, now)
            }
        }
    }

    /// Records the outcome of an attempt.
    ///
    /// # Errors
    ///
    /// If the store is unavailable; the outcome may be recorded again then.
    pub async fn record_attempt(&self, claimed: &Claimed, outcome: AttemptOutcome) -> Result<RecordResult, StoreError> {
        self.outbox.record_attempt(claimed.id, claimed.lease, outcome).await
    }

    /// Returns a claimed notification without an attempt.
    ///
    /// # Errors
    ///
    /// If the store is unavailable; the lease ends by itself then.
    pub async fn return_unsent(&self, claimed: &Claimed) -> Result<RecordResult, StoreError> {
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
        let earliest = now.plus(retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER));
        let is_probe = claimed.scheduled_at > begun;
        let next = match kind {
            FailureKind::Temporary | FailureKind::Throttled => NextStep::Retry { to_repair: None },
            FailureKind::Permanent => self.composer().map_or(NextStep::GiveUp, |composer| {
                composer.after_refusal(&claimed.route, &claimed.payload, Rejection::Final)
            }),
        };
        match next {
            NextStep::Retry { .. } => {}
            NextStep::Fallback(fallback) => {
                return AttemptOutcome::Rerouted {
                    at: now,
                    fallback,
                    reason,
                };
            }
            NextStep::GiveUp => return AttemptOutcome::Dead { at: now, reason },
        }
        if is_probe {
            return AttemptOutcome::Returned {
                due: claimed.scheduled_at.max(earliest),
                reason: Some(reason),
            };
        }
        match self
            .schedule
            .wait_after(claimed.failures.saturating_add(1), self.context.random.bits())
        {
            Some(wait) => AttemptOutcome::RetryAt {
                due: now.plus(wait).max(earliest),
                reason,
            },
            None => AttemptOutcome::Dead { at: now, reason },
        }
    }

    /// Postpones all waiting notifications while the receiver is overloaded, for every worker.
    async fn spread_pause(&self) -> Result<(), StoreError> {
        let health = *self.health();
        if let (true, Some(until)) = (health.is_pause_new, health.paused_until) {
            self.outbox.postpone(self.recipient, until).await?;
            self.health().is_pause_new = false;
        }
        Ok(())
    }

    /// Makes all waiting notifications due after the first success since a failure. One that fails again while others
    /// succeed keeps to its schedule, because the store releases each only once between two scheduled attempts.
    async fn release_if_back(&self, now: Timestamp) -> Result<(), StoreError> {
        if self.health().is_back {
            self.outbox.release_waiting(self.recipient, now).await?;
            self.health().is_back = false;
        }
        Ok(())
    }

    fn lease(&self, now: Timestamp) -> Claim {
        Claim {
            recipient: self.recipient,
            now,
            lease: LeaseToken(self.context.new_id(now)),
            until: now.plus(LEASE),
            first_tries_only: false,
        }
    }

    fn composer(&self) -> Option<&dyn Composer> {
        self.context.composers.get(self.recipient)
    }

    fn health(&self) -> MutexGuard<'_, ReceiverHealth> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
