//! The contract of the outside world, line by line, against the binary that ships, on both stores.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::float_cmp,
    clippy::print_stdout,
    clippy::too_many_lines,
    reason = "tests"
)]

mod asking;
mod command;
mod content;
mod create;
mod door;
mod faults;
mod inbound;
mod messages;
mod notify;
mod observe;
mod operators;
mod random_replies;
mod read;
mod receipts;
mod secrecy;
mod slow;
mod unread;
mod wire;
