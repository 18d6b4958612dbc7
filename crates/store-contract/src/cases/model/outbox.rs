//! The model, and the store beside it.

use proptest::{prop_assert, prop_assert_eq, test_runner::TestCaseError};
use ticket_domain::{
    NotificationId, NotificationRecord, NotificationState, Progress, Recipient, RetrySchedule, Ticket,
    ports::{Claim, Claimed, RecordResult, RedeliverResult, StatusUpdate},
};

use super::{
    row::Row,
    step::{End, Heard, Step},
};
use crate::{
    Fixture,
    fixture::{LEASE, With as _, at, at_once, dead, delivered, diverted, fallback, retry_at, returned},
};

/// Nothing is probed so many seconds after a probe.
const PROBE_EVERY: i64 = 60;

/// How many seconds a message waits that failed for now.
const RETRY_WAIT: i64 = 7;

/// How far the outbox is from its model, if it is.
type Held<T = ()> = Result<T, TestCaseError>;

/// A store, and what must be in it.
pub(super) struct Outbox<'f> {
    fixture: &'f Fixture,
    now: i64,
    tickets: Vec<Ticket>,
    rows: Vec<Row>,
    /// Everything that a worker was ever given.
    given: Vec<Claimed>,
}

impl<'f> Outbox<'f> {
    pub(super) fn new(fixture: &'f Fixture, now: i64) -> Self {
        Self {
            fixture,
            now,
            tickets: Vec::new(),
            rows: Vec::new(),
            given: Vec::new(),
        }
    }

    /// Takes a step, here and in the store, and compares the two.
    pub(super) async fn take(&mut self, step: &Step) -> Held {
        let (store, now) = (self.fixture.must(), at(self.now));
        match step {
            Step::Open { addressed } => {
                let mut opening = self.fixture.opening(now);
                opening.notifications[0].addressed = *addressed;
                let opening = self.fixture.open(opening).await;
                self.tickets.push(opening.ticket);
                self.add(opening.notifications[0].id, self.tickets.len() - 1, *addressed);
            }
            Step::Update(_) if self.tickets.is_empty() => {}
            Step::Update(index) => {
                let ticket = index.index(self.tickets.len());
                let notification = self.fixture.updated(&self.tickets[ticket], now).await;
                self.add(notification.id, ticket, true);
            }
            Step::Pass(seconds) => self.now += seconds,
            Step::Claim {
                limit,
                first_tries_only,
            } => self.claim(*limit, *first_tries_only).await?,
            Step::ClaimTogether => self.claim_together().await?,
            Step::Probe => self.probe().await?,
            Step::Settle(..) if self.given.is_empty() => {}
            Step::Settle(index, end) => self.record_attempt(index.index(self.given.len()), *end).await?,
            Step::Release => {
                let waiting = |row: &Row| row.due() > Some(now) && row.holder.is_none() && !row.was_released;
                let count = self.change(waiting, |row| {
                    row.was_released = true;
                    row.wait_until(now);
                });
                prop_assert_eq!(store.release_waiting(Recipient::Manager, now).await, count);
            }
            Step::Postpone(seconds) => {
                let until = at(self.now + seconds);
                let earlier = |row: &Row| row.due().is_some_and(|due| due < until) && row.holder.is_none();
                let count = self.change(earlier, |row| row.wait_until(until));
                prop_assert_eq!(store.postpone(Recipient::Manager, until).await, count);
            }
            Step::Hold(seconds) => {
                let before = at(self.now - seconds);
                let is_stale =
                    |row: &Row| row.due().is_some() && !row.was_tried && !row.addressed && row.created_at < before;
                let count = self.change(is_stale, |row| row.state = NotificationState::Held);
                prop_assert_eq!(store.hold_unaddressed(Recipient::Manager, before).await, count);
            }
            Step::Redeliver(..) if self.rows.is_empty() => {}
            Step::Redeliver(index, anew) => self.redeliver(index.index(self.rows.len()), *anew).await?,
            Step::RedeliverDead => {
                let in_own_words = |row: &Row| row.is_dead() && row.route == "text";
                let count = self.change(in_own_words, |row| row.redeliver(now, false));
                prop_assert_eq!(store.redeliver_dead(self.fixture.note(now)).await, count);
            }
            Step::Receipt(index, heard) => {
                let sent: Vec<usize> = (0..self.rows.len())
                    .filter(|row| !self.rows[*row].outside.is_empty())
                    .collect();
                if !sent.is_empty() {
                    self.receive(sent[index.index(sent.len())], index, *heard).await?;
                }
            }
        }
        self.compare().await
    }

