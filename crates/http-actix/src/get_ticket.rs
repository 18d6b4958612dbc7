//! `GET /api/ticket/{ticketRef}`: the ticket with everything that was said.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CACHE_CONTROL, ETAG, EntityTag, Header, IfNoneMatch},
    web::Query,
};
use serde::Serialize;
use ticket_domain::{Delivery, Message, Thread, Ticket, TicketRef, use_cases::Credentials};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    api::Api,
    keys::is_operator,
    problem::{Code, Problem},
    rate_limits::Kind,
    words::{ChannelWord, DeliveryWord, PriorityWord, SenderWord, StatusWord},
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
    delivery: DeliveryBody,
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
    fn new(ticket: &'a Ticket, delivery: Delivery) -> Self {
        Self {
            id: ticket.id.0,
            ticket_ref: ticket.reference.to_string(),
            subject: ticket.subject.as_str(),
            status: ticket.status.as_str(),
            customer_name: ticket.customer.name.as_str(),
            customer_phone: ticket.customer.phone.as_str(),
            customer_email: ticket.customer.email.as_str(),
            priority: ticket.priority.as_str(),
            created_at: ticket.created_at.to_string(),
            updated_at: ticket.updated_at.to_string(),
            delivery: DeliveryBody {
                state: delivery.state.as_str(),
                at: delivery.at.to_string(),
            },
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

/// Changes whenever the body does: the version counts what happened to the ticket, and the delivery goes its own way.
fn entity_tag(version: u32, Delivery { state, at }: Delivery) -> EntityTag {
    EntityTag::new_strong(format!("{version}-{state}-{}", at.unix_micros()))
}

/// Whether the caller has this version already.
fn is_known(request: &HttpRequest, tag: &EntityTag) -> bool {
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => request.headers().contains_key("if-none-match"),
        Ok(IfNoneMatch::Items(known)) => known.iter().any(|known| known.weak_eq(tag)),
        Err(_) => false,
    }
}

/// The `key` of the query string. A query string that can't be read has none.
fn key_of(request: &HttpRequest) -> Option<String> {
    let Query(pairs) = Query::<Vec<(String, String)>>::from_query(request.query_string()).ok()?;
    pairs.into_iter().find(|(name, _)| name == "key").map(|(_, key)| key)
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
pub(crate) async fn get_ticket(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let api = Api::of(&request)?;
    let is_operator = is_operator(api, &request)?;
    let key = key_of(&request);
    // Without a key there is nothing that could turn out to be right, so the limit comes before the store.
    if !is_operator && key.is_none() {
        api.limit(Kind::Read, &request)?;
    }
    let shown = view(api, &request, key.as_deref(), is_operator).await;
    let is_proven = shown.as_ref().is_ok_and(|(_, is_proven)| *is_proven);
    if key.is_some() && !is_operator && !is_proven {
        // A wrong key is a read as well: it buys nothing beyond what the caller has without it.
        api.limit(Kind::WrongKey, &request)?;
        api.limit(Kind::Read, &request)?;
    }
    let (thread, _) = shown?;
    let tag = entity_tag(thread.ticket.version, thread.delivery);
    let is_known = is_known(&request, &tag);
    let mut response = if is_known {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    response
        .insert_header((ETAG, tag.to_string()))
        .insert_header((CACHE_CONTROL, "private, no-cache"));
    if is_known {
        return Ok(response.finish());
    }
    Ok(response.json(ThreadBody::from(&thread)))
}

async fn view(
    api: &Api,
    request: &HttpRequest,
    key: Option<&str>,
    is_operator: bool,
) -> Result<(Thread, bool), Problem> {
    let reference: TicketRef = request
        .match_info()
        .query("ticketRef")
        .parse()
        .map_err(|_| Problem::new(Code::TicketNotFound))?;
    let view = api
        .view_ticket
        .view(reference, Credentials { key, is_operator })
        .await?;
    Ok((view.thread, view.proven))
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
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};
    use ticket_domain::{Access, Delivery, DeliveryState};

    use super::*;
    use crate::testing::{DownStore, MANAGER, OPERATOR_TOKEN, Request, Service};

    fn keys(value: &Value) -> Vec<&str> {
        value.as_object().unwrap().keys().map(String::as_str).collect()
    }

    #[test]
    fn a_ticket_has_the_seeds_shape() {
        let api = Service::start();
        let opened = api.open_ticket();
        let reply = json!({
            "ticketRef": opened.reference, "message": "We look into it.", "from": MANAGER, "externalId": "SM1",
            "mediaUrl": "https://media.example/1"
        });
        assert_eq!(api.receive(&reply).status, 200);
        let answer = api.get(&format!("/api/ticket/{}", opened.reference.to_lowercase()));
        let mut body = answer.json();
        assert_eq!(answer.status, 200);
        assert_eq!(keys(&body), ["messages", "ok", "ticket"]);
        let ticket = &mut body["ticket"];
        let times = ["createdAt", "updatedAt"].map(|name| ticket[name].take().as_str().unwrap().to_owned());
        assert!(
            times.iter().all(|time| time.len() == 27 && time.ends_with('Z')),
            "{times:?}"
        );
        assert!(times[0] < times[1]);
        assert_eq!(
            *ticket,
            json!({
                "id": opened.id, "ticketRef": opened.reference, "subject": "Product Quality Issue", "status": "open",
                "customerName": "John Doe", "customerPhone": "+1234567890", "customerEmail": "john@example.com",
                "priority": "high", "createdAt": null, "updatedAt": null,
                "delivery": { "state": "waiting", "at": times[0] }
            })
        );
        let messages = body["messages"].as_array().unwrap();
        let told: Vec<_> = messages
            .iter()
            .map(|m| (&m["sender"], &m["channel"], &m["body"], &m["mediaUrl"]))
            .collect();
        assert_eq!(
            told,
            [
                (
                    &json!("customer"),
                    &json!("web"),
                    &json!("I received damaged bottles in my last order."),
                    &Value::Null
                ),
                (
                    &json!("manager"),
                    &json!("whatsapp"),
                    &json!("We look into it."),
                    &json!("https://media.example/1")
                ),
            ]
        );
        assert_eq!(
            keys(&messages[0]),
            ["body", "channel", "createdAt", "id", "mediaUrl", "sender"]
        );
        assert_eq!(answer.header("cache-control"), Some("private, no-cache"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    }

    #[test]
    fn a_poller_is_told_only_what_is_new() {
        let api = Service::start();
        let opened = api.open_ticket();
        let target = format!("/api/ticket/{}", opened.reference);
        let poll = |known: &str| api.send(&Request::new("GET", &target).header("if-none-match", known));
        let tag = api.get(&target).header("etag").unwrap().to_owned();
        assert!(tag.starts_with('"'), "strong: {tag}");
        for (known, status) in [
            (tag.clone(), 304),
            (format!("\"other\", {tag}"), 304),
            (format!("W/{tag}"), 304),
            ("*".into(), 304),
            ("\"other\"".into(), 200),
            ("nonsense".into(), 200),
            (String::new(), 200),
        ] {
            let answer = poll(&known);
            assert_eq!(
                (answer.status, answer.header("etag")),
                (status, Some(tag.as_str())),
                "{known}"
            );
            assert_eq!(answer.body.is_empty(), status == 304);
        }
        let reply = json!({ "ticketRef": opened.reference, "message": "Hello", "from": MANAGER });
        assert_eq!(api.receive(&reply).status, 200);
        let answer = poll(&tag);
        assert_eq!(answer.status, 200);
        assert_ne!(answer.header("etag"), Some(tag.as_str()));
    }

    #[test]
    fn a_delivery_changes_the_tag() {
        let tag = |version, state, micros| {
            let at = ticket_domain::Timestamp::from_unix_micros(micros).unwrap();
            entity_tag(version, Delivery { state, at }).to_string()
        };
        let first = tag(1, DeliveryState::Waiting, 1);
        for other in [
            tag(2, DeliveryState::Waiting, 1),
            tag(1, DeliveryState::Sent, 1),
            tag(1, DeliveryState::Waiting, 2),
        ] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn head_is_get_without_a_body() {
        let api = Service::start();
        let target = format!("/api/ticket/{}", api.open_ticket().reference);
        let (get, head) = (api.get(&target), api.send(&Request::new("HEAD", &target)));
        assert_eq!(head.status, 200);
        assert!(head.body.is_empty());
        assert_eq!(head.header("etag"), get.header("etag"));
        assert_eq!(head.header("content-length"), get.header("content-length"));
        assert_eq!(api.send(&Request::new("HEAD", "/api/ticket")).status, 400);
    }

    #[test]
    fn no_reference_is_a_fault_and_a_wrong_one_is_not_found() {
        let api = Service::start();
        for target in ["/api/ticket", "/api/ticket/"] {
            assert_eq!(api.get(target).faults(), ["ticketRef required"]);
        }
        let missing = api.get("/api/ticket/T-20250115-1234");
        assert_eq!((missing.status, missing.code().as_str()), (404, "ticket_not_found"));
        for ill_formed in [
            "x",
            "T-1",
            "T-20250115-12345678901",
            "%00",
            "%F0%9F%8E%AB",
            "%ff",
            "'%20OR%201=1",
        ] {
            let answer = api.get(&format!("/api/ticket/{ill_formed}"));
            assert_eq!((answer.status, &answer.body), (404, &missing.body), "{ill_formed}");
        }
    }

    #[test]
    fn private_tickets_exist_for_their_holders_and_operators_only() {
        let api = Service::with(|setup| setup.access = Access::Private);
        let opened = api.open_ticket();
        let target = format!("/api/ticket/{}", opened.reference);
        let missing = api.get("/api/ticket/T-20250115-1234");
        for hidden in [
            target.clone(),
            format!("{target}?key="),
            format!("{target}?key={}", "0".repeat(32)),
            format!("{target}?%ff&key"),
        ] {
            let answer = api.get(&hidden);
            assert_eq!((answer.status, answer.body), (404, missing.body.clone()), "{hidden}");
        }
        assert_eq!(api.get(&format!("{target}?a=b&key={}", opened.key)).status, 200);
        let as_operator = |token| api.send(&Request::new("GET", &target).bearer(token));
        assert_eq!(as_operator(OPERATOR_TOKEN).status, 200);
        assert_eq!(as_operator("wrong").status, 404);
    }

    #[test]
    fn wrong_keys_are_limited_and_right_ones_are_not() {
        let api = Service::with(|setup| setup.settings.trusted_proxy_hops = 1);
        let opened = api.open_ticket();
        let read = |key: &str| {
            let target = format!("/api/ticket/{}?key={key}", opened.reference);
            api.send(&Request::new("GET", &target).header("x-forwarded-for", "1.2.3.4"))
        };
        let refused = (0..1_000)
            .map(|_| read("wrong"))
            .find(|answer| answer.status != 200)
            .unwrap();
        assert_eq!((refused.status, refused.code().as_str()), (429, "rate_limited"));
        assert!((0..140).all(|_| read(&opened.key).status == 200));
    }

    #[test]
    fn a_wrong_key_buys_no_reads_beyond_the_limit() {
        let api = Service::with(|setup| setup.settings.trusted_proxy_hops = 1);
        let target = format!("/api/ticket/{}", api.open_ticket().reference);
        let read = |target: &str| {
            let request = Request::new("GET", target).header("x-forwarded-for", "1.2.3.4");
            api.send(&request).status
        };
        let with_key = format!("{target}?key=wrong");
        assert!((0..1_000).any(|_| read(&with_key) == 429));
        // One read comes in a second, so a whole minute's worth can't be there.
        assert!((0..60).any(|_| read(&target) == 429));
    }

    #[test]
    fn a_store_that_is_down_is_not_a_missing_ticket() {
        let api = Service::with(|setup| setup.store = Some(Arc::new(DownStore)));
        let answer = api.get("/api/ticket/T-20250115-1234");
        assert_eq!((answer.status, answer.code().as_str()), (500, "storage_unavailable"));
    }
}
