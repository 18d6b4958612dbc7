//! Forms that other programs send: form builders, and people who click twice.

use crate::testing::{Request, TestApp, pages::GOOD};

fn multipart(fields: &[(&str, &str)]) -> Request {
    let parts = fields.iter().map(|(name, value)| {
        format!("--frontier\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    });
    let file = "--frontier\r\nContent-Disposition: form-data; name=\"message\"; filename=\"a.png\"\r\n\
                Content-Type: image/png\r\n\r\n\u{0}PNG\r\n";
    Request::new("POST", "/")
        .header("content-type", "multipart/form-data; boundary=frontier")
        .body(format!("{file}{}--frontier--\r\n", parts.collect::<String>()))
}

#[test]
fn a_form_builders_form_opens_a_ticket() {
    let site = TestApp::start();
    for (count, request) in [
        (1, Request::form("/", &GOOD)),
        (2, multipart(&GOOD).sent_from("203.0.113.7")),
    ] {
        let answer = site.send(request);
        assert_eq!(answer.status, 303, "{}", answer.text());
        assert_eq!(site.count(), count);
        let (_, reference) = answer.header("location").unwrap().split_once("/ticket/").unwrap();
        let thread = site.thread(reference.split_once('?').unwrap().0);
        assert_eq!(thread.ticket.details.customer.name.as_str(), "John Doe");
        assert_eq!(
            thread.messages[0].content.as_text(),
            "I received damaged bottles in my last order."
        );
    }
    let faulty = site.send(multipart(&[("customerName", "Zoë <3")]));
    faulty.assert_page(400);
    assert!(faulty.has("value=\"Zoë &lt;3\"") && faulty.has("Please enter your phone number."));
    for body in [
        "",
        "--frontier",
        "--frontier\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb",
    ] {
        site.send(multipart(&[]).body(body)).assert_page(400);
    }
}

#[test]
fn a_double_click_without_a_token_is_one_ticket() {
    let site = TestApp::start();
    let send = |request: Request| site.send(request).header("location").unwrap().to_owned();
    let first = send(Request::form("/", &GOOD).sent_from("203.0.113.7"));
    assert_eq!(send(multipart(&GOOD).sent_from("203.0.113.7")), first);
    assert_ne!(send(Request::form("/", &GOOD).sent_from("203.0.113.8")), first);
    site.clock.pass(60);
    assert_ne!(send(Request::form("/", &GOOD).sent_from("203.0.113.7")), first);
}

#[test]
fn a_form_that_was_not_stored_can_be_sent_again() {
    let site = TestApp::start();
    site.store.set_failing(true);
    site.send(Request::form("/", &GOOD)).assert_page(500);
    site.store.set_failing(false);
    assert_eq!(site.send(Request::form("/", &GOOD)).status, 303);
}
