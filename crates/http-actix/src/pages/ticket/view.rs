//! The page of a ticket. The script updates elements with `data-part` while the page is open.

use actix_web::{HttpResponse, http::StatusCode};
use maud::{Markup, html};
use ticket_domain::{AccessLevel, Status, Thread};

use super::{
    receipts::Receipts,
    reply::{Reply, address, reply_box},
};
use crate::{
    access::{LastEventId, SharedView},
    pages::{
        Site,
        excerpt::{newest, newest_of_long_page},
        labels,
        layout::public_page,
        thread::{self, Side},
    },
};

/// The ticket's page.
pub(super) struct TicketPage<'a> {
    site: &'a Site,
    thread: &'a Thread,
    access_level: AccessLevel,
    /// A valid key. A wrong one is not kept in links.
    key: Option<&'a str>,
    /// Whether as many messages are shown as fit into a long page.
    all: bool,
    reply: Reply<'a>,
}

impl<'a> TicketPage<'a> {
    pub(super) fn new(site: &'a Site, view: &'a SharedView, key: Option<&'a str>, all: bool, reply: Reply<'a>) -> Self {
        let key = key.filter(|_| view.access_level > AccessLevel::Anyone);
        Self {
            site,
            thread: view.thread(),
            access_level: view.access_level,
            key,
            all,
            reply,
        }
    }

    pub(super) fn respond(&self, status: StatusCode) -> HttpResponse {
        let ticket = &self.thread.ticket;
        let can_write = self.access_level == AccessLevel::Customer;
        let main = html! {
            main #main.wrap.ticket tabindex="-1" data-live=(self.events()) data-poll=(self.api("", None)) {
                (self.head())
                section.talk aria-label="Messages" {
                    (self.messages())
                    // The fragment moves the focus here, before the form.
                    div #end tabindex="-1" { span.sr { "End of conversation" } }
                    div.state data-part="state" {
                        @if let Some(means) = labels::status_means(ticket.status, can_write) { p.notice { (means) } }
                    }
                    @if can_write { (reply_box(self.reply, &self.page(self.all))) }
                }
                @if can_write { aside.side aria-label="About this page" { (keep_the_link()) } }
                p.sr #news role="status" {}
            }
        };
        let nav = html! { a href=(self.site.at("/")) { "New request" } };
        let title = format!("{} · {}", ticket.details.subject, ticket.reference);
        public_page(self.site, status, &title, &nav, &main)
    }

    fn head(&self) -> Markup {
        let ticket = &self.thread.ticket;
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
            }
        }
    }

    fn messages(&self) -> Markup {
        let thread = self.thread;
        let (messages, earlier) = if self.all {
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
                @if self.all && earlier > 0 {
                    p.earlier.quiet { "The " (earlier) " oldest messages don't fit into this page." }
                } @else if earlier > 0 {
                    p.earlier { a href=(self.page(true)) { "Show " (earlier) " earlier " @if earlier == 1 { "message" } @else { "messages" } } }
                }
            }
            (thread::some_messages(thread, messages, side, |message| receipts.below(message)))
        }
    }

    fn page(&self, all: bool) -> String {
        self.site.at(&address(self.thread.ticket.reference, self.key, all))
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
        section.keep aria-labelledby="keep" {
            h2 #keep { "Save this page" }
            p.quiet { "Bookmark it or copy its link. Anyone with the link can read and write here, so keep it to yourself." }
            div.row {
                button.button.plain.small type="button" data-copy="Copied" hidden { "Copy link" }
                button.button.plain.small type="button" data-sound aria-pressed="false" hidden { "Sound for answers" }
            }
        }
    }
}
