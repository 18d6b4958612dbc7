//! What holds programs back, and what a person is told who trips over it.

use crate::testing::{Request, TestApp, pages::form};

const AFAR: &str = "203.0.113.7";

fn from_afar(fields: &[(&str, &str)]) -> Request {
    Request::form("/", &form(fields)).sent_from(AFAR)
}

#[test]
fn the_same_text_is_stored_twice_and_then_rejected() {
    let site = TestApp::start();
    for token in ["one", "two"] {
        assert_eq!(site.send(from_afar(&[("idempotencyKey", token)])).status, 303);
    }
    // The same form again is the same ticket.
    assert_eq!(site.send(from_afar(&[("idempotencyKey", "two")])).status, 303);
    for changes in [
        &[][..],
        &[("subject", " product  QUALITY issue"), ("customerName", "Jane")],
    ] {
        let page = site.send(from_afar(changes));
        page.assert_page(429);
        assert!(page.has("We have this already") && page.has("damaged bottles in my last order.</textarea>"));
        let wait: u64 = page.header("retry-after").unwrap().parse().unwrap();
        assert!(
            (590..=600).contains(&wait) && page.has(&format!("Please wait {wait} seconds")),
            "{wait}"
        );
    }
    assert_eq!(site.count(), 2);
    assert_eq!(site.send(from_afar(&[("message", "Something else")])).status, 303);
    // Somebody else of the same office, with the same trouble.
    let other = site.send(from_afar(&[("customerEmail", "jane@example.com")]));
    assert_eq!(other.status, 303);
    let elsewhere = Request::form("/", &form(&[])).sent_from("203.0.113.8");
    assert_eq!(site.send(elsewhere).status, 303);
}

#[test]
fn a_text_that_was_not_stored_does_not_count() {
    let site = TestApp::start();
    site.store.set_failing(true);
    for _ in 0..4 {
        let page = site.send(from_afar(&[]));
        page.assert_page(500);
    }
    site.store.set_failing(false);
    assert_eq!(site.send(from_afar(&[])).status, 303);
}

#[test]
fn programs_on_this_machine_may_repeat_texts() {
    let site = TestApp::start();
    for _ in 0..4 {
        assert_eq!(site.post("/", &form(&[])).status, 303);
    }
    // Behind a proxy nobody is of this machine.
    let proxied = || Request::form("/", &form(&[])).header("x-forwarded-for", AFAR);
    for status in [303, 303, 429] {
        assert_eq!(site.send(proxied()).status, status);
    }
}
