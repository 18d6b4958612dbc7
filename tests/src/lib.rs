//! Black-box tests of the server: tests start its binary as a process, speak HTTP with it, and kill it.
//!
//! A [`TempStore`] holds the tickets and outlives the processes. A [`TestServer`] is such a process. A [`FakeN8n`] is a
//! real HTTP server in the place of n8n, a [`FakeSmtp`] a mail server.
#![allow(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failing fixture fails its test"
)]

mod database_proxy;
mod fake_n8n;
mod fake_server;
mod fake_smtp;
mod fake_twilio;
mod http;
mod mail_text;
mod n8n_table;
mod options;
mod private_data;
mod process;
mod scenarios;
mod server;
mod store;
mod tree;
mod wait;

pub use database_proxy::DatabaseProxy;
pub use fake_n8n::{FakeN8n, Reaction, Received};
pub use fake_smtp::{FakeSmtp, MailReaction, ReceivedMail};
pub use fake_twilio::{ACCOUNT_SID, AUTH_TOKEN, FakeTwilio, SentMessage, Shown, WHATSAPP_FROM};
pub use http::{Response, http_client, sum_of_metrics};
pub use n8n_table::{N8nCase, TableRow, kind_of_body};
pub use options::{Ended, ServerOptions, server_binary, setting};
pub use process::{Signal, cpu_time, open_files, peak_kib, resident_kib, signal, signal_group};
pub use scenarios::{chosen, conclude, or_until_asked_to_end};
pub use server::TestServer;
pub use store::{Engine, TempStore};
pub use tree::{read, root, write_into_page};
pub use wait::until;

/// The `x-api-key` of n8n's calls.
pub const INBOUND_KEY: &str = "inbound-key-0123456789abcdef0123456789";
/// The `x-api-key` of notifications.
pub const SHARED_SECRET: &str = "shared-secret-0123456789abcdef01234567";
/// The bearer token of the operator API.
pub const OPERATOR_TOKEN: &str = "operator-token-0123456789abcdef0123456";
/// The manager's number.
pub const MANAGER: &str = "+919655716000";
/// The customer's number in [`ticket`].
pub const CUSTOMER: &str = "+15550001111";

/// A form as a customer fills it in.
pub fn ticket() -> serde_json::Value {
    serde_json::json!({
        "customerName": "Zoë Quuxley 🦊",
        "customerPhone": CUSTOMER,
        "customerEmail": "zoe.quuxley@customer.example",
        "subject": "Product Quality Issue",
        "message": "I received damaged bottles in my last order.",
        "priority": "high",
    })
}

/// [`ticket`] with some fields changed or added.
pub fn ticket_with(changes: &serde_json::Value) -> serde_json::Value {
    let mut form = ticket();
    for (field, value) in changes.as_object().expect("fields") {
        form[field] = value.clone();
    }
    form
}

/// Runs each named test, an `async fn(Engine)`, on both stores.
#[macro_export]
macro_rules! on_both_stores {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")] async fn $name() { super::$name($crate::Engine::Sqlite).await; })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")] async fn $name() { super::$name($crate::Engine::Postgres).await; })+
        }
    };
}
