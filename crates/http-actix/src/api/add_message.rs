//! `POST /api/ticket/{ticketRef}/messages`: a customer adds to a ticket.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, web::Data};
use garde::Validate;
use serde::{Deserialize, Serialize};
use ticket_domain::{
    MessageText,
    use_cases::{AddError, AddMessage, Added},
};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    access::AccessControl,
    api::{
        body::{Body, Document},
        get_ticket::reference_of,
        idempotency,
        keys::ticket_key,
        patience::in_time,
        problem::Problem,
    },
    state::part,
    validation::{Field, FieldError, ValidationErrors, check, required},
};

/// What somebody writes. It is trimmed first, and CR LF becomes LF. Lengths count characters.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(as = NewMessage, example = json!({ "message": "The second parcel was broken too." }))]
pub(crate) struct NewMessage {
    /// 1–5,000 characters. Line breaks and tabs are welcome.
    #[serde(default)]
    #[garde(custom(required))]
    #[schema(
        value_type = String, required = true, min_length = 1, max_length = 5_000,
        example = "The second parcel was broken too."
    )]
    message: Field<MessageText>,
}

impl Document for NewMessage {
    const MAX_BYTES: usize = 64 * 1024;
}

impl NewMessage {
    /// The text with every fault of the request told at once, that of its key among them.
    pub(crate) fn checked(self, key_fault: Option<FieldError>) -> Result<MessageText, ValidationErrors> {
        check(&self, key_fault)?;
        self.message.checked()
    }
}

/// A message that was added.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AddedMessage {
    /// Always true.
    #[schema(example = true)]
    ok: bool,
    #[schema(example = "T-20250115-1234")]
    ticket_ref: String,
    message_id: Uuid,
    #[schema(format = "date-time", example = "2025-01-15T11:45:00.000000Z")]
    created_at: String,
}

/// The answer to whoever added a message.
pub(crate) fn created(added: &Added) -> HttpResponse {
    let mut response = HttpResponse::Created();
    idempotency::mark(&mut response, added.replayed);
    response.json(AddedMessage {
        ok: true,
        ticket_ref: added.reference.to_string(),
        message_id: added.message.0,
        created_at: added.at.to_string(),
    })
}

/// The key that the caller shows, right or wrong. Without one there is nothing that could turn out to be right, so the
/// limit comes before the body is read.
pub(crate) struct Writer(Option<String>);

impl FromRequest for Writer {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let check = || {
            let key = ticket_key(request);
            part::<AccessControl>(request)?.before_ticket(request, key.is_some())?;
            Ok(Self(key))
        };
        ready(check())
    }
}

/// Add to a ticket
///
/// For whoever has the customer's key. It opens a resolved or closed ticket again, and tells the manager in the
/// background: the answer waits for nobody.
#[utoipa::path(
    post,
    path = "/api/ticket/{ticketRef}/messages",
    tag = "Tickets",
    operation_id = "addMessage",
    params(
        ("ticketRef" = String, Path, description = "The reference, in upper or lower case.", example = "T-20250115-1234"),
        ("key" = Option<String>, Query, description = "The customer's key, from the ticket's address."),
        (
            "Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255,
            description = "Printable ASCII. For 24 hours the same key with the same request gives the same message."
        ),
    ),
    request_body = NewMessage,
    responses(
        (status = 201, description = "The message is in the thread.", body = AddedMessage, headers(
            ("Idempotent-Replayed" = String, description = "`true` if this answers a repeated request."),
        )),
        (status = 400, description = "`validation_failed`: the body is no JSON object, or fields are at fault."),
        (status = 401, description = "`unauthorized`: the ticket may be seen, and `key` is not its customer's."),
        (
            status = 404,
            description = "`ticket_not_found`: there is none, or tickets are private and `key` is none of its own."
        ),
        (status = 408, description = "`request_timeout`"),
        (status = 413, description = "`payload_too_large`: more than 64 KiB."),
        (status = 415, description = "`unsupported_media_type`"),
        (status = 422, description = "`idempotency_key_reused`: the key came with another request."),
        (status = 429, description = "`rate_limited`: too many requests without a right key."),
        (status = 500, description = "`storage_unavailable` or `internal`: most likely nothing was stored; repeated with the same `Idempotency-Key`, it is one message."),
    )
)]
pub(crate) async fn add_message(
    Writer(key): Writer,
    body: Body<NewMessage>,
    add_message: Data<AddMessage>,
    access: Data<AccessControl>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (idempotency_key, key_fault) = idempotency::given(&request);
    let text = body.0.checked(key_fault)?;
    let adding = match reference_of(&request) {
        Ok(reference) => {
            let adding = add_message.as_customer(reference, key.as_deref(), text, idempotency_key);
            in_time(async { Ok::<_, Problem>(adding.await) }).await?
        }
        Err(_) => Err(AddError::NotFound),
    };
    match adding {
        Ok(added) => Ok(created(&added)),
        Err(error) => {
            if let Some(is_missing) = proves_nothing(&error) {
                access.after_ticket(&request, key.is_some(), is_missing)?;
            }
            Err(error.into())
        }
    }
}

/// Whether the ticket is missing, where the caller proved nothing. While the store is down no key proves anything.
fn proves_nothing(error: &AddError) -> Option<bool> {
    match error {
        AddError::NotFound => Some(true),
        AddError::NotAllowed => Some(false),
        AddError::KeyReused | AddError::Store(_) => None,
    }
}

#[cfg(test)]
mod tests;
