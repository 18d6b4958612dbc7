//! `/inbox`: the list of tickets. On a wide screen it is also shown beside an open ticket.

use std::fmt::Display;

use actix_web::{HttpResponse, http::StatusCode};
use maud::{Markup, html};
use ticket_domain::{
    Awaiting, Priority, Status, TicketListItem, TicketPage, TicketQuery, TicketRef, ports::StoreError,
};

use super::{
    Rejection,
    age::age,
    attention::Counts,
    auth::Operator,
    filter::Filter,
    frame::{Tab, framed},
};
use crate::pages::{excerpt::beginning, labels};

/// The list, beside a ticket or on its own page.
pub(super) struct List {
    filter: Filter,
    tickets: TicketPage,
    /// Whether any ticket exists.
    is_any: bool,
}

/// `GET /inbox`
pub(super) async fn page(operator: Operator) -> Result<HttpResponse, Rejection> {
    let (counts, list) = tokio::try_join!(Counts::read(&operator), List::read(&operator))
        .map_err(|error| operator.store_down(&error))?;
    let main = html! {
        div.panes {
            (list.pane(&operator, None))
            div.case.none {
                div.empty {
                    p { "Choose a ticket to read it here." }
                    p.quiet data-keys-hint hidden { kbd { "j" } " and " kbd { "k" } " move, " kbd { "Enter" } " opens, " kbd { "?" } " shows all keys." }
                }
            }
        }
    };
    Ok(framed(
        &operator,
        StatusCode::OK,
        Tab::Tickets,
        "Tickets",
        &counts,
        &main,
    ))
}

impl List {
    /// Reads the list for the query of the page's address.
    pub(super) async fn read(operator: &Operator) -> Result<Self, StoreError> {
        let filter = Filter::of(&operator.query);
        let operate = &operator.operate;
        let tickets = operate.list(filter.ticket_query()).await?;
        let is_any = !tickets.tickets.is_empty() || {
            let first = TicketQuery {
                limit: 1,
                ..Filter::everything().ticket_query()
            };
            !operate.list(first).await?.tickets.is_empty()
        };
        Ok(Self {
            filter,
            tickets,
            is_any,
        })
    }

