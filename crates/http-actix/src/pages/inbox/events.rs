//! `/inbox/events`: tells an open page that something changed. The page then loads itself again.

use std::{convert::Infallible, time::Duration};

use actix_web::{
    HttpResponse,
    http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER},
    web::{Bytes, Data},
};
use futures_util::{Stream, stream};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};

use super::auth::Operator;
use crate::access::{AccessControl, StreamPermit, TicketSubscriptions, TooManyConnections};

/// Proxies close connections that are idle for longer.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// At most four events a second.
const PAUSE: Duration = Duration::from_millis(250);

/// The browser reconnects after this many milliseconds.
const BEGIN: &[u8] = b"retry: 2000\n\n";
const CHANGED: &[u8] = b"event: changed\ndata: 1\n\n";
const ALIVE: &[u8] = b":\n\n";

/// The state of one stream.
struct Listener {
    changes: watch::Receiver<u64>,
    is_closed: watch::Receiver<bool>,
    /// When the session ends, and with it the stream.
    end: Instant,
    heartbeat: Duration,
    pause: Duration,
    /// When the next event may be sent.
    next: Instant,
    has_begun: bool,
    _permit: Option<StreamPermit>,
}

/// `GET /inbox/events`. If too many streams are open, the page polls instead.
pub(super) async fn stream(
    operator: Operator,
    access: Data<AccessControl>,
    subscriptions: Data<TicketSubscriptions>,
) -> HttpResponse {
    let permit = match access.open_operator_stream() {
        Ok(permit) => permit,
        Err(TooManyConnections { seconds }) => {
            return HttpResponse::TooManyRequests()
                .insert_header((RETRY_AFTER, seconds.to_string()))
                .finish();
        }
    };
    let listener = Listener {
        changes: subscriptions.events(),
        is_closed: subscriptions.is_closed(),
        end: Instant::now() + operator.session.left(operator.now),
        heartbeat: HEARTBEAT,
        pause: PAUSE,
        next: Instant::now(),
        has_begun: false,
        _permit: Some(permit),
    };
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-store"))
        // Tells nginx not to buffer the events.
        .insert_header(("x-accel-buffering", "no"))
        .streaming(listener.listen())
}

impl Listener {
    fn listen(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        stream::unfold(self, |mut listener| async move {
            let chunk = listener.next_chunk().await?;
            Some((Ok(Bytes::from_static(chunk)), listener))
        })
    }

    /// The next chunk; none at the end.
    async fn next_chunk(&mut self) -> Option<&'static [u8]> {
        if !self.has_begun {
            self.has_begun = true;
            return Some(BEGIN);
        }
        let changed = changed(&mut self.changes, self.next, self.heartbeat);
        let chunk = tokio::select! {
            biased;
            _ = self.is_closed.wait_for(|is_closed| *is_closed) => None,
            () = sleep_until(self.end) => None,
            chunk = changed => chunk,
        }?;
        if chunk == CHANGED {
            self.next = Instant::now() + self.pause;
        }
        Some(chunk)
    }
}

/// The next event, not before `next`; a heartbeat after a pause; none if no event can follow.
async fn changed(changes: &mut watch::Receiver<u64>, next: Instant, heartbeat: Duration) -> Option<&'static [u8]> {
    sleep_until(next).await;
    match timeout(heartbeat, changes.changed()).await {
        Ok(Ok(())) => Some(CHANGED),
        Ok(Err(_)) => None,
        Err(_) => Some(ALIVE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Longer than any test.
    const NEVER: Duration = Duration::from_mins(1);

    struct Ends {
        changes: watch::Sender<u64>,
        _is_closed: watch::Sender<bool>,
    }

    fn listener(pause: Duration, heartbeat: Duration, left: Duration) -> (Listener, Ends) {
        let (changes, is_closed) = (watch::Sender::new(0), watch::Sender::new(false));
        let listener = Listener {
            changes: changes.subscribe(),
            is_closed: is_closed.subscribe(),
            end: Instant::now() + left,
            heartbeat,
            pause,
            next: Instant::now(),
            has_begun: true,
            _permit: None,
        };
        let ends = Ends {
            changes,
            _is_closed: is_closed,
        };
        (listener, ends)
    }

    #[actix_web::test]
    async fn many_changes_are_few_events() {
        let (mut listener, ends) = listener(PAUSE, NEVER, NEVER);
        let begin = Instant::now();
        for event in 0..4 {
            for _ in 0..100 {
                ends.changes.send_modify(|count| *count += 1);
            }
            assert_eq!(listener.next_chunk().await, Some(CHANGED));
            assert!(begin.elapsed() >= event * PAUSE, "{event} {:?}", begin.elapsed());
        }
        // A pause loses no change and repeats none.
        drop(ends.changes);
        assert_eq!(listener.next_chunk().await, None);
    }

    #[actix_web::test]
    async fn a_quiet_stream_sends_heartbeats() {
        let beat = Duration::from_millis(20);
        let (mut listener, _ends) = listener(NEVER, beat, NEVER);
        let begin = Instant::now();
        for _ in 0..3 {
            assert_eq!(listener.next_chunk().await, Some(ALIVE));
        }
        assert!(begin.elapsed() >= 3 * beat);
    }

    #[actix_web::test]
    async fn it_ends_with_the_session() {
        let (mut listener, _ends) = listener(PAUSE, NEVER, Duration::from_millis(20));
        assert_eq!(listener.next_chunk().await, None);
    }
}
