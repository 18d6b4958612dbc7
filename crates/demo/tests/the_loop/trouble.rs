//! What comes of trouble: everything arrives, and once.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::visitor::{Visitor, notifications, said, statuses};

const TO_N8N: &str = "server → n8n";
const WEBHOOK: &str = "/webhook/ticket";
const FROM_N8N: &str = "n8n → server";

const WINDOW_CLOSED: u32 = 63016;
const NO_SUCH_PHONE: u32 = 63024;

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_comes_twice_is_read_once() {
    let visitor = Visitor::arrives().await;
    let reference = visitor.open("Broken bottles").await;
    let bubble = visitor.receives(0, &reference).await;
    for round in 1..=5_usize {
        visitor.trouble(json!({ "replyTwice": true })).await;
        visitor.types(0, &format!("Reply {round}"), &bubble["sid"]).await;
        let state = visitor.state().await;
        let calls = statuses(&state, FROM_N8N, "/api/ticket/inbound");
        assert_eq!(calls, vec![json!(200); 2 * round]);
        assert_eq!(state["trouble"]["replyTwice"], false);
        assert_eq!(visitor.thread(&reference).await.len(), 1 + round);
    }
    // Twilio shows one answer.
    visitor.trouble(json!({ "replyTwice": true })).await;
    visitor.types(0, "On its way.", &Value::Null).await;
    visitor.is_asked(0, "“On its way.”").await;
    let state = visitor.state().await;
    let calls = statuses(&state, FROM_N8N, "/api/ticket/inbound");
    assert_eq!(calls[..2], [400, 400]);
    assert!(said(&state).is_empty(), "{state:#}");
    visitor.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_that_comes_twice_is_shown_once() {
    let visitor = Visitor::arrives().await;
    visitor.trouble(json!({ "ticketTwice": true })).await;
    let reference = visitor.open("Broken bottles").await;
    let state = visitor.sees_calls(TO_N8N, WEBHOOK, |calls| calls == [200, 504]).await;
    assert_eq!(notifications(&state, 0, &reference).len(), 1);
    assert_eq!(state["trouble"]["ticketTwice"], false);
    visitor.delivery_is(&reference, "delivered").await;
    visitor.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_silent_n8n_holds_arrives_once_when_it_wakes() {
    let visitor = Visitor::arrives().await;
    visitor.trouble(json!({ "n8nSilent": true })).await;
    let references = [visitor.open("One").await, visitor.open("Two").await];
    // The server gives up and calls again, under the same ids.
    for held in [2, 4] {
        visitor
            .sees_calls(TO_N8N, WEBHOOK, |calls| calls == vec![0; held])
            .await;
    }
    for reference in &references {
        visitor.delivery_is(reference, "waiting").await;
    }
    assert_eq!(visitor.state().await["phones"][0]["bubbles"], json!([]));

    visitor.trouble(json!({})).await;
    for reference in &references {
        visitor.receives(0, reference).await;
    }
    let state = visitor.state().await;
    for reference in &references {
        assert_eq!(notifications(&state, 0, reference).len(), 1, "{state:#}");
    }
    visitor.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_n8n_does_not_hold_up_the_end() {
    let visitor = Visitor::arrives().await;
    visitor.trouble(json!({ "n8nSilent": true })).await;
    visitor.open("Broken bottles").await;
    visitor
        .sees_calls(TO_N8N, WEBHOOK, |calls| calls.contains(&json!(0)))
        .await;
    // The server alone would wait 15 s for an answer.
    timeout(Duration::from_secs(10), visitor.demo.stop())
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_is_off_leaves_one_tick() {
    let visitor = Visitor::arrives().await;
    visitor.trouble(json!({ "phoneOff": true })).await;
    let reference = visitor.open("Broken bottles").await;
    let bubble = visitor.receives(0, &reference).await;
    let status = "/api/ticket/inbound/status";
    visitor.sees_calls(FROM_N8N, status, |calls| calls == [200]).await;
    visitor.delivery_is(&reference, "sent").await;
    assert_eq!(bubble["ticks"], "sent");
    visitor.trouble(json!({})).await;
    visitor.delivery_is(&reference, "delivered").await;
    visitor.sees_calls(FROM_N8N, status, |calls| calls == [200, 200]).await;
    visitor.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_n8n_arrives_once() {
    let visitor = Visitor::arrives().await;
    visitor.trouble(json!({ "n8nDown": true })).await;
    let mut references = Vec::new();
    for subject in ["One", "Two", "Three"] {
        references.push(visitor.open(subject).await);
    }
    visitor.sees_calls(TO_N8N, WEBHOOK, |calls| calls.len() >= 3).await;
    // The manager is not heard either, until Twilio hands it on again.
    let state = visitor.state().await;
    assert_eq!(state["phones"][0]["bubbles"], json!([]));
    let typed = format!("{} is known here.", references[0]);
    visitor.types(0, &typed, &Value::Null).await;
    assert_eq!(visitor.thread(&references[0]).await.len(), 1);

    visitor.trouble(json!({})).await;
    for reference in &references {
        visitor.receives(0, reference).await;
    }
    let state = visitor.state().await;
    for reference in &references {
        assert_eq!(notifications(&state, 0, reference).len(), 1, "{state:#}");
    }
    let failed = &state["phones"][0]["bubbles"][0];
    assert_eq!(failed["ticks"], "failed");
    let again = format!("/phone/messages/{}/again", failed["sid"].as_str().unwrap());
    visitor.press(Method::POST, &again, &json!({})).await;
    assert_eq!(visitor.thread(&references[0]).await.len(), 2);
    visitor.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_twilio_refuses_is_tried_again() {
    let visitor = Visitor::arrives().await;
    visitor.trouble(json!({ "twilioRefuses": true })).await;
    let reference = visitor.open("Broken bottles").await;
    visitor
        .sees_calls(TO_N8N, WEBHOOK, |calls| calls.contains(&json!(502)))
        .await;
    visitor.delivery_is(&reference, "waiting").await;
    visitor.trouble(json!({})).await;
    visitor.receives(0, &reference).await;
    visitor.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_whatsapp_fails_to_deliver_comes_another_way() {
    let visitor = Visitor::arrives().await;
    visitor.trouble(json!({ "nextFails": WINDOW_CLOSED })).await;
    let late = visitor.open("Late at night").await;
    assert_eq!(visitor.receives(0, &late).await["template"], true);
    visitor.delivery_is(&late, "delivered").await;

    visitor.trouble(json!({ "nextFails": NO_SUCH_PHONE })).await;
    let reference = visitor.open("Nobody there").await;
    let bubble = visitor.receives(1, &reference).await;
    assert_eq!(bubble["template"], false);
    visitor.delivery_is(&reference, "delivered").await;
    let state = visitor.state().await;
    assert_eq!(notifications(&state, 0, &reference), [Value::Null; 0]);
    visitor.types(1, "I stand in.", &bubble["sid"]).await;
    assert_eq!(visitor.thread(&reference).await[1..], ["manager: I stand in."]);
    visitor.leaves().await;
}
