//! `POST /api/ticket/{ticketRef}/messages`: a customer adds to a ticket.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use garde::Validate;
use serde::{Deserialize, Serialize};
use ticket_domain::{
    MessageText,
    use_cases::{AddMessage, Added},
};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::{
    body::{Document, KeyedBody},
    deadline::with_timeout,
    get_ticket::reference_of,
    idempotency::mark_replayed,
    keys::Writer,
    openapi::IdempotencyHeader,
    problem::Problem,
    success::Success,
};
use crate::validation::{Field, present};

/// A new message. The text is trimmed first, and CR LF becomes LF. Lengths count characters.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(as = NewMessage, example = json!({ "message": "The second parcel was broken too." }))]
pub(crate) struct NewMessage {
    /// 1–5,000 characters. Line breaks and tabs are welcome.
    #[garde(custom(present), dive)]
    #[schema(
        value_type = String, min_length = 1, max_length = 5_000,
        example = "The second parcel was broken too."
    )]
    message: Field<MessageText>,
}

impl Document for NewMessage {
    type Parsed = MessageText;

    fn parsed(self) -> Option<MessageText> {
        self.message.good()
    }
}

/// A message that was added.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AddedMessage {
    #[schema(example = "T-20250115-1234")]
    ticket_ref: String,
    message_id: Uuid,
    #[schema(format = "date-time", example = "2025-01-15T11:45:00.000000Z")]
    created_at: String,
}

/// The response to an added message.
pub(crate) fn created(added: &Added) -> HttpResponse {
    let mut response = HttpResponse::Created();
    mark_replayed(&mut response, added.replayed);
    response.json(Success::new(AddedMessage {
        ticket_ref: added.reference.to_string(),
        message_id: added.message.0,
        created_at: added.at.to_string(),
    }))
}

/// Add to a ticket
///
/// For the holder of the customer's key. The message reopens a resolved or closed ticket. The manager is notified in
/// the background; the response doesn't wait for it.
#[utoipa::path(
    post,
    path = "/api/ticket/{ticketRef}/messages",
    tag = "Tickets",
    params(
        ("key" = Option<String>, Query, description = "The customer's key, from the ticket's address."),
        IdempotencyHeader,
    ),
    request_body = NewMessage,
    responses(
        (status = 201, description = "The message is in the thread.", body = AddedMessage),
        (status = 401, description = "`unauthorized`: the caller may read the ticket, but `key` is not its customer's."),
        (
            status = 404,
            description = "`ticket_not_found`: there is none, or tickets are private and `key` is not one of this ticket."
        ),
        (
            status = 429,
            description = "`rate_limited`: too many requests without a valid key, too many messages for this ticket in a short time, or \
                           too many in all."
        ),
    )
)]
pub(crate) async fn add_message(
    Writer(visitor): Writer,
    KeyedBody { key, body: text }: KeyedBody<NewMessage>,
    add_message: Data<AddMessage>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let reference = reference_of(&request).ok();
    let added = with_timeout(visitor.add(&add_message, reference, text, key)).await?;
    Ok(created(&added))
}

#[cfg(test)]
mod tests;
