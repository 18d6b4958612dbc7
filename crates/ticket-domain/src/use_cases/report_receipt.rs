//! Records receipts of messages.

use std::{sync::Arc, time::Duration};

use super::Context;
use crate::{
    DeliveryRoute, EventKind, ExternalId, MessageStatus, NotificationId, Progress, Receipt, ReceiptEffect,
    RetrySchedule, Timestamp,
    ports::{NextStep, Receipts, Rejection, SentNotification, StatusUpdate, StoreError},
};

/// How long a receipt is stored whose message is not known yet. It can arrive before the response that names the message,
/// by the duration of the webhook's response and of a store's outage.
const KEPT_FOR: Duration = Duration::from_mins(10);

/// The most stored receipts to process in one call.
const AT_ONCE: u16 = 100;

/// The result of a receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reported {
    /// The message is not known. The receipt is stored for a while, because it may have overtaken the response that names
    /// the message.
    Unknown,
    /// Nothing changed.
    Nothing,
    /// The message progressed.
    Further(NotificationId, Progress),
    /// The message failed for now, and goes out again on its route.
    Retrying {
        /// The notification.
        id: NotificationId,
        /// The kind of event.
        event: EventKind,
        /// When the next attempt is due.
        due: Timestamp,
        /// Why the message failed.
        reason: Box<str>,
        /// What the owner must repair before it can succeed.
        to_repair: Option<&'static str>,
    },
    /// The message was refused, and another goes out on a fallback route.
    Diverted {
        /// The notification.
        id: NotificationId,
        /// The kind of event.
        event: EventKind,
        /// The fallback route.
        route: DeliveryRoute,
        /// Why the message was refused.
        reason: Box<str>,
    },
    /// The message was refused and there is no fallback, or it failed and was the last attempt.
    Dead {
        /// The notification.
        id: NotificationId,
        /// The kind of event.
        event: EventKind,
        /// Why the message was refused.
        reason: Box<str>,
    },
}

/// Records receipts.
pub struct ReportReceipt {
    receipts: Arc<dyn Receipts>,
    context: Context,
    schedule: RetrySchedule,
}

impl ReportReceipt {
    /// Records in `receipts`. Messages that failed for now go out again on `schedule`.
    pub fn new(receipts: Arc<dyn Receipts>, context: Context, schedule: RetrySchedule) -> Self {
        Self {
            receipts,
            context,
            schedule,
        }
    }

    /// Records the status of a message. A message's progress never goes backwards, in whatever order receipts arrive.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn report(
        &self,
        external_id: ExternalId,
        status: MessageStatus,
        error_code: Option<u32>,
    ) -> Result<Reported, StoreError> {
        let now = self.context.clock.now();
        let receipt = Receipt {
            external_id,
            status,
            error_code,
            at: now,
        };
        let Some(handed) = self.receipts.sent_notification(receipt.external_id.clone()).await? else {
            self.receipts.keep_receipt(receipt, now.minus(KEPT_FOR)).await?;
            return Ok(Reported::Unknown);
        };
        let earlier = handed.kept.clone().filter(|kept| now.since(kept.at) <= KEPT_FOR);
        // A receipt that arrived before the message was known may outrank this one.
        let more = earlier.filter(|earlier| earlier.weight() > receipt.weight());
        self.apply(handed, more.as_ref().unwrap_or(&receipt)).await
    }

    /// Records stored receipts whose message is known by now. To be called regularly.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn catch_up(&self) -> Result<Vec<Reported>, StoreError> {
        let since = self.context.clock.now().minus(KEPT_FOR);
        let mut done = Vec::new();
        for receipt in self.receipts.early_receipts(since, AT_ONCE).await? {
            if let Some(handed) = self.receipts.sent_notification(receipt.external_id.clone()).await? {
                done.push(self.apply(handed, &receipt).await?);
            }
            self.receipts.drop_receipt(receipt).await?;
        }
        Ok(done)
    }

    async fn apply(&self, sent: SentNotification, receipt: &Receipt) -> Result<Reported, StoreError> {
        let (update, reported) = match sent.progress.map(|progress| receipt.meaning(progress)) {
            None | Some(ReceiptEffect::Nothing) => return Ok(Reported::Nothing),
            Some(ReceiptEffect::Progressed(progress)) => {
                (StatusUpdate::To(progress), Reported::Further(sent.id, progress))
            }
            Some(ReceiptEffect::NotDelivered) => self.after_refusal(&sent, receipt),
        };
        let advanced = self
            .receipts
            .advance(receipt.external_id.clone(), update, receipt.at)
            .await?;
        if !advanced {
            return Ok(Reported::Nothing);
        }
        if matches!(reported, Reported::Diverted { .. }) {
            self.context.wake.wake();
        }
        Ok(reported)
    }

    fn after_refusal(&self, refused: &SentNotification, receipt: &Receipt) -> (StatusUpdate, Reported) {
        let SentNotification { id, event, .. } = *refused;
        let reason = receipt.reason();
        let composer = self.context.composers.get(refused.recipient);
        let next = composer.map_or(NextStep::GiveUp, |composer| {
            composer.after_refusal(
                &refused.route,
                &refused.payload,
                Rejection::Reported(receipt.error_code),
            )
        });
        match next {
            NextStep::Retry { to_repair } => {
                let failures = refused.failures.saturating_add(1);
                if let Some(wait) = self.schedule.wait_after(failures, self.context.random.bits()) {
                    let due = self.context.clock.now().plus(wait);
                    let update = StatusUpdate::Retry {
                        due,
                        reason: reason.clone(),
                    };
                    let reported = Reported::Retrying {
                        id,
                        event,
                        due,
                        reason,
                        to_repair,
                    };
                    return (update, reported);
                }
            }
            NextStep::Fallback(fallback) => {
                let route = fallback.route.clone();
                let update = StatusUpdate::Fallback(fallback, reason.clone());
                let reported = Reported::Diverted {
                    id,
                    event,
                    route,
                    reason,
                };
                return (update, reported);
            }
            NextStep::GiveUp => {}
        }
        (StatusUpdate::Dead(reason.clone()), Reported::Dead { id, event, reason })
    }
}
