//! Everything of a store at once, or of a person: `server copy`, `backup`, `restore`, `export` and `erase`.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::too_many_lines,
    reason = "tests"
)]

mod backup;
mod copy;
mod person;
mod refused;
mod stores;
