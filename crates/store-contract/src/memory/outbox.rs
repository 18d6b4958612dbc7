//! Notifications on their way.

use async_trait::async_trait;
use ticket_domain::{
    AuditAction, AuditStamp, DeliveryRoute, Fallback, LeaseToken, NotificationId, NotificationRecord,
    NotificationState, TicketId, Timestamp,
    ports::{AttemptOutcome, ChangeEvent, Claim, Claimed, Outbox, RecordResult, RedeliverResult, StoreError},
};

use super::{MemoryStore, State, entry::Entry};

impl State {
    /// A notification, and the ticket that it tells of.
    pub(super) fn entry(&mut self, id: NotificationId) -> Option<(TicketId, &mut Entry)> {
        self.files.iter_mut().find_map(|file| {
            let entry = file.entries.iter_mut().find(|entry| entry.notification.id == id)?;
            Some((file.ticket.id, entry))
        })
    }
}

#[async_trait]
impl Outbox for MemoryStore {
    async fn claim(&self, claim: Claim, limit: u16) -> Result<Vec<Claimed>, StoreError> {
        let mut state = self.state();
        let mut due: Vec<_> = state
            .first_waiting()
            .filter(|(_, entry)| entry.due().is_some_and(|due| due <= claim.now))
            .filter(|(_, entry)| !(claim.first_tries_only && entry.was_tried))
            .collect();
        due.sort_by_key(|(_, entry)| entry.due());
        let claimed = due.into_iter().take(limit.into());
        Ok(claimed.map(|(ticket, entry)| entry.lease(ticket, claim)).collect())
    }

    async fn claim_probe(&self, claim: Claim, unless_after: Timestamp) -> Result<Option<Claimed>, StoreError> {
        let mut state = self.state();
        if state
            .entries()
            .any(|entry| entry.due().is_some() && entry.probed_at > Some(unless_after))
        {
            return Ok(None);
        }
        let longest_ago = state
            .first_waiting()
            .filter(|(_, entry)| entry.lease.is_none() && entry.due() > Some(claim.until))
            .min_by_key(|(_, entry)| entry.probed_at);
        Ok(longest_ago.map(|(ticket, entry)| {
            entry.probed_at = Some(claim.now);
            entry.lease(ticket, claim)
        }))
    }

    async fn record_attempt(
        &self,
        id: NotificationId,
        lease: LeaseToken,
        outcome: AttemptOutcome,
    ) -> Result<RecordResult, StoreError> {
        Ok(self.write(|state| {
            let is_further = matches!(
                outcome,
                AttemptOutcome::Delivered { .. } | AttemptOutcome::Dead { .. } | AttemptOutcome::Rerouted { .. }
            );
            let found = state.entry(id).filter(|(_, entry)| entry.lease == Some(lease));
            let Some((ticket, entry)) = found else {
                return RecordResult::LeaseLost;
            };
            entry.record_attempt(outcome);
            state.events.extend(is_further.then_some(ChangeEvent::Ticket(ticket)));
            RecordResult::Recorded
        }))
    }

    async fn release_waiting(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut state = self.state();
        let waiting = state
            .entries()
            .filter(|entry| entry.lease.is_none() && entry.due() > Some(now) && !entry.was_released);
        Ok(waiting
            .map(|entry| {
                entry.was_released = true;
                entry.state = NotificationState::Waiting { due: now };
            })
            .count() as u64)
    }

    async fn postpone(&self, until: Timestamp) -> Result<u64, StoreError> {
        let mut state = self.state();
        let earlier = state
            .entries()
            .filter(|entry| entry.lease.is_none() && entry.due().is_some_and(|due| due < until));
        Ok(earlier
            .map(|entry| entry.state = NotificationState::Waiting { due: until })
            .count() as u64)
    }

    async fn hold_unaddressed(&self, made_before: Timestamp) -> Result<u64, StoreError> {
        let mut state = self.state();
        let untried = state.entries().filter(|entry| {
            let is_untried = entry.due().is_some() && !entry.was_tried;
            is_untried && !entry.notification.addressed && entry.notification.created_at < made_before
        });
        Ok(untried.map(|entry| entry.state = NotificationState::Held).count() as u64)
    }

    async fn redeliver(
        &self,
        id: NotificationId,
        note: AuditStamp,
        anew: Option<Fallback>,
    ) -> Result<RedeliverResult, StoreError> {
        Ok(self.write(|state| {
            let Some((ticket, entry)) = state.entry(id).filter(|(_, entry)| !entry.is_erased()) else {
                return RedeliverResult::NotFound;
            };
            match entry.state {
                NotificationState::Delivered { .. } => return RedeliverResult::AlreadyDelivered,
                NotificationState::Waiting { .. } if entry.is_leased(note.at) => return RedeliverResult::InProgress,
                NotificationState::Waiting { .. } | NotificationState::Held | NotificationState::Dead { .. } => {
                    entry.redeliver(note.at, anew);
                }
            }
            state.note(note, Some(ticket), AuditAction::Redeliver(id));
            state.events.push(ChangeEvent::Ticket(ticket));
            RedeliverResult::Queued
        }))
    }

    async fn redeliver_dead(&self, note: AuditStamp) -> Result<u64, StoreError> {
        Ok(self.write(|state| {
            let dead = state
                .entries()
                .filter(|entry| entry.is_dead() && !entry.is_erased() && entry.route == DeliveryRoute::Text);
            let count = dead.map(|entry| entry.redeliver(note.at, None)).count() as u64;
            if count > 0 {
                state.note(note, None, AuditAction::RedeliverDead(count));
                state.events.push(ChangeEvent::Resync);
            }
            count
        }))
    }

    async fn dead_fallbacks(&self, limit: u16) -> Result<Vec<NotificationId>, StoreError> {
        let mut state = self.state();
        let dead = state
            .entries()
            .filter(|entry| entry.is_dead() && !entry.is_erased() && entry.route != DeliveryRoute::Text);
        Ok(dead.map(|entry| entry.notification.id).take(limit.into()).collect())
    }

    async fn way(&self, id: NotificationId) -> Result<Option<Fallback>, StoreError> {
        let mut state = self.state();
        let entry = state.entries().find(|entry| entry.notification.id == id);
        Ok(entry.map(|entry| Fallback {
            route: entry.route,
            payload: entry.notification.payload.clone(),
        }))
    }

    async fn undelivered(&self, limit: u16) -> Result<Vec<NotificationRecord>, StoreError> {
        let state = self.state();
        let mut records: Vec<_> = state
            .open_records()
            .filter(|record| !matches!(record.state, NotificationState::Delivered { .. }))
            .collect();
        records.sort_by_key(|record| std::cmp::Reverse(record.created_at));
        records.truncate(limit.into());
        Ok(records)
    }

    async fn notification(&self, id: NotificationId) -> Result<Option<NotificationRecord>, StoreError> {
        Ok(self.state().records().find(|record| record.id == id))
    }
}
