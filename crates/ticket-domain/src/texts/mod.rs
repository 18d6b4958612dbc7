//! Every text that managers and customers read on WhatsApp, and what other channels say in the same words. No other module
//! has a sentence for them.
//!
//! WhatsApp formats `*bold*`. What a customer wrote goes through [`sanitize`], so that it can neither format nor be taken
//! for a line of ours.

mod answer_time;
mod clarify;
mod commands;
mod customers;
#[cfg(test)]
mod tests;

use unicode_segmentation::UnicodeSegmentation;

pub use answer_time::who_answers;
pub use clarify::{
    EXCERPT, answered_before, by_name, by_number, detail, joins_batch, name, no_selection, nothing_asked, notice,
    preview, row,
};
pub use commands::{
    command_needs_ticket, command_takes_no_words, help, no_such_ticket, note_needs_text, noted, nothing_to_undo,
    open_tickets, reaction, status_set, undone, unknown_button, unknown_command,
};
pub use customers::{confirmed, none_of_yours, which_of_yours};

use crate::{Button, EventKind, Ticket, ports::Event, sanitize};

/// The longest text that Twilio takes, in UTF-16 code units.
pub const MAX: usize = 1_600;

/// The longest name that a notification shows, in UTF-16 code units.
const NAME_MAX: usize = 120;

/// The longest subject that a notification shows, in UTF-16 code units.
const SUBJECT_MAX: usize = 240;

/// The longest summary, in characters.
const SUMMARY_MAX: usize = 500;

/// The text of a notification, at most [`MAX`] UTF-16 code units. What is too long is cut in the customer's message.
pub fn notification(event: &Event<'_>) -> String {
    let (head, tail) = match event.kind {
        EventKind::Created => created(event),
        EventKind::Attachment => attachment(event),
        // A question is of no ticket, and has texts of its own; the others are the customer's.
        EventKind::Updated | EventKind::Question | EventKind::Answered | EventKind::Resolved | EventKind::Links => {
            updated(event)
        }
    };
    let room = MAX.saturating_sub(units(&head) + units(&tail));
    let said = said(event.message, event.ticket);
    format!("{head}{}{tail}", cut(&said, room))
}

/// What surrounds the message of a new ticket: who, how urgent and what about, and the details.
fn created(event: &Event<'_>) -> (String, String) {
    let ticket = event.ticket;
    let priority = ticket.details.priority;
    let (name, subject) = (customer(ticket), subject(ticket));
    let head = if priority.is_pressing() {
        let priority = priority.as_str().to_uppercase();
        format!("🎫 *{priority}: New ticket from {name}* – {subject}\n\n")
    } else {
        format!("🎫 *New ticket from {name}* ({priority}) – {subject}\n\n")
    };
    let customer = &ticket.details.customer;
    let tail = format!(
        "\n\n*Ticket:* {}\n*Phone:* {}\n*Email:* {}\n*View ticket:* {}\n\nSwipe this message to answer.",
        ticket.reference,
        customer.phone,
        line(customer.email.as_str(), ticket),
        event.ticket_url,
    );
    (head, tail)
}

/// What surrounds a further message: who wrote it, and the ticket.
fn updated(event: &Event<'_>) -> (String, String) {
    let ticket = event.ticket;
    let head = format!("💬 *New message from {}*\n\n", customer(ticket));
    let tail = format!(
        "\n\n*Ticket:* {} – {}\n*View ticket:* {}",
        ticket.reference,
        subject(ticket),
        event.ticket_url
    );
    (head, tail)
}

/// What surrounds the message, if there is one, that comes with a file: its name, and the ticket.
fn attachment(event: &Event<'_>) -> (String, String) {
    let (_, tail) = updated(event);
    let names = event
        .attachments
        .iter()
        .map(|link| line(link.attachment.name.as_str(), event.ticket));
    let below = if event.message.is_empty() { "" } else { "\n\n" };
    (format!("📎 {}{below}", names.collect::<Vec<_>>().join(", ")), tail)
}

/// The event as one line of at most 500 characters, for message templates.
pub fn summary(event: &Event<'_>) -> String {
    let ticket = event.ticket;
    let details = &ticket.details;
    let whole = format!(
        "{} ({}) {}: {} – {}",
        ticket.reference, details.priority, details.customer.name, details.subject, event.message
    );
    sanitize::cut(line(&whole, ticket), SUMMARY_MAX)
}

/// The title of a button.
pub fn button(button: Button) -> &'static str {
    match button {
        Button::Resolve => "Resolve",
        Button::Note => "Note",
        Button::Undo => "Undo",
    }
}

fn customer(ticket: &Ticket) -> String {
    cut(&line(ticket.details.customer.name.as_str(), ticket), NAME_MAX)
}

fn subject(ticket: &Ticket) -> String {
    cut(&line(ticket.details.subject.as_str(), ticket), SUBJECT_MAX)
}

fn line(text: &str, ticket: &Ticket) -> String {
    sanitize::line(text, Some(ticket.reference))
}

/// What a customer wrote, in its lines.
fn said(message: &str, ticket: &Ticket) -> String {
    let message = sanitize::escape_whatsapp_markup(&sanitize::prose(message, Some(ticket.reference)));
    // At the beginning of a line `>` quotes.
    let unquoted = message.trim().lines().map(|line| match line.strip_prefix('>') {
        Some(rest) => format!("›{rest}"),
        None => line.to_owned(),
    });
    unquoted.collect::<Vec<_>>().join("\n")
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// At most `max` UTF-16 code units of a text. It is cut between characters as people see them, never inside an emoji, and
/// not within a reference, whose first digits are another ticket's.
fn cut(text: &str, max: usize) -> String {
    if units(text) <= max {
        return text.to_owned();
    }
    let room = max.saturating_sub(1);
    let end_within = |ends: &mut dyn Iterator<Item = (usize, &str)>| {
        let mut used = 0;
        let fits = |(start, piece): (usize, &str)| {
            used += units(piece);
            (used <= room).then_some(start + piece.len())
        };
        ends.map_while(fits).last()
    };
    let end = end_within(&mut text.grapheme_indices(true))
        // One that is longer than the room all by itself is cut all the same.
        .or_else(|| end_within(&mut text.char_indices().map(|(at, c)| (at, &text[at..at + c.len_utf8()]))))
        .unwrap_or_default();
    format!("{}…", sanitize::without_partial_reference(&text[..end]).trim_end())
}
