//! An operator has notifications sent again.

use std::sync::Arc;

use super::Surroundings;
use crate::{
    Detour, NotificationId, Route,
    ports::{Outbox, Redelivered, StoreError},
};

/// So many of those that need a way of their own are looked up at once.
const AT_ONCE: u16 = 100;

/// Makes notifications due again.
pub struct Redeliver {
    outbox: Arc<dyn Outbox>,
    around: Surroundings,
}

impl Redeliver {
    /// Works on `outbox`.
    pub fn new(outbox: Arc<dyn Outbox>, around: Surroundings) -> Self {
        Self { outbox, around }
    }

    /// Makes one due now, under the `webhook-id` that it had. One that was given up on another way begins anew: in its
    /// own words, to the first number.
    pub async fn redeliver(&self, id: NotificationId) -> Result<Redelivered, StoreError> {
        let anew = self.outbox.way(id).await?.and_then(|way| self.anew(&way));
        let redelivered = self.outbox.redeliver(id, self.around.note(), anew).await?;
        if redelivered == Redelivered::Queued {
            self.around.wake.wake();
        }
        Ok(redelivered)
    }

    /// Makes everything due that was given up; says how many that were.
    pub async fn redeliver_dead(&self) -> Result<u64, StoreError> {
        let mut queued = self.outbox.redeliver_dead(self.around.note()).await?;
        if queued > 0 {
            self.around.wake.wake();
        }
        loop {
            let elsewhere = self.outbox.dead_elsewhere(AT_ONCE).await?;
            let mut was_any = false;
            for id in elsewhere {
                if self.redeliver(id).await? == Redelivered::Queued {
                    was_any = true;
                    queued += 1;
                }
            }
            if !was_any {
                return Ok(queued);
            }
        }
    }

    fn anew(&self, way: &Detour) -> Option<Detour> {
        if way.route == Route::Text {
            return None;
        }
        let payload = self.around.composer.redirect(&way.payload, Route::Text)?;
        Some(Detour {
            route: Route::Text,
            payload,
        })
    }
}
