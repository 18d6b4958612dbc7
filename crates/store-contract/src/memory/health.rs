//! How the store is.

use async_trait::async_trait;
use ticket_domain::{
    NotificationState, Timestamp,
    ports::{PoolUse, StoreError, StoreHealth, Vitals},
};

use super::MemoryStore;

#[async_trait]
impl StoreHealth for MemoryStore {
    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn vitals(&self, now: Timestamp) -> Result<Vitals, StoreError> {
        let mut state = self.state();
        let mut vitals = Vitals {
            unmatched: state.unmatched.iter().filter(|kept| !kept.is_erased()).count() as u64,
            ..Vitals::default()
        };
        for entry in state.entries() {
            match entry.state {
                NotificationState::Waiting { .. } => {
                    vitals.waiting += 1;
                    vitals.leased += u64::from(entry.is_leased(now));
                    let made = entry.notification.created_at;
                    vitals.oldest_waiting = Some(vitals.oldest_waiting.map_or(made, |oldest| oldest.min(made)));
                }
                NotificationState::Held => vitals.held += 1,
                NotificationState::Dead { .. } => vitals.dead += u64::from(!entry.is_erased()),
                NotificationState::Delivered { .. } => {}
            }
        }
        Ok(vitals)
    }

    fn pool_use(&self) -> Option<PoolUse> {
        None
    }
}
