//! The ticket system over HTTP, on actix-web.
//!
//! - `access/`: rate limits, keys, client addresses and event streams, for both of the others.
//! - `api/`: the JSON API. One file an endpoint: its types, its handler, its part of the `OpenAPI` document and its tests.
//! - `pages/`: the HTML pages. They know nothing of the API, and the API nothing of them.
//! - `connection.rs`, `serve.rs`, `request_log.rs`, `protect.rs`: the server that answers with both.

mod access;
mod api;
mod body;
mod connection;
mod pages;
mod protect;
mod readable;
mod request_log;
mod serve;
mod settings;
mod state;
#[cfg(test)]
mod testing;
mod ticket_request;
mod ttl_cache;
mod validation;
#[cfg(test)]
mod variants_tests;

#[cfg(fuzzing)]
pub use access::client_of;

pub use access::{
    AccessControl, InvalidEventId, Kind, LastEventId, Limited, NotARate, OperatorToken, Rate, Rates, StreamLimits,
    TooMany, state_of_tag, state_tag,
};
pub use api::{DeliveryMetrics, log_reported};
pub use serve::serve;
pub use settings::{Deadlines, Settings};
pub use state::AppState;

#[cfg(fuzzing)]
pub use serve::application;
