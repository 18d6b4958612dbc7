//! `server copy`: everything from the embedded store into Postgres, or nothing.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::too_many_lines,
    reason = "tests"
)]

mod everything;
mod refused;
mod stores;
