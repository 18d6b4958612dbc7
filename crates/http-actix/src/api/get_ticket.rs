//! `GET /api/ticket/{ticketRef}`: a ticket with its messages.

mod thread_json;

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::header::{CACHE_CONTROL, ContentType, ETAG, EntityTag, Header, IF_NONE_MATCH, IfNoneMatch},
    web::Data,
};
use serde::Serialize;
use ticket_domain::{Delivery, Message, Thread, Ticket, TicketRef, TicketVersion, Visibility};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::access::{SharedThreads, state_of_tag, state_tag};
use crate::api::{
    keys::{Reader, from_head},
    problem::{Code, Problem},
    schemas::{ChannelSchema, DeliverySchema, PrioritySchema, SenderSchema, StatusSchema},
};
use thread_json::ThreadJson;

/// A ticket with its messages, oldest first.
#[derive(Serialize, ToSchema)]
#[schema(as = TicketThread)]
pub(crate) struct ThreadBody<'a> {
    #[schema(inline = false)]
    ticket: TicketBody<'a>,
    messages: Vec<MessageBody<'a>>,
}

/// A ticket.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Ticket)]
pub(crate) struct TicketBody<'a> {
    #[serde(flatten)]
    facts: TicketFacts<'a>,
    delivery: DeliveryBody,
}

/// A ticket, without its delivery state.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TicketFacts)]
pub(crate) struct TicketFacts<'a> {
    id: Uuid,
    #[schema(example = "T-20250115-1234")]
    ticket_ref: String,
    #[schema(example = "Product Quality Issue")]
    subject: &'a str,
    #[schema(value_type = StatusSchema)]
    status: &'static str,
    #[schema(example = "John Doe")]
    customer_name: &'a str,
    #[schema(example = "+1234567890")]
    customer_phone: &'a str,
    #[schema(example = "john@example.com")]
    customer_email: &'a str,
    #[schema(value_type = PrioritySchema)]
    priority: &'static str,
    #[schema(format = "date-time", example = "2025-01-15T10:30:00.000000Z")]
    created_at: String,
    #[schema(format = "date-time", example = "2025-01-15T11:45:00.000000Z")]
    updated_at: String,
}

/// The delivery state of the ticket's newest notification, and since when.
#[derive(Serialize, ToSchema)]
#[schema(as = Delivery)]
pub(crate) struct DeliveryBody {
    #[schema(value_type = DeliverySchema)]
    state: &'static str,
    #[schema(format = "date-time", example = "2025-01-15T10:30:01.000000Z")]
    at: String,
}

/// One message.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Message)]
pub(crate) struct MessageBody<'a> {
    id: Uuid,
    #[schema(value_type = SenderSchema)]
    sender: &'static str,
    #[schema(value_type = ChannelSchema)]
    channel: &'static str,
    /// The text; empty for a medium without text, and for a removed message.
    #[schema(example = "Thank you for reporting this. We'll investigate immediately.")]
    body: &'a str,
    /// The URL of a picture, a voice message or a document.
    #[schema(required = true)]
    media_url: Option<&'a str>,
    #[schema(format = "date-time", example = "2025-01-15T11:45:00.000000Z")]
    created_at: String,
    /// `true` if the message was removed; else absent. Only operators still get its text and media.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    removed: bool,
    /// `true` for an internal note, which only operators get; else absent.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    internal: bool,
}

impl<'a> ThreadBody<'a> {
    /// The thread without its messages.
    fn empty(thread: &'a Thread) -> Self {
        Self {
            ticket: TicketBody::new(&thread.ticket, thread.delivery),
            messages: Vec::new(),
        }
    }
}

impl<'a> TicketBody<'a> {
    pub(crate) fn new(ticket: &'a Ticket, delivery: Delivery) -> Self {
        Self {
            facts: ticket.into(),
            delivery: DeliveryBody {
                state: delivery.state.as_str(),
                at: delivery.at.to_string(),
            },
        }
    }
}

impl<'a> From<&'a Ticket> for TicketFacts<'a> {
    fn from(ticket: &'a Ticket) -> Self {
        Self {
            id: ticket.id.0,
            ticket_ref: ticket.reference.to_string(),
            subject: ticket.details.subject.as_str(),
            status: ticket.status.as_str(),
            customer_name: ticket.details.customer.name.as_str(),
            customer_phone: ticket.details.customer.phone.as_str(),
            customer_email: ticket.details.customer.email.as_str(),
            priority: ticket.details.priority.as_str(),
            created_at: ticket.created_at.to_string(),
            updated_at: ticket.updated_at.to_string(),
        }
    }
}

