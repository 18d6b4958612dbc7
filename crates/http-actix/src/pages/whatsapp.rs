//! The way to WhatsApp, for what a form can't take.

use std::fmt::Display;

use ticket_domain::Phone;

/// A link that opens a chat with `number` and writes the ticket's reference into it, by which the message finds its ticket.
pub(crate) fn link(number: &Phone, reference: impl Display) -> String {
    let digits = number.as_str().trim_start_matches('+');
    format!("https://wa.me/{digits}?text=My%20request%20{reference}%3A%20")
}
