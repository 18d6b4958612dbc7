//! A notification as the manager reads it: the server's text, or the template that takes its place after 24 hours.

use serde_json::Value;

use crate::state::Action;

/// The message for WhatsApp.
pub(crate) fn words(payload: &Value) -> String {
    let text = |name: &str| payload[name].as_str().unwrap_or_default();
    if payload["template"] == true {
        format!(
            "*Ticket desk*\n\n{}\n\n*View ticket:* {}",
            text("summary"),
            text("ticketUrl")
        )
    } else {
        text("text").to_owned()
    }
}

/// Its buttons or rows, as the workflow sends them: with at most 1,024 characters, and rows from two on.
pub(crate) fn actions(payload: &Value) -> Vec<Action> {
    let actions: Vec<Action> = serde_json::from_value(payload["actions"].clone()).unwrap_or_default();
    let are_shown = payload["template"] != true
        && (2..=10).contains(&actions.len())
        && words(payload).encode_utf16().count() <= 1_024;
    if are_shown { actions } else { Vec::new() }
}
