//! Messages as a chat.

use maud::{Markup, html};
use ticket_domain::{MediaUrl, Message, Sender, Thread, Visibility};

use crate::pages::labels;

/// The reader's side: their own messages are on the right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The customer. Their messages are from "You".
    Customer,
    /// Another reader, who sees the customer's side.
    Onlooker,
    Team,
}

/// Some messages of a thread, oldest first, each with what `below` adds to it.
pub(crate) fn some_messages(
    thread: &Thread,
    messages: &[Message],
    side: Side,
    below: impl Fn(&Message) -> Markup,
) -> Markup {
    let customer = thread.ticket.details.customer.name.as_str();
    html! {
        ol.thread #thread data-part="thread" {
            @for message in messages { (bubble(message, customer, side, &below(message))) }
        }
    }
}

/// A link to a medium, and its host, which may be anybody's.
pub(crate) fn attachment(media: &MediaUrl) -> Markup {
    html! {
        a href=(media) rel="noopener noreferrer nofollow" target="_blank" { "Open attachment" }
        @if let Some(host) = media.host() { " " span.quiet { "at " (host) } }
    }
}

fn bubble(message: &Message, customer: &str, side: Side, below: &Markup) -> Markup {
    let is_customers = message.sender == Sender::Customer;
    let is_own = is_customers == (side != Side::Team);
    let body = message.content.body().as_str();
    let name = match side {
        Side::Customer if is_customers => "You",
        _ if is_customers => customer,
        _ => labels::sender(message.sender),
    };
    html! {
        li.bubble .own[is_own] .still[message.visibility != Visibility::Public] id=(format!("m-{}", message.id)) {
            p.who {
                b dir="auto" { (name) } " " (labels::moment(message.created_at))
                @match message.visibility {
                    Visibility::Public => {}
                    Visibility::Internal => { " " span.badge { "Internal note" } }
                    Visibility::Removed if side == Side::Team => { " " span.badge.still { "Removed" } }
                    Visibility::Removed => {}
                }
            }
            @if message.visibility == Visibility::Removed && side != Side::Team {
                p.quiet { "This message was removed." }
            }
            @if !body.is_empty() { p.text dir="auto" { (body) } }
            @if let Some(media) = message.content.media() { p.media { (attachment(media)) } }
            (below)
            @if side == Side::Team && message.visibility == Visibility::Public {
                details.quiet {
                    summary { "Remove" }
                    button.button.plain.small form="remove" name="message" value=(message.id) { "Hide from the customer" }
                }
            }
        }
    }
}
