//! The delivery loop of one recipient: claims due notifications, sends them, and records the outcomes.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use http_actix::{DeliveryMetrics, log_reported};
use ticket_domain::{
    Timestamp,
    ports::{AttemptOutcome, Claimed, Clock, RecordResult, StoreError},
    use_cases::{Capacity, Claims, Deliver, LEASE, ReportReceipt},
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// How often the store is polled for notifications of other replicas or an earlier process, which send no wake signal.
const POLL: Duration = Duration::from_secs(1);

/// How long attempts in progress may take after a stop was requested. An attempt takes at most 15 s.
const GRACE: Duration = Duration::from_secs(16);

/// How long to wait before an outcome that the store did not take is recorded again.
const SETTLE_AGAIN: Duration = Duration::from_millis(500);

/// Delivers until it is stopped.
pub(crate) struct Worker {
    /// The use case.
    pub(crate) deliver: Arc<Deliver>,
    /// Wakes the loop when a notification was stored.
    pub(crate) signal: watch::Receiver<()>,
    /// The clock.
    pub(crate) clock: Arc<dyn Clock>,
    /// Metrics.
    pub(crate) metrics: DeliveryMetrics,
    /// The most concurrent attempts.
    pub(crate) concurrency: u16,
}

/// The loop's state between rounds.
#[derive(Default)]
struct Rounds {
    /// The attempts in progress. Each returns when the next attempt is due, if there is one.
    under_way: JoinSet<Option<Timestamp>>,
    /// Cloned by each attempt in progress that is not a first one, so that its count is theirs.
    others: Arc<()>,
    /// Due times of the next attempts that this process knows of.
    upcoming: BTreeSet<Timestamp>,
    /// Whether notifications that waited too long for a receiver have been held.
    stale_held: bool,
    /// Whether the store failed in the last round, so that it is logged once.
    store_failed: bool,
}

impl Worker {
    /// Delivers until `stop`; then finishes the attempts in progress, and returns notifications whose attempt does not end
    /// in time.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let abandon = CancellationToken::new();
        let mut rounds = Rounds::default();
        while !stop.is_cancelled() {
            self.round(&mut rounds, &abandon).await;
            let has_room = rounds.under_way.len() < usize::from(self.concurrency);
            let nap = rounds.nap(self.clock.now());
            tokio::select! {
                () = stop.cancelled() => {}
                Some(ended) = rounds.under_way.join_next() => rounds.note(ended),
                _ = self.signal.changed(), if has_room => {}
                () = sleep(nap) => {}
            }
        }
        let finished = timeout(GRACE, async { while rounds.under_way.join_next().await.is_some() {} }).await;
        if finished.is_err() {
            abandon.cancel();
            while rounds.under_way.join_next().await.is_some() {}
        }
    }

    async fn round(&self, rounds: &mut Rounds, abandon: &CancellationToken) {
        match self.claim(rounds).await {
            Ok(claims) => {
                if std::mem::take(&mut rounds.store_failed) {
                    tracing::info!("the delivery loop can claim notifications again");
                }
                let first_tries = claims.first_tries.into_iter().map(|claimed| (claimed, None));
                let others = claims
                    .others
                    .into_iter()
                    .map(|claimed| (claimed, Some(rounds.others.clone())));
                for (claimed, place) in first_tries.chain(others).collect::<Vec<_>>() {
                    let attempt = Attempt {
                        deliver: self.deliver.clone(),
                        metrics: self.metrics.clone(),
                        clock: self.clock.clone(),
                        claimed,
                        _place: place,
                    };
                    rounds.under_way.spawn(attempt.run(abandon.clone()));
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut rounds.store_failed, true) {
                    tracing::error!(
                        recipient = %self.deliver.recipient(),
                        error = &error as &dyn std::error::Error,
                        "the delivery loop could not claim notifications"
                    );
                }
            }
        }
    }

    async fn claim(&self, rounds: &mut Rounds) -> Result<Claims, StoreError> {
        if !rounds.stale_held {
            let held = self.deliver.hold_stale().await?;
            if held > 0 {
                tracing::warn!(
                    held,
                    "notifications from before there was a webhook, older than a day, wait for an operator's word"
                );
            }
            rounds.stale_held = true;
        }
        self.deliver.claim(self.room(rounds)).await
    }

    /// One slot is reserved for first attempts, because a retry may take 15 s to fail again.
    fn room(&self, rounds: &Rounds) -> Capacity {
        let left = |places: u16, taken: usize| places.saturating_sub(u16::try_from(taken).unwrap_or(u16::MAX));
        let for_others = self.concurrency.saturating_sub(1).max(1);
        Capacity {
            in_all: left(self.concurrency, rounds.under_way.len()),
            for_others: left(for_others, Arc::strong_count(&rounds.others) - 1),
        }
    }
}