    /// The list, its search and its filters. `open` is the ticket beside it.
    pub(super) fn pane(&self, operator: &Operator, open: Option<TicketRef>) -> Markup {
        html! {
            section.list aria-labelledby="list-title" {
                @if open.is_some() { h2.sr #list-title { "Tickets" } } @else { h1.sr #list-title { "Tickets" } }
                (self.search(operator))
                div data-part="list" {
                    (self.views(operator))
                    @if self.tickets.tickets.is_empty() { (self.nothing(operator)) } @else {
                        ol.rows {
                            @for listed in &self.tickets.tickets {
                                (self.row(operator, listed, open))
                            }
                        }
                    }
                    (self.pages(operator))
                }
            }
        }
    }

    fn search(&self, operator: &Operator) -> Markup {
        let filter = &self.filter;
        let error = filter.text.as_ref().err();
        let is_special = ![Filter::open(), Filter::waiting(), Filter::everything()]
            .iter()
            .any(|usual| filter.is_like(usual));
        html! {
            form.search role="search" method="get" action=(operator.at("/inbox")) {
                div.line {
                    label.sr for="q" { "Search the tickets" }
                    input.input #q type="search" name="q" value=(filter.typed) placeholder="Search" autocomplete="off"
                        aria-invalid=[error.map(|_| "true")] aria-describedby=[error.map(|_| "q-fault")];
                    button.button.plain.small.go { "Search" }
                }
                @if let Some(error) = error { p.fault #q-fault { "What you look for " (error) "." } }
                details #filters open[is_special] {
                    summary { "Filter" }
                    div.line {
                        (select("status", "Status", "any", filter.status, Status::ALL, labels::status))
                        (select("priority", "Priority", "", filter.priority, Priority::ALL, labels::priority))
                        (select("awaiting", "Waiting for", "", filter.awaiting, Awaiting::ALL, awaited))
                        button.button.plain.small { "Show" }
                    }
                }
            }
        }
    }

    fn views(&self, operator: &Operator) -> Markup {
        html! {
            nav.views aria-label="Lists" {
                @for (name, view) in [
                    ("Waiting for you", Filter::waiting()),
                    ("Open", Filter::open()),
                    ("All", Filter::everything()),
                ] {
                    @let is_here = self.filter.is_like(&view);
                    @let address = view.with_text_of(&self.filter).query().after("/inbox");
                    a href=(operator.at(&address)) aria-current=[is_here.then_some("true")] { (name) }
                }
            }
        }
    }

    fn row(&self, operator: &Operator, listed: &TicketListItem, open: Option<TicketRef>) -> Markup {
        let ticket = &listed.ticket;
        let address = self
            .filter
            .query()
            .after(&format!("/inbox/ticket/{}", ticket.reference));
        let is_here = open == Some(ticket.reference);
        html! {
            li {
                a.row-link href=(operator.at(&address)) data-ticket=(ticket.reference) aria-current=[is_here.then_some("true")] {
                    span.first {
                        span.name { (cut(ticket.details.customer.name.as_str(), 40)) }
                        (age(listed.last.at, operator.now))
                    }
                    span.subject { (cut(ticket.details.subject.as_str(), 64)) }
                    span.excerpt { b { (labels::sender(listed.last.sender)) ": " } (excerpt(listed)) }
                    (badges(listed))
                }
            }
        }
    }

    fn pages(&self, operator: &Operator) -> Markup {
        let link = |after| operator.at(&self.filter.from(after).query().after("/inbox"));
        html! {
            @if self.filter.after.is_some() || self.tickets.next.is_some() {
                nav.pages aria-label="Pages" {
                    @if self.filter.after.is_some() { a.button.plain.small href=(link(None)) { "Newest" } }
                    @if self.tickets.next.is_some() {
                        a.button.plain.small rel="next" href=(link(self.tickets.next)) { "Older" }
                    }
                }
            }
        }
    }

    fn nothing(&self, operator: &Operator) -> Markup {
        let all = Filter::everything().with_text_of(&self.filter).query().after("/inbox");
        let is_everything = self.filter.is_like(&Filter::everything());
        html! {
            div.empty {
                @if !self.is_any {
                    (no_tickets(operator))
                } @else if self.filter.after.is_some() {
                    p { "There is nothing on this page." }
                } @else if !self.filter.typed.is_empty() {
                    p { "No ticket here has all these words." }
                    p.quiet { "Names, numbers, references, subjects and messages are searched. The last word may be only begun." }
                    @if !is_everything { p { a href=(operator.at(&all)) { "Search all tickets" } } }
                } @else if self.filter.awaiting == Some(Awaiting::Manager) {
                    p { "Nobody waits for an answer." }
                    p { a href=(operator.at("/inbox")) { "Show what is open" } }
                } @else if self.filter.is_usual() {
                    p { "Nothing is open: every ticket is resolved or closed." }
                    p { a href=(operator.at(&all)) { "Show all tickets" } }
                } @else {
                    p { "No ticket is like that." }
                    p { a href=(operator.at(&all)) { "Show all tickets" } }
                }
            }
        }
    }
}

/// How to open the first ticket.
fn no_tickets(operator: &Operator) -> Markup {
    let base_url = &operator.site.settings.base_url;
    html! {
        h2 { "No tickets yet" }
        p { "The first one comes when somebody sends " a href=(operator.at("/")) { "the form" } ", or when a program does:" }
        pre tabindex="0" {
            code {
                "curl " (base_url) "/api/ticket \\\n"
                "  -H 'content-type: application/json' \\\n"
                "  -d '{\"customerName\": \"Ada\",\n"
                "       \"customerPhone\": \"+15550100\",\n"
                "       \"customerEmail\": \"ada@example.com\",\n"
                "       \"subject\": \"A first ticket\",\n"
                "       \"message\": \"Does it work?\"}'"
            }
        }
    }
}

fn select<T: Copy + PartialEq + Display>(
    name: &str,
    label: &str,
    any: &str,
    chosen: Option<T>,
    options: &[T],
    name_of: fn(T) -> &'static str,
) -> Markup {
    html! {
        label {
            span { (label) }
            select.input name=(name) {
                option value=(any) selected[chosen.is_none()] { "Any" }
                @for &option in options {
                    option value=(option) selected[chosen == Some(option)] { (name_of(option)) }
                }
            }
        }
    }
}

fn awaited(awaiting: Awaiting) -> &'static str {
    match awaiting {
        Awaiting::Manager => "You",
        Awaiting::Customer => "The customer",
    }
}

fn badges(listed: &TicketListItem) -> Markup {
    let TicketListItem { ticket, .. } = listed;
    let waits = listed.awaiting() == Some(Awaiting::Manager);
    let is_pressing = ticket.details.priority.is_pressing();
    html! {
        @if waits || is_pressing || ticket.status != Status::Open {
            span.badges {
                @if is_pressing { (priority_badge(ticket.details.priority)) }
                @if ticket.status != Status::Open { (status_badge(ticket.status)) }
                @if waits { span.badge { "Waiting for you" } }
            }
        }
    }
}

pub(super) fn priority_badge(priority: Priority) -> Markup {
    let is_urgent = priority == Priority::Urgent;
    let is_high = priority == Priority::High;
    html! {
        span.badge .danger[is_urgent] .warn[is_high] .still[!is_urgent && !is_high] { (labels::priority(priority)) }
    }
}

pub(super) fn status_badge(status: Status) -> Markup {
    html! { span.badge .still[status != Status::Open] { (labels::status(status)) } }
}

fn excerpt(listed: &TicketListItem) -> String {
    match (&*listed.last.text, listed.last.has_medium) {
        ("", true) => "an attachment".to_owned(),
        (text, _) => cut(text, 72),
    }
}

/// The first `max` characters of a text; fewer if they take over 1.5 times as many bytes in a page.
pub(super) fn cut(text: &str, max: usize) -> String {
    match beginning(text, max, max + max / 2) {
        whole if whole.len() == text.len() => text.to_owned(),
        beginning => format!("{}…", beginning.trim_end()),
    }
}
