//! What only a real Postgres can show: how it is reached, how it fails, and what lies in it.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "these are tests")]

mod change_feed;
mod connecting;
mod contract;
#[path = "../fixtures/corrupt.rs"]
mod corrupt;
mod crowded;
mod failing;
mod fixture;
mod indexing;
mod migrating;
mod proxy;
#[path = "../fixtures/reading.rs"]
mod reading;
mod searching;
mod spoilt;
mod tls;
mod together;
mod written_before;
