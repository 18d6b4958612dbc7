//! Tells the manager through an n8n webhook: how an event is written ([`N8nComposer`]), and how it is sent
//! ([`N8nWebhook`]).

mod payload;
mod webhook;

pub use payload::N8nComposer;
pub use webhook::{N8nWebhook, Receiver, SetUpError};
