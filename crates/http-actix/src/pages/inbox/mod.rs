//! The operators' inbox.
//!
//! - `session.rs`, `auth.rs`, `sign_in.rs`: authentication. `error_page.rs`: error pages.
//! - `frame.rs`, `attention.rs`, `flash.rs`: the frame around each page.
//! - `filter.rs`, `list.rs`, `ticket.rs`, `acts.rs`: tickets. `unmatched.rs`, `notifications.rs`, `audit_log.rs`: the rest.
//! - `events.rs`: the stream that tells an open page to load itself again.

mod acts;
mod age;
mod attention;
mod audit_log;
mod auth;
mod error_page;
mod events;
mod filter;
mod flash;
mod frame;
mod list;
mod notifications;
mod session;
mod sign_in;
#[cfg(test)]
mod tests;
mod ticket;
mod unmatched;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::LOCATION,
    web::{self, Data, ServiceConfig},
};

use crate::{
    pages::{Site, refusing, rejection::Rejection},
    readable::readable,
};

/// Maps paths to pages and actions.
pub(crate) fn routes(config: &mut ServiceConfig) {
    for page in [
        readable("/inbox", list::page),
        readable("/inbox/", home),
        readable("/inbox/ticket/{reference}", ticket::page),
        readable("/inbox/unmatched", unmatched::page),
        readable("/inbox/notifications", notifications::page),
        readable("/inbox/trail", audit_log::page),
    ] {
        config.service(page.default_service(refusing("GET, HEAD")));
    }
    let events = web::resource("/inbox/events").route(web::get().to(events::stream));
    config.service(events.default_service(refusing("GET")));
    // An action may answer with a page of its own. A GET of the action's address redirects to the page that it belongs to.
    for (path, segments, act) in [
        ("/inbox/session", 1, web::post().to(sign_in::begin)),
        ("/inbox/session/end", 2, web::post().to(sign_in::end)),
        ("/inbox/ticket/{reference}/reply", 1, web::post().to(acts::reply)),
        ("/inbox/ticket/{reference}/remove", 1, web::post().to(acts::remove)),
        ("/inbox/ticket/{reference}/status", 1, web::post().to(acts::status)),
        ("/inbox/ticket/{reference}/priority", 1, web::post().to(acts::priority)),
        ("/inbox/unmatched/{id}/attach", 2, web::post().to(unmatched::attach)),
        (
            "/inbox/notifications/redeliver",
            1,
            web::post().to(notifications::redeliver_all),
        ),
        (
            "/inbox/notifications/{id}/redeliver",
            2,
            web::post().to(notifications::redeliver),
        ),
    ] {
        let to_page = move |site: Data<Site>, request: HttpRequest| {
            let page = behind(&request, segments);
            async move { see_other(&site.at(&page)) }
        };
        let act = readable(path, to_page).route(act);
        config.service(act.default_service(refusing("GET, HEAD, POST")));
    }
}

async fn home(site: Data<Site>) -> HttpResponse {
    see_other(&site.at("/inbox"))
}

/// The address of the page that an action belongs to: without its last `segments`.
fn behind(request: &HttpRequest, segments: usize) -> String {
    let mut page = request.path();
    for _ in 0..segments {
        page = page.rsplit_once('/').map_or("", |(page, _)| page);
    }
    match request.query_string() {
        "" => page.to_owned(),
        query => format!("{page}?{query}"),
    }
}

/// Redirects.
fn see_other(location: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, location)).finish()
}
