//! The frame around each page of the inbox: navigation, what needs attention, and the flash message.

use actix_web::{HttpResponse, http::StatusCode};
use maud::{Markup, html};

use super::{attention::Counts, auth::Operator, error_page::respond, flash};

/// The tabs of the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tab {
    Tickets,
    Unmatched,
    Notifications,
    AuditLog,
}

impl Tab {
    const ALL: [Self; 4] = [Self::Tickets, Self::Unmatched, Self::Notifications, Self::AuditLog];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Tickets => "Tickets",
            Self::Unmatched => "Unmatched",
            Self::Notifications => "Notifications",
            Self::AuditLog => "Trail",
        }
    }

    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Tickets => "/inbox",
            Self::Unmatched => "/inbox/unmatched",
            Self::Notifications => "/inbox/notifications",
            Self::AuditLog => "/inbox/trail",
        }
    }

    /// The number beside the tab, and what it counts.
    fn count(self, counts: &Counts) -> (u64, &'static str) {
        match self {
            Self::Tickets => (counts.waiting(), "waiting for you"),
            Self::Unmatched => (counts.unmatched(), "unmatched"),
            Self::Notifications => (counts.stuck(), "failed or held"),
            Self::AuditLog => (0, ""),
        }
    }
}

/// A page of the inbox. `main` is everything within `<main>`.
pub(super) fn framed(
    operator: &Operator,
    status: StatusCode,
    tab: Tab,
    title: &str,
    counts: &Counts,
    main: &Markup,
) -> HttpResponse {
    let body = html! {
        a.skip href="#main" { "Skip to content" }
        div.inbox data-events=(operator.at("/inbox/events")) {
            (head(operator, tab, counts))
            div.desk {
                (counts.line(operator))
                (flash::notice(&operator.site, &operator.query))
                main #main { (main) }
            }
        }
        (keys())
        p.sr #says aria-live="polite" {}
    };
    respond(&operator.site, status, title, body)
}

fn head(operator: &Operator, here: Tab, counts: &Counts) -> Markup {
    html! {
        header.rail {
            a.brand href=(operator.at("/inbox")) { (operator.site.settings.site_name) }
            nav aria-label="Inbox" data-part="nav" {
                @for tab in Tab::ALL {
                    @let (count, what) = tab.count(counts);
                    a href=(operator.at(tab.path())) aria-current=[(tab == here).then_some("page")] {
                        (tab.name())
                        @if count > 0 { " " span.count { (count) span.sr { " " (what) } } }
                    }
                }
            }
            div.rail-end {
                button.link type="button" data-keys hidden { "Keys" }
                form method="post" action=(operator.at("/inbox/session/end")) {
                    button.link { "Sign out" }
                }
            }
        }
    }
}

/// The list of keyboard shortcuts, which the script opens.
fn keys() -> Markup {
    html! {
        dialog #keys aria-labelledby="keys-title" {
            h2 #keys-title { "Keys" }
            dl {
                @for (key, does) in [
                    ("j", "next ticket"),
                    ("k", "ticket before"),
                    ("Enter", "open it"),
                    ("r", "write an answer"),
                    ("e", "resolve"),
                    ("/", "search"),
                    ("Esc", "clear the search, leave a field"),
                    ("?", "this list"),
                ] {
                    div { dt { kbd { (key) } } dd { (does) } }
                }
            }
            form method="dialog" { button.button.plain.small { "Close" } }
        }
    }
}
