//! What an operator does at the inbox.

use std::{sync::Arc, time::Duration};

use black_box::Reaction;
use serde_json::json;
use thirtyfour::{By, Key};

use crate::{actions, fixture::Fixture};

/// How soon news must be in a list that is open: the page asks for itself at most once a second.
const SOON: Duration = Duration::from_secs(2);

pub(crate) async fn signing_in_and_out(fixture: Arc<Fixture>) {
    let backend = fixture.backend().await;
    let browser = fixture.browser().await;
    let (reference, _) = backend.ticket(json!({})).await;
    // Whoever was on the way to a ticket gets there.
    let inside = backend.at(&format!("/inbox/ticket/{reference}"));
    browser.goto(&inside).await;
    browser.write("token", "not-the-token").await;
    browser.press("Sign in").await;
    browser.see("This is not the token").await;
    assert!(!browser.text().await.contains("Product Quality Issue"));
    assert_eq!(browser.js("document.activeElement.name").await, json!("token"));
    browser.write("token", black_box::OPERATOR_TOKEN).await;
    browser.press("Sign in").await;
    browser.see("Product Quality Issue").await;
    assert_eq!(browser.path().await, format!("/inbox/ticket/{reference}"));

    let cookies = browser.driver().get_all_cookies().await.unwrap();
    let [cookie] = &cookies[..] else {
        panic!("not one cookie: {cookies:?}")
    };
    let cookie = serde_json::to_value(cookie).unwrap();
    assert_eq!(
        (
            &cookie["name"],
            &cookie["path"],
            &cookie["httpOnly"],
            &cookie["sameSite"]
        ),
        (&json!("session"), &json!("/inbox"), &json!(true), &json!("Strict")),
        "{cookie}"
    );
    assert!(!cookie["value"].as_str().unwrap().contains(black_box::OPERATOR_TOKEN));

    browser.press("Sign out").await;
    browser.field("token").await;
    browser.goto(&inside).await;
    browser.field("token").await;
    assert!(!browser.text().await.contains("Product Quality Issue"));
}

pub(crate) async fn a_ticket_comes_in_and_is_answered(fixture: Arc<Fixture>) {
    let backend = fixture.backend().await;
    let operator = fixture.browser().await;
    let customer = fixture.browser().await;
    actions::sign_in(&operator, &backend).await;
    operator.see("No tickets yet").await;
    operator.see("nobody waits for an answer").await;

    // It comes in while the list is open.
    operator.mark_page().await;
    let (reference, path) = actions::open_a_ticket(&customer, &backend).await;
    operator.see_within("Product Quality Issue", SOON).await;
    operator.see("Waiting for an answer: 1").await;
    operator.assert_not_reloaded().await;

    operator.press_first(&format!("[data-ticket='{reference}']")).await;
    operator.see("Three of twelve.").await;
    operator.see(black_box::CUSTOMER).await;
    operator.write("message", "Three new ones are on their way.").await;
    operator.press("Send").await;
    customer.see_within("Three new ones are on their way.", SOON).await;
    assert_eq!(customer.path().await, path);
    operator.see("Your answer is in the thread").await;
    operator.see("nobody waits for an answer").await;

    // The customer's word comes into the open thread; an answer that is being written stays.
    operator.write("message", "A draft").await;
    customer.write("message", "And the broken ones?").await;
    customer.press("Send").await;
    operator.see_within("And the broken ones?", SOON).await;
    assert_eq!(operator.value("message").await, "A draft");
    operator.write("message", "Keep them.").await;
    operator.press("Send").await;
    customer.see_within("Keep them.", SOON).await;

    operator.press_first("button[name=priority][value=urgent]").await;
    operator
        .find("button[name=priority][value=urgent][aria-pressed=true]")
        .await;
    customer.see_within("Urgent", SOON).await;
    operator.press("Resolve").await;
    operator.see("The ticket is resolved").await;
    customer.see_within("Resolved", SOON).await;
    operator.press("Open again").await;
    operator.see("The ticket is open again").await;

    // All of it is on the trail, the newest first.
    operator.press("Trail").await;
    operator.until_path("/inbox/trail").await;
    let rows = operator.find("main").await.text().await.unwrap();
    let at = |words: &str| rows.find(words).unwrap_or_else(|| panic!("no {words:?} in {rows}"));
    assert!(
        at("Resolved → Open") < at("Open → Resolved") && at("Open → Resolved") < at("High → Urgent"),
        "{rows}"
    );
    assert!(at("High → Urgent") < at("Wrote an answer"), "{rows}");
}

