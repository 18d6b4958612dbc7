//! The page with the form.

use actix_web::{HttpResponse, http::StatusCode};
use maud::{Markup, html};
use ticket_domain::{MessageText, Priority};

use super::request::{EMAIL, MESSAGE, NAME, PHONE, PRIORITY, SUBJECT, TRAP};
use crate::pages::{
    Site,
    control::{Control, error_line, summary},
    error_page,
    form_data::FormData,
    form_field::{FormField, InvalidFields},
    form_token, labels,
    layout::public_page,
    not_stored::NotStored,
    return_to::{self, ReturnTo},
};

/// A notice above the form.
#[derive(Debug, Clone, Copy)]
pub(super) enum Word {
    /// The address to return to is not allowed.
    NoWayBack,
    /// The request was not stored.
    NotStored(NotStored),
}

/// The page with the form.
#[derive(Clone, Copy)]
pub(super) struct FormPage<'a> {
    pub(super) site: &'a Site,
    /// The form as it was sent.
    pub(super) values: &'a FormData,
    pub(super) errors: &'a InvalidFields,
    pub(super) word: Option<Word>,
    pub(super) token: &'a str,
    pub(super) return_to: Option<&'a ReturnTo>,
    /// Who answers, and how soon.
    pub(super) who_answers: Option<&'a str>,
}

impl FormPage<'_> {
    pub(super) fn respond(&self, status: StatusCode) -> HttpResponse {
        let title = if self.errors.is_empty() {
            "Contact us"
        } else {
            "Please check the form"
        };
        let main = html! {
            main #main.wrap.home tabindex="-1" {
                div.intro {
                    h1 { "How can we help?" }
                    p.lead { "Tell us what happened. You’ll get a private page where our answer appears." }
                    @if let Some(sentence) = self.who_answers { p.who-answers { (sentence) } }
                }
                div.card.stack {
                    @if let Some(word) = self.word { (notice(word)) }
                    (summary(self.errors))
                    (self.form())
                    @if self.site.settings.mail {
                        p.quiet { "Wrote to us before? " a href=(self.site.at("/find")) { "Find my request" } }
                    }
                }
                (what_happens_next())
            }
        };
        public_page(self.site, status, title, &html! {}, &main)
    }

    fn form(&self) -> Markup {
        html! {
            // The rules are the server's: a browser's own would refuse some of what they allow.
            form.form method="post" action=(self.site.at("/")) novalidate data-once {
                input type="hidden" name=(form_token::FIELD) value=(self.token);
                @if let Some(address) = self.return_to {
                    input type="hidden" name=(return_to::FIELD) value=(address);
                }
                (self.control(SUBJECT, "").line("text", "off"))
                (self.control(MESSAGE, "What happened, and what you’d like us to do.").area(MessageText::MAX))
                (self.urgency())
                (self.control(NAME, "").line("text", "name"))
                div.pair {
                    (self.control(PHONE, "With country code, e.g. +55 11 91234‑5678. So we know it’s you on WhatsApp.").line("tel", "tel"))
                    (self.control(EMAIL, if self.site.settings.mail { "We’ll e‑mail you when we answer." } else { "" }).line("email", "email"))
                }
                (self.trap())
                div.send { button.button type="submit" data-busy="Sending…" { "Send" } }
            }
        }
    }

    fn control<'a>(&'a self, field: FormField, help: &'a str) -> Control<'a> {
        Control {
            field,
            value: self.values.get(field.name),
            error: self.errors.get(field),
            help,
        }
    }

    fn urgency(&self) -> Markup {
        let chosen = self.values.get(PRIORITY.name).parse().unwrap_or_default();
        let error = self.errors.get(PRIORITY);
        let choice = |priority: Priority| {
            // The summary of errors links to the first.
            let id = (Some(&priority) == Priority::ALL.first()).then_some(PRIORITY.name);
            html! {
                label {
                    input type="radio" id=[id] name=(PRIORITY.name) value=(priority) checked[priority == chosen];
                    span { (labels::priority(priority)) }
                }
            }
        };
        html! {
            fieldset.field aria-describedby=[error.map(|_| "priority-fault")] {
                legend { (PRIORITY.label) }
                div.segments {
                    @for priority in Priority::ALL { (choice(*priority)) }
                }
                (error_line(PRIORITY, error))
            }
        }
    }

    /// The honeypot. It is hidden unless somebody filled it in.
    fn trap(&self) -> Markup {
        let error = self.errors.get(TRAP);
        html! {
            div.field .trap[error.is_none()] {
                label for=(TRAP.name) { (TRAP.label) }
                input.input type="text" #(TRAP.name) name=(TRAP.name) value=(self.values.get(TRAP.name)) autocomplete="off"
                    tabindex=[error.is_none().then_some("-1")] aria-invalid=[error.map(|_| "true")]
                    aria-describedby=[error.map(|_| "website-fault")];
                (error_line(TRAP, error))
            }
        }
    }
}

fn notice(word: Word) -> Markup {
    let (title, text) = match word {
        Word::NoWayBack => (
            "We can’t send you back from here",
            "The page you came from gave an address that isn’t allowed. Send the form, and you’ll see your request here instead.".to_owned(),
        ),
        Word::NotStored(NotStored::Store) => (
            "We couldn’t save your request",
            "Nothing is lost. Please send it again in a minute.".to_owned(),
        ),
        Word::NotStored(NotStored::TooMany(error)) => (
            "One moment, please",
            format!("Too many messages from your network. {} Nothing is lost.", error_page::wait(error)),
        ),
    };
    html! { div.notice.warn role="alert" tabindex="-1" autofocus { h2 { (title) } p { (text) } } }
}

fn what_happens_next() -> Markup {
    let step = |title: &str, text: &str| html! { li { h3 { (title) } p { (text) } } };
    html! {
        section.next aria-labelledby="next" {
            h2 #next { "What happens next" }
            ol {
                (step("You get a page", "It shows your request and every answer. Save the link."))
                (step("A manager reads it", "You can see when they’ve read it."))
                (step("The answer appears", "It appears on your page; no need to refresh. You can reply there."))
            }
        }
    }
}
