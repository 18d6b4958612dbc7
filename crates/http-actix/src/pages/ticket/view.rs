//! The page of a ticket. The script updates elements with `data-part` while the page is open.

use actix_web::{HttpResponse, http::StatusCode};
use maud::{Markup, html};
use ticket_domain::{AccessLevel, Status, Thread};

use super::{
    receipts::Receipts,
    reply::{Mode, Reply, address, reply_box},
};
use crate::{
    access::{LastEventId, SharedView},
    pages::{
        Site,
        excerpt::{newest, newest_of_long_page},
        labels,
        layout::{embedded_page, public_page},
        thread::{self, Side},
        whatsapp,
    },
};

/// The ticket's page.
pub(super) struct TicketPage<'a> {
    site: &'a Site,
    thread: &'a Thread,
    access_level: AccessLevel,
    /// A valid key. A wrong one is not kept in links.
    key: Option<&'a str>,
    mode: Mode,
    reply: Reply<'a>,
}

impl<'a> TicketPage<'a> {
    pub(super) fn new(
        site: &'a Site,
        view: &'a SharedView,
        key: Option<&'a str>,
        mode: Mode,
        reply: Reply<'a>,
    ) -> Self {
        let key = key.filter(|_| view.access_level > AccessLevel::Anyone);
        Self {
            site,
            thread: view.thread(),
            access_level: view.access_level,
            key,
            mode,
            reply,
        }
    }

    /// The response. `who_answers` is a sentence for who still waits for an answer.
    pub(super) fn respond(&self, status: StatusCode, who_answers: Option<&str>) -> HttpResponse {
        let ticket = &self.thread.ticket;
        let can_write = self.access_level == AccessLevel::Customer;
        let main = html! {
            main #main.wrap.ticket tabindex="-1" data-live=(self.events()) data-poll=(self.api("", None)) data-seen=[self.seen()] {
                (self.head(who_answers))
                section.talk aria-label="Messages" {
                    (self.messages())
                    // The fragment moves the focus here, before the form.
                    div #end tabindex="-1" { span.sr { "End of conversation" } }
                    div.state data-part="state" {
                        @if let Some(means) = labels::status_means(ticket.status, can_write) { p.notice { (means) } }
                    }
                    @if can_write { (reply_box(self.reply, &self.page(self.mode))) }
                }
                @if can_write && !self.mode.embed { aside.side aria-label="About this page" { (self.on_whatsapp()) (keep_the_link()) } }
                p.sr #news role="status" {}
            }
        };
        let title = format!("{} · {}", ticket.details.subject, ticket.reference);
        if self.mode.embed {
            return embedded_page(self.site, status, &title, main);
        }
        let nav = html! { a href=(self.site.at("/")) { "New request" } };
        public_page(self.site, status, &title, &nav, &main)
    }

    fn head(&self, who_answers: Option<&str>) -> Markup {
        let ticket = &self.thread.ticket;
        let is_waiting = ticket.status == Status::Open && self.thread.answered_at().is_none();
        let tone = if ticket.status == Status::Open {
            "badge"
        } else {
            "badge still"
        };
        html! {
            div.title {
                p.row {
                    span.ref { (ticket.reference) }
                    span data-part="badges" {
                        span class=(tone) { (labels::status(ticket.status)) } " "
                        @if ticket.details.priority.is_pressing() {
                            span.badge.warn { (labels::priority(ticket.details.priority)) }
                        }
                    }
                }
                h1 dir="auto" { (ticket.details.subject) }
                p.quiet { "Opened " (labels::moment(ticket.created_at)) }
                div data-part="who" {
                    @if let Some(sentence) = who_answers.filter(|_| is_waiting) { p.who-answers { (sentence) } }
                }
            }
        }
    }

    fn messages(&self) -> Markup {
        let thread = self.thread;
        let (messages, earlier) = if self.mode.all {
            newest_of_long_page(&thread.messages)
        } else {
            newest(&thread.messages)
        };
        let side = if self.access_level == AccessLevel::Customer {
            Side::Customer
        } else {
            Side::Onlooker
        };
        let receipts = Receipts::of(thread);
        html! {
            div data-part="earlier" {
                @if self.mode.all && earlier > 0 {
                    p.earlier.quiet { "The " (earlier) " oldest messages don’t fit into this page." }
                } @else if earlier > 0 {
                    p.earlier { a href=(self.page(Mode { all: true, ..self.mode })) { "Show " (earlier) " earlier " @if earlier == 1 { "message" } @else { "messages" } } }
                }
            }
            (thread::some_messages(thread, messages, side, |message| receipts.below(message)))
        }
    }

    /// The way to WhatsApp.
    fn on_whatsapp(&self) -> Markup {
        let number = self.site.settings.whatsapp_number.as_ref();
        html! {
            @if let Some(number) = number {
                section aria-labelledby="whatsapp" {
                    h2 #whatsapp { "Photos or voice notes?" }
                    p.quiet { "Send them on WhatsApp, from the phone number you gave us. They’ll show up here." }
                    div.row {
                        a.button.plain.small href=(whatsapp::link(number, self.thread.ticket.reference)) target="_blank"
                            rel="noopener noreferrer" { "Open WhatsApp" }
                    }
                }
            }
        }
    }

    fn page(&self, mode: Mode) -> String {
        self.site.at(&address(self.thread.ticket.reference, self.key, mode))
    }

    /// Where the script says what the customer has seen; none if that changes nothing.
    fn seen(&self) -> Option<String> {
        let is_mailed = self.site.settings.mail && self.access_level == AccessLevel::Customer;
        let page = self.page(self.mode);
        is_mailed.then(|| page.replacen('?', "/seen?", 1))
    }

    /// The event stream of the script, from the current state on.
    fn events(&self) -> String {
        let seen = LastEventId::all(self.thread).to_string();
        self.api("/events", Some(("lastEventId", &seen)))
    }

    fn api(&self, what: &str, more: Option<(&str, &str)>) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.key.map(|key| ("key", key)).into_iter().chain(more));
        let query = query.finish();
        let mark = if query.is_empty() { "" } else { "?" };
        self.site.at(&format!(
            "/api/ticket/{}{what}{mark}{query}",
            self.thread.ticket.reference
        ))
    }
}

fn keep_the_link() -> Markup {
    html! {
        section aria-labelledby="keep" {
            h2 #keep { "Save this page" }
            p.quiet { "Bookmark it or copy its link. Anyone with the link can read and write here, so keep it to yourself." }
            div.row {
                button.button.plain.small type="button" data-copy="Copied" hidden { "Copy link" }
                button.button.plain.small type="button" data-sound aria-pressed="false" hidden { "Sound for answers" }
            }
        }
    }
}
