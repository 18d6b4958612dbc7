//! The form: `GET /` shows it, `POST /` opens a ticket.

mod request;
mod view;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header::LOCATION},
    web::Data,
};
use ticket_domain::{
    ports::StoreError,
    use_cases::{OpenError, OpenedTicket},
};
use url::Url;

use crate::access::{Kind, TooMany, log_store_failure};
use crate::pages::{
    Pages, again,
    fault::ValidationErrors,
    form_data::{Form, FormData},
    origin::Origin,
    return_to::{self, ReturnTo},
    stamp, trouble,
};
use view::{FormPage, Word};

/// Why no ticket was opened. The form is shown again, with everything that was typed.
enum Rejection {
    ValidationErrors(ValidationErrors),
    /// It can't go back to where it was told to.
    Return,
    TooMany(TooMany),
    /// It was filled in faster than people do.
    Quick,
    /// The same words came twice from there, and are stored.
    Existing(TooMany),
    Store,
}

pub(crate) async fn show(request: HttpRequest, pages: Data<Pages>) -> HttpResponse {
    let query = FormData::parse(request.query_string().as_bytes());
    let asked = ReturnTo::parse(query.get(return_to::FIELD), &pages.parts.settings);
    let is_refused = asked.is_err();
    let return_to = asked.ok().flatten();
    let page = FormPage {
        pages: &pages,
        values: &FormData::default(),
        faults: &ValidationErrors::default(),
        word: is_refused.then_some(Word::NoWayBack),
        mark: &again::new_mark(&*pages.parts.random),
        shown: &pages.stamps.at(pages.parts.clock.now()),
        return_to: return_to.as_ref(),
    };
    page.respond(StatusCode::OK)
}

pub(crate) async fn send(request: HttpRequest, pages: Data<Pages>, form: Form) -> HttpResponse {
    if Origin::of(&request, &pages.parts.settings) == Origin::Foreign {
        return trouble::foreign(&pages);
    }
    let limited = pages.parts.access_control.limit(Kind::Creation, &request);
    let form = match limited {
        Ok(()) => form.read().await,
        Err(_) => Ok(form.typed().await),
    };
    let form = match form {
        Ok(form) => form,
        Err(error) => return trouble::unreadable(&pages, error),
    };
    let mark = again::mark(&form, &*pages.parts.random);
    let return_to = ReturnTo::parse(form.get(return_to::FIELD), &pages.parts.settings);
    let opened = match (&return_to, limited) {
        (Err(return_to::NotAllowed), _) => Err(Rejection::Return),
        (Ok(_), Err(error)) => Err(Rejection::TooMany(error)),
        (Ok(_), Ok(())) => open(&request, &pages, &form, &mark).await,
    };
    let return_to = return_to.ok().flatten();
    match opened {
        Ok(opened) => on_to(&pages, &opened, return_to),
        Err(refusal) => again_please(&pages, &form, &mark, return_to.as_ref(), refusal),
    }
}

async fn open(request: &HttpRequest, pages: &Pages, form: &FormData, mark: &str) -> Result<OpenedTicket, Rejection> {
    let parts = &pages.parts;
    let ticket = request::read(form).map_err(Rejection::ValidationErrors)?;
    let now = parts.clock.now();
    let caller = parts.access_control.caller(request);
    if caller.is_some() && pages.stamps.is_too_soon(form.get(stamp::FIELD), now) {
        return Err(Rejection::Quick);
    }
    let key = again::key(mark, &[&ticket.digest()]);
    // Whoever else has the same trouble in the same office has another address.
    let words = [
        ticket.details.customer.email.as_str(),
        ticket.details.subject.as_str(),
        ticket.message.as_str(),
    ];
    let taken = pages
        .repeats
        .take(caller, &words, key.as_ref(), now)
        .map_err(Rejection::Existing)?;
    parts.open_ticket.open(ticket, key).await.map_err(|error| {
        pages.repeats.forget(taken);
        match error {
            OpenError::Store(error) => not_stored(&error),
            // The key is made of the content: it comes with no other.
            OpenError::KeyReused => Rejection::Store,
        }
    })
}

fn not_stored(error: &StoreError) -> Rejection {
    log_store_failure(error);
    Rejection::Store
}

/// To the ticket's own page, or back to where the form came from.
fn on_to(pages: &Pages, opened: &OpenedTicket, return_to: Option<ReturnTo>) -> HttpResponse {
    let reference = opened.reference.to_string();
    // Without another address it is on the site that the visitor is on, whichever of its names they used.
    let here = || {
        let link = Url::parse(&opened.url).ok();
        let query = link.as_ref().and_then(Url::query).unwrap_or_default();
        pages.at(&format!("/ticket/{reference}?{query}"))
    };
    let address = return_to.map_or_else(here, |return_to| return_to.telling(&reference, &opened.url));
    HttpResponse::SeeOther().insert_header((LOCATION, address)).finish()
}

fn again_please(
    pages: &Pages,
    form: &FormData,
    mark: &str,
    return_to: Option<&ReturnTo>,
    refusal: Rejection,
) -> HttpResponse {
    // Whoever was shown the form a while ago has taken their time.
    let shown = pages.stamps.of(form.get(stamp::FIELD), pages.parts.clock.now());
    let page = |word: Option<Word>, faults: &ValidationErrors, status: StatusCode| {
        let page = FormPage {
            pages,
            values: form,
            faults,
            word,
            mark,
            shown: &shown,
            return_to,
        };
        page.respond(status)
    };
    let none = ValidationErrors::default();
    match refusal {
        Rejection::ValidationErrors(faults) => page(None, &faults, StatusCode::BAD_REQUEST),
        Rejection::Return => {
            let faults = request::read(form).err().unwrap_or_default();
            page(Some(Word::NoWayBack), &faults, StatusCode::BAD_REQUEST)
        }
        Rejection::Quick => page(Some(Word::Quick), &none, StatusCode::BAD_REQUEST),
        Rejection::Existing(error) => {
            let page = page(Some(Word::Existing(error)), &none, StatusCode::TOO_MANY_REQUESTS);
            trouble::retry_after(page, error)
        }
        Rejection::Store => page(Some(Word::NotStored), &none, StatusCode::INTERNAL_SERVER_ERROR),
        Rejection::TooMany(error) => {
            let page = page(Some(Word::TooMany(error)), &none, StatusCode::TOO_MANY_REQUESTS);
            trouble::retry_after(page, error)
        }
    }
}

#[cfg(test)]
mod tests;
