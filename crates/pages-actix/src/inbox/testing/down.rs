//! A store that is down.

use std::sync::Arc;

use async_trait::async_trait;
use ticket_domain::{
    Access, Attention, Detour, Entry, EntryId, ExternalId, Head, LeaseToken, Listing, Managers, Message, MessageId,
    NotificationId, NotificationRecord, Thread, Ticket, TicketId, TicketRef, Tickets, Timestamp,
    ports::{
        Append, Appended, Attach, Attached, Changing, Claim, Claimed, Desk, Housekeeping, Keep, Kept, LookUp, Note,
        Opened, Opening, Outbox, PoolUse, Purge, Purged, Redelivered, Settled, StoreError, StoreHealth, TicketStore,
        Verdict, Vitals,
    },
    use_cases::{AddMessage, Operate, Redeliver, Surroundings, ViewTicket},
};

use crate::PagesParts;

/// Fails at everything.
struct DownStore;

/// From now on the store does not answer.
pub(super) fn cut_off(parts: &mut PagesParts, around: &Surroundings, managers: Managers) {
    let down = Arc::new(DownStore);
    parts.view_ticket = Arc::new(ViewTicket::new(down.clone(), Access::Open));
    parts.add_message = Arc::new(AddMessage::new(down.clone(), around.clone(), Access::Open));
    parts.operate = Arc::new(Operate::new(down.clone(), down.clone(), around.clone(), managers));
    parts.redeliver = Arc::new(Redeliver::new(down.clone(), around.clone()));
    parts.outbox = down.clone();
    parts.health = down;
}

type Fails<T> = Result<T, StoreError>;

fn down<T>() -> Fails<T> {
    let cause = std::io::Error::other("secret-host refused");
    Err(StoreError::Unavailable(Arc::new(cause)))
}

#[async_trait]
impl TicketStore for DownStore {
    async fn open(&self, _: Opening) -> Fails<Opened> {
        down()
    }
    async fn opened_since(&self, _: Timestamp) -> Fails<u64> {
        down()
    }
    async fn find(&self, _: LookUp) -> Fails<Option<Ticket>> {
        down()
    }
    async fn head(&self, _: TicketRef) -> Result<Option<Head>, StoreError> {
        down()
    }
    async fn thread(&self, _: TicketRef) -> Fails<Option<Thread>> {
        down()
    }
    async fn append(&self, _: Append) -> Fails<Appended> {
        down()
    }
    async fn kept(&self, _: ExternalId) -> Fails<Option<Message>> {
        down()
    }
    async fn keep_unmatched(&self, _: Keep) -> Fails<Kept> {
        down()
    }
}

#[async_trait]
impl Desk for DownStore {
    async fn list(&self, _: Listing) -> Fails<Tickets> {
        down()
    }
    async fn attention(&self) -> Fails<Attention> {
        down()
    }
    async fn change(&self, _: Changing) -> Fails<Ticket> {
        down()
    }
    async fn unmatched(&self, _: Option<MessageId>, _: u16) -> Fails<Vec<Message>> {
        down()
    }
    async fn message(&self, _: MessageId) -> Fails<Option<(Message, Option<TicketRef>)>> {
        down()
    }
    async fn attach(&self, _: Attach) -> Fails<Attached> {
        down()
    }
    async fn trail(&self, _: Option<TicketId>, _: Option<EntryId>, _: u16) -> Fails<Vec<Entry>> {
        down()
    }
}

#[async_trait]
impl Outbox for DownStore {
    async fn claim(&self, _: Claim, _: u16) -> Fails<Vec<Claimed>> {
        down()
    }
    async fn claim_probe(&self, _: Claim, _: Timestamp) -> Fails<Option<Claimed>> {
        down()
    }
    async fn settle(&self, _: NotificationId, _: LeaseToken, _: Verdict) -> Fails<Settled> {
        down()
    }
    async fn release_waiting(&self, _: Timestamp) -> Fails<u64> {
        down()
    }
    async fn postpone(&self, _: Timestamp) -> Fails<u64> {
        down()
    }
    async fn hold_unaddressed(&self, _: Timestamp) -> Fails<u64> {
        down()
    }
    async fn redeliver(&self, _: NotificationId, _: Note, _: Option<Detour>) -> Fails<Redelivered> {
        down()
    }
    async fn redeliver_dead(&self, _: Note) -> Fails<u64> {
        down()
    }
    async fn dead_elsewhere(&self, _: u16) -> Fails<Vec<NotificationId>> {
        down()
    }
    async fn way(&self, _: NotificationId) -> Fails<Option<Detour>> {
        down()
    }
    async fn undelivered(&self, _: u16) -> Fails<Vec<NotificationRecord>> {
        down()
    }
    async fn notification(&self, _: NotificationId) -> Fails<Option<NotificationRecord>> {
        down()
    }
}

#[async_trait]
impl Housekeeping for DownStore {
    async fn purge(&self, _: Purge) -> Result<Purged, StoreError> {
        down()
    }
    async fn purge_keys(&self, _: Timestamp, _: u16) -> Result<u64, StoreError> {
        down()
    }
}

#[async_trait]
impl StoreHealth for DownStore {
    async fn ping(&self) -> Fails<()> {
        down()
    }
    async fn vitals(&self, _: Timestamp) -> Fails<Vitals> {
        down()
    }
    fn pool_use(&self) -> Option<PoolUse> {
        None
    }
}
