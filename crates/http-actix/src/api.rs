//! What every endpoint shares, and which address leads to which.

use std::{sync::Arc, time::Duration};

use actix_cors::Cors;
use actix_web::{FromRequest, Handler, HttpRequest, Resource, Responder, middleware::Condition, web};
use ticket_domain::{
    ports::{Clock, Outbox, Random, StoreHealth},
    use_cases::{OpenTicket, ReceiveReply, Redeliver, ReportReceipt, ViewTicket},
};

use crate::{
    ApiParts, Settings,
    client_address::ClientAddress,
    create_ticket, docs_page, get_ticket, health,
    keys::Keys,
    metrics::{self, Metrics},
    notifications, openapi,
    problem::{Code, Problem},
    rate_limits::{Kind, RateLimits},
    receive_inbound, report_status,
};

/// What the endpoints work with.
pub(crate) struct Api {
    pub(crate) open_ticket: Arc<OpenTicket>,
    pub(crate) view_ticket: Arc<ViewTicket>,
    pub(crate) receive_reply: Arc<ReceiveReply>,
    pub(crate) report_receipt: Arc<ReportReceipt>,
    pub(crate) redeliver: Arc<Redeliver>,
    pub(crate) outbox: Arc<dyn Outbox>,
    pub(crate) health: Arc<dyn StoreHealth>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) metrics: Metrics,
    pub(crate) keys: Keys,
    pub(crate) body_deadline: Duration,
    allowed_origins: Vec<String>,
    trusted_proxy_hops: usize,
    limits: Option<RateLimits>,
}

impl Api {
    /// Puts the parts together. Fails only if the metrics' own names were at odds.
    pub(crate) fn new(parts: ApiParts) -> Result<Self, prometheus::Error> {
        let Settings {
            inbound_keys,
            operator_token,
            allowed_origins,
            trusted_proxy_hops,
            rate_limits,
            workers: _,
            body_deadline,
        } = parts.settings;
        Ok(Self {
            open_ticket: parts.open_ticket,
            view_ticket: parts.view_ticket,
            receive_reply: parts.receive_reply,
            report_receipt: parts.report_receipt,
            redeliver: parts.redeliver,
            outbox: parts.outbox,
            health: parts.health,
            clock: parts.clock,
            random: parts.random,
            metrics: Metrics::new(parts.delivery_metrics)?,
            keys: Keys::new(&inbound_keys, operator_token.as_ref()),
            body_deadline,
            allowed_origins,
            trusted_proxy_hops,
            limits: rate_limits.then(RateLimits::new),
        })
    }

    /// The API that a request came to.
    pub(crate) fn of(request: &HttpRequest) -> Result<&Self, Problem> {
        request
            .app_data::<web::Data<Self>>()
            .map(web::Data::get_ref)
            .ok_or_else(|| Problem::new(Code::Internal))
    }

    /// Counts a request against its sender's limit.
    pub(crate) fn limit(&self, kind: Kind, request: &HttpRequest) -> Result<(), Problem> {
        let Some(limits) = &self.limits else { return Ok(()) };
        let client = ClientAddress::of(request.peer_addr(), request.headers(), self.trusted_proxy_hops);
        limits.take(kind, client)
    }

    /// What browsers on other sites may do with a public endpoint.
    fn cors(&self) -> Condition<Cors> {
        let cors = self
            .allowed_origins
            .iter()
            .fold(Cors::default(), |cors, origin| cors.allowed_origin(origin));
        let cors = cors
            .allowed_methods(["GET", "HEAD", "POST"])
            .allowed_headers(["content-type", "idempotency-key", "if-none-match", "x-request-id"])
            .expose_headers(["etag", "location", "idempotent-replayed", "retry-after", "x-request-id"])
            .max_age(3_600);
        Condition::new(!self.allowed_origins.is_empty(), cors)
    }

