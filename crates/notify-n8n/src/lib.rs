//! Notifies the manager through an n8n webhook. [`N8nComposer`] writes the request bodies, [`N8nWebhook`] sends them, and
//! [`N8nWebhook::probe`] tests the whole loop without a message to anyone.

mod payload;
mod probe;
mod route;
mod webhook;

pub use payload::N8nComposer;
pub use probe::{Inbound, Probed};
pub use webhook::{N8nWebhook, Receiver, SetUpError};
#[cfg(fuzzing)]
pub use webhook::{external_id_in, retry_after_of};
