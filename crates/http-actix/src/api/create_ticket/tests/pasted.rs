//! What people paste, and what their programs make of it, is never turned away for something that nobody can see.

use std::thread;

use super::*;

/// What is shown of the field of a ticket that was opened with this value.
fn stored(api: &TestApp, field: &str, value: &Value) -> Value {
    let answer = create(api, &changed(seeds_ticket(), field, Some(value.clone())));
    assert_eq!(answer.status, 201, "{value} {answer:?}");
    let reference = answer.json()["ticketRef"].as_str().unwrap().to_owned();
    let shown = api
        .as_operator(Request::get(&format!("/api/ticket/{reference}")))
        .json();
    match field {
        "message" => shown["messages"][0]["body"].clone(),
        _ => shown["ticket"][field].clone(),
    }
}

#[test]
fn pasted_text_is_stored_without_what_nobody_can_see() {
    let api = TestApp::start();
    for (field, raw, expected) in [
        ("customerPhone", "\u{2068}+4917012345678\u{2069}", "+4917012345678"),
        ("customerPhone", "+1\u{fe0d}-555-123-4567", "+15551234567"),
        ("customerPhone", "\u{200b}+79022222222", "+79022222222"),
        ("customerPhone", "+49 30/1234567", "+49301234567"),
        ("customerPhone", "+1 555 123 4567 x123", "+15551234567"),
        ("customerPhone", "+1 (555) 123-4567 ext. 12", "+15551234567"),
        ("customerPhone", "٠٥٠١٢٣٤٥٦٧", "0501234567"),
        ("customerPhone", "tel:+15551234567", "+15551234567"),
        ("customerPhone", "+44 (0)20 7946 0958", "+442079460958"),
        ("customerEmail", "jane@example.com\u{200b}", "jane@example.com"),
        ("customerEmail", "\u{202a}jane@example.com\u{202c}", "jane@example.com"),
        ("message", "line one\u{b}line two", "line one\nline two"),
        ("message", "one\u{c}two\rthree\r\nfour", "one\ntwo\nthree\nfour"),
        ("message", "from Word\u{3}", "from Word"),
        ("message", "next\u{85}line", "next\nline"),
        ("subject", "two\r\nlines\tof \u{1b}it", "two lines of it"),
        ("customerName", "Jane\u{b}Doe\u{0}", "Jane Doe"),
    ] {
        assert_eq!(stored(&api, field, &json!(raw)), expected, "{field} {raw:?}");
    }
    for field in ["message", "subject", "customerName"] {
        let body = seeds_ticket().to_string();
        let whole = seeds_ticket()[field].to_string();
        let broken = body.replace(&whole, r#""damaged \ud83d""#);
        let answer = api.send(Request::post_bytes("/api/ticket", broken));
        assert_eq!(answer.status, 201, "{answer:?}");
        let shown = api.shown(answer.json()["ticketRef"].as_str().unwrap()).to_string();
        assert!(shown.contains("\"damaged\""), "{shown}");
    }
}

#[test]
fn a_number_is_read_as_its_digits() {
    let api = TestApp::start();
    for (field, number, expected) in [
        ("customerPhone", json!(15_550_000_001_u64), "15550000001"),
        ("customerName", json!(7), "7"),
        ("subject", json!(-1.5), "-1.5"),
        ("message", json!(u64::MAX), "18446744073709551615"),
    ] {
        assert_eq!(stored(&api, field, &number), expected);
    }
}

#[test]
fn a_byte_order_mark_is_skipped() {
    let api = TestApp::start();
    let body = ["\u{feff}", &seeds_ticket().to_string()].concat();
    assert_eq!(api.send(Request::post_bytes("/api/ticket", body)).status, 201);
}

#[test]
fn a_double_click_without_a_key_is_one_ticket() {
    const OFFICE: &str = "203.0.113.7";
    let api = TestApp::start();
    let from = |address: &str, body: &Value| {
        let answer = api.send(Request::post("/api/ticket", body).sent_from(address));
        assert_eq!(answer.status, 201, "{answer:?}");
        let is_replayed = answer.header("idempotent-replayed") == Some("true");
        (answer.json(), is_replayed)
    };
    let at_once: Vec<(Value, bool)> = thread::scope(|scope| {
        let clicks: Vec<_> = (0..4).map(|_| scope.spawn(|| from(OFFICE, &seeds_ticket()))).collect();
        clicks.into_iter().map(|click| click.join().unwrap()).collect()
    });
    let (first, _) = &at_once[0];
    assert!(at_once.iter().all(|(answer, _)| answer == first));
    assert_eq!(at_once.iter().filter(|(_, is_replayed)| !is_replayed).count(), 1);

    let more_urgent = changed(seeds_ticket(), "priority", Some(json!("urgent")));
    assert_eq!(from(OFFICE, &more_urgent), (first.clone(), true));
    for (field, other) in [
        ("customerEmail", "jane@example.com"),
        ("message", "Another"),
        ("subject", "Another"),
    ] {
        assert!(
            !from(OFFICE, &changed(seeds_ticket(), field, Some(json!(other)))).1,
            "{field}"
        );
    }
    assert!(!from("203.0.113.8", &seeds_ticket()).1);
    // Nor is it the ticket of a program on this machine, or of a key.
    assert_eq!(create(&api, &seeds_ticket()).header("idempotent-replayed"), None);
    api.open_ticket();

    api.clock.pass(60);
    assert!(!from(OFFICE, &seeds_ticket()).1);
}
