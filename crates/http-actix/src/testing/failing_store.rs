//! A store that can be made to fail.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use ticket_domain::{
    Attention, AuditEntryId, Choice, Entry, ExternalId, Fallback, LeaseToken, Message, MessageId, NotificationId,
    NotificationRecord, Phone, Question, Receipt, Thread, Ticket, TicketId, TicketPage, TicketQuery, TicketRef,
    TicketSummary, Timestamp,
    ports::{
        AnswerQuestion, AnswerResult, Append, Appended, Attach, AttachResult, AttemptOutcome, AuditStamp, ChangeFeed,
        ChoiceResult, Claim, Claimed, CustomerData, EraseStats, Erasure, Housekeeping, InactiveQuery, InactiveTickets,
        OpenResult, Opening, OperatorQueries, Outbox, PoolUse, Purge, Purged, Questions, Receipts, RecordResult,
        RedeliverResult, SentNotification, StatusUpdate, Store, StoreError, StoreHealth, StoreUnmatched,
        StoredUnmatched, Subscriber, TicketLookup, TicketStore, UpdateTicket, Vitals,
    },
};

/// A store that fails at everything while it is told to.
pub(crate) struct FailingStore {
    store: Arc<dyn Store>,
    fails: AtomicBool,
}

impl FailingStore {
    pub(crate) fn new(store: Arc<dyn Store>, fails: bool) -> Self {
        let fails = AtomicBool::new(fails);
        Self { store, fails }
    }

    /// From now on every call fails, or works again.
    pub(crate) fn set_failing(&self, fails: bool) {
        self.fails.store(fails, Ordering::SeqCst);
    }

    fn working(&self) -> Result<&dyn Store, StoreError> {
        if self.fails.load(Ordering::SeqCst) {
            let cause = std::io::Error::other("secret-host refused");
            return Err(StoreError::Unavailable(Arc::new(cause)));
        }
        Ok(&*self.store)
    }
}

/// Implements ports by passing each call on, unless the store is to fail.
macro_rules! pass_on {
    ($($port:ident { $(fn $name:ident($($argument:ident: $kind:ty),*) -> $ok:ty;)+ })+) => {$(
        #[async_trait]
        impl $port for FailingStore {
            $(async fn $name(&self, $($argument: $kind),*) -> Result<$ok, StoreError> {
                $port::$name(self.working()?, $($argument),*).await
            })+
        }
    )+};
}

pass_on! {
    TicketStore {
        fn open(a: Opening) -> OpenResult;
        fn opened_since(a: Timestamp) -> u64;
        fn find(a: TicketLookup) -> Option<Ticket>;
        fn head(a: TicketRef) -> Option<TicketSummary>;
        fn thread(a: TicketRef) -> Option<Thread>;
        fn append(a: Append) -> Appended;
        fn kept(a: ExternalId) -> Option<Message>;
        fn store_unmatched(a: StoreUnmatched) -> StoredUnmatched;
    }

    Questions {
        fn open_tickets(a: u8) -> Vec<Choice>;
        fn question(a: Phone) -> Option<Question>;
        fn picked(a: ExternalId) -> Option<ChoiceResult>;
        fn answer(a: AnswerQuestion) -> AnswerResult;
    }

    Receipts {
        fn handed(a: ExternalId) -> Option<SentNotification>;
        fn advance(a: ExternalId, b: StatusUpdate, c: Timestamp) -> bool;
        fn keep_receipt(a: Receipt, b: Timestamp) -> ();
        fn overtaken(a: Timestamp, b: u16) -> Vec<Receipt>;
        fn drop_receipt(a: Receipt) -> ();
    }

    Outbox {
        fn claim(a: Claim, b: u16) -> Vec<Claimed>;
        fn claim_probe(a: Claim, b: Timestamp) -> Option<Claimed>;
        fn record_attempt(a: NotificationId, b: LeaseToken, c: AttemptOutcome) -> RecordResult;
        fn release_waiting(a: Timestamp) -> u64;
        fn postpone(a: Timestamp) -> u64;
        fn hold_unaddressed(a: Timestamp) -> u64;
        fn redeliver(a: NotificationId, b: AuditStamp, c: Option<Fallback>) -> RedeliverResult;
        fn redeliver_dead(a: AuditStamp) -> u64;
        fn dead_fallbacks(a: u16) -> Vec<NotificationId>;
        fn way(a: NotificationId) -> Option<Fallback>;
        fn undelivered(a: u16) -> Vec<NotificationRecord>;
        fn notification(a: NotificationId) -> Option<NotificationRecord>;
    }

    OperatorQueries {
        fn list(a: TicketQuery) -> TicketPage;
        fn attention() -> Attention;
        fn change(a: UpdateTicket) -> Ticket;
        fn unmatched(a: Option<MessageId>, b: u16) -> Vec<Message>;
        fn message(a: MessageId) -> Option<(Message, Option<TicketRef>)>;
        fn attach(a: Attach) -> AttachResult;
        fn trail(a: Option<TicketId>, b: Option<AuditEntryId>, c: u16) -> Vec<Entry>;
    }

    Housekeeping {
        fn purge(a: Purge) -> Purged;
        fn purge_keys(a: Timestamp, b: u16) -> u64;
    }

    CustomerData {
        fn messages_from(a: Phone) -> Vec<(Message, Option<TicketRef>)>;
        fn stale(a: InactiveQuery) -> InactiveTickets;
        fn erase(a: Erasure) -> EraseStats;
    }
}

#[async_trait]
impl StoreHealth for FailingStore {
    async fn ping(&self) -> Result<(), StoreError> {
        self.working()?.ping().await
    }

    async fn vitals(&self, now: Timestamp) -> Result<Vitals, StoreError> {
        self.working()?.vitals(now).await
    }

    fn pool_use(&self) -> Option<PoolUse> {
        self.store.pool_use()
    }
}

impl ChangeFeed for FailingStore {
    fn follow(&self, subscriber: Arc<dyn Subscriber>) {
        self.store.follow(subscriber);
    }
}
