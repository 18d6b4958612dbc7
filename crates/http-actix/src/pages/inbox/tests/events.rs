//! The stream that tells an open page to look again.

use std::{pin::Pin, time::Duration};

use actix_web::{body::MessageBody, web::Bytes};
use futures_util::future::poll_fn;
use tokio::time::timeout;

use crate::pages::inbox::testing::{Ask, TestInbox};

/// A stream as it is read.
struct Reader(Pin<Box<dyn MessageBody<Error = Box<dyn std::error::Error>>>>);

impl Reader {
    /// What comes next; nothing once it is over.
    async fn next(&mut self) -> Option<Bytes> {
        poll_fn(|context| self.0.as_mut().poll_next(context))
            .await
            .map(Result::unwrap)
    }

    async fn expect(&mut self, expected: &str) {
        assert_eq!(self.next().await.as_deref(), Some(expected.as_bytes()));
    }
}

const CHANGED: &str = "event: changed\ndata: 1\n\n";

async fn listen(desk: &TestInbox) -> Reader {
    let visitor = desk.sign_in().await;
    let response = desk.respond(visitor.ask(Ask::get("/inbox/events"))).await;
    assert_eq!(response.status(), 200);
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-store"),
        ("x-accel-buffering", "no"),
    ] {
        assert_eq!(response.headers().get(name).unwrap(), value);
    }
    let mut reader = Reader(Box::pin(response.into_body().boxed()));
    reader.expect("retry: 2000\n\n").await;
    reader
}

#[actix_web::test]
async fn a_change_is_told() {
    let desk = TestInbox::open();
    let mut reader = listen(&desk).await;
    desk.ticket().await;
    reader.expect(CHANGED).await;
}

#[actix_web::test]
async fn it_ends_with_the_process() {
    let desk = TestInbox::open();
    let mut reader = listen(&desk).await;
    let (end, ()) = tokio::join!(timeout(Duration::from_secs(10), reader.next()), async {
        desk.state.subscriptions.close();
    });
    assert_eq!(end.unwrap(), None);
    assert_eq!(listen(&desk).await.next().await, None);
}
