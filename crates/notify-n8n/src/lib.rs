//! Tells the manager through an n8n webhook: how an event is written ([`N8nComposer`]), how it is sent ([`N8nWebhook`]),
//! and how the whole loop is tried without telling anybody anything ([`N8nWebhook::probe`]).

mod payload;
mod probe;
mod route;
mod webhook;

pub use payload::N8nComposer;
pub use probe::{Inbound, Probed};
pub use webhook::{N8nWebhook, Receiver, SetUpError};
#[cfg(fuzzing)]
pub use webhook::{id_in_answer, patience_of};
