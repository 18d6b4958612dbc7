//! The ticket: `GET /ticket/{ref}` shows it, `POST` to the same address adds what the customer writes.

mod reply;
mod steps;
mod view;

use std::future::{Ready, ready};

use actix_web::{
    FromRequest, HttpRequest, HttpResponse,
    dev::Payload,
    http::{
        StatusCode,
        header::{HeaderName, HeaderValue, LOCATION},
    },
    web::Data,
};
use reply::{MESSAGE, NotSent, Reply};
use ticket_domain::{
    AccessLevel, MessageText, TicketRef,
    ports::{Random, StoreError},
    use_cases::{AddError, AddMessage, Credentials, View, ViewError, ViewTicket},
};
use view::TicketPage;

use crate::{
    access::{AccessControl, TooMany, log_store_failure},
    pages::{
        DuplicateFilter, Site, error_page,
        form_data::{Form, FormData},
        form_field::InvalidFields,
        form_token,
        origin::Origin,
    },
    state::{MissingPart, part},
};

/// Why somebody sees nothing.
enum Rejection {
    NotFound,
    /// Only the customer writes here.
    ReadOnly,
    /// The form was used for another message.
    Reused,
    TooMany(TooMany),
    /// The same words came twice, and are stored.
    Duplicate(TooMany),
    Store(StoreError),
}

impl From<TooMany> for Rejection {
    fn from(error: TooMany) -> Self {
        Self::TooMany(error)
    }
}

impl From<ViewError> for Rejection {
    fn from(error: ViewError) -> Self {
        match error {
            ViewError::NotFound => Self::NotFound,
            ViewError::Store(error) => Self::Store(error),
        }
    }
}

impl From<AddError> for Rejection {
    fn from(error: AddError) -> Self {
        match error {
            AddError::NotFound => Self::NotFound,
            AddError::NotAllowed => Self::ReadOnly,
            AddError::KeyReused => Self::Reused,
            AddError::Store(error) => Self::Store(error),
        }
    }
}

impl Rejection {
    /// Whether the ticket is missing, where the visitor proved nothing. When the store is down nobody knows, and a right
    /// key is never limited.
    fn proves_nothing(&self) -> Option<bool> {
        match self {
            Self::NotFound => Some(true),
            Self::ReadOnly => Some(false),
            Self::Reused | Self::TooMany(_) | Self::Duplicate(_) | Self::Store(_) => None,
        }
    }

    fn respond(self, site: &Site) -> HttpResponse {
        match self {
            Self::NotFound => error_page::ticket_not_found(site),
            Self::ReadOnly => error_page::read_only(site),
            Self::Reused => error_page::service_unavailable(site),
            Self::TooMany(error) | Self::Duplicate(error) => error_page::too_many_requests(site, error),
            Self::Store(error) => {
                log_store_failure(&error);
                error_page::service_unavailable(site)
            }
        }
    }
}

/// A visit to a ticket's page: which ticket, and what the visitor shows.
pub(crate) struct Visit {
    request: HttpRequest,
    site: Data<Site>,
    access: Data<AccessControl>,
    /// None if the address can't be a reference's: no ticket has it.
    reference: Option<TicketRef>,
    key: Option<String>,
    /// Whether all messages are shown, however many: the page then has no maximum size.
    all: bool,
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
                reference: request.match_info().query("ticketRef").parse().ok(),
                key: query.find("key").map(str::to_owned),
                all: query.find("all").is_some(),
                request: request.clone(),
            })
        };
        ready(read())
    }
}

pub(crate) async fn show(visit: Visit, view_ticket: Data<ViewTicket>, random: Data<dyn Random>) -> HttpResponse {
    let site = &visit.site;
    if let Err(too_many) = visit.access.before_ticket(&visit.request, visit.key.is_some()) {
        return error_page::too_many_requests(site, too_many);
    }
    match visit.look(&view_ticket).await {
        Ok(view) => {
            let reply = Reply {
                text: "",
                faults: &InvalidFields::default(),
                token: &form_token::new(&**random),
            };
            visit.respond(&view, reply, StatusCode::OK)
        }
        Err(rejection) => rejection.respond(site),
    }
}

