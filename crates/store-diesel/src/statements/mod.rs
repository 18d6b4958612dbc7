//! What the port calls ask of the database, and the ports themselves. Each engine mounts this folder as a module of its
//! own, so every statement is checked for both, and written once.
//!
//! The text is the one that Postgres needs, where others write meanwhile; SQLite, which has one writer at a time, runs it as it
//! stands. What differs, `engine.rs` of each engine says.

pub(super) mod answers;
pub(super) mod attachments;
pub(super) mod audit_log;
pub(super) mod contacts;
pub(super) mod control_messages;
pub(super) mod customer_data;
pub(super) mod customer_mail;
pub(super) mod dump;
pub(super) mod health;
pub(super) mod housekeeping;
pub(super) mod keys;
pub(super) mod listing;
pub(super) mod messages;
pub(super) mod operators;
pub(super) mod outbox;
pub(super) mod outcomes;
pub(super) mod questions;
pub(super) mod receipts;
pub(super) mod redelivery;
pub(super) mod tickets;

/// What a transaction locks that no row or index stands for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum LockKey {
    /// An external id: it is one message or one answer forever, and no index covers both.
    ExternalId = 1,
    /// Whoever is asked: there may be no question yet at which two could meet.
    QuestionUpdate = 2,
    /// A key: there may be no row yet at which two could meet.
    IdempotencyKey = 3,
    /// A customer's address: there may be no mail yet at which two could meet.
    MailAddress = 4,
}
