//! Rate limits of the API.

use serde_json::json;
use ticket_domain::Access;

use crate::testing::{OPERATOR_TOKEN, Request, TestApp};

const ADDRESS: &str = "1.2.3.4";

/// Sends requests from one address until the rate limit rejects one: how many were answered with `status` before.
fn limit_of(api: &TestApp, status: u16, address: &str, request: impl Fn() -> Request) -> usize {
    for count in 0..1_000 {
        let answer = api.send(request().sent_from(address));
        if answer.status != status {
            answer.assert_problem(429, "rate_limited");
            assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
            return count;
        }
    }
    panic!("there is no limit");
}

#[test]
fn wrong_keys_are_limited_and_right_ones_are_not() {
    let open = TestApp::with(|setup| setup.settings.rates.messages = "1000/1000".parse().unwrap());
    let private = TestApp::with(|setup| setup.settings.ticket_access = Access::Private);
    let (opened, hidden) = (open.open_ticket(), private.open_ticket());
    let ticket = format!("/api/ticket/{}", opened.reference);
    let tag = open.get(&ticket).header("etag").unwrap().to_owned();
    let get = |key: &str| Request::get(&format!("{ticket}?key={key}"));
    let poll = |key: &str| get(key).header("if-none-match", &tag);
    let write = |key: &str| Request::post(&format!("{ticket}/messages?key={key}"), &json!({ "message": "More" }));
    for (request, wrong, right) in [
        (&get as &dyn Fn(&str) -> Request, 200, 200),
        (&poll, 304, 304),
        (&write, 401, 201),
    ] {
        let address = &format!("1.2.3.{right}")[..9];
        limit_of(&open, wrong, address, || request("wrong"));
        // A wrong key is a read as well.
        assert!((0..60).any(|_| open.send(Request::get(&ticket).sent_from(address)).status == 429));
        let with_key = request(&opened.key).sent_from(address);
        assert!((0..140).all(|_| open.send(&with_key).status == right));
    }
    let events = |key: &str| {
        let events = format!("/api/ticket/{}/events?key={key}", hidden.reference);
        Request::get(&events).sent_from(ADDRESS)
    };
    limit_of(&private, 404, ADDRESS, || events("wrong"));
    for _ in 0..140 {
        private.follow(&events(&hidden.key));
    }
    // Neither writing without a key nor guessing goes on for ever.
    let more = json!({ "message": "More" });
    let write = || Request::post(&format!("{ticket}/messages"), &more);
    limit_of(&open, 401, "1.2.3.5", write);
    let guess = || Request::post("/api/ticket/x/messages?key=wrong", &more);
    limit_of(&open, 404, "1.2.3.6", guess);
}

#[test]
fn callers_behind_a_proxy_are_limited_and_operators_are_not() {
    let api = TestApp::start();
    let post = || Request::post("/api/ticket", &json!({}));
    limit_of(&api, 400, "6.6.6.6, 1.2.3.4", post);
    assert_eq!(api.send(post().sent_from("6.6.6.6, 1.2.3.5")).status, 400);
    let operator = post().sent_from(ADDRESS).bearer(OPERATOR_TOKEN);
    assert!((0..5).all(|_| api.send(&operator).status == 400));
    // The same address may still read.
    let read = Request::get("/api/ticket/T-20250115-1234").sent_from(ADDRESS);
    assert_eq!(api.send(&read).status, 404);
}

#[test]
fn callers_on_this_machine_and_those_of_an_unlimited_api_are_not_limited() {
    let api = TestApp::start();
    let post = || Request::post("/api/ticket", &json!({}));
    assert!((0..150).all(|_| api.send(post()).status == 400));
    let api = TestApp::with(|setup| setup.settings.rate_limits = false);
    assert!((0..150).all(|_| api.send(post().sent_from(ADDRESS)).status == 400));
}

#[test]
fn guessing_references_ends_before_reading_does() {
    let api = TestApp::start();
    let opened = api.open_ticket();
    let ticket = format!("/api/ticket/{}", opened.reference);
    for (guess, address) in [
        ("/api/ticket/T-20250115-1234", "1.2.3.4"),
        ("/api/ticket/nonsense", "1.2.3.5"),
        ("/api/ticket/T-20250115-1234?key=guess", "1.2.3.6"),
        ("/api/ticket/T-20250115-1234/events", "1.2.3.7"),
        ("/api/ticket/T-20250115-1234/events?key=guess", "1.2.3.8"),
    ] {
        let missed = (0..200)
            .take_while(|_| api.send(Request::get(guess).sent_from(address)).status == 404)
            .count();
        // One more comes in for every three seconds that this takes.
        assert!((40..55).contains(&missed), "{guess} {missed}");
        let refused = api.send(Request::get(guess).sent_from(address));
        refused.assert_problem(429, "rate_limited");
        let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=3).contains(&seconds), "{seconds}");
        // Else the answers would still tell which references are right.
        assert_eq!(api.send(Request::get(&ticket).sent_from(address)).status, 429);
        // Whoever has a key of theirs is not concerned, nor is anybody elsewhere, nor an operator.
        let theirs = format!("{ticket}?key={}", opened.key);
        assert!((0..50).all(|_| api.send(Request::get(&theirs).sent_from(address)).status == 200));
        assert_eq!(api.as_operator(Request::get(guess).sent_from(address)).status, 404);
    }
    assert_eq!(api.send(Request::get(&ticket).sent_from("1.2.3.9")).status, 200);
}