/// Records, every second, the stored receipts whose message is known by now, until `stop`. They are few.
pub(crate) async fn catch_up(receipts: Arc<ReportReceipt>, stop: CancellationToken) {
    let mut failed_before = false;
    while !stop.is_cancelled() {
        let done = receipts.catch_up().await;
        let failed_last = std::mem::replace(&mut failed_before, done.is_err());
        match done {
            Ok(done) => done.iter().for_each(log_reported),
            Err(error) if !failed_last => tracing::error!(
                error = &error as &dyn std::error::Error,
                "receipts that arrived before their message was known could not be recorded"
            ),
            Err(_) => {}
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = sleep(POLL) => {}
        }
    }
}

impl Rounds {
    fn note(&mut self, ended: Result<Option<Timestamp>, tokio::task::JoinError>) {
        match ended {
            Ok(next) => self.upcoming.extend(next),
            // Its lease expires, and another attempt follows.
            Err(error) => tracing::error!(%error, "a delivery broke off"),
        }
    }

    /// How long until the next known attempt, or the next poll.
    fn nap(&mut self, now: Timestamp) -> Duration {
        self.upcoming.retain(|at| *at > now);
        self.upcoming.first().map_or(POLL, |next| next.since(now).min(POLL))
    }
}

/// One attempt of one notification.
struct Attempt {
    deliver: Arc<Deliver>,
    metrics: DeliveryMetrics,
    clock: Arc<dyn Clock>,
    claimed: Claimed,
    /// Counts attempts that are not first ones while they last.
    _place: Option<Arc<()>>,
}

impl Attempt {
    /// Sends, and records the outcome. Returns when the next attempt is due, if there is one.
    async fn run(self, abandon: CancellationToken) -> Option<Timestamp> {
        let outcome = tokio::select! {
            outcome = self.deliver.send(&self.claimed) => outcome,
            () = abandon.cancelled() => {
                self.return_unsent().await;
                return None;
            }
        };
        self.report(&outcome);
        self.record_attempt(&outcome, &abandon).await;
        match outcome {
            AttemptOutcome::RetryAt { due, .. } => Some(due),
            AttemptOutcome::Rerouted { at, .. } => Some(at),
            _ => None,
        }
    }

    async fn return_unsent(&self) {
        if let Err(error) = self.deliver.return_unsent(&self.claimed).await {
            tracing::warn!(
                notification = %self.claimed.id,
                error = &error as &dyn std::error::Error,
                "a notification could not be handed back; it is due again when its lease ends"
            );
        }
    }

    /// Records the outcome, and retries while the lease holds: a delivery that is not recorded would be repeated.
    async fn record_attempt(&self, outcome: &AttemptOutcome, abandon: &CancellationToken) {
        let until = self.clock.now().plus(LEASE);
        loop {
            match self.deliver.record_attempt(&self.claimed, outcome.clone()).await {
                Ok(RecordResult::Recorded) => return,
                Ok(RecordResult::LeaseLost) => {
                    tracing::warn!(notification = %self.claimed.id, "a lease ended before its notification was settled");
                    return;
                }
                Err(error) if self.clock.now() < until && !abandon.is_cancelled() => {
                    tracing::debug!(error = &error as &dyn std::error::Error, "a verdict is written again");
                    tokio::select! {
                        () = sleep(SETTLE_AGAIN) => {}
                        () = abandon.cancelled() => {}
                    }
                }
                Err(error) => {
                    tracing::error!(
                        notification = %self.claimed.id,
                        error = &error as &dyn std::error::Error,
                        "a verdict could not be written; the notification will be tried again"
                    );
                    return;
                }
            }
        }
    }

    fn report(&self, outcome: &AttemptOutcome) {
        let Claimed {
            id, event, failures, ..
        } = &self.claimed;
        let recipient = self.deliver.recipient();
        match outcome {
            AttemptOutcome::Delivered { external_id, .. } => {
                self.metrics.delivered();
                let has_id = external_id.is_some();
                tracing::info!(notification = %id, %recipient, %event, failures, has_id, "notification delivered");
            }
            AttemptOutcome::Dropped => {
                tracing::info!(notification = %id, %recipient, %event, "notification dropped: there is no news to tell");
            }
            AttemptOutcome::RetryAt { due, reason } => {
                self.metrics.retry();
                tracing::warn!(notification = %id, %recipient, %event, failures = failures + 1, %due, %reason, "notification failed");
            }
            AttemptOutcome::Rerouted { fallback, reason, .. } => {
                self.metrics.retry();
                let route = &fallback.route;
                tracing::warn!(notification = %id, %recipient, %event, failures, %route, %reason, "notification refused; it goes another way");
            }
            AttemptOutcome::Returned { due, reason } => {
                self.metrics.retry();
                let reason = reason.as_deref().unwrap_or("not tried");
                tracing::warn!(notification = %id, %recipient, %event, failures, %due, %reason, "notification failed beside the schedule");
            }
            AttemptOutcome::Dead { reason, .. } => {
                self.metrics.dead();
                tracing::error!(notification = %id, %recipient, %event, failures = failures + 1, %reason, "notification given up");
            }
        }
    }
}
