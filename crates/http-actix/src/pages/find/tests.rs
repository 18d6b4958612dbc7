use std::time::Instant;

use ticket_domain::EventKind;

use crate::testing::{TestApp, pages::OpenedPage};

fn with_mail() -> TestApp {
    TestApp::with(|setup| setup.has_mail = true)
}

fn find(site: &TestApp, contact: &str) {
    let page = site.post("/find", &[("contact", contact)]);
    page.assert_page(200);
    page.shows(&["Check your e‑mail"]);
    page.lacks(&[contact]);
}

/// The links that were mailed, with the address before them.
fn links(site: &TestApp) -> Vec<String> {
    let mails = site.mails().into_iter();
    let links = mails.filter(|mail| mail.event == EventKind::Links);
    links.map(|mail| mail.payload).collect()
}

#[test]
fn a_lost_link_is_mailed_to_the_address_in_the_ticket() {
    let site = with_mail();
    let OpenedPage { page, .. } = site.open(&[]);
    let closed = site.open(&[("subject", "Another")]);
    site.set_status(&closed.reference, "resolved");
    let other = site.open(&[("customerEmail", "Jane@Example.com"), ("subject", "Hers")]);
    site.get("/find").shows(&["Find my request", "action=\"/find\""]);
    links(&site);
    find(&site, " JOHN@example.com ");
    let link = |page: &str| format!("https://desk.example{page}");
    assert_eq!(links(&site), [format!("john@example.com\n{}", link(&page))]);
    // Both gave the same number; each gets their own.
    site.clock.pass(3_601);
    find(&site, "+1 (234) 567-890");
    let mut both = links(&site);
    both.sort();
    assert_eq!(
        both,
        [
            format!("Jane@Example.com\n{}", link(&other.page)),
            format!("john@example.com\n{}", link(&page))
        ]
    );
    // Once an hour.
    find(&site, "john@example.com");
    assert_eq!(links(&site).len(), 0);
}

#[test]
fn nobody_learns_who_wrote_to_us() {
    let site = with_mail();
    site.open(&[]);
    let timed = |contact: &str| {
        let begun = Instant::now();
        let page = site.post("/find", &[("contact", contact)]);
        assert!(begun.elapsed() >= super::ANSWER_AFTER);
        page.text().to_owned()
    };
    assert_eq!(timed("john@example.com"), timed("nobody@example.com"));
    assert_eq!(timed("+1234567890"), timed("+4420123456"));
}

#[test]
fn what_is_neither_is_told_so() {
    let site = with_mail();
    for (contact, message) in [
        ("", "Please enter your e‑mail address or phone number."),
        ("john@", "e‑mail address"),
        ("john", "phone number"),
    ] {
        let page = site.post("/find", &[("contact", contact)]);
        page.assert_page(400);
        page.shows(&[message]);
    }
    let foreign = crate::testing::Request::form("/find", &[("contact", "a@b.example")]);
    let foreign = site.send(foreign.header("origin", "https://evil.example"));
    foreign.assert_page(403);
}

#[test]
fn without_mail_there_is_no_such_page() {
    let site = TestApp::start();
    site.get("/find").assert_page(404);
    site.post("/find", &[("contact", "john@example.com")]).assert_page(404);
}

#[test]
fn pages_lead_to_it() {
    let site = with_mail();
    for page in ["/", "/ticket/T-20250115-1234"] {
        site.get(page).shows(&["href=\"/find\""]);
    }
    let without = TestApp::start();
    for page in ["/", "/ticket/T-20250115-1234"] {
        without.get(page).lacks(&["href=\"/find\""]);
    }
}
