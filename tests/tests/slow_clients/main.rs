//! Hundreds of clients that keep the server waiting. These tests measure, so they run one at a time and in their own
//! program: cargo runs one test program after the other, and `.config/nextest.toml` lets nothing run beside them.
#![allow(
    missing_docs,
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

mod others_are_served;
mod unread_responses;
#[path = "../process/wire.rs"]
mod wire;

use tokio::sync::Mutex;

/// Held by the test that runs.
static MEASURING: Mutex<()> = Mutex::const_new(());
