//! The form: `GET /` shows it, `POST /` opens a ticket.

mod request;
mod view;

use std::net::IpAddr;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header::LOCATION},
    web::Data,
};
use ticket_domain::{
    ports::Random,
    use_cases::{OpenError, OpenTicket, OpenedTicket},
};
use url::Url;
use view::{FormPage, Word};

use crate::{
    access::{AccessControl, Kind, TooMany, log_store_failure},
    pages::{
        DuplicateFilter, Site, error_page,
        form_data::{Form, FormData},
        form_field::InvalidFields,
        form_token,
        origin::Origin,
        return_to::{self, ReturnTo},
    },
};

/// Why no ticket was opened. The form is shown again, with everything that was typed.
enum Rejection {
    Invalid(InvalidFields),
    /// The address to return to is not allowed.
    Return,
    TooMany(TooMany),
    /// The same words came twice from there, and are stored.
    Duplicate(TooMany),
    Store,
}

pub(crate) async fn show(request: HttpRequest, site: Data<Site>, random: Data<dyn Random>) -> HttpResponse {
    let query = FormData::parse(request.query_string().as_bytes());
    let asked = ReturnTo::parse(query.get(return_to::FIELD), &site.settings);
    let is_refused = asked.is_err();
    let return_to = asked.ok().flatten();
    let page = FormPage {
        site: &site,
        values: &FormData::default(),
        faults: &InvalidFields::default(),
        word: is_refused.then_some(Word::NoWayBack),
        token: &form_token::new(&**random),
        return_to: return_to.as_ref(),
    };
    page.respond(StatusCode::OK)
}

pub(crate) async fn send(
    request: HttpRequest,
    form: Form,
    site: Data<Site>,
    access: Data<AccessControl>,
    random: Data<dyn Random>,
    duplicates: Data<DuplicateFilter>,
    open_ticket: Data<OpenTicket>,
) -> HttpResponse {
    if Origin::of(&request, &site.settings) == Origin::Foreign {
        return error_page::foreign_origin(&site);
    }
    let limited = access.limit(Kind::Creation, &request);
    let form = match limited {
        Ok(()) => form.read().await,
        Err(_) => Ok(form.typed().await),
    };
    let form = match form {
        Ok(form) => form,
        Err(error) => return error_page::unreadable_form(&site, error),
    };
    let token = form_token::of(&form, &**random);
    let return_to = ReturnTo::parse(form.get(return_to::FIELD), &site.settings);
    let opened = match (&return_to, limited) {
        (Err(return_to::NotAllowed), _) => Err(Rejection::Return),
        (Ok(_), Err(error)) => Err(Rejection::TooMany(error)),
        (Ok(_), Ok(())) => {
            let caller = access.caller(&request);
            open(&open_ticket, &duplicates, caller, &form, &token).await
        }
    };
    let return_to = return_to.ok().flatten();
    match opened {
        Ok(opened) => redirect(&site, &opened, return_to),
        Err(rejection) => {
            let page = FormPage {
                site: &site,
                values: &form,
                faults: &InvalidFields::default(),
                word: None,
                token: &token,
                return_to: return_to.as_ref(),
            };
            show_again(page, rejection)
        }
    }
}

async fn open(
    open_ticket: &OpenTicket,
    duplicates: &DuplicateFilter,
    caller: Option<IpAddr>,
    form: &FormData,
    token: &str,
) -> Result<OpenedTicket, Rejection> {
    let ticket = request::read(form).map_err(Rejection::Invalid)?;
    let key = form_token::idempotency_key(token, &[&ticket.digest()]);
    // Somebody else with the same problem in the same office has another e-mail address.
    let words = [
        ticket.details.customer.email.as_str(),
        ticket.details.subject.as_str(),
        ticket.message.as_str(),
    ];
    let recorded = duplicates
        .take(caller, &words, key.as_ref())
        .map_err(Rejection::Duplicate)?;
    open_ticket.open(ticket, key).await.map_err(|error| {
        duplicates.forget(recorded);
        if let OpenError::Store(error) = &error {
            log_store_failure(error);
        }
        // The key is made of the content: it is never reused for another.
        Rejection::Store
    })
}

/// To the ticket's own page, or back to where the form came from.
fn redirect(site: &Site, opened: &OpenedTicket, return_to: Option<ReturnTo>) -> HttpResponse {
    let reference = opened.reference.to_string();
    // Without another address it is on the site that the visitor is on, whichever of its names they used.
    let here = || {
        let link = Url::parse(&opened.url).ok();
        let query = link.as_ref().and_then(Url::query).unwrap_or_default();
        site.at(&format!("/ticket/{reference}?{query}"))
    };
    let address = return_to.map_or_else(here, |return_to| return_to.telling(&reference, &opened.url));
    HttpResponse::SeeOther().insert_header((LOCATION, address)).finish()
}

/// The form with what was typed and why it was not recorded.
fn show_again(page: FormPage<'_>, rejection: Rejection) -> HttpResponse {
    let with = |word: Word, status: StatusCode| {
        let word = Some(word);
        FormPage { word, ..page }.respond(status)
    };
    match rejection {
        Rejection::Invalid(faults) => FormPage {
            faults: &faults,
            ..page
        }
        .respond(StatusCode::BAD_REQUEST),
        Rejection::Return => {
            let faults = request::read(page.values).err().unwrap_or_default();
            let word = Some(Word::NoWayBack);
            FormPage {
                word,
                faults: &faults,
                ..page
            }
            .respond(StatusCode::BAD_REQUEST)
        }
        Rejection::Store => with(Word::NotStored, StatusCode::INTERNAL_SERVER_ERROR),
        Rejection::Duplicate(error) => {
            error_page::retry_after(with(Word::Duplicate(error), StatusCode::TOO_MANY_REQUESTS), error)
        }
        Rejection::TooMany(error) => {
            error_page::retry_after(with(Word::TooMany(error), StatusCode::TOO_MANY_REQUESTS), error)
        }
    }
}

#[cfg(test)]
mod tests;