pub(crate) async fn send(
    visit: Visit,
    form: Form,
    view_ticket: Data<ViewTicket>,
    add_message: Data<AddMessage>,
    duplicates: Data<DuplicateFilter>,
    random: Data<dyn Random>,
) -> HttpResponse {
    let site = &visit.site;
    if !matches!(
        Origin::of(&visit.request, &site.settings),
        Origin::Own | Origin::Unstated
    ) {
        return error_page::foreign_origin(site);
    }
    if let Err(too_many) = visit.access.before_ticket(&visit.request, visit.key.is_some()) {
        return error_page::too_many_requests(site, too_many);
    }
    let form = match form.read().await {
        Ok(form) => form,
        Err(error) => return error_page::unreadable_form(site, error),
    };
    let token = form_token::of(&form, &**random);
    let mut faults = InvalidFields::default();
    let Some(text) = faults.parse::<MessageText>(MESSAGE, &form) else {
        let reply = Reply {
            text: form.get(MESSAGE.name),
            faults: &faults,
            token: &token,
        };
        return match visit.look(&view_ticket).await {
            Ok(view) if view.access_level == AccessLevel::Customer => {
                visit.respond(&view, reply, StatusCode::BAD_REQUEST)
            }
            Ok(_) => error_page::read_only(site),
            Err(rejection) => rejection.respond(site),
        };
    };
    let not_sent = |token: &str, reason: NotSent| {
        let reply = Reply {
            text: form.get(MESSAGE.name),
            faults: &InvalidFields::default(),
            token,
        };
        match visit.address() {
            Some(address) => reply::not_sent(site, reply, &address, reason),
            None => error_page::ticket_not_found(site),
        }
    };
    match visit.add(&add_message, &duplicates, text, &token).await {
        Ok(reference) => {
            let address = site.at(&reply::address(reference, visit.key.as_deref(), visit.all));
            HttpResponse::SeeOther()
                .insert_header((LOCATION, format!("{address}#end")))
                .finish()
        }
        // The idempotency key is made of the content, so it comes with no other; were it otherwise, a new form helps.
        Err(Rejection::Reused) => not_sent(&form_token::new(&**random), NotSent::NotStored),
        Err(Rejection::Store(error)) => {
            log_store_failure(&error);
            not_sent(&token, NotSent::NotStored)
        }
        Err(Rejection::TooMany(error)) => error_page::retry_after(not_sent(&token, NotSent::TooMany(error)), error),
        Err(Rejection::Duplicate(error)) => error_page::retry_after(not_sent(&token, NotSent::Duplicate(error)), error),
        Err(rejection) => rejection.respond(site),
    }
}

impl Visit {
    /// The page's address, below the base URL.
    fn address(&self) -> Option<String> {
        let reference = self.reference?;
        Some(reply::address(reference, self.key.as_deref(), self.all))
    }

    /// The page, kept out of search engines.
    fn respond(&self, view: &View, reply: Reply<'_>, status: StatusCode) -> HttpResponse {
        let page = TicketPage::new(&self.site, view, self.key.as_deref(), self.all, reply);
        let mut response = page.respond(status);
        response.headers_mut().insert(
            HeaderName::from_static("x-robots-tag"),
            HeaderValue::from_static("noindex"),
        );
        response
    }

    /// The ticket, within the limits that the API has for reading, as far as they are not judged before.
    async fn look(&self, tickets: &ViewTicket) -> Result<View, Rejection> {
        let key = self.key.as_deref();
        let looking = async {
            let credentials = Credentials {
                key,
                is_operator: false,
            };
            let reference = self.reference.ok_or(Rejection::NotFound)?;
            let count_stranger = |access_level| match access_level {
                AccessLevel::Anyone => self.access.after_ticket(&self.request, key.is_some(), false),
                AccessLevel::Reader | AccessLevel::Customer | AccessLevel::Operator => Ok(()),
            };
            if key.is_some() && self.access.may_try_key(&self.request) {
                let view = tickets.view(reference, credentials).await?;
                count_stranger(view.access_level)?;
                return Ok(view);
            }
            let admitted = tickets.admit(reference, credentials, false).await?;
            count_stranger(admitted.access_level())?;
            Ok(tickets.read(admitted).await?)
        };
        self.counted(looking.await)
    }

    /// Adds what the customer wrote, within the same limits.
    async fn add(
        &self,
        add_message: &AddMessage,
        duplicates: &DuplicateFilter,
        text: MessageText,
        token: &str,
    ) -> Result<TicketRef, Rejection> {
        let adding = async {
            let reference = self.reference.ok_or(Rejection::NotFound)?;
            let name = reference.to_string();
            let once = form_token::idempotency_key(token, &[name.as_bytes(), text.as_str().as_bytes()]);
            let caller = self.access.caller(&self.request);
            let recorded = duplicates
                .take(caller, &[&name, text.as_str()], once.as_ref())
                .map_err(Rejection::Duplicate)?;
            let added = add_message
                .as_customer(reference, self.key.as_deref(), text, once)
                .await;
            if added.is_err() {
                duplicates.forget(recorded);
            }
            added?;
            Ok(reference)
        };
        self.counted(adding.await)
    }

    /// Counts a rejection against the limits of a visitor who proved nothing.
    fn counted<T>(&self, result: Result<T, Rejection>) -> Result<T, Rejection> {
        if let Some(is_missing) = result.as_ref().err().and_then(Rejection::proves_nothing) {
            self.access
                .after_ticket(&self.request, self.key.is_some(), is_missing)?;
        }
        result
    }
}

#[cfg(test)]
mod tests;
