//! Records receipts of messages.

use std::{sync::Arc, time::Duration};

use super::Context;
use crate::{
    DeliveryRoute, EventKind, ExternalId, Fallback, MessageStatus, NotificationId, Progress, Receipt, ReceiptEffect,
    ports::{Receipts, SentNotification, StatusUpdate, StoreError},
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
    /// The message was refused, and there is no fallback.
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
}

impl ReportReceipt {
    /// Records in `receipts`.
    pub fn new(receipts: Arc<dyn Receipts>, context: Context) -> Self {
        Self { receipts, context }
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

    async fn apply(&self, handed: SentNotification, receipt: &Receipt) -> Result<Reported, StoreError> {
        let SentNotification { id, event, .. } = handed;
        let reason = receipt.reason();
        let (advance, reported) = match handed.progress.map(|progress| receipt.meaning(progress)) {
            None | Some(ReceiptEffect::Nothing) => return Ok(Reported::Nothing),
            Some(ReceiptEffect::Progressed(progress)) => (StatusUpdate::To(progress), Reported::Further(id, progress)),
            Some(ReceiptEffect::NotDelivered) => match self.fallback(&handed, receipt) {
                Some(fallback) => {
                    let route = fallback.route.clone();
                    let update = StatusUpdate::Fallback(fallback, reason.clone());
                    (
                        update,
                        Reported::Diverted {
                            id,
                            event,
                            route,
                            reason,
                        },
                    )
                }
                None => (StatusUpdate::Dead(reason.clone()), Reported::Dead { id, event, reason }),
            },
        };
        let advanced = self
            .receipts
            .advance(receipt.external_id.clone(), advance, receipt.at)
            .await?;
        if !advanced {
            return Ok(Reported::Nothing);
        }
        if matches!(reported, Reported::Diverted { .. }) {
            self.context.wake.wake();
        }
        Ok(reported)
    }

    fn fallback(&self, refused: &SentNotification, receipt: &Receipt) -> Option<Fallback> {
        let composer = self.context.composers.get(refused.recipient)?;
        composer.fallback(&refused.route, &refused.payload, receipt.error_code)
    }
}
