//! The HTML pages: the form, the ticket, the operators' inbox. They are rendered on the server, work without JavaScript, and
//! load nothing from other sites.
//!
//! - `home/`: the form; `ticket/`: the ticket, where customers read and write; `find.rs`: how they get its link again;
//!   `inbox/`: what operators see.
//! - `layout.rs`: the frame of every page, its style and its policy. `error_page.rs`: error pages. `assets/`: style sheets
//!   and scripts, sent by `assets.rs`; among them the form for other people's websites.
//! - `form_data.rs`, `origin.rs`, `return_to.rs`: what a form sends, from which site, and where it leads.
//! - `form_token.rs`, `not_stored.rs`: a form sent twice is stored once.
//! - `control.rs`, `form_field.rs`: form controls, and what is wrong with a field.
//! - `thread.rs`, `excerpt.rs`: messages, and which of many are shown at first.
//! - `who_answers.rs`, `whatsapp.rs`: who answers how soon, and the way to WhatsApp.
//! - `labels.rs`: labels for statuses and times.
//!
//! Pages call the same use cases as the API and hold no rules of their own.

mod assets;
mod control;
mod error_page;
mod excerpt;
mod find;
mod form_data;
mod form_field;
mod form_token;
mod home;
mod inbox;
mod labels;
mod layout;
mod not_stored;
mod origin;
mod rejection;
mod return_to;
mod thread;
mod ticket;
mod whatsapp;
mod who_answers;

use actix_web::{Route, web};

pub(crate) use who_answers::WhoAnswers;

use crate::{Settings, readable::readable};

/// The site, for every page.
pub(crate) struct Site {
    /// The path of the base URL, without a trailing slash: a proxy in front removes it.
    prefix: String,
    /// Whether notifications have a receiver. Without one the inbox says that they wait for a webhook.
    pub(crate) has_receiver: bool,
    pub(crate) settings: Settings,
    /// The script for other sites.
    widget: assets::Script,
}

impl Site {
    pub(crate) fn new(settings: &Settings, has_receiver: bool) -> Self {
        let prefix = url::Url::parse(&settings.base_url)
            .map(|base| base.path().trim_end_matches('/').to_owned())
            .unwrap_or_default();
        Self {
            prefix,
            has_receiver,
            settings: settings.clone(),
            widget: assets::widget(settings),
        }
    }

    /// The address of a page, for links and forms: `path` below the path of the base URL, if it has one.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }
}

/// Maps paths to pages, and all others to an error page.
pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            readable("/", home::show)
                .route(web::post().to(home::send))
                .default_service(refusing("GET, HEAD, POST")),
        )
        .service(
            readable("/ticket/{ticketRef}", ticket::show)
                .route(web::post().to(ticket::send))
                .default_service(refusing("GET, HEAD, POST")),
        )
        .service(
            readable("/ticket/{ticketRef}/mail", ticket::mail::ask)
                .route(web::post().to(ticket::mail::choose))
                .default_service(refusing("GET, HEAD, POST")),
        )
        .service(
            web::resource("/ticket/{ticketRef}/seen")
                .route(web::post().to(ticket::mail::seen))
                .default_service(refusing("POST")),
        )
        .service(
            readable("/find", find::show)
                .route(web::post().to(find::send))
                .default_service(refusing("GET, HEAD, POST")),
        );
    assets::routes(config);
    inbox::routes(config);
    config.default_service(web::to(error_page::not_found));
}

/// Answers other methods with the list of those that a page has.
pub(crate) fn refusing(allow: &'static str) -> Route {
    web::to(move |site: web::Data<Site>| async move { error_page::method_not_allowed(&site, allow) })
}
