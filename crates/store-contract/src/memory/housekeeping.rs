//! What nobody asks for any more.

use async_trait::async_trait;
use ticket_domain::{
    NotificationState, Timestamp,
    ports::{Housekeeping, Purge, Purged, StoreError},
};

use super::MemoryStore;

#[async_trait]
impl Housekeeping for MemoryStore {
    async fn purge(&self, purge: Purge) -> Result<Purged, StoreError> {
        let mut state = self.state();
        let mut ids: Vec<_> = state
            .entries()
            .map(|entry| (entry.notification.id, entry.notification.created_at))
            .filter(|(id, _)| purge.after.is_none_or(|after| id.0 > after.0))
            .collect();
        ids.sort_by_key(|(id, _)| id.0);
        ids.truncate(purge.limit.into());
        let mut purged = Purged::default();
        for file in &mut state.files {
            let newest = file.entries.last().map(|entry| entry.notification.id);
            let before = file.entries.len();
            file.entries.retain(|entry| {
                let id = entry.notification.id;
                let is_old =
                    matches!(entry.state, NotificationState::Delivered { at, .. } if at < purge.settled_before);
                !is_old || Some(id) == newest || !ids.iter().any(|(looked_at, _)| *looked_at == id)
            });
            purged.gone += (before - file.entries.len()) as u64;
        }
        let last = ids.last().filter(|_| ids.len() == usize::from(purge.limit));
        purged.next = last
            .filter(|(_, created_at)| *created_at < purge.settled_before)
            .map(|(id, _)| *id);
        Ok(purged)
    }

    async fn purge_keys(&self, now: Timestamp, limit: u16) -> Result<u64, StoreError> {
        let mut state = self.state();
        let ended: Vec<_> = state
            .keys
            .iter()
            .filter(|(_, used)| used.idempotency.expires_at <= now)
            .map(|(key, _)| key.clone())
            .take(limit.into())
            .collect();
        for key in &ended {
            state.keys.remove(key);
        }
        Ok(ended.len() as u64)
    }
}
