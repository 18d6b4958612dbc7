//! What a customer goes through.

use std::{sync::Arc, time::Duration};

use serde_json::json;

use crate::{actions, fixture::Fixture};

/// How soon news must be on a page that is open.
const SOON: Duration = Duration::from_secs(1);

pub(crate) async fn from_the_form_to_an_answer_on_the_open_page(fixture: Arc<Fixture>) {
    let backend = fixture.backend().await;
    let browser = fixture.browser().await;
    let (reference, path) = actions::open_a_ticket(&browser, &backend).await;
    browser.see(&reference).await;
    browser.see("Product Quality Issue").await;
    browser.see("Three of twelve.").await;
    let source = browser.driver().source().await.unwrap();
    assert!(
        !source.contains(black_box::CUSTOMER) && !source.contains("customer.example"),
        "contact data is shown"
    );

    let told = backend.n8n.wait_for(1, Duration::from_secs(10)).await[0].json();
    assert_eq!(
        (&told["event"], &told["ticketRef"], &told["priority"], &told["message"]),
        (
            &json!("ticket.created"),
            &json!(reference),
            &json!("high"),
            &json!("I received damaged bottles in my last order.\nThree of twelve.")
        )
    );
    browser.see("Sent to the manager").await;

    // The page stays the same page while the answer comes, and what is being written stays as it is.
    browser.write("message", "While I wait").await;
    browser.mark_page().await;
    backend
        .manager_says(&reference, "We send you three new bottles today.")
        .await;
    browser.see_within("We send you three new bottles today.", SOON).await;
    browser.assert_not_reloaded().await;
    assert_eq!(browser.js("document.activeElement.name").await, json!("message"));
    assert_eq!(browser.value("message").await, "While I wait");
    let heard =
        "[...document.querySelectorAll('[role=status], [aria-live]')].some(e => /manager/i.test(e.textContent))";
    browser.until_true(heard).await;

    browser.write("message", "Thank you! 🙏 <b>Great</b>").await;
    browser.press("Send").await;
    browser.see("Thank you! 🙏 <b>Great</b>").await;
    browser.until_path(&format!("/ticket/{reference}?key=")).await;
    assert_eq!(browser.path().await.split('#').next(), Some(path.as_str()));
    assert_eq!(browser.value("message").await, "", "the box is empty again");
    browser.see("Answered").await;
    let told = backend.n8n.wait_for(2, Duration::from_secs(10)).await[1].json();
    assert_eq!(
        (&told["event"], &told["ticketRef"], &told["message"]),
        (
            &json!("ticket.updated"),
            &json!(reference),
            &json!("Thank you! 🙏 <b>Great</b>")
        )
    );
    assert_eq!(backend.thread(&reference).await.len(), 3);

    // The same page on another screen, and another answer: both show it.
    let phone = fixture.browser().await;
    phone.look(crate::browser::PHONE, crate::browser::Scheme::Dark).await;
    phone.goto(&backend.at(&path)).await;
    phone.see("Great").await;
    backend.manager_says(&reference, "You are welcome.").await;
    browser.see_within("You are welcome.", SOON).await;
    phone.see_within("You are welcome.", SOON).await;
}

pub(crate) async fn an_answer_reopens_a_resolved_ticket(fixture: Arc<Fixture>) {
    let backend = fixture.backend().await;
    let browser = fixture.browser().await;
    let (reference, path) = backend.ticket(json!({})).await;
    browser.goto(&backend.at(&path)).await;
    browser.see("Open").await;
    backend.set_status(&reference, "resolved").await;
    browser.see_within("Resolved", SOON).await;
    browser.write("message", "It is not solved yet.").await;
    browser.press("Send").await;
    browser.see("It is not solved yet.").await;
    browser.see_no_more("Resolved").await;
    assert_eq!(backend.status_of(&reference).await, "open");
    let told = backend.n8n.wait_for(2, Duration::from_secs(10)).await[1].json();
    assert_eq!(
        (&told["event"], &told["message"]),
        (&json!("ticket.updated"), &json!("It is not solved yet."))
    );
}

/// Browsers keep pages that one left, and allow six connections a site: pages that nobody sees must not hold any.
pub(crate) async fn through_many_tickets_in_one_window(fixture: Arc<Fixture>) {
    let backend = fixture.backend().await;
    let browser = fixture.browser().await;
    for number in 1..=8 {
        let (reference, path) = backend.ticket(json!({ "subject": format!("Matter {number}") })).await;
        browser.goto(&backend.at(&path)).await;
        browser.see(&format!("Matter {number}")).await;
        backend.manager_says(&reference, "It is done.").await;
        browser.see_within("It is done.", SOON).await;
    }
    // Back at one that was left, news come again.
    browser.driver().back().await.unwrap();
    browser.see("Matter 7").await;
    let path = browser.path().await;
    let reference = actions::reference_in(&path);
    backend.manager_says(&reference, "And once more.").await;
    browser.see_within("And once more.", SOON).await;
}
