//! The ticket system's domain: entities, value types, use cases, and the [`ports`] that adapters implement.
//!
//! The crate does no I/O. It reads no clock, draws no random numbers and knows no wire format; use cases reach all of
//! these through ports.

mod actor;
mod attachment;
mod button;
mod command;
mod email_reply;
mod erasure;
mod message;
mod metadata_filter;
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
pub mod texts;
pub mod use_cases;

pub use actor::{Actor, ActorError, OperatorName, OperatorNameError};
pub use attachment::{Attachment, AttachmentLink};
pub use button::{Button, NotATap, Tap};
pub use command::Command;
pub use email_reply::{is_automatic_mail, mail_thread, mail_thread_in, new_words};
pub use erasure::{Contact, ContactError, Redaction};
pub use message::{Content, EmptyMessage, Message};
pub use metadata_filter::MetadataFilter;
pub use notification::{Delivery, Fallback, Notification, NotificationRecord, NotificationState, Payload};
pub use operator::{
    Attention, AuditAction, AuditEntry, AuditStamp, Excerpt, Oldest, TicketListItem, TicketPage, TicketPatch,
    TicketQuery,
};
pub use question::{ASKED_DAILY, BURST, CHOICES, Choice, OPEN_FOR, Question, Reason, Selection, Typed, WAITING_FOR};
pub use receipt::{Receipt, ReceiptEffect};
pub use reference::{NotAReference, TicketRef, references_in};
pub use resolve_ticket::{Managers, Match, TextMatch, TicketMatch, resolve_ticket};
pub use schedule::{NOTIFY_SLOW_RETRIES_MAX, RetrySchedule};
pub use ticket::{
    Access, AccessKeys, AccessLevel, Customer, Thread, Ticket, TicketDetails, TicketLinks, TicketRequest,
    TicketSummary, TicketVersion,
};
pub use values::*;
