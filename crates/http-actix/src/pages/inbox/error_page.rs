//! Error pages of the inbox. They keep what was typed.

use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, HeaderValue},
    },
};
use maud::{Markup, html};
use ticket_domain::ports::StoreError;

use super::{
    Rejection,
    auth::{Operator, OperatorForm},
};
use crate::{
    access::log_store_failure,
    pages::{
        Site,
        form_data::FormError,
        layout::{Audience, Page},
    },
};

/// A form that came from another site.
pub(super) fn foreign_origin(site: &Site) -> HttpResponse {
    let words = html! {
        p { "This form was sent from another website, so nothing was done." }
        p { a.button href=(site.at("/inbox")) { "Go to the inbox" } }
    };
    bare_page(site, StatusCode::FORBIDDEN, "That did not come from here", &words)
}

/// A form that can't be read.
pub(super) fn unreadable_form(site: &Site, error: FormError) -> HttpResponse {
    let words = html! {
        p { (error) }
        p { a.button href=(site.at("/inbox")) { "Go to the inbox" } }
    };
    bare_page(site, error.status(), "That could not be read", &words)
}

/// The store did not answer.
fn store_down(site: &Site, error: &StoreError, words: &Markup) -> Rejection {
    log_store_failure(error);
    let title = "The store does not answer";
    bare_page(site, StatusCode::SERVICE_UNAVAILABLE, title, words).into()
}

/// The typed text, to copy.
pub(super) fn kept(typed: &str) -> Markup {
    html! {
        @if !typed.trim().is_empty() {
            div.field {
                label for="kept" { "What you wrote, to copy" }
                textarea.input #kept readonly rows="6" { "\n" (typed) }
            }
        }
    }
}

/// A page without the frame of the inbox.
pub(super) fn bare_page(site: &Site, status: StatusCode, title: &str, words: &Markup) -> HttpResponse {
    let body = html! {
        a.skip href="#main" { "Skip to content" }
        header.top {
            div.wrap { a.brand href=(site.at("/inbox")) { (site.settings.site_name) } }
        }
        main.wrap.alone #main {
            div.card.stack {
                h1 { (title) }
                (words)
            }
        }
    };
    respond(site, status, title, body)
}

/// A response of the inbox. It may be confidential, so no browser stores it.
pub(super) fn respond(site: &Site, status: StatusCode, title: &str, body: Markup) -> HttpResponse {
    let page = Page {
        title,
        audience: Audience::Inbox,
        body,
    };
    let mut response = page.respond(site, status);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl Operator {
    /// There is no such ticket, message, ….
    pub(super) fn not_found(&self, what: &str) -> Rejection {
        self.not_found_for(what, "")
    }

    /// The same, with the typed text.
    pub(super) fn not_found_for(&self, what: &str, typed: &str) -> Rejection {
        let words = html! {
            p { "There is no such " (what) ". Perhaps the address was cut short." }
            (kept(typed))
            p { a.button href=(self.at("/inbox")) { "Back to tickets" } }
        };
        bare_page(&self.site, StatusCode::NOT_FOUND, "Not found", &words).into()
    }

    /// A page could not be read from the store.
    pub(super) fn store_down(&self, error: &StoreError) -> Rejection {
        let words = html! {
            p { "The tickets can't be read at the moment. Nothing is lost. Try again in a minute." }
            p { a.button href=(self.at("/inbox")) { "Try again" } }
        };
        store_down(&self.site, error, &words)
    }
}

impl OperatorForm {
    /// An action failed. The page has the same form, to be sent to `path` again.
    pub(super) fn store_down(&self, error: &StoreError, path: &str, fields: &[&str]) -> Rejection {
        let words = html! {
            p { "Nothing was changed. Try again in a minute." }
            form.stack method="post" action=(self.operator.at(path)) {
                @for field in fields.iter().copied() {
                    @if field == "message" {
                        div.field {
                            label for="message" { "Your answer" }
                            textarea.input #message name="message" rows="6" { "\n" (self.form.get(field)) }
                        }
                    } @else {
                        input type="hidden" name=(field) value=(self.form.get(field));
                    }
                }
                p.row {
                    button.button { "Try again" }
                    a.button.plain href=(self.operator.at("/inbox")) { "Back to tickets" }
                }
            }
        };
        store_down(&self.operator.site, error, &words)
    }
}