    /// Which address leads where.
    pub(crate) fn routes(&self, config: &mut web::ServiceConfig) {
        let create = web::post().to(create_ticket::create_ticket);
        config
            .service(
                readable("/api/ticket", get_ticket::missing_reference)
                    .route(create)
                    .wrap(self.cors()),
            )
            .service(readable("/api/ticket/", get_ticket::missing_reference).wrap(self.cors()))
            .service(web::resource("/api/ticket/inbound").route(web::post().to(receive_inbound::receive_inbound)))
            .service(web::resource("/api/ticket/inbound/status").route(web::post().to(report_status::report_status)))
            .service(readable("/api/ticket/{ticketRef}", get_ticket::get_ticket).wrap(self.cors()))
            .service(readable("/api/notifications", notifications::list_undelivered))
            .service(web::resource("/api/notifications/{id}/redeliver").route(web::post().to(notifications::redeliver)))
            .service(readable("/health/live", health::live))
            .service(readable("/health/ready", health::ready))
            .service(readable("/metrics", metrics::metrics))
            .service(readable("/api/openapi.json", openapi::document))
            .service(readable("/docs", docs_page::page))
            .service(readable("/docs.css", docs_page::style));
    }
}

/// An address that GET reads. HEAD is answered wherever GET is.
fn readable<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args, Output: Responder + 'static>,
    Args: FromRequest + 'static,
{
    web::resource(path)
        .route(web::get().to(handler.clone()))
        .route(web::head().to(handler))
}

#[cfg(test)]
mod tests {
    use crate::testing::{Request, Service, seeds_ticket};

    const SITE: &str = "https://www.example.com";

    fn preflight(target: &str, origin: &str) -> Request {
        Request::new("OPTIONS", target)
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type, idempotency-key")
    }

    #[test]
    fn a_listed_site_may_call_the_public_endpoints() {
        let api = Service::with(|setup| setup.settings.allowed_origins = vec![SITE.into()]);
        let asked = api.send(&preflight("/api/ticket", SITE));
        assert_eq!(
            (asked.status, asked.header("access-control-allow-origin")),
            (200, Some(SITE))
        );
        let allowed = asked
            .header("access-control-allow-headers")
            .unwrap_or_default()
            .to_lowercase();
        assert!(
            allowed.contains("idempotency-key") && allowed.contains("content-type"),
            "{allowed}"
        );

        let created = api.send(&Request::post("/api/ticket", &seeds_ticket()).header("origin", SITE));
        assert_eq!(
            (created.status, created.header("access-control-allow-origin")),
            (201, Some(SITE))
        );
        let exposed = created
            .header("access-control-expose-headers")
            .unwrap_or_default()
            .to_lowercase();
        for name in ["location", "etag", "idempotent-replayed", "retry-after", "x-request-id"] {
            assert!(exposed.contains(name), "{name}: {exposed}");
        }
        let missing = api.send(&Request::new("GET", "/api/ticket/T-20250115-1234").header("origin", SITE));
        assert_eq!(
            (missing.status, missing.header("access-control-allow-origin")),
            (404, Some(SITE))
        );
        assert_eq!(missing.code(), "ticket_not_found");
    }

    #[test]
    fn other_sites_and_other_endpoints_are_not_for_browsers() {
        let api = Service::with(|setup| setup.settings.allowed_origins = vec![SITE.into()]);
        for (target, origin) in [
            ("/api/ticket", "https://evil.example"),
            ("/api/ticket", "null"),
            ("/api/ticket/inbound", SITE),
            ("/api/ticket/inbound/status", SITE),
            ("/api/notifications", SITE),
            ("/metrics", SITE),
        ] {
            let asked = api.send(&preflight(target, origin));
            assert_eq!(asked.header("access-control-allow-origin"), None, "{target} {origin}");
            let called = api.send(&Request::new("GET", target).header("origin", origin));
            assert_eq!(called.header("access-control-allow-origin"), None, "{target} {origin}");
        }
    }

    #[test]
    fn without_listed_sites_there_is_no_word_about_them() {
        let api = Service::start();
        for request in [
            preflight("/api/ticket", SITE),
            Request::post("/api/ticket", &seeds_ticket()).header("origin", SITE),
        ] {
            let answer = api.send(&request);
            assert!(
                answer
                    .headers
                    .iter()
                    .all(|(name, _)| !name.starts_with("access-control")),
                "{answer:?}"
            );
        }
    }
}
