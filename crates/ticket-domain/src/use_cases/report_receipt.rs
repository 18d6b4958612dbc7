//! WhatsApp says how far a message got.

use std::{sync::Arc, time::Duration};

use crate::{
    DeliveryRoute, EventKind, ExternalId, Fallback, MessageStatus, NotificationId, Progress, Receipt, ReceiptEffect,
    ports::{Clock, Composer, Receipts, SentNotification, StatusUpdate, StoreError, WakeSignal},
};

/// How long a receipt is kept whose message is not known yet. It can be ahead of the answer that names the message by
/// as long as the webhook's answer takes and the store is away.
const KEPT_FOR: Duration = Duration::from_mins(10);

/// The most kept receipts that are looked at in one go.
const AT_ONCE: u16 = 100;

/// What a receipt did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reported {
    /// Its message is not known: it is kept for a while, since it may have overtaken the answer that names the message.
    Unknown,
    /// Nothing new.
    Nothing,
    /// The message came further.
    Further(NotificationId, Progress),
    /// The message was refused, and another goes out another way.
    Diverted {
        /// The notification.
        id: NotificationId,
        /// What it tells.
        event: EventKind,
        /// The way it goes now.
        route: DeliveryRoute,
        /// Why the message was refused.
        reason: Box<str>,
    },
    /// The message was refused, and there is no other way.
    Dead {
        /// The notification.
        id: NotificationId,
        /// What it tells.
        event: EventKind,
        /// Why the message was refused.
        reason: Box<str>,
    },
}

/// Takes down how far messages got.
pub struct ReportReceipt {
    receipts: Arc<dyn Receipts>,
    composer: Arc<dyn Composer>,
    clock: Arc<dyn Clock>,
    wake: Arc<dyn WakeSignal>,
}

impl ReportReceipt {
    /// Works on `receipts`, finds other ways by `composer`, and rouses the delivery by `wake`.
    pub fn new(
        receipts: Arc<dyn Receipts>,
        composer: Arc<dyn Composer>,
        clock: Arc<dyn Clock>,
        wake: Arc<dyn WakeSignal>,
    ) -> Self {
        Self {
            receipts,
            composer,
            clock,
            wake,
        }
    }

    /// Takes down what WhatsApp says of one message. Whatever the order in which its words arrive, a message never
    /// goes backwards.
    pub async fn report(
        &self,
        external_id: ExternalId,
        status: MessageStatus,
        error_code: Option<u32>,
    ) -> Result<Reported, StoreError> {
        let now = self.clock.now();
        let receipt = Receipt {
            external_id,
            status,
            error_code,
            at: now,
        };
        let Some(handed) = self.receipts.handed(receipt.external_id.clone()).await? else {
            self.receipts.keep_receipt(receipt, now.minus(KEPT_FOR)).await?;
            return Ok(Reported::Unknown);
        };
        let earlier = handed.kept.clone().filter(|kept| now.since(kept.at) <= KEPT_FOR);
        // What was heard before the message was known may say more than what is heard now.
        let more = earlier.filter(|earlier| earlier.weight() > receipt.weight());
        self.apply(handed, more.as_ref().unwrap_or(&receipt)).await
    }

    /// Takes down what was kept and whose message is known by now. To be called again and again.
    pub async fn catch_up(&self) -> Result<Vec<Reported>, StoreError> {
        let since = self.clock.now().minus(KEPT_FOR);
        let mut done = Vec::new();
        for receipt in self.receipts.overtaken(since, AT_ONCE).await? {
            if let Some(handed) = self.receipts.handed(receipt.external_id.clone()).await? {
                done.push(self.apply(handed, &receipt).await?);
            }
            self.receipts.drop_receipt(receipt).await?;
        }
        Ok(done)
    }

    async fn apply(&self, handed: SentNotification, receipt: &Receipt) -> Result<Reported, StoreError> {
        let SentNotification { id, event, route, .. } = handed;
        let reason = receipt.reason();
        let (advance, reported) = match handed.progress.map(|progress| receipt.meaning(progress)) {
            None | Some(ReceiptEffect::Nothing) => return Ok(Reported::Nothing),
            Some(ReceiptEffect::Progressed(progress)) => (StatusUpdate::To(progress), Reported::Further(id, progress)),
            Some(ReceiptEffect::NotDelivered(refusal)) => {
                match Fallback::after(route, refusal, &handed.payload, &*self.composer) {
                    Some(fallback) => {
                        let route = fallback.route;
                        (
                            StatusUpdate::Fallback(fallback, reason.clone()),
                            Reported::Diverted {
                                id,
                                event,
                                route,
                                reason,
                            },
                        )
                    }
                    None => (StatusUpdate::Dead(reason.clone()), Reported::Dead { id, event, reason }),
                }
            }
        };
        let advanced = self
            .receipts
            .advance(receipt.external_id.clone(), advance, receipt.at)
            .await?;
        if !advanced {
            return Ok(Reported::Nothing);
        }
        if matches!(reported, Reported::Diverted { .. }) {
            self.wake.wake();
        }
        Ok(reported)
    }
}
