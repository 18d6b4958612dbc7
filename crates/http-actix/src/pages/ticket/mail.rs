//! The customer's mails about a ticket: what the page has shown is not mailed, and who wants none gets none.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header::HeaderMap},
    web::Data,
};
use maud::html;
use ticket_domain::{AccessLevel, MessageId, ports::StoreError, use_cases::CustomerMails};
use uuid::Uuid;

use super::Visit;
use crate::{
    access::{SharedThreads, SharedView, log_store_failure},
    pages::{
        error_page,
        form_data::{Form, FormData},
        layout::public_page,
        origin::Origin,
        rejection::Rejection,
    },
};

/// The field that says whether the customer wants mails: `no`, or `yes`. A mail program's one click has none.
const WANTED: &str = "wanted";

/// The field with the id of the last message that the visitor has seen.
const MESSAGE: &str = "message";

/// Notes what a page has just shown to the customer. A browser that fetches the page ahead, or a script of the page, shows
/// nothing.
pub(super) async fn note_shown(request: &HttpRequest, view: &SharedView, mails: &CustomerMails) {
    if is_opened(request.headers())
        && let Err(error) = mails.page_shown(view.thread(), view.access_level).await
    {
        log_store_failure(&error);
    }
}

/// Whether a person opens the page in a window. Old browsers don't say.
fn is_opened(headers: &HeaderMap) -> bool {
    let says = |name: &str, word: &str| {
        headers
            .get(name)
            .is_none_or(|value| value.as_bytes() == word.as_bytes())
    };
    let is_ahead = headers.contains_key("sec-purpose") || headers.contains_key("purpose");
    let is_page = says("sec-fetch-dest", "document") || says("sec-fetch-dest", "iframe");
    is_page && !is_ahead
}

/// `POST /ticket/{ref}/seen`: the page's script says what the customer has seen.
pub(crate) async fn seen(
    visit: Visit,
    form: Form,
    threads: Data<SharedThreads>,
    mails: Data<CustomerMails>,
) -> Result<HttpResponse, Rejection> {
    let (view, form) = visit.customers_form(form, &threads).await?;
    let message = form.get(MESSAGE).parse::<Uuid>();
    let done = match message {
        Ok(message) => mails.seen(view.thread().ticket.id, MessageId(message)).await,
        Err(_) => return Ok(HttpResponse::BadRequest().finish()),
    };
    Ok(match done {
        Ok(()) => HttpResponse::NoContent().finish(),
        Err(error) => visit.not_done(&error),
    })
}

/// `GET /ticket/{ref}/mail`: asks whether to stop the mails. Opening a link changes nothing, as programs do it too.
pub(crate) async fn ask(visit: Visit, threads: Data<SharedThreads>) -> Result<HttpResponse, Rejection> {
    let view = visit.view(&visit.visitor()?, &threads).await?;
    if view.access_level != AccessLevel::Customer {
        return Ok(error_page::read_only(&visit.site));
    }
    Ok(visit.mail_page(&view, None))
}

/// `POST /ticket/{ref}/mail`: stops the mails, or sends them again. A mail program sends it by one click (RFC 8058).
pub(crate) async fn choose(
    visit: Visit,
    form: Form,
    threads: Data<SharedThreads>,
    mails: Data<CustomerMails>,
) -> Result<HttpResponse, Rejection> {
    let (view, form) = visit.customers_form(form, &threads).await?;
    let is_wanted = form.get(WANTED) == "yes";
    match mails.set_unsubscribed(view.thread().ticket.id, !is_wanted).await {
        Ok(()) => Ok(visit.mail_page(&view, Some(is_wanted))),
        Err(error) => Ok(visit.not_done(&error)),
    }
}

impl Visit {
    /// The ticket and the form of a visitor who must be its customer.
    async fn customers_form(&self, form: Form, threads: &SharedThreads) -> Result<(SharedView, FormData), Rejection> {
        let site = &self.site;
        if !matches!(
            Origin::of(&self.request, &site.settings),
            Origin::Own | Origin::Unstated
        ) {
            return Err(error_page::foreign_origin(site).into());
        }
        let view = self.view(&self.visitor()?, threads).await?;
        if view.access_level != AccessLevel::Customer {
            return Err(error_page::read_only(site).into());
        }
        let form = form.read().await;
        let form = form.map_err(|error| error_page::unreadable_form(site, error))?;
        Ok((view, form))
    }

    fn not_done(&self, error: &StoreError) -> HttpResponse {
        log_store_failure(error);
        error_page::service_unavailable(&self.site)
    }

    /// Asks whether to stop the mails, or says what was chosen.
    fn mail_page(&self, view: &SharedView, chosen: Option<bool>) -> HttpResponse {
        let site = &self.site;
        let reference = view.thread().ticket.reference;
        let ticket = site.at(&self.address(reference));
        let action = match ticket.split_once('?') {
            Some((page, query)) => format!("{page}/mail?{query}"),
            None => format!("{ticket}/mail"),
        };
        let (title, words, button, wanted) = match chosen {
            None => (
                "Stop e‑mails about this request?",
                "You can still read our answers on the request’s page.",
                "Stop e‑mails",
                "no",
            ),
            Some(false) => (
                "You won’t get any more e‑mails about this request",
                "You can still read our answers on the request’s page.",
                "Send e‑mails again",
                "yes",
            ),
            Some(true) => (
                "You’ll get e‑mails about this request",
                "We’ll e‑mail you when we answer.",
                "Stop e‑mails",
                "no",
            ),
        };
        let main = html! {
            main #main.wrap.narrow.plain-page.stack tabindex="-1" {
                h1 { (title) }
                p { (words) }
                form method="post" action=(action) {
                    input type="hidden" name=(WANTED) value=(wanted);
                    button.button type="submit" { (button) }
                }
                p { a href=(ticket) { "Open request " (reference) } }
            }
        };
        public_page(site, StatusCode::OK, title, &html! {}, &main)
    }
}

#[cfg(test)]
mod tests;
