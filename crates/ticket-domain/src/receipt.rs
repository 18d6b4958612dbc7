//! What WhatsApp says of a message that it was given, and which other way there is when it refuses.

use crate::{DeliveryRoute, ExternalId, MessageStatus, Payload, Progress, Timestamp, ports::Composer};

/// Twilio's number for words sent later than a day after the manager's last message: only a template goes then.
/// <https://www.twilio.com/docs/api/errors/63016>
const WINDOW_CLOSED: u32 = 63_016;

/// One word on one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The message's id outside.
    pub external_id: ExternalId,
    /// How far it is.
    pub status: MessageStatus,
    /// Why it failed, as Twilio numbers it.
    pub error_code: Option<u32>,
    /// When that was heard.
    pub at: Timestamp,
}

/// Why a message did not reach a manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UndeliveredReason {
    /// Its words came too late after the manager's last message. A template may go.
    WindowClosed,
    /// Anything else. That number is out of reach.
    OutOfReach,
}

/// Another way to tell a manager of the same event. It is another message, and has bytes of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fallback {
    /// The way.
    pub route: DeliveryRoute,
    /// What is sent.
    pub payload: Payload,
}

impl Fallback {
    /// The next way to go after `route` was refused, if `composer` knows one.
    pub fn after(
        route: DeliveryRoute,
        refusal: UndeliveredReason,
        payload: &Payload,
        composer: &dyn Composer,
    ) -> Option<Self> {
        alternatives(route, refusal).iter().find_map(|next| {
            let payload = composer.redirect(payload, *next)?;
            Some(Self { route: *next, payload })
        })
    }
}

/// Ways onward, the best first. None leads back, so that every message comes to an end.
fn alternatives(route: DeliveryRoute, refusal: UndeliveredReason) -> &'static [DeliveryRoute] {
    match (route, refusal) {
        (DeliveryRoute::Text, UndeliveredReason::WindowClosed) => &[DeliveryRoute::Template, DeliveryRoute::Backup],
        (DeliveryRoute::Text, UndeliveredReason::OutOfReach) | (DeliveryRoute::Template, _) => &[DeliveryRoute::Backup],
        (DeliveryRoute::Backup, UndeliveredReason::WindowClosed) => &[DeliveryRoute::BackupTemplate],
        (DeliveryRoute::Backup, UndeliveredReason::OutOfReach) | (DeliveryRoute::BackupTemplate, _) => &[],
    }
}

/// What a receipt means for a message that had come as far as `progress`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptEffect {
    /// Nothing new: it was as far already, or further.
    Nothing,
    /// It came further.
    Progressed(Progress),
    /// It did not reach the manager.
    NotDelivered(UndeliveredReason),
}

impl Receipt {
    /// What it means. Receipts overtake each other on their way, so one that is behind what is known tells nothing.
    pub fn meaning(&self, progress: Progress) -> ReceiptEffect {
        let reached = match self.status {
            MessageStatus::Queued | MessageStatus::Sent => Progress::Sent,
            MessageStatus::Delivered => Progress::Delivered,
            MessageStatus::Read => Progress::Read,
            MessageStatus::Failed | MessageStatus::Undelivered => {
                return match (progress, self.error_code) {
                    (Progress::Sent, Some(WINDOW_CLOSED)) => {
                        ReceiptEffect::NotDelivered(UndeliveredReason::WindowClosed)
                    }
                    (Progress::Sent, _) => ReceiptEffect::NotDelivered(UndeliveredReason::OutOfReach),
                    // The manager has it, whatever came after.
                    (Progress::Delivered | Progress::Read, _) => ReceiptEffect::Nothing,
                };
            }
        };
        if reached > progress {
            ReceiptEffect::Progressed(reached)
        } else {
            ReceiptEffect::Nothing
        }
    }

    /// Which of two receipts of one message says more: the greater one. A refusal says more than that it was sent, and
    /// less than that it arrived.
    pub fn weight(&self) -> u8 {
        match self.status {
            MessageStatus::Queued => 0,
            MessageStatus::Sent => 1,
            MessageStatus::Failed | MessageStatus::Undelivered => 2,
            MessageStatus::Delivered => 3,
            MessageStatus::Read => 4,
        }
    }

