//! The traits that adapters implement. Each call is one transaction: it happens entirely or not at all.

mod attachments;
mod change_feed;
mod contacts;
mod customer_data;
mod customer_mail;
mod environment;
mod file_store;
mod housekeeping;
mod notifier;
mod operator_queries;
mod outbox;
mod questions;
mod receipts;
mod store;

pub use attachments::{AttachedFile, Attachments, NewAttachment, Upload};
pub use change_feed::{ChangeEvent, ChangeFeed, Subscriber};
pub use contacts::{Contacts, KnownContact};
pub use customer_data::{CustomerData, EraseStats, EraseTarget, Erasure, InactiveQuery, InactiveTickets};
pub use customer_mail::CustomerMail;
pub use environment::{Clock, Random, WakeSignal};
pub use file_store::{FileContent, FileList, FileStore, FileStoreError, FileStream, FileStreamError, StoredObject};
pub use housekeeping::{Housekeeping, Purge, Purged};
pub use notifier::{
    Composer, Composers, Delivering, DeliveryResult, Event, Failure, FailureKind, ListRow, News, NextStep, Notifier,
    QuestionMessage, Rejection,
};
pub use operator_queries::{Attach, AttachResult, OperatorQueries, Remove, RemoveResult, UpdateTicket};
pub use outbox::{AttemptOutcome, Claim, Claimed, CurrentMessage, Outbox, RecordResult, RedeliverResult};
pub use questions::{
    AnswerQuestion, AnswerResult, ChoiceResult, Confirmed, ControlMessage, MergeQuestions, Questions, RecordedControl,
};
pub use receipts::{Receipts, SentNotification, StatusUpdate};
pub use store::{
    Append, Appended, Existing, ExistingTicket, Idempotency, NewQuestion, OpenResult, Opening, PoolUse, Source,
    StoreError, StoreHealth, StoreUnmatched, StoredUnmatched, TicketLookup, TicketStore, Vitals, parse,
};

/// All ports of a store.
pub trait Store:
    TicketStore
    + Attachments
    + Questions
    + Contacts
    + Outbox
    + Receipts
    + OperatorQueries
    + ChangeFeed
    + Housekeeping
    + CustomerData
    + CustomerMail
    + StoreHealth
{
}

impl<T> Store for T where
    T: TicketStore
        + Attachments
        + Questions
        + Contacts
        + Outbox
        + Receipts
        + OperatorQueries
        + ChangeFeed
        + Housekeeping
        + CustomerData
        + CustomerMail
        + StoreHealth
{
}
