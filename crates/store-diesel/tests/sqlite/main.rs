//! What only a real SQLite file can show: how it is opened, how it fails, and what lies in it.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod contract;
#[path = "../fixtures/corrupt.rs"]
mod corrupt;
mod file;
#[path = "../fixtures/reading.rs"]
mod reading;
mod schema;
mod spoilt;
mod unavailable;
mod written_before;
