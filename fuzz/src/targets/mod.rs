//! The targets.

pub mod api;
pub mod client_address;
pub mod create_ticket;
pub mod inbound;
pub mod last_event_id;
pub mod n8n_response;
pub mod notification;
pub mod pages;
pub mod references;
pub mod search;
pub mod status;
pub mod values;