impl<'a> From<&'a Message> for MessageBody<'a> {
    fn from(message: &'a Message) -> Self {
        Self {
            id: message.id.0,
            sender: message.sender.as_str(),
            channel: message.channel.as_str(),
            body: message.content.body().as_str(),
            media_url: message.content.media().map(ticket_domain::MediaUrl::as_str),
            created_at: message.created_at.to_string(),
            removed: message.visibility == Visibility::Removed,
            internal: message.visibility == Visibility::Internal,
        }
    }
}

/// The versions of the ticket that the caller has. None without a valid `If-None-Match`.
fn known_versions(request: &HttpRequest) -> Option<IfNoneMatch> {
    let header = request.headers().contains_key(IF_NONE_MATCH);
    header.then(|| IfNoneMatch::parse(request).ok()).flatten()
}

/// A version that may be the current one. If the caller has several, all are compared after the ticket was read.
fn candidate(known: &IfNoneMatch) -> Option<TicketVersion> {
    match known {
        IfNoneMatch::Any => None,
        IfNoneMatch::Items(tags) => tags.iter().find_map(|tag| state_of_tag(tag.tag())),
    }
}

fn includes(known: &IfNoneMatch, tag: &EntityTag) -> bool {
    match known {
        IfNoneMatch::Any => true,
        IfNoneMatch::Items(tags) => tags.iter().any(|known| known.weak_eq(tag)),
    }
}

/// Read a ticket
///
/// Depending on the installation, everybody who knows the reference may read the ticket, or only operators and holders
/// of one of its keys; for others there is no such ticket. Poll with `If-None-Match`.
#[utoipa::path(
    get,
    path = "/api/ticket/{ticketRef}",
    tag = "Tickets",
    params(
        ("key" = Option<String>, Query, description = "The key from the ticket's address."),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of what the caller has."),
    ),
    security((), ("operator" = [])),
    responses(
        (status = 200, description = "The ticket.", body = ThreadBody, headers(
            ("ETag" = String, description = "Changes whenever the body does."),
            ("Cache-Control" = String, description = "`private, no-cache`"),
        )),
        (status = 304, description = "The caller has the current version.", headers(
            ("ETag" = String, description = "The same as before."),
            ("Cache-Control" = String, description = "`private, no-cache`"),
        )),
    )
)]
pub(crate) async fn get_ticket(
    Reader(visitor): Reader,
    threads: Data<SharedThreads>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let known = known_versions(&request);
    let reference = reference_of(&request).ok();
    let view = match known.as_ref().and_then(candidate) {
        None => visitor.view(&threads, reference).await?,
        Some(candidate) => {
            let admitted = visitor.admit(&threads, reference, true).await?;
            if admitted.state() == Some(candidate) {
                let tag = EntityTag::new_strong(state_tag(candidate));
                return Ok(tagged(&mut HttpResponse::NotModified(), &tag).finish());
            }
            visitor.read(&threads, admitted).await?
        }
    };
    let tag = EntityTag::new_strong(state_tag(view.thread().state()));
    if known.is_some_and(|known| includes(&known, &tag)) {
        return Ok(tagged(&mut HttpResponse::NotModified(), &tag).finish());
    }
    let mut response = HttpResponse::Ok();
    let response = tagged(&mut response, &tag).content_type(ContentType::json());
    Ok(match ThreadJson::of(view)? {
        thread_json::Begun::Whole(json) => response.body(json),
        thread_json::Begun::Part(json) => response.body(json),
    })
}

fn tagged<'r>(response: &'r mut HttpResponseBuilder, tag: &EntityTag) -> &'r mut HttpResponseBuilder {
    response
        .insert_header((ETAG, tag.to_string()))
        .insert_header((CACHE_CONTROL, "private, no-cache"))
}

/// The reference in the path. A text that is not a reference is answered as a missing ticket.
pub(crate) fn reference_of(request: &HttpRequest) -> Result<TicketRef, Problem> {
    let reference = request.match_info().query("ticketRef").parse();
    reference.map_err(|_| Problem::new(Code::TicketNotFound))
}

/// [`reference_of`] as a handler's argument.
pub(crate) struct PathReference(pub(crate) TicketRef);

from_head!(PathReference, |request| reference_of(request).map(Self));

/// Read a ticket without naming it
///
/// Always fails: the reference is missing in the path.
#[utoipa::path(
    get,
    path = "/api/ticket",
    tag = "Tickets",
    responses((status = 400, description = "`validation_failed`: `ticketRef` is missing."))
)]
pub(crate) async fn get_ticket_without_reference() -> Result<HttpResponse, Problem> {
    Err(Problem::field(
        "ticketRef",
        "required",
        "must be given: /api/ticket/{ticketRef}",
    ))
}

#[cfg(test)]
mod tests;