    fn add(&mut self, id: NotificationId, ticket: usize, addressed: bool) {
        let now = at(self.now);
        self.rows.push(Row {
            id,
            ticket,
            created_at: now,
            addressed,
            state: NotificationState::Waiting { due: now },
            holder: None,
            failures: 0,
            scheduled_at: now,
            was_tried: false,
            was_released: false,
            probed_at: None,
            route: "text",
            round: 0,
            outside: Vec::new(),
        });
    }

    fn change(&mut self, which: impl Fn(&Row) -> bool, change: impl FnMut(&mut Row)) -> u64 {
        let changed = self.rows.iter_mut().filter(|row| which(row)).map(change);
        changed.count() as u64
    }

    /// Whether nothing earlier of its ticket waits or is held.
    fn is_first(&self, row: usize) -> bool {
        let is_before = |other: &Row| other.due().is_some() || other.state == NotificationState::Held;
        let mut earlier = self.rows[..row].iter();
        !earlier.any(|other| other.ticket == self.rows[row].ticket && is_before(other))
    }

    fn row(&self, id: NotificationId) -> Option<usize> {
        self.rows.iter().position(|row| row.id == id)
    }

    /// What a worker may be given now.
    fn due(&self, first_tries_only: bool) -> Vec<usize> {
        let is_due = |row: &Row| row.due().is_some_and(|due| due <= at(self.now));
        (0..self.rows.len())
            .filter(|row| is_due(&self.rows[*row]) && self.is_first(*row))
            .filter(|row| !(first_tries_only && self.rows[*row].was_tried))
            .collect()
    }

    async fn claim(&mut self, limit: u16, first_tries_only: bool) -> Held {
        let claim = self
            .fixture
            .claim_at(at(self.now))
            .with(|claim| claim.first_tries_only = first_tries_only);
        let due = self.due(first_tries_only);
        let claimed = self.fixture.must().claim(claim, limit).await;
        prop_assert_eq!(claimed.len(), due.len().min(limit.into()));
        let waited: Vec<_> = claimed
            .iter()
            .map(|claimed| self.row(claimed.id).and_then(|row| self.rows[row].due()))
            .collect();
        prop_assert!(waited.is_sorted(), "not the longest due first");
        let left = due
            .iter()
            .filter(|row| !claimed.iter().any(|claimed| claimed.id == self.rows[**row].id));
        let next = left.filter_map(|row| self.rows[*row].due()).min();
        prop_assert!(
            next.is_none_or(|next| waited.iter().all(|due| *due <= Some(next))),
            "another was due longer"
        );
        self.give(claim, claimed, &due)
    }

    async fn claim_together(&mut self) -> Held {
        let due = self.due(false);
        let claims = [(); 2].map(|()| self.fixture.claim_at(at(self.now)));
        let claimed = at_once(claims.map(|claim| {
            let store = self.fixture.must();
            async move { store.claim(claim, 3).await }
        }))
        .await;
        // What the first was given, the second may not have: it is due no more by then.
        for (claim, claimed) in claims.into_iter().zip(claimed) {
            let still: Vec<usize> = due
                .iter()
                .copied()
                .filter(|row| self.rows[*row].holder != Some(claims[0].lease))
                .collect();
            self.give(claim, claimed, &still)?;
        }
        Ok(())
    }

