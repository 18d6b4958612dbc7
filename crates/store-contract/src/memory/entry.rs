//! A notification and what happens to it.

use ticket_domain::{
    DeliveryRoute, ExternalId, Fallback, LeaseToken, MessageId, Notification, NotificationRecord, NotificationState,
    Progress, TicketId, TicketRef, Timestamp,
    ports::{AttemptOutcome, Claim, Claimed, StatusUpdate},
};

/// A notification on its way.
pub(super) struct Entry {
    pub(super) notification: Notification,
    /// What it tells of.
    pub(super) message: MessageId,
    pub(super) state: NotificationState,
    pub(super) scheduled_at: Timestamp,
    /// Whose word counts. It stays past its end, until another worker claims.
    pub(super) lease: Option<LeaseToken>,
    pub(super) failures: u16,
    pub(super) last_error: Option<Box<str>>,
    pub(super) was_tried: bool,
    pub(super) probed_at: Option<Timestamp>,
    /// Since its last failure that counts.
    pub(super) was_released: bool,
    pub(super) route: DeliveryRoute,
    pub(super) round: u16,
    /// The outside ids of its messages that were refused.
    pub(super) earlier_ids: Vec<ExternalId>,
}

impl Entry {
    /// A notification that is due at once.
    pub(super) fn new(notification: Notification, message: MessageId) -> Self {
        let due = notification.created_at;
        Self {
            notification,
            message,
            state: NotificationState::Waiting { due },
            scheduled_at: due,
            lease: None,
            failures: 0,
            last_error: None,
            was_tried: false,
            probed_at: None,
            was_released: false,
            route: DeliveryRoute::default(),
            round: 0,
            earlier_ids: Vec::new(),
        }
    }

    pub(super) fn due(&self) -> Option<Timestamp> {
        match self.state {
            NotificationState::Waiting { due } => Some(due),
            _ => None,
        }
    }

    pub(super) fn is_leased(&self, now: Timestamp) -> bool {
        self.lease.is_some() && self.due().is_some_and(|due| due > now)
    }

    pub(super) fn has_outside_id(&self, id: &ExternalId) -> bool {
        self.is_delivered_as(id) || self.earlier_ids.contains(id)
    }

    fn is_delivered_as(&self, id: &ExternalId) -> bool {
        matches!(&self.state, NotificationState::Delivered { external_id, .. } if external_id.as_ref() == Some(id))
    }

    /// How far the message of this outside id is; none if it is an earlier one.
    pub(super) fn progress_of(&self, id: &ExternalId) -> Option<Progress> {
        match &self.state {
            NotificationState::Delivered { progress, .. }
                if self.is_delivered_as(id) && !self.earlier_ids.contains(id) =>
            {
                Some(*progress)
            }
            _ => None,
        }
    }

    pub(super) fn lease(&mut self, ticket: TicketId, claim: Claim) -> Claimed {
        self.lease = Some(claim.lease);
        self.state = NotificationState::Waiting { due: claim.until };
        self.was_tried = true;
        Claimed {
            id: self.notification.id,
            lease: claim.lease,
            ticket,
            event: self.notification.event,
            payload: self.notification.payload.clone(),
            route: self.route,
            round: self.round,
            failures: self.failures,
            scheduled_at: self.scheduled_at,
        }
    }

    pub(super) fn record_attempt(&mut self, outcome: AttemptOutcome) {
        self.lease = None;
        match outcome {
            AttemptOutcome::Delivered { at, external_id } => {
                self.state = NotificationState::Delivered {
                    at,
                    external_id,
                    progress: Progress::Sent,
                };
            }
            AttemptOutcome::RetryAt { due, reason } => {
                self.state = NotificationState::Waiting { due };
                self.scheduled_at = due;
                self.was_released = false;
                self.failures += 1;
                self.last_error = Some(reason);
            }
            AttemptOutcome::Dead { at, reason } => {
                self.state = NotificationState::Dead { at };
                self.failures += 1;
                self.last_error = Some(reason);
            }
            AttemptOutcome::Rerouted { at, fallback, reason } => self.divert(fallback, reason, at),
            AttemptOutcome::Returned { due, reason } => {
                self.state = NotificationState::Waiting { due };
                self.last_error = reason.or(self.last_error.take());
            }
        }
    }

    /// Changes how far the message of this outside id is, unless it is as far by now. Says whether it did.
    pub(super) fn advance(&mut self, id: &ExternalId, advance: StatusUpdate, at: Timestamp) -> bool {
        let Some(before) = self.progress_of(id) else {
            return false;
        };
        match advance {
            StatusUpdate::To(progress) if progress > before => {
                self.state = NotificationState::Delivered {
                    at,
                    external_id: Some(id.clone()),
                    progress,
                };
            }
            // What was erased since it was read is not sent again.
            StatusUpdate::Fallback(fallback, reason) if before == Progress::Sent && !self.is_erased() => {
                self.earlier_ids.push(id.clone());
                self.divert(fallback, reason, at);
            }
            StatusUpdate::Dead(reason) if before == Progress::Sent => {
                self.earlier_ids.push(id.clone());
                self.round += 1;
                self.state = NotificationState::Dead { at };
                self.last_error = Some(reason);
            }
            _ => return false,
        }
        true
    }

    /// Whether there is nothing to send any more.
    pub(super) fn is_erased(&self) -> bool {
        self.notification.payload.is_erased()
    }

    pub(super) fn is_dead(&self) -> bool {
        matches!(self.state, NotificationState::Dead { .. })
    }

    /// Is due now, by an operator's word. If it was given up, its schedule begins anew, and it may go another way.
    pub(super) fn redeliver(&mut self, now: Timestamp, anew: Option<Fallback>) {
        if self.is_dead() {
            self.failures = 0;
            self.scheduled_at = now;
            if let Some(way) = anew {
                self.go(way);
            }
        }
        self.state = NotificationState::Waiting { due: now };
        // So it must not be held again.
        self.notification.addressed = true;
    }

    /// Takes another way from now on, as another message.
    pub(super) fn go(&mut self, fallback: Fallback) {
        self.notification.payload = fallback.payload;
        self.route = fallback.route;
        self.round += 1;
    }

    fn divert(&mut self, fallback: Fallback, reason: Box<str>, at: Timestamp) {
        self.state = NotificationState::Waiting { due: at };
        self.go(fallback);
        // It was sent before, so it had an address.
        self.notification.addressed = true;
        self.scheduled_at = at;
        self.failures = 0;
        self.was_tried = false;
        self.was_released = false;
        self.last_error = Some(reason);
    }

    pub(super) fn record(&self, reference: TicketRef) -> NotificationRecord {
        NotificationRecord {
            id: self.notification.id,
            reference,
            event: self.notification.event,
            state: self.state.clone(),
            failures: self.failures,
            last_error: self.last_error.clone(),
            created_at: self.notification.created_at,
        }
    }
}
