//! A store that is down.

use std::sync::Arc;

use async_trait::async_trait;
use ticket_domain::{
    Access, Attention, AuditEntry, AuditEntryId, AuditStamp, ExternalId, Fallback, LeaseToken, Managers, Message,
    MessageId, NotificationId, NotificationRecord, Thread, Ticket, TicketId, TicketPage, TicketQuery, TicketRef,
    TicketSummary, Timestamp,
    ports::{
        Append, Appended, Attach, AttachResult, AttemptOutcome, Claim, Claimed, Housekeeping, OpenResult, Opening,
        OperatorQueries, Outbox, PoolUse, Purge, Purged, RecordResult, RedeliverResult, StoreError, StoreHealth,
        StoreUnmatched, StoredUnmatched, TicketLookup, TicketStore, UpdateTicket, Vitals,
    },
    use_cases::{AddMessage, Context, Operate, Redeliver, ViewTicket},
};

use crate::pages::PagesParts;

/// Fails at everything.
struct DownStore;

/// From now on the store does not answer.
pub(super) fn cut_off(parts: &mut PagesParts, context: &Context, managers: Managers) {
    let down = Arc::new(DownStore);
    parts.view_ticket = Arc::new(ViewTicket::new(down.clone(), Access::Open));
    parts.add_message = Arc::new(AddMessage::new(down.clone(), context.clone(), Access::Open));
    parts.operate = Arc::new(Operate::new(down.clone(), down.clone(), context.clone(), managers));
    parts.redeliver = Arc::new(Redeliver::new(down.clone(), context.clone()));
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
    async fn open(&self, _: Opening) -> Fails<OpenResult> {
        down()
    }
    async fn opened_since(&self, _: Timestamp) -> Fails<u64> {
        down()
    }
    async fn find(&self, _: TicketLookup) -> Fails<Option<Ticket>> {
        down()
    }
    async fn head(&self, _: TicketRef) -> Result<Option<TicketSummary>, StoreError> {
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
    async fn store_unmatched(&self, _: StoreUnmatched) -> Fails<StoredUnmatched> {
        down()
    }
}

#[async_trait]
impl OperatorQueries for DownStore {
    async fn list(&self, _: TicketQuery) -> Fails<TicketPage> {
        down()
    }
    async fn attention(&self) -> Fails<Attention> {
        down()
    }
    async fn change(&self, _: UpdateTicket) -> Fails<Ticket> {
        down()
    }
    async fn unmatched(&self, _: Option<MessageId>, _: u16) -> Fails<Vec<Message>> {
        down()
    }
    async fn message(&self, _: MessageId) -> Fails<Option<(Message, Option<TicketRef>)>> {
        down()
    }
    async fn attach(&self, _: Attach) -> Fails<AttachResult> {
        down()
    }
    async fn trail(&self, _: Option<TicketId>, _: Option<AuditEntryId>, _: u16) -> Fails<Vec<AuditEntry>> {
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
    async fn record_attempt(&self, _: NotificationId, _: LeaseToken, _: AttemptOutcome) -> Fails<RecordResult> {
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
    async fn redeliver(&self, _: NotificationId, _: AuditStamp, _: Option<Fallback>) -> Fails<RedeliverResult> {
        down()
    }
    async fn redeliver_dead(&self, _: AuditStamp) -> Fails<u64> {
        down()
    }
    async fn dead_fallbacks(&self, _: u16) -> Fails<Vec<NotificationId>> {
        down()
    }
    async fn way(&self, _: NotificationId) -> Fails<Option<Fallback>> {
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
