//! `GET /api/ticket/{ticketRef}`: the ticket with everything that was said.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CACHE_CONTROL, ETAG, EntityTag, Header, IF_NONE_MATCH, IfNoneMatch},
    web::Data,
};
use serde::Serialize;
use ticket_domain::{
    AccessLevel, Delivery, Message, Thread, Ticket, TicketRef, TicketVersion,
    use_cases::{View, ViewError, ViewTicket},
};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    access::{AccessControl, state_of_tag, state_tag},
    api::{
        keys::Visitor,
        problem::{Code, Problem},
        schemas::{ChannelWord, DeliveryWord, PriorityWord, SenderWord, StatusWord},
    },
};

/// A ticket with its messages, oldest first.
#[derive(Serialize, ToSchema)]
#[schema(as = TicketThread, example = json!({
    "ok": true,
    "ticket": {
        "id": "01946992-1f40-7000-8000-000000000001",
        "ticketRef": "T-20250115-1234",
        "subject": "Product Quality Issue",
        "status": "open",
        "customerName": "John Doe",
        "customerPhone": "+1234567890",
        "customerEmail": "john@example.com",
        "priority": "high",
        "createdAt": "2025-01-15T10:30:00.000000Z",
        "updatedAt": "2025-01-15T11:45:00.000000Z",
        "delivery": { "state": "sent", "at": "2025-01-15T10:30:01.000000Z" }
    },
    "messages": [
        {
            "id": "01946992-1f40-7000-8000-000000000002",
            "sender": "customer",
            "channel": "web",
            "body": "I received damaged bottles in my last order.",
            "mediaUrl": null,
            "createdAt": "2025-01-15T10:30:00.000000Z"
        },
        {
            "id": "019469d6-cae0-7000-8000-000000000003",
            "sender": "manager",
            "channel": "whatsapp",
            "body": "Thank you for reporting this. We'll investigate immediately.",
            "mediaUrl": null,
            "createdAt": "2025-01-15T11:45:00.000000Z"
        }
    ]
}))]
pub(crate) struct ThreadBody<'a> {
    /// Always true.
    #[schema(example = true)]
    ok: bool,
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

/// A ticket, without how far its newest notification got.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TicketFacts)]
pub(crate) struct TicketFacts<'a> {
    id: Uuid,
    #[schema(example = "T-20250115-1234")]
    ticket_ref: String,
    #[schema(example = "Product Quality Issue")]
    subject: &'a str,
    #[schema(value_type = StatusWord, example = "open")]
    status: &'static str,
    #[schema(example = "John Doe")]
    customer_name: &'a str,
    #[schema(example = "+1234567890")]
    customer_phone: &'a str,
    #[schema(example = "john@example.com")]
    customer_email: &'a str,
    #[schema(value_type = PriorityWord, example = "high")]
    priority: &'static str,
    #[schema(format = "date-time", example = "2025-01-15T10:30:00.000000Z")]
    created_at: String,
    #[schema(format = "date-time", example = "2025-01-15T11:45:00.000000Z")]
    updated_at: String,
}

/// How far the newest notification of the ticket got, and since when.
#[derive(Serialize, ToSchema)]
#[schema(as = Delivery)]
pub(crate) struct DeliveryBody {
    #[schema(value_type = DeliveryWord, example = "sent")]
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
    #[schema(value_type = SenderWord, example = "manager")]
    sender: &'static str,
    #[schema(value_type = ChannelWord, example = "whatsapp")]
    channel: &'static str,
    /// The words; empty if only a medium came.
    #[schema(example = "Thank you for reporting this. We'll investigate immediately.")]
    body: &'a str,
    /// Where a picture, a voice message or a document lies.
    #[schema(required = true)]
    media_url: Option<&'a str>,
    #[schema(format = "date-time", example = "2025-01-15T11:45:00.000000Z")]
    created_at: String,
}

impl<'a> From<&'a Thread> for ThreadBody<'a> {
    fn from(
        Thread {
            ticket,
            messages,
            delivery,
        }: &'a Thread,
    ) -> Self {
        Self {
            ok: true,
            ticket: TicketBody::new(ticket, *delivery),
            messages: messages.iter().map(MessageBody::from).collect(),
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
        }
    }
}

/// What the caller has of a ticket already.
enum Has {
    Nothing,
    /// Some version, whichever.
    Any,
    /// What has one of these tags.
    Tagged(Vec<EntityTag>),
}

impl Has {
    fn of(request: &HttpRequest) -> Self {
        match IfNoneMatch::parse(request) {
            Ok(IfNoneMatch::Any) if request.headers().contains_key(IF_NONE_MATCH) => Self::Any,
            Ok(IfNoneMatch::Items(tags)) => Self::Tagged(tags),
            Ok(IfNoneMatch::Any) | Err(_) => Self::Nothing,
        }
    }

    /// A state that the ticket may still be in. Who has several is asked for by all of them after the ticket was read.
    fn state(&self) -> Option<TicketVersion> {
        match self {
            Self::Tagged(tags) => tags.iter().find_map(|tag| state_of_tag(tag.tag())),
            Self::Nothing | Self::Any => None,
        }
    }

    fn includes(&self, tag: &EntityTag) -> bool {
        match self {
            Self::Nothing => false,
            Self::Any => true,
            Self::Tagged(tags) => tags.iter().any(|known| known.weak_eq(tag)),
        }
    }
}

