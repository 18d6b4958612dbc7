//! Everything of a store at once, or of a person: `server copy`, `backup`, `restore`, `export` and `erase`.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::too_many_lines,
    reason = "tests"
)]

mod person;
#[expect(dead_code, reason = "what the tests of copy, backup and restore need")]
mod stores;
