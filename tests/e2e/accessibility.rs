//! Every page and state, checked by axe-core's rules: narrow and wide, light and dark.

use std::sync::Arc;

use black_box::Reaction;
use serde_json::json;

use crate::{
    actions,
    browser::{Browser, LAPTOP, PHONE, Scheme},
    fixture::Fixture,
    widget,
};

/// A narrow phone, on which nothing may need horizontal scrolling.
const NARROW: (u32, u32) = (320, 640);

/// Options of axe-core that choose rules.
pub(crate) const ALL_RULES: &str = "rules: { 'target-size': { enabled: true } }";
const COLOURS: &str = "runOnly: ['color-contrast', 'link-in-text-block']";

/// Asserts that a page breaks no rule, in any size and scheme.
pub(crate) async fn check(browser: &Browser, state: &str) {
    for size in [PHONE, LAPTOP] {
        for scheme in [Scheme::Light, Scheme::Dark] {
            browser.look(size, scheme).await;
            // Nothing but colours depends on the scheme.
            let rules = if scheme == Scheme::Dark { COLOURS } else { ALL_RULES };
            let violations = axe(browser, rules).await;
            assert!(
                violations.is_empty(),
                "{state}, {} wide, {}:\n{}",
                size.0,
                scheme.name(),
                violations.join("\n")
            );
        }
    }
    for size in [NARROW, PHONE] {
        browser.look(size, Scheme::Light).await;
        let beyond = browser.js("document.documentElement.scrollWidth - innerWidth").await;
        assert!(
            beyond.as_f64().is_some_and(|beyond| beyond <= 0.0),
            "{state}: {beyond} px beyond {}",
            size.0
        );
    }
    browser.look(LAPTOP, Scheme::Light).await;
}

/// Those of the rules that the page breaks as it is.
pub(crate) async fn axe(browser: &Browser, rules: &str) -> Vec<String> {
    if browser.js("typeof axe").await != json!("object") {
        browser
            .driver()
            .execute(browser.axe.as_ref(), vec![])
            .await
            .expect("axe-core");
    }
    let run = "const done = arguments[arguments.length - 1];
        axe.run(document, { resultTypes: ['violations'], RULES }).then(
            (found) => done(found.violations.map((v) => [`${v.id}: ${v.help}`,
                ...v.nodes.slice(0, 5).map((n) => `${n.target.join(' ')}: ${n.html.slice(0, 160)} (${n.failureSummary})`),
            ].join('\\n    '))),
            (error) => done([`axe failed: ${error}`]))";
    let run = run.replace("RULES", rules);
    let found = browser
        .driver()
        .execute_async(run, vec![])
        .await
        .expect("axe-core's verdict");
    serde_json::from_value(found.json().clone()).expect("a list of texts")
}

pub(crate) async fn of_the_customers_pages(fixture: Arc<Fixture>) {
    let backend = fixture
        .backend_with(|options| {
            let options = options
                .set("MANAGER_NAME", "Anna")
                .set("WHATSAPP_NUMBER", "+14155238886");
            options.set("TICKET_ACCESS", "private")
        })
        .await;
    let browser = fixture.browser().await;
    browser.goto(&backend.at("/")).await;
    check(&browser, "the form").await;
    browser.js("document.querySelector('[name=website]').value = 'x'").await;
    browser.press("Send").await;
    browser.find("[role=alert]").await;
    check(&browser, "the form with faults").await;

    let (reference, path) = backend.ticket(json!({ "priority": "urgent" })).await;
    backend.server.wait_for_empty_outbox().await;
    browser.goto(&backend.at(&path)).await;
    check(&browser, "an open ticket").await;
    let media = json!({
        "ticketRef": reference, "message": "", "from": black_box::MANAGER, "mediaUrl": "https://media.example/picture.jpg",
    });
    assert_eq!(backend.server.inbound(&media).await.status, 200);
    let long = format!("https://example.com/{} and {}", "long-".repeat(40), "word".repeat(60));
    backend.manager_says(&reference, &long).await;
    browser.see("and wordword").await;
    check(&browser, "a ticket with answers and media").await;
    browser.press("Send").await;
    browser.find("[aria-invalid=true]").await;
    check(&browser, "a reply that is refused").await;
    for status in ["resolved", "closed"] {
        backend.set_status(&reference, status).await;
        browser.goto(&backend.at(&path)).await;
        check(&browser, status).await;
    }
    let told = backend.n8n.received()[0].json();
    browser.goto(told["ticketUrl"].as_str().unwrap()).await;
    check(&browser, "a ticket for who only reads").await;
    browser.goto(&backend.at(&format!("/ticket/{reference}"))).await;
    check(&browser, "a private ticket without its key").await;
    browser.goto(&backend.at("/nowhere")).await;
    check(&browser, "a page that is not there").await;
}

