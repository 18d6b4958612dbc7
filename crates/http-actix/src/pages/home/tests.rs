mod programs;
mod sites;

use crate::pages::testing::{Ask, NASTY, Site, escaped, form};

#[actix_web::test]
async fn the_form_has_every_field_with_its_label() {
    let site = Site::start();
    let page = site.get("/").await;
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
    assert_eq!(page.body.matches("type=\"radio\"").count(), 4);
    assert!(page.has("value=\"medium\" checked"));
    assert!(!page.has("maxlength") && !page.has("placeholder"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("form-action 'self' ;"), "{policy}");
    let other = site.get("/").await;
    assert_ne!(page.hidden("idempotencyKey"), other.hidden("idempotencyKey"));
    let head = site.send(Ask::new("HEAD", "/")).await;
    assert_eq!(head.status, 200);
}

#[actix_web::test]
async fn a_good_form_opens_a_ticket_and_leads_to_its_page() {
    let site = Site::start();
    let answer = site.post("/", &form(&[("message", "one\r\ntwo")])).await;
    assert_eq!(answer.status, 303);
    let location = answer.header("location").unwrap();
    assert!(
        location.starts_with("/ticket/T-") && location.contains("?key="),
        "{location}"
    );
    let page = site.get(location).await;
    page.assert_page(200);
    assert!(page.has("Product Quality Issue") && page.has("one\ntwo"));
    let reference = location.split(['/', '?']).nth(2).unwrap();
    let ticket = site.thread(reference).await.ticket;
    assert_eq!(ticket.details.customer.phone.as_str(), "+1234567890");
    assert_eq!(ticket.details.priority, ticket_domain::Priority::High);
}

#[actix_web::test]
async fn without_a_priority_it_is_medium() {
    let site = Site::start();
    for priority in [None, Some("")] {
        let mut fields = form(&[]);
        fields.retain(|(name, _)| *name != "priority");
        fields.extend(priority.map(|priority| ("priority", priority)));
        let answer = site.post("/", &fields).await;
        let location = answer.header("location").unwrap();
        let reference = location.split(['/', '?']).nth(2).unwrap();
        assert_eq!(
            site.thread(reference).await.ticket.details.priority,
            ticket_domain::Priority::Medium
        );
    }
}

#[actix_web::test]
async fn every_fault_is_told_beside_its_field_and_nothing_typed_is_lost() {
    let site = Site::start();
    let long = "x".repeat(201);
    let page = site
        .post(
            "/",
            &[
                ("customerName", " "),
                ("customerPhone", "call me"),
                ("customerEmail", "john"),
                ("subject", &long),
                ("message", "kept words"),
                ("priority", "asap"),
            ],
        )
        .await;
    page.assert_page(400);
    for (name, words) in [
        ("customerName", "Please tell us your name."),
        (
            "customerPhone",
            "This is not a phone number. One looks like +44 20 7946 0000.",
        ),
        (
            "customerEmail",
            "This is not a whole e‑mail address. One looks like name@example.com.",
        ),
        ("subject", "The subject must be at most 200 characters long."),
        ("priority", "Please choose how urgent it is."),
    ] {
        assert!(
            page.has(&format!("<p class=\"fault\" id=\"{name}-fault\">{words}</p>")),
            "{name}: {}",
            page.body
        );
        assert!(page.has(&format!("<a href=\"#{name}\">{words}</a>")), "{name}");
        assert!(page.has(&format!("id=\"{name}\"")), "{name}");
        assert!(page.body.contains(&format!("{name}-fault\"")), "{name}");
    }
    assert_eq!(page.body.matches("aria-invalid=\"true\"").count(), 4);
    assert!(page.has("role=\"alert\" tabindex=\"-1\" autofocus"));
    for kept in [
        "value=\"call me\"",
        "value=\"john\"",
        long.as_str(),
        "\nkept words</textarea>",
    ] {
        assert!(page.has(kept), "{kept}");
    }
    assert!(page.has("<title>Please look at the form again"));
    assert_eq!(site.count().await, 0);
}

#[actix_web::test]
async fn no_text_of_a_visitor_becomes_markup() {
    let site = Site::start();
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
            let page = site.post("/", &form(&[("priority", "none"), (field, nasty)])).await;
            page.assert_page(400);
            page.assert_tamed(nasty);
            let is_mark = field == "idempotencyKey" && !nasty.is_ascii();
            assert!(is_mark || page.has(&escaped(nasty)), "{field}: {nasty}");
        }
        let page = site.post("/", &form(&[("priority", nasty)])).await;
        page.assert_page(400);
        page.assert_tamed(nasty);
        let page = site.post("/", &form(&[("return", nasty)])).await;
        page.assert_page(400);
        page.assert_tamed(nasty);
    }
    assert_eq!(site.count().await, 0);
}

#[actix_web::test]
async fn a_message_that_begins_with_a_line_break_keeps_it() {
    let page = Site::start()
        .post("/", &form(&[("message", "\n  code"), ("subject", "")]))
        .await;
    // Browsers take the first of them away.
    assert!(page.has(">\n\n  code</textarea>"), "{}", page.body);
}

#[actix_web::test]
async fn the_same_form_sent_twice_is_one_ticket_and_another_text_another() {
    let site = Site::start();
    let mark = site.get("/").await.hidden("idempotencyKey").unwrap().to_owned();
    let mark = ("idempotencyKey", mark.as_str());
    let first = site.open(&[mark]).await;
    assert_eq!(site.open(&[mark]).await, first);
    assert_eq!(site.count().await, 1);
    // Somebody went back, wrote something else, and pressed the button twice.
    let other = site.open(&[mark, ("message", "And another thing")]).await;
    assert_ne!(other, first);
    assert_eq!(site.open(&[mark, ("message", "And another thing")]).await, other);
    assert_eq!(site.count().await, 2);
}

