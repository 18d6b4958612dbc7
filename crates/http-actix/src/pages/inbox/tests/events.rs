//! The stream that tells an open page to look again.

use crate::testing::{EventStream, Request, TestApp};

const CHANGED: &str = "event: changed\ndata: 1\n\n";

fn listen(app: &TestApp) -> EventStream {
    let mut stream = app.follow(&app.sign_in().ask(Request::get("/inbox/events")));
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-store"),
        ("x-accel-buffering", "no"),
    ] {
        assert_eq!(stream.head.header(name), Some(value));
    }
    assert_eq!(stream.lines().as_deref(), Some("retry: 2000\n\n"));
    stream
}

#[test]
fn a_change_is_sent() {
    let app = TestApp::inbox();
    let mut stream = listen(&app);
    app.ticket();
    assert_eq!(stream.lines().as_deref(), Some(CHANGED));
}

#[test]
fn it_ends_with_the_process() {
    let app = TestApp::inbox();
    let mut stream = listen(&app);
    app.state.subscriptions.close();
    assert_eq!(stream.lines(), None);
    assert_eq!(listen(&app).lines(), None);
}
