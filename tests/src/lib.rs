//! Tests of the binary that ships, from outside: it is started as a process, spoken to over HTTP, and killed.
//!
//! A [`TempStore`] is where tickets are kept; it outlives the processes. A [`TestServer`] is such a process. [`N8n`] is a real
//! HTTP server that stands where n8n would.
#![allow(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a fixture that fails fails its test"
)]

mod desk;
mod gate;
mod n8n;
mod open_api;
mod place;
mod private;
mod stand_in;
mod twilio;

pub use desk::{DeskOptions, Reply, TestServer, server_binary};
pub use gate::Gate;
pub use n8n::{N8n, Reaction, Received};
pub use place::{Engine, TempStore};
pub use stand_in::{Case, Kind, Row, StandIn};
pub use twilio::{ACCOUNT_SID, AUTH_TOKEN, Answer, Rejection, Sent, Twilio, WHATSAPP_FROM};

/// What n8n sends as `x-api-key`.
pub const INBOUND_KEY: &str = "inbound-key-0123456789abcdef0123456789";
/// What is sent to n8n as `x-api-key`.
pub const SHARED_SECRET: &str = "shared-secret-0123456789abcdef01234567";
/// What opens the operator API.
pub const OPERATOR_TOKEN: &str = "operator-token-0123456789abcdef0123456";
/// The manager's number.
pub const MANAGER: &str = "+919655716000";
/// The number of the customer of [`ticket`].
pub const CUSTOMER: &str = "+15550001111";

/// A form as a customer would fill it in.
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
