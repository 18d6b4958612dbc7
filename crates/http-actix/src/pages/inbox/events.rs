//! `/inbox/events`: tells an open page that something changed, and nothing else; the page asks for itself again.

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

/// A connection without a sign of life is cut by proxies.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// At most four events a second.
const PAUSE: Duration = Duration::from_millis(250);

/// The browser connects again after so many milliseconds.
const BEGIN: &[u8] = b"retry: 2000\n\n";
const CHANGED: &[u8] = b"event: changed\ndata: 1\n\n";
const ALIVE: &[u8] = b":\n\n";

/// One who listens.
struct Listener {
    news: watch::Receiver<u64>,
    is_closed: watch::Receiver<bool>,
    /// When the session ends, and the stream with it.
    end: Instant,
    heartbeat: Duration,
    pause: Duration,
    /// When the next event may go out.
    next: Instant,
    has_begun: bool,
    _place: Option<StreamPermit>,
}

/// `GET /inbox/events`. Where there is no place for one more, the page asks for itself now and then.
pub(super) async fn stream(
    operator: Operator,
    access: Data<AccessControl>,
    subscriptions: Data<TicketSubscriptions>,
) -> HttpResponse {
    let place = match access.open_operator_stream() {
        Ok(place) => place,
        Err(TooManyConnections { seconds }) => {
            return HttpResponse::TooManyRequests()
                .insert_header((RETRY_AFTER, seconds.to_string()))
                .finish();
        }
    };
    let listener = Listener {
        news: subscriptions.events(),
        is_closed: subscriptions.is_closed(),
        end: Instant::now() + operator.session.left(operator.now),
        heartbeat: HEARTBEAT,
        pause: PAUSE,
        next: Instant::now(),
        has_begun: false,
        _place: Some(place),
    };
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-store"))
        // Tells nginx not to gather what should go out at once.
        .insert_header(("x-accel-buffering", "no"))
        .streaming(listener.listen())
}

impl Listener {
    fn listen(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        stream::unfold(self, |mut listener| async move {
            let said = listener.say().await?;
            Some((Ok(Bytes::from_static(said)), listener))
        })
    }

    /// What is to be said next; none when it is over.
    async fn say(&mut self) -> Option<&'static [u8]> {
        if !self.has_begun {
            self.has_begun = true;
            return Some(BEGIN);
        }
        let changed = changed(&mut self.news, self.next, self.heartbeat);
        let said = tokio::select! {
            biased;
            _ = self.is_closed.wait_for(|is_closed| *is_closed) => None,
            () = sleep_until(self.end) => None,
            said = changed => said,
        }?;
        if said == CHANGED {
            self.next = Instant::now() + self.pause;
        }
        Some(said)
    }
}

/// The next event, not before `next`; a heartbeat if none comes for so long; none if none can come any more.
async fn changed(news: &mut watch::Receiver<u64>, next: Instant, heartbeat: Duration) -> Option<&'static [u8]> {
    sleep_until(next).await;
    match timeout(heartbeat, news.changed()).await {
        Ok(Ok(())) => Some(CHANGED),
        Ok(Err(_)) => None,
        Err(_) => Some(ALIVE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Long enough to never be waited for.
    const NEVER: Duration = Duration::from_mins(1);

    struct Ends {
        news: watch::Sender<u64>,
        _is_closed: watch::Sender<bool>,
    }

    fn listener(pause: Duration, heartbeat: Duration, left: Duration) -> (Listener, Ends) {
        let (news, is_closed) = (watch::Sender::new(0), watch::Sender::new(false));
        let listener = Listener {
            news: news.subscribe(),
            is_closed: is_closed.subscribe(),
            end: Instant::now() + left,
            heartbeat,
            pause,
            next: Instant::now(),
            has_begun: true,
            _place: None,
        };
        let ends = Ends {
            news,
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
                ends.news.send_modify(|count| *count += 1);
            }
            assert_eq!(listener.say().await, Some(CHANGED));
            assert!(begin.elapsed() >= event * PAUSE, "{event} {:?}", begin.elapsed());
        }
        // A pause keeps no change back for good, and tells of none twice.
        drop(ends.news);
        assert_eq!(listener.say().await, None);
    }

    #[actix_web::test]
    async fn a_quiet_stream_shows_that_it_lives() {
        let beat = Duration::from_millis(20);
        let (mut listener, _ends) = listener(NEVER, beat, NEVER);
        let begin = Instant::now();
        for _ in 0..3 {
            assert_eq!(listener.say().await, Some(ALIVE));
        }
        assert!(begin.elapsed() >= 3 * beat);
    }

    #[actix_web::test]
    async fn it_ends_with_the_session() {
        let (mut listener, _ends) = listener(PAUSE, NEVER, Duration::from_millis(20));
        assert_eq!(listener.say().await, None);
    }
}
