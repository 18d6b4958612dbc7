//! A store that is down.

use std::sync::Arc;

use async_trait::async_trait;
use ticket_domain::{
    Attention, AuditEntry, AuditEntryId, AuditStamp, Choice, ExternalId, Fallback, LeaseToken, Message, MessageId,
    NotificationId, NotificationRecord, Phone, Question, Receipt, Thread, Ticket, TicketId, TicketPage, TicketQuery,
    TicketRef, TicketSummary, Timestamp,
    ports::{
        AnswerQuestion, AnswerResult, Append, Appended, Attach, AttachResult, AttemptOutcome, ChangeFeed, ChoiceResult,
        Claim, Claimed, CustomerData, EraseStats, Erasure, Housekeeping, InactiveQuery, InactiveTickets, OpenResult,
        Opening, OperatorQueries, Outbox, PoolUse, Purge, Purged, Questions, Receipts, RecordResult, RedeliverResult,
        SentNotification, StatusUpdate, StoreError, StoreHealth, StoreUnmatched, StoredUnmatched, Subscriber,
        TicketLookup, TicketStore, UpdateTicket, Vitals,
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
    async fn open(&self, _: Opening) -> Result<OpenResult, StoreError> {
        down()
    }
    async fn opened_since(&self, _: Timestamp) -> Result<u64, StoreError> {
        down()
    }
    async fn find(&self, _: TicketLookup) -> Result<Option<Ticket>, StoreError> {
        down()
    }
    async fn head(&self, _: TicketRef) -> Result<Option<TicketSummary>, StoreError> {
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
    async fn store_unmatched(&self, _: StoreUnmatched) -> Result<StoredUnmatched, StoreError> {
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
    async fn picked(&self, _: ExternalId) -> Result<Option<ChoiceResult>, StoreError> {
        down()
    }
    async fn answer(&self, _: AnswerQuestion) -> Result<AnswerResult, StoreError> {
        down()
    }
}

#[async_trait]
impl Receipts for DownStore {
    async fn handed(&self, _: ExternalId) -> Result<Option<SentNotification>, StoreError> {
        down()
    }
    async fn advance(&self, _: ExternalId, _: StatusUpdate, _: Timestamp) -> Result<bool, StoreError> {
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
    async fn record_attempt(
        &self,
        _: NotificationId,
        _: LeaseToken,
        _: AttemptOutcome,
    ) -> Result<RecordResult, StoreError> {
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
    async fn redeliver(
        &self,
        _: NotificationId,
        _: AuditStamp,
        _: Option<Fallback>,
    ) -> Result<RedeliverResult, StoreError> {
        down()
    }
    async fn redeliver_dead(&self, _: AuditStamp) -> Result<u64, StoreError> {
        down()
    }
    async fn dead_fallbacks(&self, _: u16) -> Result<Vec<NotificationId>, StoreError> {
        down()
    }
    async fn way(&self, _: NotificationId) -> Result<Option<Fallback>, StoreError> {
        down()
    }
    async fn undelivered(&self, _: u16) -> Result<Vec<NotificationRecord>, StoreError> {
        down()
    }
    async fn notification(&self, _: NotificationId) -> Result<Option<NotificationRecord>, StoreError> {
        down()
    }
}

impl ChangeFeed for DownStore {
    fn follow(&self, _: Arc<dyn Subscriber>) {}
}

#[async_trait]
impl OperatorQueries for DownStore {
    async fn list(&self, _: TicketQuery) -> Result<TicketPage, StoreError> {
        down()
    }
    async fn attention(&self) -> Result<Attention, StoreError> {
        down()
    }
    async fn change(&self, _: UpdateTicket) -> Result<Ticket, StoreError> {
        down()
    }
    async fn unmatched(&self, _: Option<MessageId>, _: u16) -> Result<Vec<Message>, StoreError> {
        down()
    }
    async fn message(&self, _: MessageId) -> Result<Option<(Message, Option<TicketRef>)>, StoreError> {
        down()
    }
    async fn attach(&self, _: Attach) -> Result<AttachResult, StoreError> {
        down()
    }
    async fn trail(&self, _: Option<TicketId>, _: Option<AuditEntryId>, _: u16) -> Result<Vec<AuditEntry>, StoreError> {
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
    async fn stale(&self, _: InactiveQuery) -> Result<InactiveTickets, StoreError> {
        down()
    }
    async fn erase(&self, _: Erasure) -> Result<EraseStats, StoreError> {
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
