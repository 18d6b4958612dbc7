//! `POST /api/ticket`: a customer opens a ticket.

use std::net::IpAddr;

use actix_web::{HttpResponse, http::header::LOCATION, web::Data};
use serde::Serialize;
use ticket_domain::{TicketRequest, use_cases::OpenTicket};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    access::{AccessControl, Kind},
    api::{
        body::{Document, KeyedBody},
        deadline::with_timeout,
        idempotency::mark_replayed,
        keys::{from_head, is_operator},
        openapi::IdempotencyHeader,
        problem::Problem,
        success::Success,
    },
    state::part,
    ticket_request::CreateTicket,
};

impl Document for CreateTicket {
    type Parsed = TicketRequest;

    fn parsed(self) -> Option<TicketRequest> {
        self.request()
    }
}

/// The new ticket.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "they are called so in JSON")]
pub(crate) struct CreatedTicket {
    /// The reference for people: `T-`, the UTC date, and 4 to 9 digits.
    #[schema(example = "T-20250115-1234")]
    ticket_ref: String,
    /// The id for programs.
    ticket_id: Uuid,
    /// The customer's page of the ticket. The key in it proves that its holder opened the ticket.
    #[schema(
        format = "uri",
        example = "https://desk.example.com/ticket/T-20250115-1234?key=0123456789abcdef0123456789abcdef"
    )]
    ticket_url: String,
}

/// The caller may open another ticket. The handler's first argument, so that the body of an excess request is not
/// read. With its address; none if it is a program on this machine.
pub(crate) struct WithinLimit(Option<IpAddr>);

from_head!(WithinLimit, |request| {
    let access = part::<AccessControl>(request)?;
    if !is_operator(access, request)? {
        access.limit(Kind::Creation, request)?;
    }
    Ok(Self(access.caller(request)))
});

/// Open a ticket
///
/// Stores the ticket with its first message. The manager is notified in the background; the response doesn't wait for
/// it. Without an `Idempotency-Key`, the same customer, subject and message from the same address within 60 seconds are
/// one ticket.
#[utoipa::path(
    post,
    path = "/api/ticket",
    tag = "Tickets",
    params(IdempotencyHeader),
    request_body = CreateTicket,
    security((), ("operator" = [])),
    responses((status = 201, description = "The ticket is stored.", body = CreatedTicket, headers(
        ("Location" = String, description = "The ticket's path."),
    )))
)]
pub(crate) async fn create_ticket(
    WithinLimit(caller): WithinLimit,
    KeyedBody { key, body: ticket }: KeyedBody<CreateTicket>,
    open_ticket: Data<OpenTicket>,
) -> Result<HttpResponse, Problem> {
    let opened = with_timeout(open_ticket.open(ticket, key, caller)).await?;
    let mut response = HttpResponse::Created();
    mark_replayed(&mut response, opened.replayed);
    response.insert_header((LOCATION, format!("/api/ticket/{}", opened.reference)));
    Ok(response.json(Success::new(CreatedTicket {
        ticket_ref: opened.reference.to_string(),
        ticket_id: opened.id.0,
        ticket_url: opened.url,
    })))
}

#[cfg(test)]
mod tests;
