//! `GET /api/ticket/{ticketRef}/events`: a ticket as it changes, as server-sent events.

use std::{convert::Infallible, fmt::Write, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue},
    web::{Bytes, Data},
};
use futures_util::{Stream, stream};
use serde::Serialize;
use ticket_domain::{Thread, use_cases::ViewTicket};
use tokio::time::timeout;

use crate::{
    Settings,
    access::{AccessControl, LastEventId, Subscription, TicketSubscriptions, state_tag},
    api::{
        Metrics,
        get_ticket::{MessageBody, TicketBody, viewed},
        keys::parameter,
        metrics::OpenStream,
        problem::Problem,
    },
};

/// How long a reader waits before it comes again, in milliseconds: the first thing that it is told.
const RETRY: &str = "retry: 2000\n\n";

/// A comment, which readers leave out.
const HEARTBEAT: &[u8] = b":\n\n";

/// What a reader has not been told yet, as events: none if the text is empty. If the thread is shorter than what was
/// told, everything is told again.
fn tell(told: &mut LastEventId, thread: &Thread) -> String {
    if told.messages > thread.messages.len() {
        *told = LastEventId::default();
    }
    let mut events = String::new();
    let state = state_tag(thread.state());
    if told.state != state {
        told.state = state;
        write_event(
            &mut events,
            "ticket",
            told,
            &TicketBody::new(&thread.ticket, thread.delivery),
        );
    }
    for message in thread.messages.iter().skip(told.messages) {
        told.messages += 1;
        write_event(&mut events, "message", told, &MessageBody::from(message));
    }
    events
}

fn write_event(events: &mut String, name: &str, id: &LastEventId, data: &impl Serialize) {
    // Members of plain text and numbers always serialise, and have no line break. To write into a text can't fail.
    let data = serde_json::to_string(data).unwrap_or_default();
    let _ = write!(events, "event: {name}\nid: {id}\ndata: {data}\n\n");
}

/// A reader's stream. It holds nothing that keeps the server from ending.
struct Events {
    /// What is told before anything is waited for.
    first: Option<String>,
    told: LastEventId,
    /// The newest version that was told.
    version: u32,
    following: Subscription,
    heartbeat: Duration,
    _open: OpenStream,
}

impl Events {
    /// The next piece; none at the end.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first.into());
        }
        loop {
            let Ok(thread) = timeout(self.heartbeat, self.following.next()).await else {
                return Some(Bytes::from_static(HEARTBEAT));
            };
            let thread = thread?;
            // What others have been told until now may be older than what this reader found as it came.
            if thread.ticket.version < self.version {
                continue;
            }
            self.version = thread.ticket.version;
            let events = tell(&mut self.told, &thread);
            if !events.is_empty() {
                return Some(events.into());
            }
        }
    }

    fn into_stream(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        stream::unfold(self, async |mut events| {
            let piece = events.next().await?;
            Some((Ok(piece), events))
        })
    }
}

/// What the reader has been told before, as far as it says so. One that comes again by itself says it in the header.
fn told_before(request: &HttpRequest) -> LastEventId {
    let header = request.headers().get("last-event-id").map(HeaderValue::to_str);
    let id = match header {
        Some(id) => id.ok().map(str::to_owned),
        None => parameter(request, "lastEventId"),
    };
    id.and_then(|id| id.parse().ok()).unwrap_or_default()
}

/// Follow a ticket
///
/// Server-sent events, for `EventSource`: `ticket` with the ticket, and `message` with one message each, both as when the
/// ticket is read; first everything that there is, then whatever comes. Each event's `id` is enough to go on after it:
/// what came before is not told again. Between events there are comments, at most 15 seconds apart. Who may read the
/// ticket may follow it. The stream ends when the server stops; come again then. Only so many streams are open at a time:
/// of one address, if it shows no right key, of one ticket, and in all. Read the ticket now and then where there is none
/// to be had.
#[utoipa::path(
    get,
    path = "/api/ticket/{ticketRef}/events",
    tag = "Tickets",
    operation_id = "followTicket",
    params(
        ("ticketRef" = String, Path, description = "The reference, in upper or lower case.", example = "T-20250115-1234"),
        ("key" = Option<String>, Query, description = "The key from the ticket's address."),
        ("Last-Event-ID" = Option<String>, Header, description = "The `id` of the last event that the caller has."),
        (
            "lastEventId" = Option<String>, Query,
            description = "The same, for those who can't set the header. An unreadable one counts as none."
        ),
    ),
    security((), ("operator" = [])),
    responses(
        (
            status = 200,
            description = "The events. The `data` of `ticket` is a `Ticket`, that of `message` a `Message`.",
            content_type = "text/event-stream",
            body = String,
            headers(
                ("Cache-Control" = String, description = "`no-store`"),
                ("X-Accel-Buffering" = String, description = "`no`: a proxy in between must not gather them."),
            ),
            example = json!("retry: 2000\n\nevent: message\nid: 2.3-sent-1736937000000000\ndata: {…}\n\n"),
        ),
        (status = 404, description = "`ticket_not_found`"),
        (status = 429, description = "`rate_limited`: too many requests without a right key, or too many streams are open."),
        (status = 500, description = "`storage_unavailable` or `internal`"),
    )
)]
pub(crate) async fn events(
    access: Data<AccessControl>,
    view_ticket: Data<ViewTicket>,
    subscriptions: Data<TicketSubscriptions>,
    metrics: Data<Metrics>,
    settings: Data<Settings>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (thread, access_level) = viewed(&request, &access, &view_ticket).await?;
    let place = access.open_stream(&request, thread.ticket.id, access_level)?;
    let following = subscriptions.follow(thread.ticket.reference, thread.ticket.id);
    let mut told = told_before(&request);
    let first = format!("{RETRY}{}", tell(&mut told, &thread));
    let events = Events {
        first: Some(first),
        told,
        version: thread.ticket.version,
        following,
        heartbeat: settings.heartbeat,
        _open: metrics.open_stream(place),
    };
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(Box::pin(events.into_stream())))
}

#[cfg(test)]
mod tests;
