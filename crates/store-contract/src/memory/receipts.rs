//! Receipts of messages that were handed over.

use async_trait::async_trait;
use ticket_domain::{
    ExternalId, Receipt, Timestamp,
    ports::{ChangeEvent, Receipts, SentNotification, StatusUpdate, StoreError},
};

use super::{MemoryStore, State, entry::Entry};

impl State {
    /// The notification of this outside id; none if several have it.
    fn entry_of(&mut self, id: &ExternalId) -> Option<&mut Entry> {
        let mut found = self.entries().filter(|entry| entry.has_outside_id(id));
        match (found.next(), found.next()) {
            (Some(entry), None) => Some(entry),
            _ => None,
        }
    }
}

#[async_trait]
impl Receipts for MemoryStore {
    async fn handed(&self, external_id: ExternalId) -> Result<Option<SentNotification>, StoreError> {
        let mut state = self.state();
        let kept = state.receipts.get(&external_id).cloned();
        Ok(state.entry_of(&external_id).map(|entry| SentNotification {
            id: entry.notification.id,
            event: entry.notification.event,
            route: entry.route,
            payload: entry.notification.payload.clone(),
            progress: entry.progress_of(&external_id),
            kept,
        }))
    }

    async fn advance(&self, external_id: ExternalId, advance: StatusUpdate, at: Timestamp) -> Result<bool, StoreError> {
        Ok(self.write(|state| {
            let advanced = state.entry_of(&external_id).and_then(|entry| {
                let id = entry.notification.id;
                entry.advance(&external_id, advance, at).then_some(id)
            });
            let ticket = advanced.and_then(|id| state.entry(id)).map(|(ticket, _)| ticket);
            state.events.extend(ticket.map(ChangeEvent::Ticket));
            ticket.is_some()
        }))
    }

    async fn keep_receipt(&self, receipt: Receipt, forget_before: Timestamp) -> Result<(), StoreError> {
        let mut state = self.state();
        state.receipts.retain(|_, kept| kept.at >= forget_before);
        let kept = state
            .receipts
            .entry(receipt.external_id.clone())
            .or_insert_with(|| receipt.clone());
        if receipt.weight() > kept.weight() {
            *kept = receipt;
        }
        Ok(())
    }

    async fn overtaken(&self, since: Timestamp, limit: u16) -> Result<Vec<Receipt>, StoreError> {
        let mut state = self.state();
        let mut kept: Vec<Receipt> = state
            .receipts
            .values()
            .filter(|kept| kept.at >= since)
            .cloned()
            .collect();
        kept.retain(|kept| state.entry_of(&kept.external_id).is_some());
        kept.truncate(limit.into());
        Ok(kept)
    }

    async fn drop_receipt(&self, receipt: Receipt) -> Result<(), StoreError> {
        let mut state = self.state();
        if state.receipts.get(&receipt.external_id) == Some(&receipt) {
            state.receipts.remove(&receipt.external_id);
        }
        Ok(())
    }
}