    /// Why it failed, for an operator.
    pub fn reason(&self) -> Box<str> {
        match self.error_code {
            Some(code) => format!("WhatsApp reports: {}, error {code}", self.status).into(),
            None => format!("WhatsApp reports: {}", self.status).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Event;

    fn receipt(status: MessageStatus, error_code: Option<u32>) -> Receipt {
        Receipt {
            external_id: "SM1".parse().unwrap(),
            status,
            error_code,
            at: Timestamp::from_unix_micros(0).unwrap(),
        }
    }

    #[test]
    fn a_message_never_goes_backwards() {
        use MessageStatus::{Delivered, Failed, Queued, Read, Sent, Undelivered};
        use ReceiptEffect::{NotDelivered, Nothing, Progressed};
        for (progress, status, code, expected) in [
            (Progress::Sent, Queued, None, Nothing),
            (Progress::Sent, Sent, None, Nothing),
            (Progress::Sent, Delivered, None, Progressed(Progress::Delivered)),
            (Progress::Sent, Read, None, Progressed(Progress::Read)),
            (Progress::Delivered, Sent, None, Nothing),
            (Progress::Delivered, Delivered, None, Nothing),
            (Progress::Delivered, Read, None, Progressed(Progress::Read)),
            (Progress::Read, Delivered, None, Nothing),
            (
                Progress::Sent,
                Failed,
                None,
                NotDelivered(UndeliveredReason::OutOfReach),
            ),
            (
                Progress::Sent,
                Failed,
                Some(63_016),
                NotDelivered(UndeliveredReason::WindowClosed),
            ),
            (
                Progress::Sent,
                Undelivered,
                Some(63_016),
                NotDelivered(UndeliveredReason::WindowClosed),
            ),
            (
                Progress::Sent,
                Undelivered,
                Some(63_003),
                NotDelivered(UndeliveredReason::OutOfReach),
            ),
            (Progress::Delivered, Failed, None, Nothing),
            (Progress::Read, Undelivered, Some(63_016), Nothing),
        ] {
            assert_eq!(
                receipt(status, code).meaning(progress),
                expected,
                "{progress} {status} {code:?}"
            );
        }
    }

    /// Knows the second number only if it has one.
    struct Ways(bool);

    impl Composer for Ways {
        fn compose(&self, _: Event<'_>) -> Payload {
            Payload(Box::default())
        }

        fn redirect(&self, payload: &Payload, route: DeliveryRoute) -> Option<Payload> {
            let is_backup = matches!(route, DeliveryRoute::Backup | DeliveryRoute::BackupTemplate);
            (self.0 || !is_backup).then(|| payload.clone())
        }
    }

    #[test]
    fn every_message_comes_to_an_end() {
        let payload = Payload(Box::from(*b"x"));
        let ways = |has_backup: bool, refusals: &[UndeliveredReason]| {
            let mut route = DeliveryRoute::default();
            let mut taken = String::new();
            for refusal in refusals {
                let Some(fallback) = Fallback::after(route, *refusal, &payload, &Ways(has_backup)) else {
                    return taken + "dead";
                };
                route = fallback.route;
                taken = format!("{taken}{route} ");
            }
            taken
        };
        let (late, gone) = (UndeliveredReason::WindowClosed, UndeliveredReason::OutOfReach);
        for (has_backup, refusals, expected) in [
            (false, vec![gone], "dead"),
            (false, vec![late, late], "template dead"),
            (false, vec![late, gone], "template dead"),
            (true, vec![gone, gone], "backup dead"),
            (true, vec![gone, late, late], "backup backup_template dead"),
            (
                true,
                vec![late, late, late, late],
                "template backup backup_template dead",
            ),
            (true, vec![late, gone, gone], "template backup dead"),
        ] {
            assert_eq!(ways(has_backup, &refusals), expected, "{refusals:?}");
        }
    }
}
