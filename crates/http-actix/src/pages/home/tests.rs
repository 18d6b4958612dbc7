mod programs;
mod sites;

use crate::testing::{
    Request, TestApp,
    pages::{NASTY, escaped, form},
};

#[test]
fn the_form_has_every_field_with_its_label() {
    let site = TestApp::start();
    let page = site.get("/");
    page.assert_page(200);
    for name in [
        "subject",
        "message",
        "customerName",
        "customerPhone",
        "customerEmail",
        "website",
    ] {
        assert!(page.has(&format!("<label for=\"{name}\">")), "{name}");
        for attribute in ["id", "name"] {
            assert!(page.has(&format!(" {attribute}=\"{name}\"")), "{name}");
        }
    }
    assert_eq!(page.text().matches("type=\"radio\"").count(), 4);
    assert!(page.has("value=\"medium\" checked"));
    assert!(!page.has("maxlength") && !page.has("placeholder"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("form-action 'self' ;"), "{policy}");
    let other = site.get("/");
    assert_ne!(page.hidden("idempotencyKey"), other.hidden("idempotencyKey"));
    let head = site.send(Request::new("HEAD", "/"));
    assert_eq!(head.status, 200);
}

#[test]
fn a_good_form_opens_a_ticket_and_leads_to_its_page() {
    let site = TestApp::start();
    let answer = site.post("/", &form(&[("message", "one\r\ntwo")]));
    assert_eq!(answer.status, 303);
    let location = answer.header("location").unwrap();
    assert!(
        location.starts_with("/ticket/T-") && location.contains("?key="),
        "{location}"
    );
    let page = site.get(location);
    page.assert_page(200);
    assert!(page.has("Product Quality Issue") && page.has("one\ntwo"));
    let reference = location.split(['/', '?']).nth(2).unwrap();
    let ticket = site.thread(reference).ticket;
    assert_eq!(ticket.details.customer.phone.as_str(), "+1234567890");
    assert_eq!(ticket.details.priority, ticket_domain::Priority::High);
}

#[test]
fn without_a_priority_it_is_medium() {
    let site = TestApp::start();
    for priority in [None, Some("")] {
        let mut fields = form(&[]);
        fields.retain(|(name, _)| *name != "priority");
        fields.extend(priority.map(|priority| ("priority", priority)));
        let answer = site.post("/", &fields);
        let location = answer.header("location").unwrap();
        let reference = location.split(['/', '?']).nth(2).unwrap();
        assert_eq!(
            site.thread(reference).ticket.details.priority,
            ticket_domain::Priority::Medium
        );
    }
}

#[test]
fn errors_are_shown_beside_their_fields_and_the_input_is_kept() {
    let site = TestApp::start();
    let long = "x".repeat(201);
    let page = site.post(
        "/",
        &[
            ("customerName", " "),
            ("customerPhone", "call me"),
            ("customerEmail", "john"),
            ("subject", &long),
            ("message", "kept words"),
            ("priority", "asap"),
        ],
    );
    page.assert_page(400);
    for (name, words) in [
        ("customerName", "Please tell us your name."),
        (
            "customerPhone",
            "That phone number looks incomplete. Example: +44 20 7946 0000",
        ),
        (
            "customerEmail",
            "That e‑mail address looks incomplete. Example: name@example.com",
        ),
        ("subject", "The subject must be at most 200 characters long."),
        ("priority", "Please choose how urgent it is."),
    ] {
        assert!(
            page.has(&format!("<p class=\"fault\" id=\"{name}-fault\">{words}</p>")),
            "{name}: {}",
            page.text()
        );
        assert!(page.has(&format!("<a href=\"#{name}\">{words}</a>")), "{name}");
        assert!(page.has(&format!("id=\"{name}\"")), "{name}");
        assert!(page.text().contains(&format!("{name}-fault\"")), "{name}");
    }
    assert_eq!(page.text().matches("aria-invalid=\"true\"").count(), 4);
    assert!(page.has("role=\"alert\" tabindex=\"-1\" autofocus"));
    for kept in [
        "value=\"call me\"",
        "value=\"john\"",
        long.as_str(),
        "\nkept words</textarea>",
    ] {
        assert!(page.has(kept), "{kept}");
    }
    assert!(page.has("<title>Please check the form"));
    assert_eq!(site.count(), 0);
}

#[test]
fn no_text_of_a_visitor_becomes_markup() {
    let site = TestApp::start();
    for nasty in NASTY {
        for field in [
            "customerName",
            "customerPhone",
            "customerEmail",
            "subject",
            "message",
            "website",
            "idempotencyKey",
        ] {
            // One fault, so that the form comes back.
            let page = site.post("/", &form(&[("priority", "none"), (field, nasty)]));
            page.assert_page(400);
            page.assert_tamed(nasty);
            let is_token = field == "idempotencyKey" && !nasty.is_ascii();
            assert!(is_token || page.has(&escaped(nasty)), "{field}: {nasty}");
        }
        let page = site.post("/", &form(&[("priority", nasty)]));
        page.assert_page(400);
        page.assert_tamed(nasty);
        let page = site.post("/", &form(&[("return", nasty)]));
        page.assert_page(400);
        page.assert_tamed(nasty);
    }
    assert_eq!(site.count(), 0);
}

#[test]
fn a_message_that_begins_with_a_line_break_keeps_it() {
    let page = TestApp::start().post("/", &form(&[("message", "\n  code"), ("subject", "")]));
    // Browsers take the first of them away.
    assert!(page.has(">\n\n  code</textarea>"), "{}", page.text());
}

#[test]
fn the_same_form_sent_twice_is_one_ticket_and_another_text_another() {
    let site = TestApp::start();
    let token = site.get("/").hidden("idempotencyKey").unwrap().to_owned();
    let token = ("idempotencyKey", token.as_str());
    let first = site.open(&[token]);
    assert_eq!(site.open(&[token]), first);
    assert_eq!(site.count(), 1);
    // Somebody went back, wrote something else, and pressed the button twice.
    let other = site.open(&[token, ("message", "And another thing")]);
    assert_ne!(other, first);
    assert_eq!(site.open(&[token, ("message", "And another thing")]), other);
    assert_eq!(site.count(), 2);
}

#[test]
fn an_invalid_form_token_is_replaced() {
    let site = TestApp::start();
    let long = "x".repeat(256);
    for token in ["", "schlüssel", "a\nb", &long] {
        let one = site.open(&[("idempotencyKey", token)]);
        site.clock.pass(60);
        assert_ne!(site.open(&[("idempotencyKey", token)]), one, "{token:?}");
        let page = site.post("/", &form(&[("idempotencyKey", token), ("subject", "")]));
        assert_eq!(page.hidden("idempotencyKey").unwrap().len(), 32, "{token:?}");
    }
    // After a fault the form keeps its token.
    let page = site.post("/", &form(&[("idempotencyKey", "mine"), ("subject", "")]));
    assert_eq!(page.hidden("idempotencyKey"), Some("mine"));
}

#[test]
fn a_filled_honeypot_is_shown() {
    let site = TestApp::start();
    assert!(site.get("/").has("<div class=\"field trap\">"));
    let page = site.post("/", &form(&[("website", "https://spam.example")]));
    page.assert_page(400);
    assert!(!page.has("field trap") && page.has("Leave this empty") && page.has("value=\"https://spam.example\""));
    assert!(page.has("id=\"website-fault\"") && page.has("I received damaged bottles"));
    assert_eq!(site.count(), 0);
}

#[test]
fn the_form_keeps_its_input_while_the_store_is_down() {
    let site = TestApp::start();
    let fields = form(&[("idempotencyKey", "mine"), ("message", "words that took an hour")]);
    site.store.set_failing(true);
    let page = site.post("/", &fields);
    page.assert_page(500);
    assert!(
        page.has("words that took an hour") && page.has("value=\"John Doe\"") && page.has("value=\"high\" checked")
    );
    assert!(page.has("We couldn’t save your request") && !page.has("secret-host"));
    assert_eq!(page.hidden("idempotencyKey"), Some("mine"));
    site.store.set_failing(false);
    assert_eq!(site.post("/", &fields).status, 303);
}

#[test]
fn over_the_limit_the_form_keeps_its_input() {
    let site = TestApp::start();
    let ask = || Request::form("/", &form(&[("subject", ""), ("message", "kept")])).sent_from("203.0.113.7");
    let mut last = site.send(ask());
    for _ in 0..300 {
        if last.status == 429 {
            break;
        }
        last = site.send(ask());
    }
    last.assert_page(429);
    assert!(last.has("\nkept</textarea>") && last.has("Please wait a second, and try again."));
    assert_eq!(last.header("retry-after"), Some("1"));
    // Reading is limited elsewhere, and others are not concerned.
    assert_eq!(site.send(Request::get("/").sent_from("203.0.113.7")).status, 200);
    assert_eq!(site.send(ask().sent_from("203.0.113.8")).status, 400);
}

#[test]
fn a_form_of_another_kind_is_refused_in_words() {
    let site = TestApp::start();
    let json = Request::new("POST", "/")
        .header("content-type", "application/json")
        .body("{}");
    site.send(json).assert_page(415);
    let large = "x".repeat(129 * 1024);
    let page = site.post("/", &form(&[("message", &large)]));
    page.assert_page(413);
    let none = site.send(Request::form("/", &[]));
    none.assert_page(400);
    assert!(none.has("Please tell us your name."));
    let broken = Request::form("/", &[]).body("customerName=%ff%00&&=&=x");
    site.send(broken).assert_page(400);
}

#[test]
fn the_longest_texts_that_the_rules_allow_are_taken() {
    let site = TestApp::start();
    let (name, message) = ("𝄞".repeat(200), "🦊".repeat(5_000));
    let opened = site.open(&[("customerName", &name), ("message", &message)]);
    let thread = site.thread(&opened.reference);
    assert_eq!(thread.messages[0].content.body().as_str(), message);
    site.get(&opened.page).assert_page(200);
    let page = site.post("/", &form(&[("message", &message), ("subject", "")]));
    page.assert_page(400);
}

#[test]
fn below_a_path_every_address_begins_with_it() {
    let site = TestApp::with(|setup| setup.settings.base_url = "https://www.example.com/desk".into());
    let page = site.get("/");
    page.assert_page(200);
    for address in ["action=\"/desk/\"", "src=\"/desk/assets/page.js\"", "href=\"/desk/\""] {
        assert!(page.has(address), "{address}");
    }
    let answer = site.send(Request::form("/", &form(&[])).header("origin", "https://www.example.com"));
    assert!(answer.header("location").unwrap().starts_with("/desk/ticket/T-"));
}