#[test]
fn a_wrong_or_empty_key_is_a_guess_like_none_at_all() {
    let api = TestApp::start();
    let ticket = format!("/api/ticket/{}", api.open_ticket().reference);
    for (key, address) in [("?key=", "1.2.3.4"), ("?key=wrong", "1.2.3.5"), ("", "1.2.3.6")] {
        let guess = || Request::get(&format!("/api/ticket/T-20250115-1234{key}"));
        assert!((40..55).contains(&limit_of(&api, 404, address, guess)), "{key}");
        for target in [
            format!("{ticket}{key}"),
            format!("{ticket}/events{key}"),
            format!("{ticket}?key=other"),
        ] {
            assert_eq!(
                api.send(Request::get(&target).sent_from(address)).status,
                429,
                "{target}"
            );
        }
    }
}

#[test]
fn guesses_from_many_addresses_stop_reading_without_a_key() {
    let api = TestApp::with(|setup| setup.settings.rates.all_misses = "1/100".parse().unwrap());
    let opened = api.open_ticket();
    let ticket = format!("/api/ticket/{}", opened.reference);
    let read = |target: &str| api.send(Request::get(target).sent_from("198.51.100.7"));
    assert_eq!(read(&ticket).status, 200);
    let guess = |number: u32| {
        let address = format!("10.0.0.{}", number % 200);
        let guess = Request::get("/api/ticket/T-20250115-1234").sent_from(&address);
        api.send(guess).status
    };
    assert_eq!((0..500).take_while(|number| guess(*number) == 404).count(), 101);
    for target in [
        ticket.clone(),
        format!("{ticket}?key=wrong"),
        format!("{ticket}?key="),
        format!("{ticket}/events"),
    ] {
        let refused = read(&target);
        refused.assert_problem(429, "rate_limited");
        assert!(refused.text().contains("without their key"), "{}", refused.text());
        assert!((590..=600).contains(&refused.header("retry-after").unwrap().parse::<u32>().unwrap()));
    }
    // Keys and tokens still open it, and so does a program on this machine.
    assert_eq!(read(&format!("{ticket}?key={}", opened.key)).status, 200);
    assert_eq!(
        api.as_operator(Request::get(&ticket).sent_from("198.51.100.7")).status,
        200
    );
    assert_eq!(api.get(&ticket).status, 200);
    let page = read(&format!("/ticket/{}", opened.reference));
    page.assert_page(429);
    assert!(page.has("without their key") && page.has("wait 10 minutes"));
    assert!(api.get("/metrics").text().contains("guessing_stops_total 1"));
}

#[test]
fn where_tickets_are_private_guesses_stop_nobody() {
    let api = TestApp::with(|setup| {
        setup.settings.ticket_access = Access::Private;
        setup.settings.rates.all_misses = "1/1".parse().unwrap();
    });
    for number in 0..20 {
        let guess = Request::get("/api/ticket/T-20250115-1234").sent_from(&format!("10.0.0.{number}"));
        assert_eq!(api.send(guess).status, 404);
    }
}

#[test]
fn requests_over_the_limit_do_not_reach_the_store() {
    let api = TestApp::with(|setup| {
        setup.is_down = true;
    });
    // What is no reference is not looked up.
    assert!((0..200).any(|_| {
        api.send(Request::get("/api/ticket/nonsense").sent_from("1.2.3.4"))
            .status
            == 429
    }));
    for (target, status) in [
        ("/api/ticket/T-20250115-1234", 429),
        ("/api/ticket/T-20250115-1234/events", 429),
        // It may be right; and only a store that answers can say that it is not.
        ("/api/ticket/T-20250115-1234?key=guess", 500),
    ] {
        assert_eq!(
            api.send(Request::get(target).sent_from("1.2.3.4")).status,
            status,
            "{target}"
        );
    }
}

#[test]
fn the_limits_are_those_of_the_settings() {
    let api = TestApp::with(|setup| {
        setup.settings.rates.misses = "1/3".parse().unwrap();
        setup.settings.rates.reads = "1/5".parse().unwrap();
    });
    let ticket = format!("/api/ticket/{}", api.open_ticket().reference);
    let passed = |target: &str, address: &str| {
        (0..10)
            .filter(|_| api.send(Request::get(target).sent_from(address)).status != 429)
            .count()
    };
    assert_eq!(passed("/api/ticket/nonsense", "1.2.3.4"), 3);
    assert_eq!(passed(&ticket, "1.2.3.5"), 5);
}
