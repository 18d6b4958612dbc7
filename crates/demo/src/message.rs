//! A notification as the manager reads it, in the same words as our n8n workflow.

use serde_json::Value;
use ticket_domain::sanitize;

/// The most characters that Twilio takes.
const MAX: usize = 1_600;

/// The message for WhatsApp.
pub(crate) fn words(payload: &Value) -> String {
    let text = |name: &str| sanitize::escape_whatsapp_markup(payload[name].as_str().unwrap_or_default());
    let url = payload["ticketUrl"].as_str().unwrap_or_default();
    let tail = format!("\n\n*View Ticket:* {url}\n\nReply to this message to respond to the ticket.");
    let (head, said) = if payload["template"] == true {
        ("*Ticket desk*\n\n".to_owned(), text("summary"))
    } else {
        let heading = match payload["event"].as_str() {
            Some("ticket.updated") => "💬 *NEW MESSAGE FROM THE CUSTOMER*",
            _ => "🎫 *NEW SUPPORT TICKET*",
        };
        let head = format!(
            "{heading}\n\n*Ticket:* {}\n*Customer:* {}\n*Phone:* {}\n*Email:* {}\n*Priority:* {}\n*Subject:* {}\n\n\
             *Message:*\n",
            text("ticketRef"),
            text("customerName"),
            text("customerPhone"),
            text("customerEmail"),
            text("priority").to_uppercase(),
            text("subject"),
        );
        (head, text("message"))
    };
    let room = MAX.saturating_sub(head.chars().count() + tail.chars().count());
    format!("{head}{}{tail}", sanitize::cut(said, room))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The layout and the texts of the corpus that the composer and the workflow are tested with.
    #[test]
    fn customers_texts_are_shown_as_the_workflow_shows_them() {
        let corpus: Value = serde_json::from_str(include_str!("../../../tests/corpus/notifications.json")).unwrap();
        for case in corpus["cases"].as_array().unwrap() {
            let mut payload = json!({
                "event": "ticket.created", "priority": "high",
                "ticketRef": corpus["ticketRef"], "ticketUrl": corpus["ticketUrl"],
            });
            let layer = |onto: &mut Value, part: &Value| {
                let part = part.as_object().cloned().unwrap_or_default();
                onto.as_object_mut().unwrap().extend(part);
            };
            for part in [&corpus["customer"], &case["customer"], &case["payload"]] {
                layer(&mut payload, part);
            }
            let mut shown = payload.clone();
            layer(&mut shown, &case["shown"]);
            let layout = corpus["layout"].as_str().unwrap().to_owned();
            let expected = shown.as_object().unwrap().iter().fold(layout, |text, (name, value)| {
                text.replace(&format!("{{{name}}}"), value.as_str().unwrap())
            });
            assert_eq!(words(&payload), expected, "{}", case["why"]);
        }
    }

    #[test]
    fn long_words_are_cut_and_the_link_stays() {
        let payload = json!({ "message": "ü".repeat(5_000), "ticketUrl": "http://x/ticket/y" });
        let words = words(&payload);
        assert_eq!(words.chars().count(), MAX);
        assert!(words.contains("ü…\n\n*View Ticket:* http://x/ticket/y"), "{words}");
    }
}
