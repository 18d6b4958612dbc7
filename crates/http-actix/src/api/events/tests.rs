use std::time::{Duration, Instant};

use crate::{
    access::StreamLimits,
    testing::{MANAGER, Opened, Piece, Request, TestApp},
};
use serde_json::json;

/// Streams that show a sign of life soon.
fn lively() -> TestApp {
    TestApp::with(|setup| setup.settings.heartbeat = Duration::from_millis(50))
}

fn target(opened: &Opened) -> String {
    format!("/api/ticket/{}/events", opened.reference)
}

/// The content of the entity tag of what is shown of a ticket now.
fn tag(api: &TestApp, opened: &Opened) -> String {
    let answer = api.get(&format!("/api/ticket/{}", opened.reference));
    answer.header("etag").unwrap().trim_matches('"').to_owned()
}

fn answer(api: &TestApp, opened: &Opened, text: &str) {
    let reply = json!({ "ticketRef": opened.reference, "message": text, "from": MANAGER });
    assert_eq!(api.receive(&reply).status, 200);
}

#[test]
fn a_stream_starts_with_everything() {
    let api = TestApp::start();
    let opened = api.open_ticket();
    answer(&api, &opened, "two\nlines\r\nand \u{2028} more");
    let (tag, shown) = (tag(&api, &opened), api.shown(&opened.reference));
    let mut stream = api.events(&opened.reference.to_lowercase());
    assert_eq!(stream.head.header("content-type"), Some("text/event-stream"));
    assert_eq!(stream.head.header("cache-control"), Some("no-store"));
    assert_eq!(stream.head.header("x-accel-buffering"), Some("no"));
    assert_eq!(stream.head.header("content-length"), None);
    assert_eq!(stream.piece(), Some(Piece::Retry(2_000)));
    let events = [stream.event(), stream.event(), stream.event()];
    let told: Vec<_> = events
        .iter()
        .map(|e| (e.name.as_str(), e.id.clone(), &e.data))
        .collect();
    assert_eq!(
        told,
        [
            ("ticket", format!("0.{tag}"), &shown["ticket"]),
            ("message", format!("1.{tag}"), &shown["messages"][0]),
            ("message", format!("2.{tag}"), &shown["messages"][1]),
        ]
    );
}

#[test]
fn a_client_that_reconnects_gets_only_later_events() {
    let api = lively();
    let opened = api.open_ticket();
    answer(&api, &opened, "One");
    let before = tag(&api, &opened);
    answer(&api, &opened, "Two");
    let tag = tag(&api, &opened);
    let everything = || {
        vec![
            format!("ticket 0.{tag}"),
            format!("message 1.{tag}"),
            format!("message 2.{tag}"),
            format!("message 3.{tag}"),
        ]
    };
    for (id, expected) in [
        (format!("3.{tag}"), vec![]),
        (format!("2.{tag}"), vec![format!("message 3.{tag}")]),
        (format!("0.{tag}"), everything()[1..].to_vec()),
        (
            format!("2.{before}"),
            vec![format!("ticket 2.{tag}"), format!("message 3.{tag}")],
        ),
        (format!("3.{before}"), vec![format!("ticket 3.{tag}")]),
        ("3.".into(), vec![format!("ticket 3.{tag}")]),
        // A thread that is shorter than what was told, and ids that can't be read.
        (format!("4.{tag}"), everything()),
        (format!("99999999999999999999.{tag}"), everything()),
        (format!("-1.{tag}"), everything()),
        (format!("+3.{tag}"), everything()),
        (format!("3{tag}"), everything()),
        ("3".into(), everything()),
        (String::new(), everything()),
        ("schlüssel".into(), everything()),
    ] {
        let encoded = id
            .bytes()
            .fold(String::new(), |text, byte| format!("{text}%{byte:02x}"));
        let query = format!("{}?lastEventId={encoded}", target(&opened));
        let other = format!("{}?lastEventId=0.x", target(&opened));
        for request in [
            Request::new("GET", &target(&opened)).header("last-event-id", &id),
            Request::new("GET", &query),
            // What an `EventSource` says as it comes again is newer than its address.
            Request::new("GET", &other).header("last-event-id", &id),
        ] {
            let mut stream = api.follow(&request);
            assert_eq!(stream.piece(), Some(Piece::Retry(2_000)));
            let mut told = Vec::new();
            while let Some(Piece::Event(event)) = stream.piece() {
                told.push(format!("{} {}", event.name, event.id));
            }
            assert_eq!(told, expected, "{id} {request:?}");
        }
    }
}

#[test]
fn a_message_appears_on_an_open_stream() {
    let api = TestApp::start();
    let opened = api.open_ticket();
    let mut streams = [api.events(&opened.reference), api.events(&opened.reference)];
    for stream in &mut streams {
        stream.told(2);
    }
    let added = api.send(Request::post(&opened.messages(), &json!({ "message": "More" })));
    assert_eq!(added.status, 201);
    answer(&api, &opened, "We see.");
    for stream in &mut streams {
        let mut told = Vec::new();
        while told.len() < 2 {
            let event = stream.event();
            if event.name == "message" {
                told.push((
                    event.id.split('.').next().unwrap().to_owned(),
                    event.data["body"].clone(),
                ));
            }
        }
        assert_eq!(told, [("2".into(), json!("More")), ("3".into(), json!("We see."))]);
    }
}

