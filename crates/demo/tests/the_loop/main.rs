//! The demo as it ships, driven by its own buttons.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod trouble;
mod visitor;

use std::collections::HashSet;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::visitor::{Visitor, notifications, said};

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_reaches_the_phone_and_a_quote_answers_it() {
    let visitor = Visitor::arrives().await;
    let other = visitor.open("Another").await;
    let reference = visitor.open("Broken *bottles*").await;
    let bubble = visitor.receives(0, &reference).await;
    let text = bubble["text"].as_str().unwrap();
    assert!(text.starts_with("🎫 *New ticket from "), "{text}");
    assert!(text.contains(&format!("\n*Ticket:* {reference}\n")), "{text}");
    let titles: Vec<_> = bubble["actions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["title"])
        .collect();
    assert_eq!(titles, ["Resolve", "Note"]);

    visitor.types(0, "New ones are on their way.", &bubble["sid"]).await;
    assert_eq!(
        visitor.thread(&reference).await[1..],
        ["manager: New ones are on their way."]
    );
    assert_eq!(visitor.thread(&other).await.len(), 1);

    // A picture, and the customer again.
    let number = &visitor.state().await["phones"][0]["number"];
    let picture = json!({ "number": number, "quoting": bubble["sid"], "pictures": ["parcel"] });
    visitor.press(Method::POST, "/phone/messages", &picture).await;
    let shown = visitor.reads(&reference, "the picture", |thread| thread["messages"].get(2).cloned());
    assert_eq!(shown.await["picture"], "parcel");
    let more = json!({ "from": "+15550200001", "message": "Thank you!" });
    let path = format!("/website/tickets/{reference}/messages");
    visitor.press(Method::POST, &path, &more).await;
    visitor
        .sees("/state", "what the customer added", |state| {
            let bubbles = notifications(state, 0, &reference);
            bubbles.get(1)?["text"].as_str()?.contains("Thank you!").then_some(())
        })
        .await;
    visitor.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_seen_of_an_earlier_start_is_not_taken_for_this_one() {
    let mut tags = HashSet::new();
    let mut runs = HashSet::new();
    for _ in 0..2 {
        let visitor = Visitor::arrives().await;
        let url = format!("http://{}/state", visitor.demo.address());
        let shown = visitor.client.get(&url).send().await.unwrap();
        let tag = shown.headers()["etag"].to_str().unwrap().to_owned();
        let again = visitor.client.get(&url).header("if-none-match", &tag).send().await;
        assert_eq!(again.unwrap().status(), StatusCode::NOT_MODIFIED);
        let state: Value = serde_json::from_slice(&shown.bytes().await.unwrap()).unwrap();
        assert_eq!(state["base"], format!("http://{}", visitor.demo.address()));
        runs.insert(state["run"].to_string());
        tags.insert(tag);
        visitor.leaves().await;
    }
    assert_eq!((tags.len(), runs.len()), (2, 2), "{tags:?} {runs:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_without_a_ticket_is_asked_about() {
    let visitor = Visitor::arrives().await;
    let reference = visitor.open("Broken bottles").await;
    visitor.receives(0, &reference).await;

    visitor.types(0, "On its way.", &Value::Null).await;
    visitor.is_asked(0, "“On its way.”").await;
    assert_eq!(visitor.thread(&reference).await.len(), 1);

    visitor.types(0, "1", &Value::Null).await;
    let [notice] = said(&visitor.state().await).try_into().unwrap();
    assert!(notice.contains(&reference), "{notice}");
    assert_eq!(visitor.thread(&reference).await[1..], ["manager: On its way."]);
    visitor.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn buttons_and_rows_can_be_tapped() {
    let visitor = Visitor::arrives().await;
    let older = visitor.open("Broken bottles").await;
    let newer = visitor.open("Wrong caps").await;
    let bubble = visitor.receives(0, &older).await;
    visitor.receives(0, &newer).await;

    visitor.types(0, "On its way.", &Value::Null).await;
    let question = visitor.is_asked(0, "“On its way.”").await;
    assert_eq!(question["actions"].as_array().unwrap().len(), 2);
    visitor.taps(0, &question, 1).await;
    assert_eq!(visitor.thread(&older).await[1..], ["manager: On its way."]);
    assert_eq!(visitor.thread(&newer).await.len(), 1);
    let state = visitor.state().await;
    let mut bubbles = state["phones"][0]["bubbles"].as_array().unwrap().iter();
    let confirmation = bubbles.rfind(|bubble| bubble["author"] == "answer").unwrap();
    visitor.taps(0, confirmation, 0).await;
    assert!(said(&visitor.state().await).last().unwrap().starts_with("Taken back."));

    visitor.taps(0, &bubble, 0).await;
    visitor
        .reads(&older, "that it is solved", |thread| {
            (thread["ticket"]["status"] == "resolved").then_some(())
        })
        .await;
    assert!(said(&visitor.state().await).last().unwrap().contains("/reopen"));
    visitor.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_customer_sees_how_far_it_got() {
    let visitor = Visitor::arrives().await;
    let reference = visitor.open("Broken bottles").await;
    visitor.delivery_is(&reference, "delivered").await;
    let delivered = |state: &Value| (notifications(state, 0, &reference)[0]["ticks"] == "delivered").then_some(());
    visitor.sees("/state", "two ticks", delivered).await;
    let number = visitor.state().await["phones"][0]["number"].clone();
    visitor
        .press(Method::POST, "/phone/read", &json!({ "number": number }))
        .await;
    visitor.delivery_is(&reference, "read").await;
    visitor.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_at_the_webhook_is_refused() {
    let visitor = Visitor::arrives().await;
    let payload = json!({ "event": "ticket.created", "ticketRef": "T-20250115-1234" });
    for key in ["", "wrong"] {
        let (status, _) = visitor.call(Method::POST, "/webhook/ticket", key, &payload).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
    }
    assert_eq!(visitor.state().await["phones"][0]["bubbles"], json!([]));
    visitor.leaves().await;
}
