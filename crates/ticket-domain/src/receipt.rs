//! WhatsApp's receipts of sent messages, and the fallback routes after a refusal.

use crate::{DeliveryRoute, ExternalId, MessageStatus, Payload, Progress, Timestamp, ports::Composer};

/// Twilio's error for free text more than 24 hours after the manager's last message. Only a template may be sent then.
/// <https://www.twilio.com/docs/api/errors/63016>
const WINDOW_CLOSED: u32 = 63_016;

/// A receipt: the status of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The message's external id.
    pub external_id: ExternalId,
    /// Its status.
    pub status: MessageStatus,
    /// Twilio's error code, if it failed.
    pub error_code: Option<u32>,
    /// When the receipt arrived.
    pub at: Timestamp,
}

/// Why a message did not reach the manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UndeliveredReason {
    /// Free text came more than 24 hours after the manager's last message. A template may be sent.
    WindowClosed,
    /// Any other reason: the number is out of reach.
    OutOfReach,
}

/// The same event on another route. It is another message with its own payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fallback {
    /// The route.
    pub route: DeliveryRoute,
    /// The bytes to send.
    pub payload: Payload,
}

impl Fallback {
    /// Returns the next fallback after `route` was refused, if `composer` has one.
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

/// The fallback routes, best first. None leads back, so that every notification ends.
fn alternatives(route: DeliveryRoute, refusal: UndeliveredReason) -> &'static [DeliveryRoute] {
    match (route, refusal) {
        (DeliveryRoute::Text, UndeliveredReason::WindowClosed) => &[DeliveryRoute::Template, DeliveryRoute::Backup],
        (DeliveryRoute::Text, UndeliveredReason::OutOfReach) | (DeliveryRoute::Template, _) => &[DeliveryRoute::Backup],
        (DeliveryRoute::Backup, UndeliveredReason::WindowClosed) => &[DeliveryRoute::BackupTemplate],
        (DeliveryRoute::Backup, UndeliveredReason::OutOfReach) | (DeliveryRoute::BackupTemplate, _) => &[],
    }
}

/// The effect of a receipt on a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptEffect {
    /// None: the message was as far already, or further.
    Nothing,
    /// The message progressed.
    Progressed(Progress),
    /// The message did not reach the manager.
    NotDelivered(UndeliveredReason),
}

impl Receipt {
    /// The effect on a message at `progress`. Receipts may arrive out of order; an older one has no effect.
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

    /// The precedence among receipts of one message: the greater one counts. A refusal outranks "sent", and "delivered"
    /// outranks a refusal.
    pub fn weight(&self) -> u8 {
        match self.status {
            MessageStatus::Queued => 0,
            MessageStatus::Sent => 1,
            MessageStatus::Failed | MessageStatus::Undelivered => 2,
            MessageStatus::Delivered => 3,
            MessageStatus::Read => 4,
        }
    }

    /// The reason of a failure, for operators.
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
