//! A notification as the manager reads it: the server's text, or the template that takes its place after 24 hours.

use serde_json::Value;

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
