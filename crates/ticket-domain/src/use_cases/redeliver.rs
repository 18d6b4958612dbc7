//! An operator has a notification sent again.

use std::sync::Arc;

use crate::{
    NotificationId,
    ports::{Clock, Outbox, Redelivered, StoreError, Wake},
};

/// Makes notifications due again.
pub struct Redeliver {
    outbox: Arc<dyn Outbox>,
    clock: Arc<dyn Clock>,
    wake: Arc<dyn Wake>,
}

impl Redeliver {
    /// Works on `outbox`, and rouses the delivery by `wake`.
    pub fn new(outbox: Arc<dyn Outbox>, clock: Arc<dyn Clock>, wake: Arc<dyn Wake>) -> Self {
        Self { outbox, clock, wake }
    }

    /// Makes one due now, under the `webhook-id` that it always had.
    pub async fn redeliver(&self, id: NotificationId) -> Result<Redelivered, StoreError> {
        let redelivered = self.outbox.redeliver(id, self.clock.now()).await?;
        if redelivered == Redelivered::Queued {
            self.wake.wake();
        }
        Ok(redelivered)
    }
}
