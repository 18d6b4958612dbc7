//! Extractors for operators: one for pages, one for forms. Without a valid session a handler that takes one is not called.

use std::{
    future::{Future, Ready, ready},
    pin::Pin,
};

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, web::Data};
use secrecy::ExposeSecret;
use ticket_domain::{
    Actor, Timestamp,
    ports::{Clock, StoreHealth},
    use_cases::Operate,
};

use super::{Rejection, error_page, filter::Query, flash::FlashMessage, see_other, session::Session, sign_in};
use crate::{
    access::OperatorToken,
    pages::{
        Site,
        form_data::{Form, FormData},
        origin::Origin,
    },
    state::part,
};

impl Site {
    /// The tokens that open the inbox.
    pub(super) fn tokens(&self) -> impl Iterator<Item = &OperatorToken> {
        let tokens = self.settings.operator_tokens.iter();
        tokens.filter(|token| !token.secret.expose_secret().is_empty())
    }

    fn session(&self, request: &HttpRequest, now: Timestamp) -> Option<Session> {
        Session::of(request, self.settings.is_https(), self.tokens(), now)
    }
}

/// An operator with a valid session, and what every page of the inbox needs.
pub(super) struct Operator {
    pub(super) site: Data<Site>,
    pub(super) operate: Data<Operate>,
    pub(super) health: Data<dyn StoreHealth>,
    pub(super) session: Session,
    /// The query of the page's address.
    pub(super) query: FormData,
    /// The time of the request.
    pub(super) now: Timestamp,
}

impl Operator {
    fn new(request: &HttpRequest, session: Session, now: Timestamp) -> Result<Self, Rejection> {
        Ok(Self {
            site: part::<Site>(request)?.clone(),
            operate: part::<Operate>(request)?.clone(),
            health: part::<dyn StoreHealth>(request)?.clone(),
            session,
            query: FormData::parse(request.query_string().as_bytes()),
            now,
        })
    }

    fn of(request: &HttpRequest) -> Result<Self, Rejection> {
        let site = part::<Site>(request)?;
        let now = part::<dyn Clock>(request)?.now();
        match site.session(request, now) {
            Some(session) => Self::new(request, session, now),
            None => Err(sign_in::asked(site, request, None)),
        }
    }

    /// The operator, for the audit log.
    pub(super) fn actor(&self) -> Actor {
        self.session.actor()
    }

    /// An address on this site.
    pub(super) fn at(&self, path: &str) -> String {
        self.site.at(path)
    }

    /// Redirects to a page that shows what an action did.
    pub(super) fn redirect_with_flash(&self, flash: FlashMessage, path: &str, query: &Query) -> HttpResponse {
        let query = flash.written_to(query.clone());
        see_other(&self.at(&query.after(path)))
    }
}

impl FromRequest for Operator {
    type Error = Rejection;
    type Future = Ready<Result<Self, Rejection>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request))
    }
}

/// An operator who sent a form of one of our own pages.
///
/// Two things keep other sites from sending it in an operator's name: the session's cookie is `SameSite=Strict`, and the
/// browser must say that the form comes from this site.
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
            let form = form.await?;
            let site = part::<Site>(&request)?;
            let now = part::<dyn Clock>(&request)?.now();
            let origin = Origin::of(&request, &site.settings);
            if matches!(origin, Origin::Allowed | Origin::Foreign) {
                return Err(error_page::foreign_origin(site).into());
            }
            let Some(session) = site.session(&request, now) else {
                let form = form.typed().await;
                return Err(sign_in::asked(site, &request, Some(form.get("message"))));
            };
            if origin != Origin::Own {
                return Err(error_page::foreign_origin(site).into());
            }
            let form = form.read().await;
            let form = form.map_err(|error| error_page::unreadable_form(site, error))?;
            let operator = Operator::new(&request, session, now)?;
            Ok(Self { operator, form })
        })
    }
}