/// Read a ticket
///
/// Depending on the installation, everybody who knows the reference may read it, or only those with a key of the
/// ticket and operators; to others there is no such ticket. Poll with `If-None-Match`.
#[utoipa::path(
    get,
    path = "/api/ticket/{ticketRef}",
    tag = "Tickets",
    operation_id = "getTicket",
    params(
        ("ticketRef" = String, Path, description = "The reference, in upper or lower case.", example = "T-20250115-1234"),
        ("key" = Option<String>, Query, description = "The key from the ticket's address."),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of what the caller has."),
    ),
    security((), ("operator" = [])),
    responses(
        (status = 200, description = "The ticket.", body = ThreadBody, headers(
            ("ETag" = String, description = "Changes whenever the body does."),
            ("Cache-Control" = String, description = "`private, no-cache`"),
        )),
        (status = 304, description = "The caller has it already.", headers(
            ("ETag" = String, description = "The same as before."),
            ("Cache-Control" = String, description = "`private, no-cache`"),
        )),
        (status = 404, description = "`ticket_not_found`"),
        (status = 429, description = "`rate_limited`"),
        (status = 500, description = "`storage_unavailable` or `internal`"),
    )
)]
pub(crate) async fn get_ticket(
    request: HttpRequest,
    access: Data<AccessControl>,
    view_ticket: Data<ViewTicket>,
) -> Result<HttpResponse, Problem> {
    let has = Has::of(&request);
    let Shown { state, thread, .. } = shown(&request, &access, &view_ticket, has.state()).await?;
    let tag = EntityTag::new_strong(state_tag(state));
    let news = thread.filter(|_| !has.includes(&tag));
    let mut response = match news {
        Some(_) => HttpResponse::Ok(),
        None => HttpResponse::NotModified(),
    };
    response
        .insert_header((ETAG, tag.to_string()))
        .insert_header((CACHE_CONTROL, "private, no-cache"));
    Ok(match news {
        Some(thread) => response.json(ThreadBody::from(&thread)),
        None => response.finish(),
    })
}

/// What a caller is shown of a ticket.
struct Shown {
    /// How it stands.
    state: TicketVersion,
    /// All of it, unless it stands as the caller knows.
    thread: Option<Thread>,
    access_level: AccessLevel,
}

/// The ticket that a request names, if the caller may see it. All of it is read unless it stands as is `known`.
async fn shown(
    request: &HttpRequest,
    access: &AccessControl,
    tickets: &ViewTicket,
    known: Option<TicketVersion>,
) -> Result<Shown, Problem> {
    let visitor = Visitor::of(access, request)?;
    let refused = |error: ViewError| match error {
        ViewError::NotFound => visitor
            .count(access, request, None)
            .err()
            .unwrap_or_else(|| ViewError::NotFound.into()),
        // While the store is down no key proves anything.
        ViewError::Store(_) => error.into(),
    };
    let Ok(reference) = reference_of(request) else {
        return Err(refused(ViewError::NotFound));
    };
    if known.is_none() && visitor.may_try_key(access, request) {
        let View { thread, access_level } = tickets.view(reference, visitor.credentials()).await.map_err(refused)?;
        visitor.count(access, request, Some(access_level))?;
        return Ok(Shown {
            state: thread.state(),
            thread: Some(thread),
            access_level,
        });
    }
    let admitting = tickets.admit(reference, visitor.credentials(), known.is_some());
    let admitted = admitting.await.map_err(refused)?;
    let access_level = admitted.access_level();
    visitor.count(access, request, Some(access_level))?;
    if let Some(known) = known.filter(|known| admitted.state() == Some(*known)) {
        return Ok(Shown {
            state: known,
            thread: None,
            access_level,
        });
    }
    let View { thread, .. } = tickets.read(admitted).await.map_err(refused)?;
    Ok(Shown {
        state: thread.state(),
        thread: Some(thread),
        access_level,
    })
}

/// All of the ticket that a request names, if the caller may see it, and what they proved to be.
pub(crate) async fn viewed(
    request: &HttpRequest,
    access: &AccessControl,
    tickets: &ViewTicket,
) -> Result<(Thread, AccessLevel), Problem> {
    let Shown {
        thread, access_level, ..
    } = shown(request, access, tickets, None).await?;
    Ok((thread.ok_or_else(|| Problem::new(Code::Internal))?, access_level))
}

/// The reference in a request's address.
pub(crate) fn reference_of(request: &HttpRequest) -> Result<TicketRef, Problem> {
    let reference = request.match_info().query("ticketRef").parse();
    reference.map_err(|_| Problem::new(Code::TicketNotFound))
}

/// Read a ticket, without saying which
///
/// Always fails: the reference belongs behind the address.
#[utoipa::path(
    get,
    path = "/api/ticket",
    tag = "Tickets",
    operation_id = "getTicketWithoutReference",
    responses((status = 400, description = "`validation_failed`: `ticketRef` is missing."))
)]
pub(crate) async fn missing_reference() -> Result<HttpResponse, Problem> {
    Err(Problem::field(
        "ticketRef",
        "required",
        "must be given: /api/ticket/{ticketRef}",
    ))
}

#[cfg(test)]
mod tests;
