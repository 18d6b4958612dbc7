//! The JSON API: its routes. One file per endpoint; the rest is what endpoints share.

mod add_message;
mod attach;
mod audit_log;
mod body;
mod change_ticket;
mod create_ticket;
mod deadline;
mod docs;
mod events;
mod get_ticket;
mod health;
mod idempotency;
mod keys;
mod list_tickets;
pub(crate) mod metrics;
mod notifications;
pub(crate) mod openapi;
mod params;
pub(crate) mod problem;
mod receive_inbound;
mod remove_message;
mod reply;
mod report_status;
pub(crate) mod schemas;
mod success;
mod unmatched;

use actix_cors::Cors;
use actix_web::{FromRequest, Handler, Resource, Responder, middleware::Condition, web};

use crate::{readable::readable, settings::is_allowed_origin};
pub(crate) use health::HealthProbe;
pub use metrics::DeliveryMetrics;
pub(crate) use metrics::Metrics;
pub use report_status::log_reported;

/// What browsers on other sites may do with a public endpoint.
fn cors(allowed_origins: &[String]) -> Condition<Cors> {
    let allowed = allowed_origins.to_vec();
    let cors = Cors::default()
        .allowed_origin_fn(move |origin, _| origin.to_str().is_ok_and(|origin| is_allowed_origin(&allowed, origin)))
        .allowed_methods(["GET", "HEAD", "POST"])
        .allowed_headers([
            "content-type",
            "idempotency-key",
            "if-none-match",
            "last-event-id",
            "x-request-id",
        ])
        .expose_headers(["etag", "location", "idempotent-replayed", "retry-after", "x-request-id"])
        .max_age(3_600);
    Condition::new(!allowed_origins.is_empty(), cors)
}

/// Maps paths to handlers. Browsers on `allowed_origins` may call the public endpoints.
pub(crate) fn routes(config: &mut web::ServiceConfig, allowed_origins: &[String]) {
    // Before the public routes: `inbound` would match as a reference.
    n8n_routes(config);
    public_routes(config, allowed_origins);
    operator_routes(config);
    config
        .service(readable("/health/live", health::live))
        .service(readable("/health/ready", health::ready))
        .service(readable("/metrics", metrics::metrics))
        .service(readable("/api/openapi.json", openapi::openapi))
        .service(readable("/docs", docs::docs))
        .service(readable("/docs/{asset}", docs::docs_asset));
}

/// Endpoints for websites. PATCH on a ticket is for operators: it is not among the methods of [`cors`].
fn public_routes(config: &mut web::ServiceConfig, allowed_origins: &[String]) {
    let cors = || cors(allowed_origins);
    let create = web::post().to(create_ticket::create_ticket);
    let change = web::patch().to(change_ticket::change_ticket);
    // Not for HEAD: a stream's events are not known in advance.
    let events = web::resource("/api/ticket/{ticketRef}/events").route(web::get().to(events::follow_ticket));
    config
        .service(
            readable("/api/ticket", get_ticket::get_ticket_without_reference)
                .route(create)
                .wrap(cors()),
        )
        .service(readable("/api/ticket/", get_ticket::get_ticket_without_reference).wrap(cors()))
        .service(
            readable("/api/ticket/{ticketRef}", get_ticket::get_ticket)
                .route(change)
                .wrap(cors()),
        )
        .service(writable("/api/ticket/{ticketRef}/messages", add_message::add_message).wrap(cors()))
        .service(events.wrap(cors()));
}

fn n8n_routes(config: &mut web::ServiceConfig) {
    config
        .service(writable("/api/ticket/inbound", receive_inbound::receive_inbound))
        .service(writable("/api/ticket/inbound/status", report_status::report_status));
}

fn operator_routes(config: &mut web::ServiceConfig) {
    config
        .service(readable("/api/tickets", list_tickets::list_tickets))
        .service(writable("/api/ticket/{ticketRef}/replies", reply::reply))
        .service(
            web::resource("/api/ticket/{ticketRef}/messages/{id}")
                .route(web::delete().to(remove_message::remove_message)),
        )
        .service(readable("/api/notifications", notifications::list_undelivered))
        .service(writable("/api/notifications/redeliver", notifications::redeliver_dead))
        .service(writable(
            "/api/notifications/{id}/redeliver",
            notifications::redeliver_notification,
        ))
        .service(readable("/api/unmatched", unmatched::list_unmatched))
        .service(writable("/api/unmatched/{id}/attach", attach::attach_message))
        .service(readable("/api/audit-log", audit_log::audit_log))
        // The former path, for one more version.
        .service(readable("/api/trail", audit_log::audit_log));
}

/// A resource that POST writes to.
fn writable<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args, Output: Responder + 'static>,
    Args: FromRequest + 'static,
{
    web::resource(path).route(web::post().to(handler))
}

#[cfg(test)]
mod tests;
