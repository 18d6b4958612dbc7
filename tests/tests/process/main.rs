//! What only the server's binary can show: its command line and environment, signals, files, restarts, and several
//! processes on one store. What an endpoint does is tested beside the endpoint.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::float_cmp,
    clippy::too_many_lines,
    reason = "tests"
)]

mod command_line;
mod crashes;
mod data;
mod delivery;
mod events;
mod form;
mod limits;
mod log_privacy;
mod mail;
mod mail_failures;
mod n8n_table;
mod random_replies;
mod replicas;
mod restarts;
mod run_locally;
mod shutdown;
mod smoke;
