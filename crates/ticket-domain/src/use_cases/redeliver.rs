//! An operator has a notification sent again.

use std::sync::Arc;

use crate::{
    Detour, NotificationId, Route,
    ports::{Clock, Composer, Outbox, Redelivered, StoreError, Wake},
};

/// Makes notifications due again.
pub struct Redeliver {
    outbox: Arc<dyn Outbox>,
    composer: Arc<dyn Composer>,
    clock: Arc<dyn Clock>,
    wake: Arc<dyn Wake>,
}

impl Redeliver {
    /// Works on `outbox`, finds the way back to the first number by `composer`, and rouses the delivery by `wake`.
    pub fn new(
        outbox: Arc<dyn Outbox>,
        composer: Arc<dyn Composer>,
        clock: Arc<dyn Clock>,
        wake: Arc<dyn Wake>,
    ) -> Self {
        Self {
            outbox,
            composer,
            clock,
            wake,
        }
    }

    /// Makes one due now, under the `webhook-id` that it had. One that was given up on another way begins anew: in its
    /// own words, to the first number.
    pub async fn redeliver(&self, id: NotificationId) -> Result<Redelivered, StoreError> {
        let anew = self.outbox.way(id).await?.and_then(|way| self.anew(&way));
        let redelivered = self.outbox.redeliver(id, self.clock.now(), anew).await?;
        if redelivered == Redelivered::Queued {
            self.wake.wake();
        }
        Ok(redelivered)
    }

    fn anew(&self, way: &Detour) -> Option<Detour> {
        if way.route == Route::Text {
            return None;
        }
        let payload = self.composer.redirect(&way.payload, Route::Text)?;
        Some(Detour {
            route: Route::Text,
            payload,
        })
    }
}
