//! The ticket: `GET /ticket/{ref}` shows it, `POST` to the same address adds what the customer writes.

mod reply;
mod steps;
mod view;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{HeaderName, HeaderValue, LOCATION},
    },
    web::Data,
};
use ticket_domain::{
    AccessLevel, MessageText, TicketRef,
    ports::StoreError,
    use_cases::{AddError, Credentials, View, ViewError},
};

use crate::access::{TooMany, log_store_failure};
use crate::pages::{
    Pages, again,
    fault::ValidationErrors,
    form_data::{Form, FormData},
    origin::Origin,
    trouble,
};
use reply::{MESSAGE, NotSent, Reply};
use view::TicketPage;

/// Why somebody sees nothing.
#[derive(Debug, thiserror::Error)]
enum Rejection {
    #[error("there is no such ticket")]
    NotFound,
    #[error("only the customer writes here")]
    NotTheirs,
    #[error("the form was used for another message")]
    Reused,
    #[error(transparent)]
    TooMany(#[from] TooMany),
    #[error("the same words came twice, and are stored")]
    Existing(TooMany),
    #[error(transparent)]
    Store(#[from] StoreError),
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
            AddError::NotAllowed => Self::NotTheirs,
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
            Self::NotTheirs => Some(false),
            Self::Reused | Self::TooMany(_) | Self::Existing(_) | Self::Store(_) => None,
        }
    }

    fn respond(self, pages: &Pages) -> HttpResponse {
        match self {
            Self::NotFound => trouble::no_such_ticket(pages),
            Self::NotTheirs => trouble::not_yours(pages),
            Self::Reused => trouble::out_of_order(pages),
            Self::TooMany(error) | Self::Existing(error) => trouble::too_many(pages, error),
            Self::Store(error) => {
                log_store_failure(&error);
                trouble::out_of_order(pages)
            }
        }
    }
}

/// What a request brings along.
struct Visit {
    reference: Result<TicketRef, Rejection>,
    key: Option<String>,
    /// Whether all messages are to be shown, however many: the page then has no greatest size.
    all: bool,
}

impl Visit {
    fn of(request: &HttpRequest) -> Self {
        let query = FormData::parse(request.query_string().as_bytes());
        Self {
            reference: request
                .match_info()
                .query("ticketRef")
                .parse()
                .map_err(|_| Rejection::NotFound),
            key: query.find("key").map(str::to_owned),
            all: query.find("all").is_some(),
        }
    }
}

pub(crate) async fn show(request: HttpRequest, pages: Data<Pages>) -> HttpResponse {
    let Visit { reference, key, all } = Visit::of(&request);
    if let Err(too_many) = pages.parts.access_control.before_ticket(&request, key.is_some()) {
        return trouble::too_many(&pages, too_many);
    }
    match look(&request, &pages, reference, key.as_deref()).await {
        Ok(view) => {
            let mark = again::new_mark(&*pages.parts.random);
            let reply = Reply {
                text: "",
                faults: &ValidationErrors::default(),
                mark: &mark,
            };
            shown(
                &TicketPage::new(&pages, &view, key.as_deref(), all, reply),
                StatusCode::OK,
            )
        }
        Err(refusal) => refusal.respond(&pages),
    }
}

pub(crate) async fn send(request: HttpRequest, pages: Data<Pages>, form: Form) -> HttpResponse {
    if Origin::of(&request, &pages.parts.settings) != Origin::Own {
        return trouble::foreign(&pages);
    }
    let Visit { reference, key, all } = Visit::of(&request);
    let key = key.as_deref();
    if let Err(too_many) = pages.parts.access_control.before_ticket(&request, key.is_some()) {
        return trouble::too_many(&pages, too_many);
    }
    let form = match form.read().await {
        Ok(form) => form,
        Err(error) => return trouble::unreadable(&pages, error),
    };
    let mark = again::mark(&form, &*pages.parts.random);
    let mut faults = ValidationErrors::default();
    let Some(text) = faults.take::<MessageText>(MESSAGE, &form) else {
        return match look(&request, &pages, reference, key).await {
            Ok(view) if view.access_level == AccessLevel::Customer => {
                let reply = Reply {
                    text: form.get(MESSAGE.name),
                    faults: &faults,
                    mark: &mark,
                };
                shown(
                    &TicketPage::new(&pages, &view, key, all, reply),
                    StatusCode::BAD_REQUEST,
                )
            }
            Ok(_) => trouble::not_yours(&pages),
            Err(refusal) => refusal.respond(&pages),
        };
    };
    match add(&request, &pages, reference, key, text, &mark).await {
        Ok(reference) => {
            let address = pages.at(&reply::address(reference, key, all));
            HttpResponse::SeeOther()
                .insert_header((LOCATION, format!("{address}#end")))
                .finish()
        }
        // The idempotency key is made of the content, so it comes with no other; were it otherwise, a new form helps.
        Err(Rejection::Reused) => {
            let mark = again::new_mark(&*pages.parts.random);
            not_sent(&request, &pages, &form, &mark, NotSent::NotStored)
        }
        Err(Rejection::Store(error)) => {
            log_store_failure(&error);
            not_sent(&request, &pages, &form, &mark, NotSent::NotStored)
        }
        Err(Rejection::TooMany(error)) => {
            let page = not_sent(&request, &pages, &form, &mark, NotSent::TooMany(error));
            trouble::retry_after(page, error)
        }
        Err(Rejection::Existing(error)) => {
            let page = not_sent(&request, &pages, &form, &mark, NotSent::Existing(error));
            trouble::retry_after(page, error)
        }
        Err(refusal) => refusal.respond(&pages),
    }
}

