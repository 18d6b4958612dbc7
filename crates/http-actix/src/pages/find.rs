//! `/find`: a customer who lost their link has it mailed.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};
use maud::html;
use ticket_domain::{Contact, use_cases::CustomerMails};
use tokio::time::{Instant, sleep_until};

use crate::{
    access::{AccessControl, Kind, log_store_failure},
    pages::{
        Site,
        control::{Control, summary},
        error_page,
        form_data::{Form, FormData},
        form_field::{FormField, InvalidFields},
        layout::public_page,
        origin::Origin,
        rejection::Rejection,
    },
};

const CONTACT: FormField = FormField::new(
    "contact",
    "E‑mail address or phone number",
    "It",
    "Please enter your e‑mail address or phone number.",
);

/// How long an answer takes, whether or not there are tickets: longer than it takes to find some.
const ANSWER_AFTER: Duration = Duration::from_millis(300);

pub(crate) async fn show(site: Data<Site>, mails: Data<CustomerMails>) -> HttpResponse {
    if !mails.are_sent() {
        return no_mail(&site);
    }
    form_page(&site, "", &InvalidFields::default(), StatusCode::OK)
}

pub(crate) async fn send(
    request: HttpRequest,
    form: Form,
    site: Data<Site>,
    access: Data<AccessControl>,
    mails: Data<CustomerMails>,
) -> Result<HttpResponse, Rejection> {
    let answer_at = Instant::now() + ANSWER_AFTER;
    if !mails.are_sent() {
        return Ok(no_mail(&site));
    }
    if !matches!(Origin::of(&request, &site.settings), Origin::Own | Origin::Unstated) {
        return Ok(error_page::foreign_origin(&site));
    }
    access
        .limit(Kind::Creation, &request)
        .map_err(|error| error_page::too_many_requests(&site, error))?;
    let form: FormData = form
        .read()
        .await
        .map_err(|error| error_page::unreadable_form(&site, error))?;
    let mut errors = InvalidFields::default();
    let Some(contact) = contact(&form, &mut errors) else {
        return Ok(form_page(
            &site,
            form.get(CONTACT.name),
            &errors,
            StatusCode::BAD_REQUEST,
        ));
    };
    if let Err(error) = mails.send_links(&contact).await {
        log_store_failure(&error);
        return Ok(error_page::service_unavailable(&site));
    }
    sleep_until(answer_at).await;
    Ok(sent_page(&site))
}

/// Reads an e-mail address if there is an `@`, and otherwise a phone number.
fn contact(form: &FormData, errors: &mut InvalidFields) -> Option<Contact> {
    if form.get(CONTACT.name).contains('@') {
        errors.parse(CONTACT, form).map(Contact::Email)
    } else {
        errors.parse(CONTACT, form).map(Contact::Phone)
    }
}

fn form_page(site: &Site, value: &str, errors: &InvalidFields, status: StatusCode) -> HttpResponse {
    let title = "Find my request";
    let control = Control {
        field: CONTACT,
        value,
        error: errors.get(CONTACT),
        help: "The one that you gave when you wrote to us.",
    };
    let main = html! {
        main #main.wrap.narrow.plain-page.stack tabindex="-1" {
            h1 { (title) }
            p { "Lost the link to your request? We’ll e‑mail it to you again." }
            form.form method="post" action=(site.at("/find")) novalidate data-once {
                (summary(errors))
                (control.line("text", "email"))
                div.send { button.button type="submit" data-busy="Sending…" { "E‑mail me the link" } }
            }
        }
    };
    public_page(site, status, title, &html! {}, &main)
}

/// The same for everybody, so that nobody learns who wrote to us.
fn sent_page(site: &Site) -> HttpResponse {
    let title = "Check your e‑mail";
    let main = html! {
        main #main.wrap.narrow.plain-page.stack tabindex="-1" {
            h1 { (title) }
            p {
                "If there are open requests under what you entered, we’ve just e‑mailed the links to the address in them. \
                 It can take a few minutes; look in the spam folder too."
            }
            p { "We send at most one such e‑mail an hour." }
            p { a href=(site.at("/")) { "Write to us instead" } }
        }
    };
    public_page(site, StatusCode::OK, title, &html! {}, &main)
}

/// Where customers get no mail, there is no such page.
fn no_mail(site: &Site) -> HttpResponse {
    error_page::nothing_here(site)
}

#[cfg(test)]
mod tests;