#[actix_web::test]
async fn simultaneous_twins_are_one_ticket() {
    for _ in 0..5 {
        let site = Site::start();
        let twin = || site.open(&[("idempotencyKey", "one-and-the-same")]);
        let all = futures_util::future::join_all((0..8).map(|_| twin())).await;
        assert!(all.iter().all(|opened| opened == &all[0]), "{all:?}");
        assert_eq!(site.count().await, 1);
    }
}

#[actix_web::test]
async fn a_mark_that_cannot_be_used_is_never_an_error() {
    let site = Site::start();
    let long = "x".repeat(256);
    for mark in ["", "schlüssel", "a\nb", &long] {
        let one = site.open(&[("idempotencyKey", mark)]).await;
        assert_ne!(site.open(&[("idempotencyKey", mark)]).await, one, "{mark:?}");
        let page = site
            .post("/", &form(&[("idempotencyKey", mark), ("subject", "")]))
            .await;
        assert_eq!(page.hidden("idempotencyKey").unwrap().len(), 32, "{mark:?}");
    }
    // After a fault the form keeps its mark.
    let page = site
        .post("/", &form(&[("idempotencyKey", "mine"), ("subject", "")]))
        .await;
    assert_eq!(page.hidden("idempotencyKey"), Some("mine"));
}

#[actix_web::test]
async fn what_a_program_filled_in_is_shown_and_not_dropped() {
    let site = Site::start();
    assert!(site.get("/").await.has("<div class=\"field trap\">"));
    let page = site.post("/", &form(&[("website", "https://spam.example")])).await;
    page.assert_page(400);
    assert!(!page.has("field trap") && page.has("Leave this empty") && page.has("value=\"https://spam.example\""));
    assert!(page.has("id=\"website-fault\"") && page.has("I received damaged bottles"));
    assert_eq!(site.count().await, 0);
}

#[actix_web::test]
async fn when_the_store_is_down_the_form_waits_with_everything_in_it() {
    let site = Site::start();
    let fields = form(&[("idempotencyKey", "mine"), ("message", "words that took an hour")]);
    site.take_store_away(true);
    let page = site.post("/", &fields).await;
    page.assert_page(500);
    assert!(
        page.has("words that took an hour") && page.has("value=\"John Doe\"") && page.has("value=\"high\" checked")
    );
    assert!(page.has("We could not save your request just now") && !page.has("secret-host"));
    assert_eq!(page.hidden("idempotencyKey"), Some("mine"));
    site.take_store_away(false);
    assert_eq!(site.post("/", &fields).await.status, 303);
}

#[actix_web::test]
async fn too_many_are_told_to_wait_and_keep_their_words() {
    let site = Site::start();
    let ask = || Ask::post("/", &form(&[("subject", ""), ("message", "kept")])).afar("203.0.113.7");
    let mut last = site.send(ask()).await;
    for _ in 0..300 {
        if last.status == 429 {
            break;
        }
        last = site.send(ask()).await;
    }
    last.assert_page(429);
    assert!(last.has("\nkept</textarea>") && last.has("Please wait a second, and try again."));
    assert_eq!(last.header("retry-after"), Some("1"));
    // Reading is limited elsewhere, and others are not concerned.
    assert_eq!(site.send(Ask::get("/").afar("203.0.113.7")).await.status, 200);
    assert_eq!(site.send(ask().afar("203.0.113.8")).await.status, 400);
}

#[actix_web::test]
async fn a_form_of_another_kind_is_refused_in_words() {
    let site = Site::start();
    let json = Ask::new("POST", "/")
        .header("content-type", "application/json")
        .body("{}".into());
    site.send(json).await.assert_page(415);
    let large = "x".repeat(129 * 1024);
    let page = site.post("/", &form(&[("message", &large)])).await;
    page.assert_page(413);
    let none = site.send(Ask::post("/", &[])).await;
    none.assert_page(400);
    assert!(none.has("Please tell us your name."));
    let broken = Ask::post("/", &[]).body("customerName=%ff%00&&=&=x".into());
    site.send(broken).await.assert_page(400);
}

#[actix_web::test]
async fn the_longest_texts_that_the_rules_allow_are_taken() {
    let site = Site::start();
    let (name, message) = ("𝄞".repeat(200), "🦊".repeat(5_000));
    let opened = site.open(&[("customerName", &name), ("message", &message)]).await;
    let thread = site.thread(&opened.reference).await;
    assert_eq!(thread.messages[0].content.body().as_str(), message);
    site.get(&opened.page).await.assert_page(200);
    let page = site.post("/", &form(&[("message", &message), ("subject", "")])).await;
    page.assert_page(400);
}

#[actix_web::test]
async fn below_a_path_every_address_begins_with_it() {
    let site = Site::with(|setup| setup.settings.base_url = "https://www.example.com/desk".into());
    let page = site.get("/").await;
    page.assert_page(200);
    for address in ["action=\"/desk/\"", "src=\"/desk/assets/page.js\"", "href=\"/desk/\""] {
        assert!(page.has(address), "{address}");
    }
    let answer = site
        .send(Ask::post("/", &form(&[])).header("origin", "https://www.example.com"))
        .await;
    assert!(answer.header("location").unwrap().starts_with("/desk/ticket/T-"));
}
