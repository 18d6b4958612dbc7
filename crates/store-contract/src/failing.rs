//! A store that fails when a test wants it to.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use ticket_domain::{
    Attention, AuditEntry, AuditEntryId, AuditStamp, Choice, ExternalId, Fallback, LeaseToken, Message, MessageId,
    NotificationId, NotificationRecord, Phone, Question, Receipt, Recipient, Thread, Ticket, TicketId, TicketPage,
    TicketQuery, TicketRef, TicketSummary, Timestamp,
    ports::{
        AnswerQuestion, AnswerResult, Append, Appended, Attach, AttachResult, AttemptOutcome, ChangeFeed, ChoiceResult,
        Claim, Claimed, CurrentMessage, CustomerData, EraseStats, Erasure, Housekeeping, InactiveQuery,
        InactiveTickets, OpenResult, Opening, OperatorQueries, Outbox, PoolUse, Purge, Purged, Questions, Receipts,
        RecordResult, RedeliverResult, SentNotification, StatusUpdate, Store, StoreError, StoreHealth, StoreUnmatched,
        StoredUnmatched, Subscriber, TicketLookup, TicketStore, UpdateTicket, Vitals,
    },
};

/// A store that hands every call on to another one, or answers it with [`StoreError::Unavailable`] instead. It counts the
/// calls.
///
/// The error's source names a `secret-host`, so that a test can see that nothing of it gets out.
pub struct FailingStore {
    inner: Arc<dyn Store>,
    fails: AtomicBool,
    /// How many calls are left until the one that fails; 0 if none is to.
    countdown: AtomicU64,
    calls: Mutex<HashMap<&'static str, usize>>,
}

impl FailingStore {
    /// A store over `inner`; if it `fails`, every call does until it is told otherwise.
    pub fn new(inner: Arc<dyn Store>, fails: bool) -> Self {
        Self {
            inner,
            fails: AtomicBool::new(fails),
            countdown: AtomicU64::new(0),
            calls: Mutex::default(),
        }
    }

    /// Fails every call from now on, or none.
    pub fn set_failing(&self, fails: bool) {
        self.fails.store(fails, Ordering::SeqCst);
    }

    /// Fails the `nth` call from now on, the next being 1, and no other.
    pub fn fail_call(&self, nth: u64) {
        self.countdown.store(nth, Ordering::SeqCst);
    }

    /// How often the call of this name was made since this was last asked, those that failed included.
    pub fn take_calls(&self, name: &str) -> usize {
        self.calls.lock().unwrap().remove(name).unwrap_or_default()
    }

    /// The store to hand a call on to, unless the call is to fail.
    fn admit(&self, name: &'static str) -> Result<&dyn Store, StoreError> {
        *self.calls.lock().unwrap().entry(name).or_default() += 1;
        let counted = self
            .countdown
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if counted == Ok(1) || self.fails.load(Ordering::SeqCst) {
            let cause = std::io::Error::other("secret-host refused");
            return Err(StoreError::Unavailable(Arc::new(cause)));
        }
        Ok(&*self.inner)
    }
}

/// Implements ports call by call.
macro_rules! may_fail {
    ($($port:ident {
        $(fn $call:ident($($argument:ident: $type:ty),*) -> $answer:ty;)+
    })+) => {
        $(
            #[async_trait]
            impl $port for FailingStore {
                $(
                    async fn $call(&self, $($argument: $type),*) -> Result<$answer, StoreError> {
                        self.admit(stringify!($call))?.$call($($argument),*).await
                    }
                )+
            }
        )+
    };
}

may_fail! {
    TicketStore {
        fn open(opening: Opening) -> OpenResult;
        fn opened_since(since: Timestamp) -> u64;
        fn find(look_up: TicketLookup) -> Option<Ticket>;
        fn summary(reference: TicketRef) -> Option<TicketSummary>;
        fn thread(reference: TicketRef) -> Option<Thread>;
        fn append(append: Append) -> Appended;
        fn unmatched_message(external_id: ExternalId) -> Option<Message>;
        fn store_unmatched(message: StoreUnmatched) -> StoredUnmatched;
    }
    Questions {
        fn open_tickets(limit: u8) -> Vec<Choice>;
        fn question(of: Phone) -> Option<Question>;
        fn picked(by: ExternalId) -> Option<ChoiceResult>;
        fn answer(answer: AnswerQuestion) -> AnswerResult;
    }
    Outbox {
        fn claim(claim: Claim, limit: u16) -> Vec<Claimed>;
        fn claim_probe(claim: Claim, unless_after: Timestamp) -> Option<Claimed>;
        fn record_attempt(id: NotificationId, lease: LeaseToken, outcome: AttemptOutcome) -> RecordResult;
        fn release_waiting(recipient: Recipient, now: Timestamp) -> u64;
        fn postpone(recipient: Recipient, until: Timestamp) -> u64;
        fn hold_unaddressed(recipient: Recipient, created_before: Timestamp) -> u64;
        fn redeliver(id: NotificationId, stamp: AuditStamp, fallback: Option<Fallback>) -> RedeliverResult;
        fn redeliver_dead(stamp: AuditStamp) -> u64;
        fn dead_fallbacks(limit: u16) -> Vec<NotificationId>;
        fn current_message(id: NotificationId) -> Option<CurrentMessage>;
        fn undelivered(limit: u16) -> Vec<NotificationRecord>;
        fn notification(id: NotificationId) -> Option<NotificationRecord>;
    }
    Receipts {
        fn sent_notification(external_id: ExternalId) -> Option<SentNotification>;
        fn advance(external_id: ExternalId, update: StatusUpdate, at: Timestamp) -> bool;
        fn keep_receipt(receipt: Receipt, forget_before: Timestamp) -> ();
        fn overtaken(since: Timestamp, limit: u16) -> Vec<Receipt>;
        fn drop_receipt(receipt: Receipt) -> ();
    }
    OperatorQueries {
        fn list(query: TicketQuery) -> TicketPage;
        fn attention() -> Attention;
        fn change(update: UpdateTicket) -> Ticket;
        fn unmatched(after: Option<MessageId>, limit: u16) -> Vec<Message>;
        fn message(id: MessageId) -> Option<(Message, Option<TicketRef>)>;
        fn attach(attach: Attach) -> AttachResult;
        fn audit_log(of: Option<TicketId>, before: Option<AuditEntryId>, limit: u16) -> Vec<AuditEntry>;
    }
    Housekeeping {
        fn purge(purge: Purge) -> Purged;
        fn purge_keys(now: Timestamp, limit: u16) -> u64;
    }
    CustomerData {
        fn messages_from(phone: Phone) -> Vec<(Message, Option<TicketRef>)>;
        fn stale(query: InactiveQuery) -> InactiveTickets;
        fn erase(erasure: Erasure) -> EraseStats;
    }
}

#[async_trait]
impl StoreHealth for FailingStore {
    async fn ping(&self) -> Result<(), StoreError> {
        self.admit("ping")?.ping().await
    }

    async fn vitals(&self, now: Timestamp) -> Result<Vitals, StoreError> {
        self.admit("vitals")?.vitals(now).await
    }

    fn pool_use(&self) -> Option<PoolUse> {
        self.inner.pool_use()
    }
}

impl ChangeFeed for FailingStore {
    fn follow(&self, subscriber: Arc<dyn Subscriber>) {
        self.inner.follow(subscriber);
    }
}
