//! The ticket system over HTTP, on actix-web.
//!
//! - `access/`: rate limits, keys, client addresses and event streams, for both of the others.
//! - `api/`: the JSON API. One file an endpoint: its types, its handler, its part of the `OpenAPI` document and its tests.
//! - `pages/`: the HTML pages. They know nothing of the API, and the API nothing of them.
//! - `connection.rs`, `serve.rs`, `request_log.rs`, `protect.rs`: the server that answers with both.

pub mod access;
mod api;
mod connection;
mod fresh;
pub mod pages;
mod protect;
mod request_log;
mod serve;
mod settings;
#[cfg(test)]
mod testing;

pub use api::{DeliveryMetrics, log_reported};
pub use serve::serve;
#[cfg(fuzzing)]
pub use serve::unserved;
pub use settings::{ApiParts, Deadlines, Settings};