/// The page, kept out of search engines.
fn shown(page: &TicketPage<'_>, status: StatusCode) -> HttpResponse {
    let mut response = page.respond(status);
    let headers = response.headers_mut();
    headers.insert(
        HeaderName::from_static("x-robots-tag"),
        HeaderValue::from_static("noindex"),
    );
    response
}

/// What was written and not stored, with the way to send it once more.
fn not_sent(request: &HttpRequest, pages: &Pages, form: &FormData, mark: &str, reason: NotSent) -> HttpResponse {
    let Visit { reference, key, all } = Visit::of(request);
    let reply = Reply {
        text: form.get(MESSAGE.name),
        faults: &ValidationErrors::default(),
        mark,
    };
    match reference {
        Ok(reference) => reply::not_sent(pages, reply, &reply::address(reference, key.as_deref(), all), reason),
        Err(refusal) => refusal.respond(pages),
    }
}

/// The ticket, within the limits that the API has for reading, as far as they are not judged before.
async fn look(
    request: &HttpRequest,
    pages: &Pages,
    reference: Result<TicketRef, Rejection>,
    key: Option<&str>,
) -> Result<View, Rejection> {
    let parts = &pages.parts;
    let looking = async {
        let credentials = Credentials {
            key,
            is_operator: false,
        };
        let (reference, tickets) = (reference?, &parts.view_ticket);
        let count_stranger = |access_level| match access_level {
            AccessLevel::Anyone => parts.access_control.after_ticket(request, key.is_some(), false),
            AccessLevel::Reader | AccessLevel::Customer | AccessLevel::Operator => Ok(()),
        };
        if key.is_some() && parts.access_control.may_try_key(request) {
            let view = tickets.view(reference, credentials).await?;
            count_stranger(view.access_level)?;
            return Ok(view);
        }
        let admitted = tickets.admit(reference, credentials, false).await?;
        count_stranger(admitted.access_level())?;
        Ok(tickets.read(admitted).await?)
    };
    counted(request, pages, key, looking.await)
}

/// Adds what the customer wrote, within the same limits.
async fn add(
    request: &HttpRequest,
    pages: &Pages,
    reference: Result<TicketRef, Rejection>,
    key: Option<&str>,
    text: MessageText,
    mark: &str,
) -> Result<TicketRef, Rejection> {
    let parts = &pages.parts;
    let adding = async {
        let reference = reference?;
        let name = reference.to_string();
        let once = again::key(mark, &[name.as_bytes(), text.as_str().as_bytes()]);
        let (caller, now) = (parts.access_control.caller(request), parts.clock.now());
        let taken = pages.repeats.take(caller, &[&name, text.as_str()], once.as_ref(), now);
        let taken = taken.map_err(Rejection::Existing)?;
        let added = parts.add_message.as_customer(reference, key, text, once).await;
        if added.is_err() {
            pages.repeats.forget(taken);
        }
        added?;
        Ok(reference)
    };
    counted(request, pages, key, adding.await)
}

/// Counts a refusal against the limits of a visitor who proved nothing.
fn counted<T>(
    request: &HttpRequest,
    pages: &Pages,
    key: Option<&str>,
    result: Result<T, Rejection>,
) -> Result<T, Rejection> {
    if let Some(is_missing) = result.as_ref().err().and_then(Rejection::proves_nothing) {
        pages
            .parts
            .access_control
            .after_ticket(request, key.is_some(), is_missing)?;
    }
    result
}

#[cfg(test)]
mod tests;
