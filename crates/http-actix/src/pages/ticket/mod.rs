//! The ticket: `GET /ticket/{ref}` shows it, `POST` to the same address adds what the customer writes.

pub(crate) mod mail;
mod receipts;
mod reply;
mod view;

use std::future::{Ready, ready};

use actix_web::{
    FromRequest, HttpRequest, HttpResponse,
    dev::Payload,
    http::{StatusCode, header::LOCATION},
    web::Data,
};
use reply::{MESSAGE, Mode, Reply};
use ticket_domain::{
    AccessLevel, MessageText, TicketRef,
    ports::Random,
    use_cases::{AddError, AddMessage, CustomerMails},
};
use view::TicketPage;

use crate::{
    access::{AccessControl, SharedThreads, SharedView, VisitError, Visitor, log_store_failure},
    pages::{
        Site, WhoAnswers, error_page,
        form_data::{Form, FormData},
        form_field::InvalidFields,
        form_token,
        not_stored::NotStored,
        origin::Origin,
        rejection::Rejection,
    },
    state::{MissingPart, part},
};

/// A visit to a ticket's page: which ticket, and what the visitor shows.
pub(crate) struct Visit {
    request: HttpRequest,
    site: Data<Site>,
    access: Data<AccessControl>,
    who_answers: Data<WhoAnswers>,
    /// None if the address can't be a reference's: no ticket has it.
    reference: Option<TicketRef>,
    key: Option<String>,
    mode: Mode,
}

impl FromRequest for Visit {
    type Error = MissingPart;
    type Future = Ready<Result<Self, MissingPart>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let read = || {
            let query = FormData::parse(request.query_string().as_bytes());
            Ok(Self {
                site: part::<Site>(request)?.clone(),
                access: part::<AccessControl>(request)?.clone(),
                who_answers: part::<WhoAnswers>(request)?.clone(),
                reference: request.match_info().query("ticketRef").parse().ok(),
                key: query.find("key").map(str::to_owned),
                mode: Mode {
                    all: query.find("all").is_some(),
                    embed: query.find("embed").is_some(),
                },
                request: request.clone(),
            })
        };
        ready(read())
    }
}

pub(crate) async fn show(
    visit: Visit,
    threads: Data<SharedThreads>,
    mails: Data<CustomerMails>,
    random: Data<dyn Random>,
) -> Result<HttpResponse, Rejection> {
    let view = visit.view(&visit.visitor()?, &threads).await?;
    mail::note_shown(&visit.request, &view, &mails).await;
    let reply = Reply {
        text: "",
        errors: &InvalidFields::default(),
        token: &form_token::new(&**random),
    };
    Ok(visit.respond(&view, reply, StatusCode::OK).await)
}

pub(crate) async fn send(
    visit: Visit,
    form: Form,
    threads: Data<SharedThreads>,
    add_message: Data<AddMessage>,
    random: Data<dyn Random>,
) -> Result<HttpResponse, Rejection> {
    let site = &visit.site;
    let origin = Origin::of(&visit.request, &site.settings);
    if !matches!(origin, Origin::Own | Origin::Unstated) {
        return Ok(error_page::foreign_origin(site));
    }
    let visitor = visit.visitor()?;
    let form = form.read().await;
    let form = form.map_err(|error| error_page::unreadable_form(site, error))?;
    let token = form_token::of(&form, &**random);
    let mut errors = InvalidFields::default();
    let Some(text) = errors.parse::<MessageText>(MESSAGE, &form) else {
        let view = visit.view(&visitor, &threads).await?;
        if view.access_level != AccessLevel::Customer {
            return Ok(error_page::read_only(site));
        }
        let reply = Reply {
            text: form.get(MESSAGE.name),
            errors: &errors,
            token: &token,
        };
        return Ok(visit.respond(&view, reply, StatusCode::BAD_REQUEST).await);
    };
    let not_sent = |token: &str, reason: NotStored| {
        let reply = Reply {
            text: form.get(MESSAGE.name),
            errors: &errors,
            token,
        };
        match visit.reference {
            Some(reference) => reply::not_sent(site, reply, &visit.address(reference), visit.mode, reason),
            None => error_page::ticket_not_found(site),
        }
    };
    let name = visit
        .reference
        .map_or_else(String::new, |reference| reference.to_string());
    let once = form_token::idempotency_key(&token, &[name.as_bytes(), text.as_str().as_bytes()]);
    let error = match visitor.add(&add_message, visit.reference, text, once).await {
        Ok(added) => {
            let address = site.at(&visit.address(added.reference));
            let response = HttpResponse::SeeOther()
                .insert_header((LOCATION, format!("{address}#end")))
                .finish();
            return Ok(response);
        }
        Err(error) => error,
    };
    Ok(match error {
        VisitError::TooMany(error) => not_sent(&token, NotStored::TooMany(error)),
        VisitError::Refused(AddError::Store(error)) => {
            log_store_failure(&error);
            not_sent(&token, NotStored::Store)
        }
        // The idempotency key is made of the content, so it comes with no other; were it otherwise, a new form helps.
        VisitError::Refused(AddError::KeyReused | AddError::Full | AddError::UploadGone) => {
            not_sent(&form_token::new(&**random), NotStored::Store)
        }
        VisitError::Refused(AddError::NotFound | AddError::NotAllowed) => visit.refused(error),
    })
}

impl Visit {
    fn visitor(&self) -> Result<Visitor, Rejection> {
        let visitor = Visitor::with_key(&self.access, &self.request, self.key.clone());
        visitor.map_err(|error| error_page::too_many_requests(&self.site, error).into())
    }

    async fn view(&self, visitor: &Visitor, threads: &SharedThreads) -> Result<SharedView, Rejection> {
        let view = visitor.view(threads, self.reference).await;
        view.map_err(|error| self.refused(error).into())
    }

    /// Why the ticket is not shown.
    fn refused(&self, error: VisitError) -> HttpResponse {
        let site = &self.site;
        match error {
            VisitError::TooMany(error) => error_page::too_many_requests(site, error),
            VisitError::Refused(AddError::NotFound) => error_page::ticket_not_found(site),
            VisitError::Refused(AddError::NotAllowed) => error_page::read_only(site),
            VisitError::Refused(AddError::KeyReused | AddError::Full | AddError::UploadGone) => {
                error_page::service_unavailable(site)
            }
            VisitError::Refused(AddError::Store(error)) => {
                log_store_failure(&error);
                error_page::service_unavailable(site)
            }
        }
    }

    /// The page's address, below the base URL.
    fn address(&self, reference: TicketRef) -> String {
        reply::address(reference, self.key.as_deref(), self.mode)
    }

    async fn respond(&self, view: &SharedView, reply: Reply<'_>, status: StatusCode) -> HttpResponse {
        let who_answers = self.who_answers.sentence().await;
        TicketPage::new(&self.site, view, self.key.as_deref(), self.mode, reply).respond(status, who_answers.as_deref())
    }
}

#[cfg(test)]
mod tests;
