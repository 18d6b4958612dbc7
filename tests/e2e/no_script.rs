//! Everything with JavaScript switched off.

use std::{sync::Arc, time::Duration};

use black_box::OPERATOR_TOKEN;
use serde_json::json;
use thirtyfour::Key;

use crate::{actions, fixture::Fixture};

pub(crate) async fn the_customer_needs_no_script(fixture: Arc<Fixture>) {
    let backend = fixture.backend().await;
    let browser = fixture.browser_without_script().await;
    browser.goto(&backend.at("/")).await;
    browser.press("Send").await;
    browser.find("[role=alert]").await;
    assert_eq!(
        browser.all("[aria-invalid=true]").await.len(),
        5,
        "{}",
        browser.text().await
    );

    let (reference, path) = actions::open_a_ticket(&browser, &backend).await;
    // A script would have put the times into the reader's zone and words.
    browser.see("UTC").await;
    browser.see(&reference).await;
    backend.manager_says(&reference, "We look into it.").await;
    browser.reload().await;
    browser.see("We look into it.").await;
    browser.press("Send").await;
    browser.find("[aria-invalid=true]").await;
    browser.write("message", "Thank you.").await;
    browser.press("Send").await;
    browser.until_path("#end").await;
    browser.see("Thank you.").await;

    // Back, and once more: one message.
    browser.driver().back().await.unwrap();
    browser.write("message", "Thank you.").await;
    browser.press("Send").await;
    browser.until_path("#end").await;
    assert_eq!(browser.path().await.split('#').next(), Some(path.as_str()));
    backend.n8n.wait_for(2, Duration::from_secs(10)).await;
    backend.server.wait_for_empty_outbox().await;
    let expected = [
        "I received damaged bottles in my last order.\nThree of twelve.",
        "We look into it.",
        "Thank you.",
    ];
    assert_eq!(backend.thread(&reference).await, expected);
}

pub(crate) async fn the_operator_needs_no_script(fixture: Arc<Fixture>) {
    let backend = fixture.backend().await;
    let browser = fixture.browser_without_script().await;
    let (reference, _) = backend.ticket(json!({})).await;
    backend.ticket(json!({ "subject": "Another matter" })).await;
    browser.goto(&backend.at("/inbox")).await;
    browser.write("token", OPERATOR_TOKEN).await;
    browser.press("Sign in").await;
    browser.see("Another matter").await;

    browser.write("q", "damaged quality").await;
    browser.key(Key::Enter).await;
    browser.until_path("q=damaged").await;
    browser.see_no_more("Another matter").await;
    browser.press_first(&format!("a[href*='{reference}']")).await;
    browser.write("message", "We send new ones.").await;
    browser.press("Send").await;
    browser.see("We send new ones.").await;
    browser.press_first("button[name=priority][value=urgent]").await;
    browser
        .find("button[name=priority][value=urgent][aria-pressed=true]")
        .await;
    browser.press("Resolve").await;
    browser.see("Resolved").await;
    assert_eq!(backend.status_of(&reference).await, "resolved");
    assert_eq!(backend.thread(&reference).await.len(), 2);

    let body = json!({ "message": "Which ticket is mine?", "from": black_box::CUSTOMER, "externalId": "SM1" });
    assert_eq!(backend.server.inbound(&body).await.status, 400);
    browser.press("Unmatched").await;
    browser.see("Which ticket is mine?").await;
    browser.write("ticketRef", &reference.to_lowercase()).await;
    browser.press("Attach").await;
    browser.see_no_more("Which ticket is mine?").await;
    assert_eq!(backend.thread(&reference).await.len(), 3);

    browser.press("Trail").await;
    browser.see(&reference).await;
    browser.press("Sign out").await;
    browser.field("token").await;
}