pub(crate) async fn search_and_filters(fixture: Arc<Fixture>) {
    let backend = fixture.backend().await;
    let browser = fixture.browser().await;
    let matters = [
        ("Broken bottles", "urgent", "Ada Lovelace"),
        ("Late delivery", "low", "Grace Hopper"),
        ("Überweisung", "medium", "Zoë Quuxley"),
    ];
    let mut references = Vec::new();
    for (subject, priority, name) in matters {
        let (reference, _) = backend
            .ticket(json!({ "subject": subject, "priority": priority, "customerName": name }))
            .await;
        references.push(reference);
    }
    actions::sign_in(&browser, &backend).await;
    browser.see("Late delivery").await;
    let others_go = async |kept: &str| {
        browser.see(kept).await;
        for (subject, ..) in matters.iter().filter(|(subject, ..)| *subject != kept) {
            browser.see_no_more(subject).await;
        }
    };
    // As it is typed, without Enter: words begun, names, references.
    browser.mark_page().await;
    for (typed, kept) in [
        ("brok", "Broken bottles"),
        ("hopper", "Late delivery"),
        (references[2].as_str(), "Überweisung"),
    ] {
        let field = browser.field("q").await;
        field.clear().await.unwrap();
        field.send_keys(typed).await.unwrap();
        others_go(kept).await;
        browser.until_path("q=").await;
    }
    browser.write("q", "nothing like that").await;
    browser.see("No ticket here has all these words").await;
    let field = browser.field("q").await;
    field.clear().await.unwrap();
    field.send_keys("x").await.unwrap();
    field.send_keys(Key::Backspace).await.unwrap();
    for (subject, ..) in matters {
        browser.see(subject).await;
    }
    browser.assert_not_reloaded().await;

    // Filters, and the way back to all.
    browser.press("Filter").await;
    let choice = browser
        .field("priority")
        .await
        .find(By::Css("option[value=urgent]"))
        .await
        .unwrap();
    choice.click().await.unwrap();
    browser.press("Show").await;
    browser.until_path("priority=urgent").await;
    others_go("Broken bottles").await;
    // A ticket that is opened keeps its list.
    browser.press_first("[data-ticket]").await;
    browser.until_path("/inbox/ticket/").await;
    browser.find("h1").await;
    assert_eq!(browser.all("[data-ticket]").await.len(), 1);

    backend.set_status(&references[1], "closed").await;
    browser.goto(&backend.at("/inbox")).await;
    browser.see_no_more("Late delivery").await;
    browser.press("All").await;
    browser.see("Late delivery").await;
}

pub(crate) async fn a_message_without_a_ticket_is_attached(fixture: Arc<Fixture>) {
    let backend = fixture.backend().await;
    let browser = fixture.browser().await;
    let (reference, path) = backend.ticket(json!({})).await;
    actions::sign_in(&browser, &backend).await;
    for (id, text) in [("SM1", "Where is my parcel?"), ("SM2", "And the invoice?")] {
        let body = json!({ "message": text, "from": black_box::CUSTOMER, "externalId": id });
        assert_eq!(backend.server.inbound(&body).await.status, 400);
    }
    // The head says so by itself, and leads there.
    browser.see_within("2 unmatched messages", SOON).await;
    browser.press("2 unmatched messages").await;
    browser.until_path("/inbox/unmatched").await;
    browser.see("Where is my parcel?").await;
    browser.see("And the invoice?").await;
    let attach = async |reference: &str| {
        let card = browser
            .driver()
            .find(By::XPath("//li[contains(., 'Where is my parcel?')]"))
            .await
            .unwrap();
        let field = card.find(By::Name("ticketRef")).await.unwrap();
        field.clear().await.unwrap();
        field.send_keys(reference).await.unwrap();
        field.send_keys(Key::Enter).await.unwrap();
    };
    attach("T-20200101-0000").await;
    browser.see("There is no ticket T-20200101-0000").await;
    attach("nonsense").await;
    browser.see("A reference reads like").await;
    attach(&reference).await;
    browser.see("The message is now in").await;
    browser.see_no_more("Where is my parcel?").await;
    browser.see("And the invoice?").await;
    browser.see("1 unmatched message").await;
    browser.press(&reference).await;
    browser.see("Where is my parcel?").await;
    browser.goto(&backend.at(&path)).await;
    browser.see("Where is my parcel?").await;
    assert_eq!(backend.server.metric("messages_unmatched").await.to_string(), "1");
}

pub(crate) async fn a_dead_notification_is_sent_again(fixture: Arc<Fixture>) {
    let backend = fixture.backend().await;
    let browser = fixture.browser().await;
    // Gone: no further try.
    backend.n8n.always(Reaction::status(410));
    for subject in ["First", "Second", "Third"] {
        backend.ticket(json!({ "subject": subject })).await;
    }
    backend
        .server
        .wait_for_metric("notifications{state=\"dead\"}", 3.0)
        .await;
    actions::sign_in(&browser, &backend).await;
    browser.see("3 notifications failed").await;
    browser.press("3 notifications failed").await;
    browser.until_path("/inbox/notifications").await;
    assert_eq!(
        browser.all("main li form button").await.len(),
        3,
        "{}",
        browser.text().await
    );

    backend.n8n.always(Reaction::status(200));
    browser.press_first("main li form button").await;
    browser.see("The notification is on its way again").await;
    browser.see("2 notifications failed").await;
    backend.n8n.wait_for(4, Duration::from_secs(10)).await;
    browser.press("Send all").await;
    browser.see("2 notifications are on their way again").await;
    backend.n8n.wait_for(6, Duration::from_secs(10)).await;
    browser.see("Everything has been delivered").await;
    backend.server.wait_for_empty_outbox().await;
    assert_eq!(
        backend.server.metric("notifications{state=\"dead\"}").await.to_string(),
        "0"
    );
    browser.goto(&backend.at("/inbox/trail")).await;
    browser.see("2 notifications sent again").await;
}
