//! `POST /api/ticket`: a customer opens a ticket.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, http::header::LOCATION, web::Data};
use serde::Serialize;
use ticket_domain::use_cases::OpenTicket;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    access::{AccessControl, Kind},
    api::{
        body::{Body, Document},
        idempotency,
        keys::is_operator,
        patience::in_time,
        problem::Problem,
    },
    state::part,
    ticket_request::CreateTicket,
};

impl Document for CreateTicket {
    const MAX_BYTES: usize = 64 * 1024;
}

/// A ticket that was opened.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreatedTicket {
    /// Always true.
    #[schema(example = true)]
    ok: bool,
    /// What people call the ticket: `T-`, the UTC date, and 4 to 9 digits.
    #[schema(example = "T-20250115-1234")]
    ticket_ref: String,
    /// What programs call it.
    ticket_id: Uuid,
    /// Where the customer reads it. The key in it proves that its holder opened the ticket.
    #[schema(
        format = "uri",
        example = "https://desk.example.com/ticket/T-20250115-1234?key=0123456789abcdef0123456789abcdef"
    )]
    ticket_url: String,
}

/// The caller may open one ticket more. It stands first among the handler's arguments, so that the body of a request
/// too many is not read.
pub(crate) struct WithinLimit;

impl FromRequest for WithinLimit {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let check = || {
            let access = part::<AccessControl>(request)?;
            if !is_operator(access, request)? {
                access.limit(Kind::Creation, request)?;
            }
            Ok(Self)
        };
        ready(check())
    }
}

/// Open a ticket
///
/// Stores the ticket with its first message, and tells the manager in the background: the answer waits for nobody.
#[utoipa::path(
    post,
    path = "/api/ticket",
    tag = "Tickets",
    operation_id = "createTicket",
    params((
        "Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255,
        description = "Printable ASCII. For 24 hours the same key with the same request gives the same ticket."
    )),
    request_body = CreateTicket,
    security((), ("operator" = [])),
    responses(
        (status = 201, description = "The ticket is stored.", body = CreatedTicket, headers(
            ("Location" = String, description = "Where the ticket is read."),
            ("Idempotent-Replayed" = String, description = "`true` if this answers a repeated request."),
        )),
        (status = 400, description = "`validation_failed`: the body is no JSON object, or fields are at fault."),
        (status = 408, description = "`request_timeout`"),
        (status = 413, description = "`payload_too_large`: more than 64 KiB."),
        (status = 415, description = "`unsupported_media_type`"),
        (status = 422, description = "`idempotency_key_reused`: the key came with another request."),
        (status = 429, description = "`rate_limited`"),
        (status = 500, description = "`storage_unavailable` or `internal`: most likely nothing was stored; repeated with the same `Idempotency-Key`, it is one ticket."),
    )
)]
pub(crate) async fn create_ticket(
    _: WithinLimit,
    body: Body<CreateTicket>,
    open_ticket: Data<OpenTicket>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (key, key_fault) = idempotency::given(&request);
    let ticket = body.0.validated(key_fault)?;
    let opened = in_time(open_ticket.open(ticket, key)).await?;
    let mut response = HttpResponse::Created();
    idempotency::mark(&mut response, opened.replayed);
    response.insert_header((LOCATION, format!("/api/ticket/{}", opened.reference)));
    Ok(response.json(CreatedTicket {
        ok: true,
        ticket_ref: opened.reference.to_string(),
        ticket_id: opened.id.0,
        ticket_url: opened.url,
    }))
}

#[cfg(test)]
mod tests;
