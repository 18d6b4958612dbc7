//! The calls of the ports: as a [`FailingStore`] hands them on, and as cases make them.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use ticket_domain::{
    Address, Attention, AuditEntry, AuditEntryId, AuditStamp, Choice, ExternalId, Fallback, FileId, LeaseToken,
    Message, MessageId, Notification, NotificationId, NotificationRecord, Phone, Question, QuestionId, Receipt,
    Recipient, Thread, Ticket, TicketId, TicketPage, TicketQuery, TicketRef, TicketSummary, Timestamp,
    ports::{
        AnswerQuestion, AnswerResult, Append, Appended, Attach, AttachResult, AttachedFile, Attachments,
        AttemptOutcome, Claim, Claimed, Confirmed, Contacts, ControlMessage, CurrentMessage, CustomerData,
        CustomerMail, EraseStats, Erasure, Existing, Housekeeping, InactiveQuery, InactiveTickets, KnownContact,
        MergeQuestions, News, OpenResult, Opening, OperatorQueries, Outbox, Purge, Purged, Questions, Receipts,
        RecordResult, RedeliverResult, Remove, RemoveResult, SentNotification, StatusUpdate, Store, StoreError,
        StoreUnmatched, StoredUnmatched, TicketLookup, TicketStore, UpdateTicket, Upload, Vitals,
    },
};

use crate::FailingStore;

/// A store each of whose calls must succeed, and so gives what is in its `Ok`. A call that was made borrows nothing.
pub(crate) struct Must(pub(crate) Arc<dyn Store>);

/// Implements every port for [`FailingStore`], and each call for [`Must`].
macro_rules! calls {
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

        impl Must {
            $($(
                pub(crate) fn $call(&self, $($argument: $type),*) -> impl Future<Output = $answer> + Send + use<> {
                    let store = self.0.clone();
                    async move { store.$call($($argument),*).await.unwrap() }
                }
            )+)+

            pub(crate) async fn ping(&self) {
                self.0.ping().await.unwrap();
            }

            pub(crate) async fn vitals(&self, now: Timestamp) -> Vitals {
                self.0.vitals(now).await.unwrap()
            }
        }
    };
}

calls! {
    TicketStore {
        fn open(opening: Opening) -> OpenResult;
        fn opened_since(since: Timestamp) -> u64;
        fn first_answers(since: Timestamp) -> Vec<Duration>;
        fn find(look_up: TicketLookup) -> Option<Ticket>;
        fn summary(reference: TicketRef) -> Option<TicketSummary>;
        fn thread(reference: TicketRef) -> Option<Thread>;
        fn append(append: Append) -> Appended;
        fn unmatched_message(external_id: ExternalId) -> Option<Message>;
        fn store_unmatched(message: StoreUnmatched) -> StoredUnmatched;
    }
    Attachments {
        fn begin_upload(id: FileId, at: Timestamp) -> ();
        fn finish_upload(upload: Upload) -> bool;
        fn uploads(ids: Vec<FileId>) -> Vec<Upload>;
        fn attached_file(reference: TicketRef, id: FileId) -> Option<AttachedFile>;
        fn file_bytes(of: Option<TicketId>) -> u64;
        fn unwanted_files(begun_before: Timestamp, limit: u16) -> Vec<FileId>;
        fn forget_files(ids: Vec<FileId>) -> ();
        fn known_files(ids: Vec<FileId>) -> Vec<FileId>;
    }
    Questions {
        fn open_tickets(limit: u8) -> Vec<Choice>;
        fn questions_since(of: Address, since: Timestamp) -> Vec<Question>;
        fn question(id: QuestionId) -> Option<Question>;
        fn quoted_question(external_id: ExternalId) -> Option<Question>;
        fn waiting_messages(of: Address, since: Timestamp) -> Vec<Message>;
        fn confirmed(of: Address, since: Timestamp) -> Option<Confirmed>;
        fn known(external_id: ExternalId) -> Option<Existing>;
        fn answer(answer: AnswerQuestion) -> AnswerResult;
        fn merge_questions(merge: MergeQuestions) -> Option<Existing>;
        fn last_published(of: Address, from: Vec<Address>, since: Timestamp) -> Option<(TicketRef, Vec<MessageId>)>;
        fn record_control(control: ControlMessage) -> Option<Existing>;
    }
    Contacts {
        fn contacts_of(address: Address) -> Vec<KnownContact>;
        fn learn(contact: KnownContact) -> ();
        fn forget(phone: Phone) -> ();
        fn forget_unseen(since: Timestamp) -> u64;
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
        fn news(id: NotificationId) -> News;
        fn undelivered(limit: u16) -> Vec<NotificationRecord>;
        fn notification(id: NotificationId) -> Option<NotificationRecord>;
    }
    Receipts {
        fn sent_notification(external_id: ExternalId) -> Option<SentNotification>;
        fn advance(external_id: ExternalId, update: StatusUpdate, at: Timestamp) -> bool;
        fn keep_receipt(receipt: Receipt, forget_before: Timestamp) -> ();
        fn early_receipts(since: Timestamp, limit: u16) -> Vec<Receipt>;
        fn drop_receipt(receipt: Receipt) -> ();
    }
    OperatorQueries {
        fn list(query: TicketQuery) -> TicketPage;
        fn attention() -> Attention;
        fn change(update: UpdateTicket) -> Ticket;
        fn unmatched(after: Option<MessageId>, limit: u16) -> Vec<Message>;
        fn message(id: MessageId) -> Option<(Message, Option<TicketRef>)>;
        fn attach(attach: Attach) -> AttachResult;
        fn remove(remove: Remove) -> RemoveResult;
        fn audit_log(of: Option<TicketId>, before: Option<AuditEntryId>, limit: u16) -> Vec<AuditEntry>;
    }
    Housekeeping {
        fn purge(purge: Purge) -> Purged;
        fn purge_keys(now: Timestamp, limit: u16) -> u64;
    }
    CustomerMail {
        fn seen(ticket: TicketId, up_to: MessageId) -> bool;
        fn set_unsubscribed(ticket: TicketId, unsubscribed: bool) -> ();
        fn request(about: TicketId, notification: Notification, since: Timestamp) -> bool;
    }
    CustomerData {
        fn messages_from(addresses: Vec<Address>) -> Vec<(Message, Option<TicketRef>)>;
        fn inactive_tickets(query: InactiveQuery) -> InactiveTickets;
        fn erase(erasure: Erasure) -> EraseStats;
    }
}
