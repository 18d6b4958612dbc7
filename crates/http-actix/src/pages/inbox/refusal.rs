//! Pages that say why something can't be had or was not done, and what to do instead. What was typed is not lost.

use actix_web::{
    HttpResponse,
    error::InternalError,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, HeaderValue},
    },
};
use maud::{Markup, html};
use ticket_domain::ports::StoreError;

use super::gate::{Operator, OperatorForm};
use crate::access::log_store_failure;
use crate::pages::{
    Pages,
    form_data::FormError,
    layout::{Audience, Page},
};

/// An answer other than the one that was asked for.
pub(super) struct Rejection(Box<HttpResponse>);

impl From<HttpResponse> for Rejection {
    fn from(response: HttpResponse) -> Self {
        Self(Box::new(response))
    }
}

impl From<Rejection> for actix_web::Error {
    fn from(refusal: Rejection) -> Self {
        InternalError::from_response("refused", *refusal.0).into()
    }
}

impl Rejection {
    /// What can't happen did.
    pub(super) fn internal() -> Self {
        HttpResponse::InternalServerError().finish().into()
    }

    /// A form that came from another site.
    pub(super) fn foreign(pages: &Pages) -> Self {
        let words = html! {
            p { "This form was sent from another website, so nothing was done." }
            p { a.button href=(pages.at("/inbox")) { "Go to the inbox" } }
        };
        alone(pages, StatusCode::FORBIDDEN, "That did not come from here", &words).into()
    }

    /// A form of an earlier session, or of none.
    pub(super) fn stale(pages: &Pages, typed: &str) -> Self {
        let words = html! {
            p { "The page was open since before you last signed in, so nothing was done. Open it again, and repeat what you did." }
            (kept(typed))
            p { a.button href=(pages.at("/inbox")) { "Go to the inbox" } }
        };
        alone(pages, StatusCode::FORBIDDEN, "That page is out of date", &words).into()
    }

    pub(super) fn not_a_form(pages: &Pages, error: FormError) -> Self {
        let words = html! {
            p { (error) }
            p { a.button href=(pages.at("/inbox")) { "Go to the inbox" } }
        };
        alone(pages, error.status(), "That could not be read", &words).into()
    }
}

/// What somebody typed, for them to copy.
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

/// A page with nothing around it.
pub(super) fn alone(pages: &Pages, status: StatusCode, title: &str, words: &Markup) -> HttpResponse {
    let body = html! {
        a.skip href="#main" { "Skip to content" }
        header.top {
            div.wrap { a.brand href=(pages.at("/inbox")) { (pages.parts.settings.site_name) } }
        }
        main.wrap.alone #main {
            div.card.stack {
                h1 { (title) }
                (words)
            }
        }
    };
    respond(pages, status, title, body)
}

/// An answer of the inbox: it shows what is not for everybody, so no browser keeps it.
pub(super) fn respond(pages: &Pages, status: StatusCode, title: &str, body: Markup) -> HttpResponse {
    let page = Page {
        title,
        audience: Audience::Inbox,
        body,
    };
    let mut response = page.respond(pages, status);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl Operator {
    /// There is no such thing.
    pub(super) fn not_found(&self, what: &str) -> Rejection {
        self.not_found_for(what, "")
    }

    /// There is no such thing, and something was typed for it.
    pub(super) fn not_found_for(&self, what: &str, typed: &str) -> Rejection {
        let words = html! {
            p { "There is no such " (what) ". Perhaps the address was cut short." }
            (kept(typed))
            p { a.button href=(self.at("/inbox")) { "Back to tickets" } }
        };
        alone(&self.pages, StatusCode::NOT_FOUND, "Not found", &words).into()
    }

    /// The store did not answer a question.
    pub(super) fn store_down(&self, error: &StoreError) -> Rejection {
        log_store_failure(error);
        let words = html! {
            p { "The tickets can't be read at the moment. Nothing is lost. Try again in a minute." }
            p { a.button href=(self.at("/inbox")) { "Try again" } }
        };
        alone(
            &self.pages,
            StatusCode::SERVICE_UNAVAILABLE,
            "The store does not answer",
            &words,
        )
        .into()
    }
}

impl OperatorForm {
    /// The store did not do what it was asked. The same form can be sent again, to `path`, as it was.
    pub(super) fn store_down(&self, error: &StoreError, path: &str, fields: &[&str]) -> Rejection {
        log_store_failure(error);
        let words = html! {
            p { "Nothing was changed. Try again in a minute." }
            form.stack method="post" action=(self.operator.at(path)) {
                input type="hidden" name="csrf" value=(self.operator.session.form_code());
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
        let pages = &self.operator.pages;
        alone(
            pages,
            StatusCode::SERVICE_UNAVAILABLE,
            "The store does not answer",
            &words,
        )
        .into()
    }
}
