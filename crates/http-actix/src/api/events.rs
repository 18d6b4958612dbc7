//! `GET /api/ticket/{ticketRef}/events`: the changes of a ticket as server-sent events.

use std::{convert::Infallible, fmt::Write, mem, sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue},
    web::{Bytes, Data},
};
use futures_util::{Stream, stream};
use serde::Serialize;
use ticket_domain::{Thread, Visibility};
use tokio::time::timeout;

use crate::Settings;
use crate::access::{
    AccessControl, LastEventId, SharedThreads, SharedView, Subscription, ThreadCopy, TicketSubscriptions, state_tag,
};
use crate::api::{
    get_ticket::{MessageBody, TicketBody, reference_of},
    keys::{Reader, parameter},
    metrics::{Metrics, OpenStream},
    problem::Problem,
};

/// Starts every stream: how long a client waits before it reconnects, in milliseconds.
const RETRY: &str = "retry: 2000\n\n";

/// A comment, which clients ignore.
const HEARTBEAT: &[u8] = b":\n\n";

/// From this many bytes on, further events wait until the client has taken these.
const PIECE: usize = 16 * 1024;

/// The next events that a client has not seen: an empty text if there are none. If the thread is shorter than the client
/// has seen, it gets everything again.
fn unseen(seen: &mut LastEventId, thread: &Thread) -> String {
    if seen.messages > thread.messages.len() {
        *seen = LastEventId::default();
    }
    let mut events = String::new();
    let state = state_tag(thread.state());
    let is_changed = seen.state != state;
    if is_changed {
        seen.state = state;
        write_event(
            &mut events,
            "ticket",
            seen,
            &TicketBody::new(&thread.ticket, thread.delivery),
        );
    }
    let (known, new) = thread.messages.split_at(seen.messages);
    // They may have been removed since.
    for message in known
        .iter()
        .filter(|message| is_changed && message.visibility == Visibility::Removed)
    {
        write_event(&mut events, "message", seen, &MessageBody::from(message));
    }
    for message in new {
        if events.len() >= PIECE {
            break;
        }
        seen.messages += 1;
        write_event(&mut events, "message", seen, &MessageBody::from(message));
    }
    events
}

fn write_event(events: &mut String, name: &str, id: &LastEventId, data: &impl Serialize) {
    // Texts and numbers always serialise, without a line break. Writing into a text can't fail.
    let data = serde_json::to_string(data).unwrap_or_default();
    let _ = write!(events, "event: {name}\nid: {id}\ndata: {data}\n\n");
}

/// A client's stream. It holds nothing that keeps the server from stopping.
struct Events {
    /// Whether nothing was sent yet.
    is_new: bool,
    seen: LastEventId,
    /// The newest version that was sent.
    version: u32,
    /// What is being sent. A slow client moves on to a newer version, so that it keeps no old one in memory.
    view: SharedView,
    /// Whether all of it was sent.
    is_sent: bool,
    subscription: Subscription,
    heartbeat: Duration,
    _open: OpenStream,
}

impl Events {
    /// The next chunk; none at the end.
    async fn next(&mut self) -> Option<Bytes> {
        if mem::take(&mut self.is_new) {
            let events = format!("{RETRY}{}", unseen(&mut self.seen, self.view.thread()));
            return Some(events.into());
        }
        loop {
            match self.subscription.newer() {
                Some(copy) => self.show(copy),
                None if self.is_sent => {
                    let Ok(copy) = timeout(self.heartbeat, self.subscription.next()).await else {
                        return Some(Bytes::from_static(HEARTBEAT));
                    };
                    self.show(copy?);
                }
                None => {}
            }
            let events = unseen(&mut self.seen, self.view.thread());
            self.is_sent = events.is_empty();
            if !events.is_empty() {
                return Some(events.into());
            }
        }
    }

    /// Sends this from now on. The last change that was published may be older than what this client read at its start.
    fn show(&mut self, copy: Arc<ThreadCopy>) {
        let view = self.view.of(copy);
        let version = view.thread().ticket.version;
        if version >= self.version {
            self.version = version;
            self.view = view;
        }
    }

    fn into_stream(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        stream::unfold(self, async |mut events| {
            let chunk = events.next().await?;
            Some((Ok(chunk), events))
        })
    }
}

/// The last event that the client has seen, if it says so. `EventSource` says it in the header when it reconnects.
fn last_event_id(request: &HttpRequest) -> LastEventId {
    let header = request.headers().get("last-event-id").map(HeaderValue::to_str);
    let id = match header {
        Some(id) => id.ok().map(str::to_owned),
        None => parameter(request, "lastEventId"),
    };
    id.and_then(|id| id.parse().ok()).unwrap_or_default()
}

/// Follow a ticket
///
/// Server-sent events, for `EventSource`: `ticket` with the ticket, and `message` with one message each, both in the form
/// of the ticket's endpoint; first everything that there is, then each change. A client that reconnects with the `id` of
/// an event gets what came after it. A `message` with an `id` that came before replaces that message: it was removed. Comments between events are at most 15 seconds apart. Whoever may read the ticket
/// may follow it. The stream ends when the server stops; reconnect then.
///
/// The number of open streams is limited: per address without a valid key, per ticket, and in total. Beyond the limit,
/// poll the ticket.
#[utoipa::path(
    get,
    path = "/api/ticket/{ticketRef}/events",
    tag = "Tickets",
    params(
        ("key" = Option<String>, Query, description = "The key from the ticket's address."),
        ("Last-Event-ID" = Option<String>, Header, description = "The `id` of the last event that the client has seen."),
        (
            "lastEventId" = Option<String>, Query,
            description = "The same, for clients that can't set the header. An invalid one is ignored."
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
                ("X-Accel-Buffering" = String, description = "`no`: a proxy must not buffer the events."),
            ),
            example = json!("retry: 2000\n\nevent: message\nid: 2.3-sent-1736937000000000\ndata: {…}\n\n"),
        ),
        (status = 429, description = "`rate_limited`: too many requests without a valid key, or too many streams are open."),
    )
)]
pub(crate) async fn follow_ticket(
    Reader(visitor): Reader,
    access: Data<AccessControl>,
    threads: Data<SharedThreads>,
    subscriptions: Data<TicketSubscriptions>,
    metrics: Data<Metrics>,
    settings: Data<Settings>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let view = visitor.view(&threads, reference_of(&request).ok()).await?;
    let thread = view.thread();
    let permit = access.open_stream(&request, thread.ticket.id, view.access_level)?;
    let subscription = subscriptions.follow(thread.ticket.reference, thread.ticket.id);
    let events = Events {
        is_new: true,
        seen: last_event_id(&request),
        version: thread.ticket.version,
        view,
        is_sent: false,
        subscription,
        heartbeat: settings.heartbeat,
        _open: metrics.open_stream(permit),
    };
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(Box::pin(events.into_stream())))
}

#[cfg(test)]
mod tests;
