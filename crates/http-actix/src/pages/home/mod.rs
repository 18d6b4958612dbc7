//! The form: `GET /` shows it, `POST /` opens a ticket.

mod request;
mod view;

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
    access::{AccessControl, Kind, log_store_failure},
    pages::{
        Site, WhoAnswers, error_page,
        form_data::{Form, FormData},
        form_field::InvalidFields,
        form_token,
        not_stored::NotStored,
        origin::Origin,
        rejection::Rejection,
        return_to::{self, ReturnTo},
    },
};

pub(crate) async fn show(
    request: HttpRequest,
    site: Data<Site>,
    who_answers: Data<WhoAnswers>,
    random: Data<dyn Random>,
) -> HttpResponse {
    let query = FormData::parse(request.query_string().as_bytes());
    let asked = ReturnTo::parse(query.get(return_to::FIELD), &site.settings);
    let is_refused = asked.is_err();
    let return_to = asked.ok().flatten();
    let who_answers = who_answers.sentence().await;
    let page = FormPage {
        site: &site,
        values: &FormData::default(),
        errors: &InvalidFields::default(),
        word: is_refused.then_some(Word::NoWayBack),
        token: &form_token::new(&**random),
        return_to: return_to.as_ref(),
        who_answers: who_answers.as_deref(),
    };
    page.respond(StatusCode::OK)
}

pub(crate) async fn send(
    request: HttpRequest,
    form: Form,
    site: Data<Site>,
    access: Data<AccessControl>,
    random: Data<dyn Random>,
    open_ticket: Data<OpenTicket>,
) -> Result<HttpResponse, Rejection> {
    if Origin::of(&request, &site.settings) == Origin::Foreign {
        return Ok(error_page::foreign_origin(&site));
    }
    let limited = access.limit(Kind::Creation, &request);
    let form = match limited {
        Ok(()) => form.read().await,
        Err(_) => Ok(form.typed().await),
    };
    let form = form.map_err(|error| error_page::unreadable_form(&site, error))?;
    let return_to = ReturnTo::parse(form.get(return_to::FIELD), &site.settings);
    // Whatever stands in the way, the form is shown again with everything that was typed.
    let page = FormPage {
        site: &site,
        values: &form,
        errors: &InvalidFields::default(),
        word: None,
        token: &form_token::of(&form, &**random),
        return_to: return_to.as_ref().ok().and_then(Option::as_ref),
        who_answers: None,
    };
    let not_stored = |reason: NotStored| {
        let word = Some(Word::NotStored(reason));
        reason.respond(|status| FormPage { word, ..page }.respond(status))
    };
    if return_to.is_err() {
        let errors = &request::read(&form).err().unwrap_or_default();
        let word = Some(Word::NoWayBack);
        return Ok(FormPage { errors, word, ..page }.respond(StatusCode::BAD_REQUEST));
    }
    limited.map_err(|error| not_stored(NotStored::TooMany(error)))?;
    let ticket = match request::read(&form) {
        Ok(ticket) => ticket,
        Err(errors) => {
            let errors = &errors;
            return Ok(FormPage { errors, ..page }.respond(StatusCode::BAD_REQUEST));
        }
    };
    // A form that another program made has no token.
    let key = form_token::given(&form).and_then(|token| form_token::idempotency_key(&token, &[&ticket.digest()]));
    match open_ticket.open(ticket, key, access.caller(&request)).await {
        Ok(opened) => Ok(redirect(&site, &opened, return_to.ok().flatten())),
        Err(error) => {
            // The key is made of the content: it is never reused for another.
            if let OpenError::Store(error) = &error {
                log_store_failure(error);
            }
            Ok(not_stored(NotStored::Store))
        }
    }
}

/// Redirects to the ticket's page, or to the address in the form.
fn redirect(site: &Site, opened: &OpenedTicket, return_to: Option<ReturnTo>) -> HttpResponse {
    let reference = opened.reference.to_string();
    // A relative address stays on the name of the site that the visitor used.
    let here = || {
        let link = Url::parse(&opened.url).ok();
        let query = link.as_ref().and_then(Url::query).unwrap_or_default();
        site.at(&format!("/ticket/{reference}?{query}"))
    };
    let address = return_to.map_or_else(here, |return_to| return_to.telling(&reference, &opened.url));
    HttpResponse::SeeOther().insert_header((LOCATION, address)).finish()
}

#[cfg(test)]
mod tests;
