//! The cases, by topic. Each takes a fixture over an empty store and panics if the store breaks its word.

pub mod answers;
pub mod attaching;
pub mod audit_log;
pub mod change_feed;
pub mod changing;
pub mod claiming;
pub mod erasing;
pub mod health;
pub mod housekeeping;
pub mod idempotency;
pub mod listing;
pub mod messages;
pub mod model;
pub mod opening;
pub mod operating;
pub mod outcomes;
pub mod probing;
pub mod questions;
pub mod reading;
pub mod receipts;
pub mod recipients;
pub mod repeating;
pub mod search;
pub mod searching;
pub mod unmatched;