pub(crate) async fn of_the_inbox(fixture: Arc<Fixture>) {
    let backend = fixture.backend().await;
    let browser = fixture.browser().await;
    browser.goto(&backend.at("/inbox")).await;
    check(&browser, "signing in").await;
    browser.write("token", "wrong").await;
    browser.press("Sign in").await;
    browser.see("This is not the token").await;
    check(&browser, "a wrong token").await;
    actions::sign_in(&browser, &backend).await;
    check(&browser, "no tickets").await;
    for (room, state) in [
        ("unmatched", "nothing unmatched"),
        ("notifications", "all delivered"),
        ("trail", "nothing done"),
    ] {
        browser.goto(&backend.at(&format!("/inbox/{room}"))).await;
        check(&browser, state).await;
    }

    backend.n8n.always(Reaction::status(410));
    let mut references = Vec::new();
    for priority in ["low", "medium", "high", "urgent"] {
        references.push(backend.ticket(json!({ "priority": priority })).await.0);
    }
    let stranger = json!({ "message": "Which one is mine?", "from": "+15559990000", "externalId": "SM1" });
    assert_eq!(backend.server.inbound(&stranger).await.status, 400);
    backend
        .server
        .wait_for_metric("notifications{state=\"dead\"}", 4.0)
        .await;
    let urgent = &references[3];
    for text in ["On its way.", "It is there."] {
        let path = format!("/api/ticket/{urgent}/replies");
        let reply = json!({ "message": text });
        assert_eq!(backend.server.send_as_operator("POST", &path, &reply).await.status, 201);
    }
    backend.set_status(&references[0], "resolved").await;

    browser.goto(&backend.at("/inbox?status=any")).await;
    check(&browser, "the list").await;
    browser.goto(&backend.at("/inbox?q=nothing+like+that")).await;
    check(&browser, "nothing found").await;
    browser.goto(&backend.at(&format!("/inbox/ticket/{urgent}"))).await;
    check(&browser, "a thread").await;
    browser.press("What was done here").await;
    check(&browser, "a thread with its trail").await;
    browser.keys("?").await;
    browser.find("dialog[open]").await;
    check(&browser, "the list of keys").await;
    for (room, state) in [
        ("unmatched", "unmatched messages"),
        ("notifications", "dead notifications"),
        ("trail", "the trail"),
    ] {
        browser.goto(&backend.at(&format!("/inbox/{room}"))).await;
        check(&browser, state).await;
    }
    browser.goto(&backend.at("/inbox/ticket/T-20200101-0000")).await;
    check(&browser, "no such ticket at the inbox").await;

    // Without a token, the page says how to get one.
    let without = fixture.backend_with(|options| options.set("OPERATOR_TOKEN", "")).await;
    browser.goto(&without.at("/inbox")).await;
    browser.see("OPERATOR_TOKEN").await;
    check(&browser, "nobody can sign in").await;
}

pub(crate) async fn of_the_widget(fixture: Arc<Fixture>) {
    let (_backend, site) = widget::on_an_allowed_site(&fixture).await;
    let browser = fixture.browser().await;
    browser.expect_failures_of("/api/ticket");
    // axe-core speaks to the frame before it knows whether it is of this origin.
    browser.expect_failures_of("Failed to execute 'postMessage'");
    widget::visit(&browser, &site).await;
    check(&browser, "the widget").await;
    widget::send(&browser).await;
    widget::until_errors(&browser).await;
    check(&browser, "the widget with faults").await;
    widget::fill_in(&browser).await;
    widget::send(&browser).await;
    widget::until_sent(&browser).await;
    check(&browser, "the widget when all is done").await;
    widget::within(&browser, "button", "Open your request")
        .await
        .click()
        .await
        .unwrap();
    widget::within(&browser, "iframe", "").await;
    check(&browser, "a thread in the widget").await;
    widget::within(&browser, "button", "Back").await.click().await.unwrap();
    widget::within(&browser, ".list li button", "Product Quality Issue").await;
    check(&browser, "the widget's list").await;
}
