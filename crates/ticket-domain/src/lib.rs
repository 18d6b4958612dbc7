//! The ticket system without its surroundings: what a ticket, a message and a notification are, which rules they obey,
//! and what the system does with them.
//!
//! Nothing here reads a clock, draws a random number, opens a connection or knows a wire format. What the use cases
//! need of the world they ask of the [`ports`]; adapters in other crates answer.

mod erasure;
mod message;
mod notification;
mod operator;
mod question;
mod receipt;
mod reference;
mod resolve_ticket;
mod schedule;
mod ticket;
mod values;

pub mod ports;
pub mod sanitize;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod use_cases;

pub use erasure::{Contact, ContactError, Redaction};
pub use message::{Content, EmptyMessage, Message};
pub use notification::{Delivery, Notification, NotificationRecord, NotificationState, Payload};
pub use operator::{
    Attention, AuditAction, Entry, Excerpt, Oldest, TicketListItem, TicketPage, TicketPatch, TicketQuery,
};
pub use question::{CHOICES, Choice, Question, Reason, Selection, looks_like_a_choice, notice};
pub use receipt::{Fallback, Receipt, ReceiptEffect, UndeliveredReason};
pub use reference::{NotAReference, TicketRef, references_in};
pub use resolve_ticket::{Managers, Match, TextMatch, TicketMatch, resolve_ticket};
pub use schedule::{NOTIFY_SLOW_RETRIES_MAX, RetrySchedule};
pub use ticket::{
    Access, AccessKeys, AccessLevel, Customer, Thread, Ticket, TicketDetails, TicketLinks, TicketRequest,
    TicketSummary, TicketVersion,
};
pub use values::{
    AccessKey, AccessKeyError, AuditEntryId, AuditKind, Awaiting, Channel, Cursor, CustomerName, DeliveryRoute,
    DeliveryState, Email, EmailError, EventKind, ExternalId, IdempotencyKey, IdempotencyKeyError, InvalidCursor,
    LeaseToken, MediaUrl, MediaUrlError, MessageBody, MessageId, MessageStatus, MessageText, NotificationId, Phone,
    PhoneError, Priority, Progress, QuestionId, SearchText, Sender, Stage, Status, StrictText, Subject, TextError,
    TicketId, Timestamp, TimestampError, UnknownWord, ValidationError,
};
