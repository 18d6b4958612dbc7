//! The pages that people use: the form, the ticket, the operators' inbox. They are written on the server, work without
//! JavaScript, and load nothing from elsewhere.
//!
//! - `home/`: the form; `ticket/`: the ticket, where customers read and write; `inbox/`: what operators see.
//! - `trouble.rs`: pages for what went wrong.
//! - `layout.rs`: the frame of every page, its style and its policy. `assets/`: style sheets and scripts, sent by
//!   `assets.rs`; among them the form for other people's websites.
//! - `form_data.rs`, `origin.rs`, `return_to.rs`, `again.rs`: what a form sends, from which site, where it leads, and that
//!   it is harmless to send it twice.
//! - `stamp.rs`, `repeats.rs`: what holds programs back that fill in forms: how long it took, and the same words again.
//! - `control.rs`, `fault.rs`: the controls of forms, and what is wrong with what was typed.
//! - `thread.rs`, `excerpt.rs`: messages as people know them from chat, and which of many are shown at first.
//! - `words.rs`: states and times in plain words.
//!
//! A page calls the same use cases as the API, and holds no rule of its own.

mod again;
mod assets;
mod control;
mod excerpt;
mod fault;
mod form_data;
mod home;
mod inbox;
mod layout;
mod origin;
mod repeats;
mod return_to;
mod stamp;
#[cfg(test)]
mod testing;
mod thread;
mod ticket;
mod trouble;
mod words;

use std::{sync::Arc, time::Duration};

use actix_web::{FromRequest, Handler, Resource, Responder, Route, web};
use secrecy::SecretString;
use ticket_domain::{
    ports::{Clock, Outbox, Random, StoreHealth},
    use_cases::{AddMessage, OpenTicket, Operate, Redeliver, ViewTicket},
};

use crate::access::{AccessControl, TicketSubscriptions};
use crate::pages::{repeats::DuplicateFilter, stamp::Stamps};

/// Everything that the pages work with.
pub struct PagesParts {
    /// Opens tickets.
    pub open_ticket: Arc<OpenTicket>,
    /// Shows tickets.
    pub view_ticket: Arc<ViewTicket>,
    /// Adds what people write.
    pub add_message: Arc<AddMessage>,
    /// What operators do.
    pub operate: Arc<Operate>,
    /// Sends notifications again.
    pub redeliver: Arc<Redeliver>,
    /// Lists notifications.
    pub outbox: Arc<dyn Outbox>,
    /// Counts what waits.
    pub health: Arc<dyn StoreHealth>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Draws the keys that forms carry.
    pub random: Arc<dyn Random>,
    /// Who may come in.
    pub access_control: Arc<AccessControl>,
    /// Tells of changes.
    pub live: Arc<TicketSubscriptions>,
    /// How the pages behave.
    pub settings: Settings,
}

/// How the pages behave.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What the site is called, in titles and at the head of each page.
    pub site_name: String,
    /// Where the pages are found, without a slash at its end.
    pub base_url: String,
    /// Origins, such as `https://www.example.com`, whose pages may send the form.
    pub allowed_origins: Vec<String>,
    /// What opens the inbox: one token, or two while they are exchanged. Sessions begin under the first. None: nothing
    /// opens it.
    pub operator_tokens: Vec<SecretString>,
    /// Whether there is anywhere to send notifications to. Without it the inbox says that they wait for a webhook.
    pub has_receiver: bool,
    /// How long a form may take to arrive.
    pub body_deadline: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            site_name: "Support".into(),
            base_url: "http://localhost:8080".into(),
            allowed_origins: Vec::new(),
            operator_tokens: Vec::new(),
            has_receiver: true,
            body_deadline: Duration::from_secs(10),
        }
    }
}

/// The pages.
pub struct Pages {
    parts: PagesParts,
    /// The path of the base URL, without a slash at its end: a proxy in front takes it away.
    prefix: String,
    /// When forms were shown.
    stamps: Stamps,
    /// What was sent lately.
    repeats: DuplicateFilter,
}

impl Pages {
    /// Puts them together.
    pub fn new(parts: PagesParts) -> Self {
        let prefix = url::Url::parse(&parts.settings.base_url)
            .map(|base| base.path().trim_end_matches('/').to_owned())
            .unwrap_or_default();
        Self {
            stamps: Stamps::new(&*parts.random),
            repeats: DuplicateFilter::default(),
            parts,
            prefix,
        }
    }

    /// The address of something on this site, for links and forms: `path` below the path of the base URL, if it has one.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// Which address leads to which page.
    pub fn routes(self: &Arc<Self>, config: &mut web::ServiceConfig) {
        config.app_data(web::Data::from(self.clone()));
        config
            .service(
                page("/", home::show)
                    .route(web::post().to(home::send))
                    .default_service(refusing("GET, HEAD, POST")),
            )
            .service(
                page("/ticket/{ticketRef}", ticket::show)
                    .route(web::post().to(ticket::send))
                    .default_service(refusing("GET, HEAD, POST")),
            );
        assets::routes(config);
        inbox::routes(config);
        config.default_service(web::to(trouble::nowhere));
    }
}

/// A page that GET shows. HEAD is answered wherever GET is.
pub(crate) fn page<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args, Output: Responder + 'static>,
    Args: FromRequest + 'static,
{
    web::resource(path)
        .route(web::get().to(handler.clone()))
        .route(web::head().to(handler))
}

/// Answers every other method with the list of those that a page knows.
pub(crate) fn refusing(allow: &'static str) -> Route {
    web::to(move |pages: web::Data<Pages>| async move { trouble::not_that_way(&pages, allow) })
}
