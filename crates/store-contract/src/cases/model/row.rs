//! A notification of the model.

use ticket_domain::{ExternalId, LeaseToken, NotificationId, NotificationState, Timestamp};

/// A notification as it must stand.
pub(super) struct Row {
    pub(super) id: NotificationId,
    /// Which of the tickets; those of one ticket stand in their order.
    pub(super) ticket: usize,
    pub(super) created_at: Timestamp,
    pub(super) addressed: bool,
    pub(super) state: NotificationState,
    /// Whose verdict counts.
    pub(super) holder: Option<LeaseToken>,
    pub(super) failures: u16,
    pub(super) scheduled_at: Timestamp,
    pub(super) was_tried: bool,
    pub(super) was_released: bool,
    pub(super) probed_at: Option<Timestamp>,
    pub(super) route: &'static str,
    pub(super) round: u16,
    /// The outside ids of its messages, the last one being of its last message.
    pub(super) outside: Vec<ExternalId>,
}

impl Row {
    pub(super) fn due(&self) -> Option<Timestamp> {
        match self.state {
            NotificationState::Waiting { due } => Some(due),
            _ => None,
        }
    }

    pub(super) fn is_dead(&self) -> bool {
        matches!(self.state, NotificationState::Dead { .. })
    }

    pub(super) fn wait_until(&mut self, due: Timestamp) {
        self.state = NotificationState::Waiting { due };
    }

    pub(super) fn redeliver(&mut self, now: Timestamp, anew: bool) {
        if self.is_dead() {
            (self.failures, self.scheduled_at) = (0, now);
            if anew {
                (self.route, self.round) = ("backup", self.round + 1);
            }
        }
        self.addressed = true;
        self.wait_until(now);
    }

    /// Its last message failed for now.
    pub(super) fn retry(&mut self, due: Timestamp) {
        self.round += 1;
        (self.failures, self.scheduled_at, self.was_released) = (self.failures + 1, due, false);
        self.wait_until(due);
    }

    pub(super) fn divert(&mut self, now: Timestamp) {
        (self.route, self.round) = ("template", self.round + 1);
        (self.failures, self.scheduled_at) = (0, now);
        (self.was_tried, self.was_released, self.addressed) = (false, false, true);
        self.wait_until(now);
    }
}
