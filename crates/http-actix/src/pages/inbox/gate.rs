//! Who asks: an operator who looks, or one who acts. A handler that wants one of them is reached by nobody else.

use std::{
    future::{Future, Ready, ready},
    pin::Pin,
};

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, web::Data};
use secrecy::{ExposeSecret, SecretString};
use ticket_domain::Timestamp;

use super::{done::Done, filter::Query, refusal::Rejection, see_other, session::Session, sign_in};
use crate::pages::{
    Pages,
    form_data::{Form, FormData},
    origin::Origin,
};

impl Pages {
    /// What opens the inbox, if anything does.
    fn tokens(&self) -> impl Iterator<Item = &SecretString> {
        let tokens = self.parts.settings.operator_tokens.iter();
        tokens.filter(|token| !token.expose_secret().is_empty())
    }

    /// What sessions begin under: the newer of two tokens that are being exchanged.
    pub(super) fn token(&self) -> Option<&SecretString> {
        self.tokens().next()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    fn session(&self, request: &HttpRequest) -> Option<Session> {
        Session::of(request, self.is_https(), self.tokens(), self.now())
    }

    /// Whether browsers come by https.
    pub(super) fn is_https(&self) -> bool {
        self.parts.settings.base_url.starts_with("https:")
    }
}

/// An operator who asks for a page.
pub(super) struct Operator {
    pub(super) pages: Data<Pages>,
    pub(super) session: Session,
    /// The query of the page's address.
    pub(super) query: FormData,
    /// When they asked.
    pub(super) now: Timestamp,
}

impl Operator {
    fn new(pages: Data<Pages>, session: Session, request: &HttpRequest) -> Self {
        let query = FormData::parse(request.query_string().as_bytes());
        let now = pages.now();
        Self {
            pages,
            session,
            query,
            now,
        }
    }

    /// An address on this site.
    pub(super) fn at(&self, path: &str) -> String {
        self.pages.at(path)
    }

    /// Leads to the page that shows what an act did, and says so there.
    pub(super) fn did(&self, done: Done, path: &str, query: &Query) -> HttpResponse {
        let query = done.written_to(query.clone());
        see_other(&self.at(&query.after(path)))
    }
}

fn pages_of(request: &HttpRequest) -> Result<Data<Pages>, Rejection> {
    request
        .app_data::<Data<Pages>>()
        .cloned()
        .ok_or_else(Rejection::internal)
}

impl FromRequest for Operator {
    type Error = Rejection;
    type Future = Ready<Result<Self, Rejection>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(pages_of(request).and_then(|pages| match pages.session(request) {
            Some(session) => Ok(Self::new(pages, session, request)),
            None => Err(sign_in::asked(&pages, request, None)),
        }))
    }
}

/// An operator who does something, by a form of one of their own pages.
pub(super) struct OperatorForm {
    pub(super) operator: Operator,
    pub(super) form: FormData,
}

impl FromRequest for OperatorForm {
    type Error = Rejection;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Rejection>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let form = Form::from_request(request, payload);
        let request = request.clone();
        Box::pin(async move {
            let Ok(form) = form.await;
            let pages = pages_of(&request)?;
            if Origin::of(&request, &pages.parts.settings) != Origin::Own {
                return Err(Rejection::foreign(&pages));
            }
            let Some(session) = pages.session(&request) else {
                let form = form.typed().await;
                return Err(sign_in::asked(&pages, &request, Some(form.get("message"))));
            };
            let form = match form.read().await {
                Ok(form) => form,
                Err(error) => return Err(Rejection::not_a_form(&pages, error)),
            };
            if !session.wrote(form.get("csrf")) {
                return Err(Rejection::stale(&pages, form.get("message")));
            }
            let operator = Operator::new(pages, session, &request);
            Ok(Self { operator, form })
        })
    }
}
