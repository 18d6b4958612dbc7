//! What is said of commands and buttons.

use std::fmt::Write as _;

use super::clarify::{name, row};
use crate::{CHOICES, Choice, Status, Ticket, TicketRef, Timestamp, sanitize};

const WORDS: &str = "/resolve, /reopen or /note and your words, swiping a ticket's message\n/list shows open tickets\n\
    /undo takes your last answer back within a minute";

/// All commands.
pub fn help() -> String {
    format!("Swipe a ticket's message to answer it. You can also write:\n{WORDS}")
}

/// A word after a slash that is no command.
pub fn unknown_command() -> String {
    format!("I don't know that command, so nothing was sent. You can write:\n{WORDS}")
}

/// A command that names no ticket, or two.
pub fn command_needs_ticket() -> String {
    "Which ticket? Swipe its message, or add its reference (T-…). Nothing is done yet.".into()
}

/// A command with a reference that no ticket has.
pub fn no_such_ticket(reference: TicketRef) -> String {
    format!("I can't find ticket {reference}, so nothing was done.")
}

/// A command that takes no words, with words or an attachment.
pub fn command_takes_no_words() -> String {
    "Only /note takes words or attachments, so nothing was done and nothing was sent. To answer the customer, swipe the \
     ticket's message and write without a slash."
        .into()
}

/// A note without words, or the button for one.
pub fn note_needs_text() -> String {
    "To add a note, swipe the ticket's message and write /note and your words. The customer won't see it.".into()
}

/// A button that the server did not make.
pub fn unknown_button() -> String {
    "That button doesn't work any more. Write /help to see what you can do.".into()
}

/// A status was set, or was so already.
pub fn status_set(ticket: &Choice, status: Status) -> String {
    let (is_now, back) = match status {
        Status::Open => ("Open again", "/resolve"),
        Status::Resolved => ("Marked as solved", "/reopen"),
        Status::Closed => ("Closed", "/reopen"),
    };
    format!(
        "{is_now}: {} ({}). {back} takes it back.",
        name(&ticket.name),
        ticket.reference
    )
}

/// A note was added.
pub fn noted(ticket: &Choice) -> String {
    format!(
        "Noted for your team. {} won't see it ({}).",
        name(&ticket.name),
        ticket.reference
    )
}

/// An answer was taken back.
pub fn undone(ticket: &Choice) -> String {
    format!(
        "Taken back. {} now sees “This message was removed” ({}).",
        name(&ticket.name),
        ticket.reference
    )
}

/// There is no answer to take back.
pub fn nothing_to_undo() -> String {
    "There's no answer of yours from the last minute to take back.".into()
}

/// The newest open tickets; one more than [`CHOICES`] says that there are more.
pub fn open_tickets(tickets: &[Choice], now: Timestamp) -> String {
    if tickets.is_empty() {
        return "No ticket is open.".into();
    }
    let mut text = if tickets.len() > CHOICES.into() {
        format!("The {CHOICES} newest open tickets (the inbox has all):")
    } else {
        String::from("Open tickets, newest first:")
    };
    for ticket in tickets.iter().take(CHOICES.into()) {
        // Writing to a text does not fail.
        let _ = write!(text, "\n• {}, {}", row(ticket, now), ticket.reference);
    }
    text
}

/// Nothing but emoji.
pub fn reaction(emoji: &str, ticket: Option<&Ticket>) -> String {
    let emoji = sanitize::cut(sanitize::line(emoji, None), 8);
    match ticket {
        Some(ticket) => format!(
            "I didn't send {emoji} to {}. Write a word to answer.",
            name(&ticket.details.customer.name)
        ),
        None => format!("I didn't send {emoji} to anyone."),
    }
}