    /// Writes down that a worker has these, all of which it may have.
    fn give(&mut self, claim: Claim, claimed: Vec<Claimed>, due: &[usize]) -> Held {
        for claimed in claimed {
            let row = self.row(claimed.id).filter(|row| due.contains(row));
            prop_assert!(row.is_some(), "claimed out of turn: {claimed:?}");
            let row = &mut self.rows[row.unwrap()];
            prop_assert_eq!(claimed.lease, claim.lease);
            prop_assert_eq!(
                (
                    claimed.failures,
                    claimed.scheduled_at,
                    claimed.route.as_str(),
                    claimed.round
                ),
                (row.failures, row.scheduled_at, row.route, row.round)
            );
            row.holder = Some(claim.lease);
            row.was_tried = true;
            row.wait_until(claim.until);
            self.given.push(claimed);
        }
        Ok(())
    }

    async fn probe(&mut self) -> Held {
        let (claim, unless_after) = (self.fixture.claim_at(at(self.now)), at(self.now - PROBE_EVERY));
        let probed = self.fixture.must().claim_probe(claim, unless_after).await;
        let is_recent = |row: &Row| row.due().is_some() && row.probed_at > Some(unless_after);
        let mut may_be: Vec<usize> = (0..self.rows.len())
            .filter(|row| self.rows[*row].due() > Some(claim.until) && self.rows[*row].holder.is_none())
            .filter(|row| self.is_first(*row) && !self.rows.iter().any(is_recent))
            .collect();
        let longest_ago = may_be.iter().map(|row| self.rows[*row].probed_at).min();
        may_be.retain(|row| Some(self.rows[*row].probed_at) == longest_ago);
        prop_assert_eq!(probed.is_some(), !may_be.is_empty());
        if let Some(row) = probed.as_ref().and_then(|probed| self.row(probed.id)) {
            self.rows[row].probed_at = Some(at(self.now));
        }
        self.give(claim, probed.into_iter().collect(), &may_be)
    }

    /// A worker, who may have lost its lease long ago, says what became of what it was given.
    async fn record_attempt(&mut self, given: usize, end: End) -> Held {
        let (claimed, now) = (self.given[given].clone(), at(self.now));
        let external_id = self.fixture.external_id();
        // As the delivery judges: only what was tried when its schedule said counts, and the schedule says what is next.
        let is_beside = claimed.scheduled_at > now;
        let wait = |random| RetrySchedule::new(3).wait_after(claimed.failures + 1, random);
        let outcome = match end {
            End::Taken => delivered(now, Some(&external_id)),
            End::HandedBack => returned(now),
            End::Failed(_) if is_beside => returned(claimed.scheduled_at),
            End::Failed(random) => wait(random).map_or_else(|| dead(now), |wait| retry_at(now.plus(wait))),
            End::EraseReport => dead(now),
            End::Diverted => diverted(now, "template"),
        };
        let settled = self.fixture.record_attempt(&claimed, outcome).await;
        let row = self.row(claimed.id).unwrap();
        let row = &mut self.rows[row];
        let counts = row.holder == Some(claimed.lease);
        prop_assert_eq!(
            settled,
            if counts {
                RecordResult::Recorded
            } else {
                RecordResult::LeaseLost
            }
        );
        if !counts {
            return Ok(());
        }
        row.holder = None;
        let is_last = matches!(end, End::Failed(random) if !is_beside && wait(random).is_none());
        match end {
            End::Taken => {
                row.outside.push(external_id.clone());
                row.state = NotificationState::Delivered {
                    at: now,
                    external_id: Some(external_id),
                    progress: Progress::Sent,
                };
            }
            End::HandedBack => row.wait_until(now),
            End::Failed(_) if is_beside => row.wait_until(claimed.scheduled_at),
            End::Failed(random) if !is_last => {
                let due = now.plus(wait(random).unwrap());
                (row.failures, row.scheduled_at, row.was_released) = (row.failures + 1, due, false);
                row.wait_until(due);
            }
            End::Failed(_) | End::EraseReport => {
                row.failures += 1;
                row.state = NotificationState::Dead { at: now };
            }
            End::Diverted => row.divert(now),
        }
        Ok(())
    }

