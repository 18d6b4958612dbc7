//! The ticket API over HTTP, on actix-web: routes, requests and responses, problems, `OpenAPI`.
//!
//! One file an endpoint: its types, its handler, its part of the `OpenAPI` document and its tests.

mod api;
mod body;
mod client_address;
mod create_ticket;
mod docs_page;
mod field;
mod get_ticket;
mod health;
mod keys;
mod metrics;
mod notifications;
mod openapi;
mod problem;
mod rate_limits;
mod receive_inbound;
mod report_status;
mod request_log;
mod serve;
mod settings;
#[cfg(test)]
mod testing;
mod words;

pub use metrics::DeliveryMetrics;
pub use report_status::log_reported;
pub use serve::serve;
pub use settings::{ApiParts, Settings};