#[test]
fn a_delivery_and_an_operators_change_appear_as_the_ticket() {
    let api = TestApp::start();
    let opened = api.open_ticket();
    let mut stream = api.events(&opened.reference);
    stream.told(2);
    api.deliver(None);
    let event = stream.event();
    assert_eq!(
        (event.name.as_str(), &event.data["delivery"]["state"]),
        ("ticket", &json!("sent"))
    );
    api.set_status(&opened.reference, "resolved");
    let event = stream.event();
    assert_eq!(
        (event.name.as_str(), &event.data["status"]),
        ("ticket", &json!("resolved"))
    );
    assert_eq!(event.id, format!("1.{}", tag(&api, &opened)));
}

#[test]
fn a_quiet_stream_sends_heartbeats() {
    let api = lively();
    let mut stream = api.events(&api.open_ticket().reference);
    stream.told(2);
    for _ in 0..3 {
        assert_eq!(stream.piece(), Some(Piece::Heartbeat));
    }
}

#[test]
fn a_stream_is_counted_when_it_begins_and_while_it_is_open() {
    let api = lively();
    let opened = api.open_ticket();
    let metric = |line: &str| api.get("/metrics").text().lines().any(|other| other == line);
    let mut stream = api.events(&opened.reference);
    stream.told(2);
    let answered = r#"http_requests_total{method="GET",route="/api/ticket/{ticketRef}/events",status="200"} 1"#;
    assert!(metric(answered));
    assert!(metric("event_streams_open 1"));
    let took = r#"http_request_duration_seconds_bucket{method="GET",route="/api/ticket/{ticketRef}/events",status="200",le="10"} 1"#;
    assert!(metric(took));
    drop(stream);
    let began = Instant::now();
    while !metric("event_streams_open 0") {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "a reader who left is noticed"
        );
    }
    assert!(metric(answered));
}

#[test]
fn streams_end_with_the_server_and_do_not_hold_it_up() {
    for _ in 0..3 {
        let mut api = TestApp::with(|setup| setup.settings.workers = Some(2));
        let opened = api.open_ticket();
        let mut streams: Vec<_> = (0..50).map(|_| api.events(&opened.reference)).collect();
        for stream in &mut streams {
            stream.told(2);
        }
        let began = Instant::now();
        api.stop();
        streams.into_iter().for_each(crate::testing::EventStream::read_to_end);
        let streams_took = began.elapsed();
        drop(api);
        let all_took = began.elapsed();
        assert!(streams_took < Duration::from_secs(1), "{streams_took:?}");
        // The server looks once a second whether everything has ended.
        assert!(all_took < Duration::from_secs(3), "{all_took:?}");
    }
}

#[test]
fn only_so_many_streams_are_open_at_a_time() {
    let api = TestApp::with(|setup| {
        setup.settings.streams = StreamLimits {
            in_all: 6,
            of_one: 2,
            of_ticket: 3,
        };
        setup.settings.heartbeat = Duration::from_millis(20);
    });
    let tickets = [api.open_ticket(), api.open_ticket()];
    let events = |ticket: usize, address: &str, has_key: bool| {
        let Opened { reference, key, .. } = &tickets[ticket];
        let key = if has_key { key } else { "" };
        let request = Request::new("GET", &format!("/api/ticket/{reference}/events?key={key}"));
        match address {
            "" => request,
            address => request.header("x-forwarded-for", address),
        }
    };
    let mut open = Vec::new();
    for (ticket, address) in [(0, "1.2.3.4"), (1, "1.2.3.4"), (0, "1.2.3.5")] {
        open.push(api.follow(&events(ticket, address, false)));
    }
    let refused = |ticket, address, has_key| {
        let answer = api.send(events(ticket, address, has_key));
        answer.assert_problem(429, "rate_limited");
        assert_eq!(answer.header("retry-after"), Some("30"));
        assert!(answer.text().contains("Too many event streams"), "{answer:?}");
    };
    // Of one address, unless it has a right key.
    refused(0, "1.2.3.4", false);
    open.push(api.follow(&events(0, "1.2.3.4", true)));
    // Of one ticket.
    refused(0, "1.2.3.7", true);
    // A program on this machine is only counted in all.
    for _ in 0..2 {
        open.push(api.follow(&events(0, "", false)));
    }
    refused(0, "", true);
    refused(1, "1.2.3.8", true);
    // Who goes makes room, as soon as the server sees it.
    drop(open);
    let begin = Instant::now();
    while !api.get("/metrics").text().contains("event_streams_open 0\n") {
        assert!(begin.elapsed() < Duration::from_secs(10));
    }
    drop(api.follow(&events(0, "1.2.3.7", false)));
}
