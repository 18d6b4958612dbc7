//! Sends notifications again.

use std::sync::Arc;

use super::Context;
use crate::{
    Actor, DeliveryRoute, Fallback, NotificationId,
    ports::{Outbox, RedeliverResult, StoreError},
};

/// How many dead fallbacks are read at once.
const AT_ONCE: u16 = 100;

/// Makes notifications due again.
pub struct Redeliver {
    outbox: Arc<dyn Outbox>,
    context: Context,
}

impl Redeliver {
    /// Works on `outbox`.
    pub fn new(outbox: Arc<dyn Outbox>, context: Context) -> Self {
        Self { outbox, context }
    }

    /// Makes a notification due now, under the same `webhook-id`. A dead one on a fallback route starts again on the default
    /// route.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn redeliver(&self, id: NotificationId, by: Actor) -> Result<RedeliverResult, StoreError> {
        let anew = self.outbox.way(id).await?.and_then(|way| self.anew(&way));
        let redelivered = self.outbox.redeliver(id, self.context.stamp(by), anew).await?;
        if redelivered == RedeliverResult::Queued {
            self.context.wake.wake();
        }
        Ok(redelivered)
    }

    /// Makes all dead notifications due, and returns how many.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn redeliver_dead(&self, by: Actor) -> Result<u64, StoreError> {
        let mut queued = self.outbox.redeliver_dead(self.context.stamp(by)).await?;
        if queued > 0 {
            self.context.wake.wake();
        }
        loop {
            let elsewhere = self.outbox.dead_fallbacks(AT_ONCE).await?;
            let mut was_any = false;
            for id in elsewhere {
                if self.redeliver(id, by).await? == RedeliverResult::Queued {
                    was_any = true;
                    queued += 1;
                }
            }
            if !was_any {
                return Ok(queued);
            }
        }
    }

    fn anew(&self, way: &Fallback) -> Option<Fallback> {
        if way.route == DeliveryRoute::Text {
            return None;
        }
        let payload = self.context.composer.redirect(&way.payload, DeliveryRoute::Text)?;
        Some(Fallback {
            route: DeliveryRoute::Text,
            payload,
        })
    }
}
