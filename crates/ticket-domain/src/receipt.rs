//! Receipts of sent messages.

use crate::{ExternalId, MessageStatus, Progress, Timestamp};

/// A receipt: the status of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The message's external id.
    pub external_id: ExternalId,
    /// Its status.
    pub status: MessageStatus,
    /// The other system's error code, if it failed.
    pub error_code: Option<u32>,
    /// When the receipt arrived.
    pub at: Timestamp,
}

/// The effect of a receipt on a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptEffect {
    /// None: the message was as far already, or further.
    Nothing,
    /// The message progressed.
    Progressed(Progress),
    /// The message did not reach its recipient. [`Composer::after_refusal`](crate::ports::Composer::after_refusal) decides
    /// what follows.
    NotDelivered,
}

impl Receipt {
    /// The effect on a message at `progress`. Receipts may arrive out of order; an older one has no effect.
    pub fn meaning(&self, progress: Progress) -> ReceiptEffect {
        let reached = match self.status {
            MessageStatus::Queued | MessageStatus::Sent => Progress::Sent,
            MessageStatus::Delivered => Progress::Delivered,
            MessageStatus::Read => Progress::Read,
            MessageStatus::Failed | MessageStatus::Undelivered => {
                // Once the recipient has it, a later failure changes nothing.
                return match progress {
                    Progress::Sent => ReceiptEffect::NotDelivered,
                    Progress::Delivered | Progress::Read => ReceiptEffect::Nothing,
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
            (Progress::Sent, Failed, None, NotDelivered),
            (Progress::Sent, Undelivered, Some(63_016), NotDelivered),
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
}
