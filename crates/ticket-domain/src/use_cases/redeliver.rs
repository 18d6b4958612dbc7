//! Sends notifications again.

use std::{collections::HashSet, sync::Arc};

use super::Context;
use crate::{
    Actor, DeliveryRoute, Fallback, NotificationId,
    ports::{CurrentMessage, Outbox, RedeliverResult, StoreError},
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

    /// Makes a notification due now, under the same `webhook-id`. A dead one on a fallback route starts again on the first
    /// route.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn redeliver(&self, id: NotificationId, by: Actor) -> Result<RedeliverResult, StoreError> {
        let current = self.outbox.current_message(id).await?;
        let anew = current.and_then(|message| self.on_first_route(&message));
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
        let mut seen = HashSet::new();
        loop {
            let elsewhere = self.outbox.dead_fallbacks(AT_ONCE).await?;
            let mut was_any = false;
            // One that dies again meanwhile is left alone, so that this ends.
            for id in elsewhere.into_iter().filter(|id| seen.insert(*id)).collect::<Vec<_>>() {
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

    fn on_first_route(&self, message: &CurrentMessage) -> Option<Fallback> {
        if message.route == DeliveryRoute::FIRST {
            return None;
        }
        let composer = self.context.composers.get(message.recipient)?;
        Some(Fallback {
            route: DeliveryRoute::FIRST,
            payload: composer.on_first_route(&message.payload)?,
        })
    }
}
