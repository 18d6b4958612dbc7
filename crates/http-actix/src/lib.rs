//! The ticket API over HTTP, on actix-web: routes, requests and responses, problems, `OpenAPI`.
//!
//! One file an endpoint: its types, its handler, its part of the `OpenAPI` document and its tests.

mod add_message;
mod api;
mod attach;
mod body;
mod change_ticket;
mod connection;
mod create_ticket;
mod docs_page;
mod events;
mod field;
mod fresh;
mod get_ticket;
mod health;
mod idempotency;
mod keys;
mod list;
mod list_tickets;
mod metrics;
mod notifications;
mod openapi;
mod patience;
mod problem;
mod protect;
mod receive_inbound;
mod redeliver_dead;
mod reply;
mod report_status;
mod request_log;
mod serve;
mod settings;
#[cfg(test)]
mod testing;
mod trail;
mod unmatched;
mod words;

pub use metrics::DeliveryMetrics;
pub use report_status::log_reported;
pub use serve::serve;
#[cfg(fuzzing)]
pub use serve::unserved;
pub use settings::{ApiParts, Deadlines, Settings};
