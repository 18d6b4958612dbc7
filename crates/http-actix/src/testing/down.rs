//! A store that is down.

use std::sync::Arc;

use async_trait::async_trait;
use ticket_domain::{
    Attention, Choice, Detour, Entry, EntryId, ExternalId, Head, LeaseToken, Listing, Message, MessageId,
    NotificationId, NotificationRecord, Phone, Question, Receipt, Thread, Ticket, TicketId, TicketRef, Tickets,
    Timestamp,
    ports::{
        Advance, Announcements, Answered, Append, Appended, Attach, Attached, Changing, Claim, Claimed, CustomerData,
        Desk, Erasure, Follower, Handed, Housekeeping, Keep, Kept, LookUp, Note, Opened, Opening, Outbox, Picked,
        Picking, PoolUse, Purge, Purged, Questions, Receipts, Redelivered, Removed, Settled, Stale, StaleTickets,
        StoreError, StoreHealth, TicketStore, Verdict, Vitals,
    },
};

/// Fails at everything.
pub(crate) struct DownStore;

fn down<T>() -> Result<T, StoreError> {
    Err(StoreError::Unavailable(Arc::new(std::io::Error::other(
        "secret-host refused",
    ))))
}

#[async_trait]
impl TicketStore for DownStore {
    async fn open(&self, _: Opening) -> Result<Opened, StoreError> {
        down()
    }
    async fn opened_since(&self, _: Timestamp) -> Result<u64, StoreError> {
        down()
    }
    async fn find(&self, _: LookUp) -> Result<Option<Ticket>, StoreError> {
        down()
    }
    async fn head(&self, _: TicketRef) -> Result<Option<Head>, StoreError> {
        down()
    }
    async fn thread(&self, _: TicketRef) -> Result<Option<Thread>, StoreError> {
        down()
    }
    async fn append(&self, _: Append) -> Result<Appended, StoreError> {
        down()
    }
    async fn kept(&self, _: ExternalId) -> Result<Option<Message>, StoreError> {
        down()
    }
    async fn keep_unmatched(&self, _: Keep) -> Result<Kept, StoreError> {
        down()
    }
}

#[async_trait]
impl Questions for DownStore {
    async fn open_tickets(&self, _: u8) -> Result<Vec<Choice>, StoreError> {
        down()
    }
    async fn question(&self, _: Phone) -> Result<Option<Question>, StoreError> {
        down()
    }
    async fn picked(&self, _: ExternalId) -> Result<Option<Picked>, StoreError> {
        down()
    }
    async fn answer(&self, _: Picking) -> Result<Answered, StoreError> {
        down()
    }
}

#[async_trait]
impl Receipts for DownStore {
    async fn handed(&self, _: ExternalId) -> Result<Option<Handed>, StoreError> {
        down()
    }
    async fn advance(&self, _: ExternalId, _: Advance, _: Timestamp) -> Result<bool, StoreError> {
        down()
    }
    async fn keep_receipt(&self, _: Receipt, _: Timestamp) -> Result<(), StoreError> {
        down()
    }
    async fn overtaken(&self, _: Timestamp, _: u16) -> Result<Vec<Receipt>, StoreError> {
        down()
    }
    async fn drop_receipt(&self, _: Receipt) -> Result<(), StoreError> {
        down()
    }
}

#[async_trait]
impl Outbox for DownStore {
    async fn claim(&self, _: Claim, _: u16) -> Result<Vec<Claimed>, StoreError> {
        down()
    }
    async fn claim_probe(&self, _: Claim, _: Timestamp) -> Result<Option<Claimed>, StoreError> {
        down()
    }
    async fn settle(&self, _: NotificationId, _: LeaseToken, _: Verdict) -> Result<Settled, StoreError> {
        down()
    }
    async fn release_waiting(&self, _: Timestamp) -> Result<u64, StoreError> {
        down()
    }
    async fn postpone(&self, _: Timestamp) -> Result<u64, StoreError> {
        down()
    }
    async fn hold_unaddressed(&self, _: Timestamp) -> Result<u64, StoreError> {
        down()
    }
    async fn redeliver(&self, _: NotificationId, _: Note, _: Option<Detour>) -> Result<Redelivered, StoreError> {
        down()
    }
    async fn redeliver_dead(&self, _: Note) -> Result<u64, StoreError> {
        down()
    }
    async fn dead_elsewhere(&self, _: u16) -> Result<Vec<NotificationId>, StoreError> {
        down()
    }
    async fn way(&self, _: NotificationId) -> Result<Option<Detour>, StoreError> {
        down()
    }
    async fn undelivered(&self, _: u16) -> Result<Vec<NotificationRecord>, StoreError> {
        down()
    }
    async fn notification(&self, _: NotificationId) -> Result<Option<NotificationRecord>, StoreError> {
        down()
    }
}

impl Announcements for DownStore {
    fn follow(&self, _: Arc<dyn Follower>) {}
}

#[async_trait]
impl Desk for DownStore {
    async fn list(&self, _: Listing) -> Result<Tickets, StoreError> {
        down()
    }
    async fn attention(&self) -> Result<Attention, StoreError> {
        down()
    }
    async fn change(&self, _: Changing) -> Result<Ticket, StoreError> {
        down()
    }
    async fn unmatched(&self, _: Option<MessageId>, _: u16) -> Result<Vec<Message>, StoreError> {
        down()
    }
    async fn message(&self, _: MessageId) -> Result<Option<(Message, Option<TicketRef>)>, StoreError> {
        down()
    }
    async fn attach(&self, _: Attach) -> Result<Attached, StoreError> {
        down()
    }
    async fn trail(&self, _: Option<TicketId>, _: Option<EntryId>, _: u16) -> Result<Vec<Entry>, StoreError> {
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
impl CustomerData for DownStore {
    async fn messages_from(&self, _: Phone) -> Result<Vec<(Message, Option<TicketRef>)>, StoreError> {
        down()
    }
    async fn stale(&self, _: Stale) -> Result<StaleTickets, StoreError> {
        down()
    }
    async fn erase(&self, _: Erasure) -> Result<Removed, StoreError> {
        down()
    }
}

#[async_trait]
impl StoreHealth for DownStore {
    async fn ping(&self) -> Result<(), StoreError> {
        down()
    }
    async fn vitals(&self, _: Timestamp) -> Result<Vitals, StoreError> {
        down()
    }
    fn pool_use(&self) -> Option<PoolUse> {
        None
    }
}
