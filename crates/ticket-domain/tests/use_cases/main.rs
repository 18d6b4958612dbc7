//! The use cases over a store in memory, with a clock and randomness that a test controls.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

mod add_message;
mod ask_back;
mod ask_customer;
mod debug;
mod deliver;
mod open_ticket;
mod operate;
mod receipts;
mod receive_reply;
mod recipients;
mod senders;
mod support;
mod uploads;
mod view_ticket;
