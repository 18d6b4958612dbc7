//! `POST /api/ticket`: a customer opens a ticket.

use actix_web::{HttpResponse, http::header::LOCATION, web::Data};
use garde::Validate;
use serde::{Deserialize, Serialize};
use ticket_domain::{
    Customer, CustomerName, Email, MessageText, Phone, Priority, StrictText, Subject, TicketDetails, TicketRequest,
    use_cases::OpenTicket,
};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::access::{AccessControl, Kind};
use crate::api::{
    body::{Document, KeyedBody},
    deadline::with_timeout,
    field::{Field, present},
    idempotency::mark_replayed,
    keys::{from_head, is_operator},
    openapi::BodyProblems,
    problem::Problem,
    schemas::PrioritySchema,
};
use crate::state::part;

/// A new ticket. Texts are trimmed first, and CR LF becomes LF. Lengths count characters. A line without a visible
/// character is invalid.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CreateTicket, example = json!({
    "customerName": "John Doe",
    "customerPhone": "+1234567890",
    "customerEmail": "john@example.com",
    "subject": "Product Quality Issue",
    "message": "I received damaged bottles in my last order.",
    "priority": "high"
}))]
pub(crate) struct CreateTicket {
    /// One line of 1–200 characters.
    #[serde(default)]
    #[garde(custom(present), dive)]
    #[schema(value_type = String, required = true, min_length = 1, max_length = 200, example = "John Doe")]
    customer_name: Field<StrictText<CustomerName>>,
    /// 7–15 digits, with or without `+`. Spaces, dots, dashes and brackets are removed, and a leading `00` becomes `+`.
    #[serde(default)]
    #[garde(custom(present), dive)]
    #[schema(value_type = String, required = true, example = "+1234567890")]
    customer_phone: Field<Phone>,
    /// An address of at most 254 characters.
    #[serde(default)]
    #[garde(custom(present), dive)]
    #[schema(value_type = String, required = true, format = "email", max_length = 254, example = "john@example.com")]
    customer_email: Field<Email>,
    /// One line of 1–200 characters.
    #[serde(default)]
    #[garde(custom(present), dive)]
    #[schema(value_type = String, required = true, min_length = 1, max_length = 200, example = "Product Quality Issue")]
    subject: Field<StrictText<Subject>>,
    /// 1–5,000 characters. Line breaks and tabs are welcome.
    #[serde(default)]
    #[garde(custom(present), dive)]
    #[schema(
        value_type = String, required = true, min_length = 1, max_length = 5_000,
        example = "I received damaged bottles in my last order."
    )]
    message: Field<MessageText>,
    /// `low`, `medium`, `high` or `urgent`. Absent or null: `medium`.
    #[serde(default)]
    #[garde(dive)]
    #[schema(value_type = Option<PrioritySchema>, required = false)]
    priority: Field<Priority>,
}

impl Document for CreateTicket {
    type Parsed = TicketRequest;

    fn parsed(self) -> Option<TicketRequest> {
        Some(TicketRequest {
            details: TicketDetails {
                customer: Customer {
                    name: self.customer_name.good()?.0,
                    phone: self.customer_phone.good()?,
                    email: self.customer_email.good()?,
                },
                subject: self.subject.good()?.0,
                priority: self.priority.good().unwrap_or_default(),
            },
            message: self.message.good()?,
        })
    }
}

/// The new ticket.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreatedTicket {
    /// Always true.
    #[schema(example = true)]
    ok: bool,
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
/// read.
pub(crate) struct WithinLimit;

from_head!(WithinLimit, |request| {
    let access = part::<AccessControl>(request)?;
    if !is_operator(access, request)? {
        access.limit(Kind::Creation, request)?;
    }
    Ok(WithinLimit)
});

/// Open a ticket
///
/// Stores the ticket with its first message. The manager is notified in the background; the response doesn't wait for
/// it.
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
        BodyProblems,
        (status = 201, description = "The ticket is stored.", body = CreatedTicket, headers(
            ("Location" = String, description = "The ticket's path."),
            ("Idempotent-Replayed" = String, description = "`true` if this answers a repeated request."),
        )),
        (status = 429, description = "`rate_limited`"),
        (status = 422, description = "`idempotency_key_reused`: the key came with another request."),
        (status = 500, description = "`storage_unavailable` or `internal`: most likely nothing was stored. Repeat the request with the same `Idempotency-Key`: it is stored only once."),
    )
)]
pub(crate) async fn create_ticket(
    _: WithinLimit,
    KeyedBody { key, body: ticket }: KeyedBody<CreateTicket>,
    open_ticket: Data<OpenTicket>,
) -> Result<HttpResponse, Problem> {
    let opened = with_timeout(open_ticket.open(ticket, key)).await?;
    let mut response = HttpResponse::Created();
    mark_replayed(&mut response, opened.replayed);
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
