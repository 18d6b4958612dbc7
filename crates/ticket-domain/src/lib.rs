//! The ticket system without its surroundings: what a ticket, a message and a notification are, which rules they obey,
//! and what the system does with them.
//!
//! Nothing here reads a clock, draws a random number, opens a connection or knows a wire format. What the use cases
//! need of the world they ask of the [`ports`]; adapters in other crates answer.

mod desk;
mod erasure;
mod message;
mod notification;
mod question;
mod receipt;
mod reference;
mod schedule;
mod ticket;
mod values;
mod which_ticket;

pub mod plain;
pub mod ports;
pub mod use_cases;

pub use desk::{Act, Attention, Entry, Excerpt, Listed, Listing, Oldest, Tickets, Wish};
pub use erasure::{Contact, ContactError, Erased};
pub use message::{Content, EmptyMessage, Message};
pub use notification::{Delivery, Notification, NotificationRecord, NotificationState, Payload};
pub use question::{CHOICES, Choice, Pick, Question, Reason, looks_like_a_pick, notice};
pub use receipt::{Detour, Meaning, Receipt, Refusal};
pub use reference::{NotAReference, TicketRef, references_in};
pub use schedule::{NOTIFY_SLOW_RETRIES_MAX, RetrySchedule};
pub use ticket::{
    Access, AccessKeys, Customer, Head, Standing, Thread, ThreadState, Ticket, TicketLinks, TicketRequest,
};
pub use values::{
    AccessKey, AccessKeyError, Awaiting, Body, Channel, CustomerName, DeliveryState, Email, EmailError, EntryId,
    EventKind, ExternalId, IdempotencyKey, IdempotencyKeyError, LeaseToken, MediaUrl, MediaUrlError, MessageId,
    MessageStatus, MessageText, New, NotAPlace, NotificationId, Phone, PhoneError, Place, Priority, Progress,
    QuestionId, Route, Rule, SearchText, Sender, Stage, Status, Subject, TextError, TicketId, Timestamp,
    TimestampError, UnknownWord,
};
pub use which_ticket::{Clue, Managers, TextClue, Which, which_ticket};