    async fn redeliver(&mut self, row: usize, anew: bool) -> Held {
        let (now, row) = (at(self.now), &mut self.rows[row]);
        let expected = match row.state {
            NotificationState::Delivered { .. } => RedeliverResult::AlreadyDelivered,
            NotificationState::Waiting { due } if row.holder.is_some() && due > now => RedeliverResult::InProgress,
            _ => RedeliverResult::Queued,
        };
        let way = anew.then(|| fallback("backup"));
        let redelivered = self
            .fixture
            .store()
            .redeliver(row.id, self.fixture.note(now), way)
            .await;
        prop_assert_eq!(redelivered.unwrap(), expected);
        if expected == RedeliverResult::Queued {
            row.redeliver(now, anew);
        }
        Ok(())
    }

    /// Something is heard of one of a notification's messages, perhaps of one before the last.
    async fn receive(&mut self, row: usize, which: &proptest::sample::Index, heard: Heard) -> Held {
        let (now, row) = (at(self.now), &mut self.rows[row]);
        let of = which.get(&row.outside).clone();
        let reached = match &row.state {
            NotificationState::Delivered {
                external_id, progress, ..
            } if *external_id == Some(of.clone()) => Some(*progress),
            _ => None,
        };
        let (advance, counts) = match heard {
            Heard::Further(progress) => (
                StatusUpdate::To(progress),
                reached.is_some_and(|reached| reached < progress),
            ),
            Heard::Failed => {
                let reason = "WhatsApp reports: failed".into();
                let due = at(self.now + RETRY_WAIT);
                (StatusUpdate::Retry { due, reason }, reached == Some(Progress::Sent))
            }
            Heard::Refused => {
                let reason = "WhatsApp reports: failed".into();
                (
                    StatusUpdate::Fallback(fallback("template"), reason),
                    reached == Some(Progress::Sent),
                )
            }
            Heard::RefusedForGood => (
                StatusUpdate::Dead("WhatsApp reports: failed".into()),
                reached == Some(Progress::Sent),
            ),
        };
        let advanced = self.fixture.must().advance(of.clone(), advance, now).await;
        prop_assert_eq!(advanced, counts);
        match heard {
            _ if !counts => {}
            Heard::Further(progress) => {
                row.state = NotificationState::Delivered {
                    at: now,
                    external_id: Some(of),
                    progress,
                };
            }
            Heard::Failed => row.retry(at(self.now + RETRY_WAIT)),
            Heard::Refused => row.divert(now),
            Heard::RefusedForGood => {
                row.round += 1;
                row.state = NotificationState::Dead { at: now };
            }
        }
        Ok(())
    }

    /// Everything is there, and stands as it must.
    async fn compare(&self) -> Held {
        let store = self.fixture.must();
        let mut shown: Vec<NotificationRecord> = store.undelivered(u16::MAX).await;
        for row in &self.rows {
            if matches!(row.state, NotificationState::Delivered { .. }) {
                shown.push(self.fixture.record(row.id).await);
            }
        }
        prop_assert_eq!(shown.len(), self.rows.len(), "one is lost, or is waiting again");
        for row in &self.rows {
            let record = shown.iter().find(|record| record.id == row.id);
            prop_assert_eq!(
                record.map(|record| (&record.state, record.failures)),
                Some((&row.state, row.failures))
            );
        }
        // A lease that has not ended is the only one, and keeps its notification waiting for its end.
        let leased = self
            .rows
            .iter()
            .filter(|row| row.holder.is_some() && row.due() > Some(at(self.now)));
        prop_assert!(leased.clone().all(|row| row.due() <= Some(at(self.now + LEASE))));
        prop_assert_eq!(self.fixture.vitals(at(self.now)).await.leased, leased.count() as u64);
        Ok(())
    }
}
