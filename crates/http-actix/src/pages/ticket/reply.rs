//! The form for the customer's messages.

use actix_web::HttpResponse;
use maud::{Markup, html};
use ticket_domain::{MessageText, TicketRef};
use url::form_urlencoded;

use crate::access::Limited;
use crate::pages::{
    Site,
    control::{Control, summary},
    error_page,
    form_field::{FormField, InvalidFields},
    form_token,
    layout::{embedded_page, public_page},
    not_stored::NotStored,
};

pub(super) const MESSAGE: FormField =
    FormField::new("message", "Reply", "Your message", "Please write something first.");

/// The content of the form.
#[derive(Clone, Copy)]
pub(super) struct Reply<'a> {
    /// The text as it was sent.
    pub(super) text: &'a str,
    pub(super) errors: &'a InvalidFields,
    pub(super) token: &'a str,
}

/// How a ticket's page is shown. Its links and forms stay with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mode {
    /// As many messages as fit into a long page.
    pub(super) all: bool,
    /// Within the widget.
    pub(super) embed: bool,
}

/// The address of a ticket's page, below the base URL.
pub(super) fn address(reference: TicketRef, key: Option<&str>, mode: Mode) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    if let Some(key) = key {
        query.append_pair("key", key);
    }
    for (name, is_set) in [("all", mode.all), ("embed", mode.embed)] {
        if is_set {
            query.append_key_only(name);
        }
    }
    match query.finish() {
        query if query.is_empty() => format!("/ticket/{reference}"),
        query => format!("/ticket/{reference}?{query}"),
    }
}

/// The form. `action` is the ticket's page.
pub(super) fn reply_box(reply: Reply<'_>, action: &str) -> Markup {
    let control = Control {
        field: MESSAGE,
        value: reply.text,
        error: reply.errors.get(MESSAGE),
        help: "",
    };
    html! {
        form.form.reply method="post" action=(action) novalidate data-once {
            (summary(reply.errors))
            input type="hidden" name=(form_token::FIELD) value=(reply.token);
            (control.area(MessageText::MAX))
            div.send { button.button type="submit" data-busy="Sending…" { "Send" } }
        }
    }
}

/// The page for a message that was not stored, with the message in it.
pub(super) fn not_sent(site: &Site, reply: Reply<'_>, address: &str, mode: Mode, reason: NotStored) -> HttpResponse {
    let words = match reason {
        NotStored::Store => "We couldn’t save your message. Please send it again in a minute.".to_owned(),
        NotStored::TooMany(error) => {
            let reason = error.limit.explanation();
            let reason = reason.unwrap_or("Too many messages from your network.");
            match error.limit {
                Limited::Ticket => reason.to_owned(),
                _ => format!("{reason} {}", error_page::wait(error)),
            }
        }
    };
    let title = "Your message isn’t sent yet";
    let address = site.at(address);
    let main = html! {
        main #main.wrap.narrow.plain-page.stack tabindex="-1" {
            h1 { (title) }
            div.notice.warn role="alert" tabindex="-1" autofocus { p { (words) " Nothing is lost." } }
            (reply_box(reply, &address))
            p { a href=(address) { "Back to the ticket" } }
        }
    };
    reason.respond(|status| {
        if mode.embed {
            embedded_page(site, status, title, main)
        } else {
            public_page(site, status, title, &html! {}, &main)
        }
    })
}
