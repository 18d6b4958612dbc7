//! The demo as it ships, driven by its own buttons.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::{net::TcpListener, time::Duration};

use demo::Demo;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::{Instant, interval};

/// By when anything must have happened.
const DEADLINE: Duration = Duration::from_secs(30);

const WINDOW_CLOSED: u32 = 63016;
const NO_SUCH_PHONE: u32 = 63024;

/// Somebody before the page.
struct Visitor {
    demo: Demo,
    client: Client,
}

impl Visitor {
    async fn arrives() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self {
            demo: Demo::start(listener).await.unwrap(),
            client: Client::builder().no_proxy().timeout(DEADLINE).build().unwrap(),
        }
    }

    async fn call(&self, method: Method, path: &str, key: &str, body: &Value) -> (StatusCode, Value) {
        let url = format!("http://{}{path}", self.demo.address());
        let request = self.client.request(method, url).header("x-api-key", key);
        let request = request.header("content-type", "application/json");
        let response = request.body(body.to_string()).send().await.unwrap();
        let status = response.status();
        let body = response.bytes().await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    async fn press(&self, method: Method, path: &str, body: &Value) -> Value {
        let (status, answer) = self.call(method, path, "", body).await;
        assert!(status.is_success(), "{path}: {status} {answer}");
        answer
    }

    /// Opens a ticket: its reference.
    async fn open(&self, subject: &str) -> String {
        let form = json!({
            "customerName": "Ada Winter", "customerPhone": "+15550200001", "customerEmail": "ada@example.com",
            "subject": subject, "message": "Three of six arrived broken.",
        });
        let opened = self.press(Method::POST, "/website/tickets", &form).await;
        opened["ticketRef"].as_str().unwrap().into()
    }

    /// Waits until something is to be seen.
    async fn sees<T>(&self, path: &str, what: &str, look: impl Fn(&Value) -> Option<T>) -> T {
        let end = Instant::now() + DEADLINE;
        let mut ticks = interval(Duration::from_millis(20));
        loop {
            let shown = self.press(Method::GET, path, &Value::Null).await;
            if let Some(seen) = look(&shown) {
                return seen;
            }
            assert!(Instant::now() < end, "{what} is not to be seen in {shown:#}");
            ticks.tick().await;
        }
    }

    /// Waits for the notification of a ticket on a phone, and until the server knows its id.
    async fn receives(&self, phone: usize, reference: &str) -> Value {
        let bubble = self
            .sees("/state", "the notification", |state| {
                notifications(state, phone, reference).into_iter().next()
            })
            .await;
        self.reads(reference, "sent", |thread| {
            (thread["ticket"]["delivery"]["state"] != "waiting").then_some(())
        })
        .await;
        bubble
    }

    /// Waits until the customer reads something in a thread.
    async fn reads<T>(&self, reference: &str, what: &str, look: impl Fn(&Value) -> Option<T>) -> T {
        self.sees(&format!("/website/tickets/{reference}"), what, look).await
    }

    async fn delivery_is(&self, reference: &str, wanted: &str) {
        self.reads(reference, wanted, |thread| {
            (thread["ticket"]["delivery"]["state"] == wanted).then_some(())
        })
        .await;
    }

    async fn answers(&self, number: &Value, text: &str, quoting: &Value) {
        let typed = json!({ "number": number, "text": text, "quoting": quoting });
        self.press(Method::POST, "/phone/messages", &typed).await;
    }

    async fn trouble(&self, trouble: Value) {
        self.press(Method::PUT, "/trouble", &trouble).await;
    }

    async fn state(&self) -> Value {
        self.press(Method::GET, "/state", &Value::Null).await
    }

    async fn thread(&self, reference: &str) -> Vec<(Value, Value)> {
        self.reads(reference, "the thread", |thread| {
            let messages = thread["messages"].as_array()?;
            Some(
                messages
                    .iter()
                    .map(|one| (one["sender"].clone(), one["body"].clone()))
                    .collect(),
            )
        })
        .await
    }
}

fn notifications(state: &Value, phone: usize, reference: &str) -> Vec<Value> {
    let bubbles = state["phones"][phone]["bubbles"].as_array().unwrap().iter();
    let is_it = |bubble: &&Value| bubble["author"] == "desk" && bubble["text"].as_str().unwrap().contains(reference);
    bubbles.filter(is_it).cloned().collect()
}

/// What the desk said on the manager's phone by itself, in answer to messages.
fn said(state: &Value) -> Vec<String> {
    let bubbles = state["phones"][0]["bubbles"].as_array().unwrap().iter();
    let answers = bubbles.filter(|bubble| bubble["author"] == "answer");
    answers
        .map(|bubble| bubble["text"].as_str().unwrap().to_owned())
        .collect()
}

/// The states that calls of a leg to a path were answered with.
fn statuses(state: &Value, leg: &str, path: &str) -> Vec<Value> {
    let lines = state["wire"].as_array().unwrap().iter();
    let of_path = lines.filter(|line| line["leg"] == leg && line["path"] == path);
    of_path.map(|line| line["status"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_reaches_the_phone_and_a_quote_answers_it() {
    let visitor = Visitor::arrives().await;
    let other = visitor.open("Another").await;
    let reference = visitor.open("Broken *bottles*").await;
    let bubble = visitor.receives(0, &reference).await;
    let text = bubble["text"].as_str().unwrap();
    assert!(
        text.starts_with(&format!("🎫 *NEW SUPPORT TICKET*\n\n*Ticket:* {reference}\n")),
        "{text}"
    );
    let number = &visitor.state().await["phones"][0]["number"];

    visitor
        .answers(number, "New ones are on their way.", &bubble["sid"])
        .await;
    let answered = ("manager".into(), "New ones are on their way.".into());
    assert_eq!(visitor.thread(&reference).await[1..], [answered]);
    assert_eq!(visitor.thread(&other).await.len(), 1);

    // A picture, and the customer again.
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
    visitor.demo.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_comes_twice_is_read_once() {
    let visitor = Visitor::arrives().await;
    let reference = visitor.open("Broken bottles").await;
    let bubble = visitor.receives(0, &reference).await;
    for round in 1..=5_usize {
        visitor.trouble(json!({ "replyTwice": true })).await;
        let number = &visitor.state().await["phones"][0]["number"];
        visitor.answers(number, &format!("Reply {round}"), &bubble["sid"]).await;
        let state = visitor.state().await;
        let calls = statuses(&state, "n8n → server", "/api/ticket/inbound");
        assert_eq!(calls, vec![json!(200); 2 * round]);
        assert_eq!(state["trouble"]["replyTwice"], false);
        assert_eq!(visitor.thread(&reference).await.len(), 1 + round);
    }
    visitor.demo.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_n8n_arrives_once() {
    let visitor = Visitor::arrives().await;
    visitor.trouble(json!({ "n8nDown": true })).await;
    let mut references = Vec::new();
    for subject in ["One", "Two", "Three"] {
        references.push(visitor.open(subject).await);
    }
    visitor
        .sees("/state", "the tries", |state| {
            (statuses(state, "server → n8n", "/webhook/ticket").len() >= 3).then_some(())
        })
        .await;
    // The manager is not heard either, until Twilio hands it on again.
    let state = visitor.state().await;
    assert_eq!(state["phones"][0]["bubbles"], json!([]));
    let typed = format!("{} is known here.", references[0]);
    visitor
        .answers(&state["phones"][0]["number"], &typed, &Value::Null)
        .await;
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
    visitor.demo.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_twilio_refuses_is_tried_again() {
    let visitor = Visitor::arrives().await;
    visitor.trouble(json!({ "twilioRefuses": true })).await;
    let reference = visitor.open("Broken bottles").await;
    visitor
        .sees("/state", "the refusal", |state| {
            statuses(state, "server → n8n", "/webhook/ticket")
                .contains(&json!(502))
                .then_some(())
        })
        .await;
    visitor.delivery_is(&reference, "waiting").await;
    visitor.trouble(json!({})).await;
    visitor.receives(0, &reference).await;
    visitor.demo.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_without_a_ticket_is_asked_about() {
    let visitor = Visitor::arrives().await;
    let reference = visitor.open("Broken bottles").await;
    visitor.receives(0, &reference).await;
    let number = &visitor.state().await["phones"][0]["number"];

    visitor.answers(number, "On its way.", &Value::Null).await;
    let [question] = said(&visitor.state().await).try_into().unwrap();
    assert!(question.contains(&reference), "{question}");
    assert_eq!(visitor.thread(&reference).await.len(), 1);

    visitor.answers(number, "1", &Value::Null).await;
    let [_, notice] = said(&visitor.state().await).try_into().unwrap();
    assert!(notice.contains(&reference), "{notice}");
    let answered = ("manager".into(), "On its way.".into());
    assert_eq!(visitor.thread(&reference).await[1..], [answered]);
    visitor.demo.stop().await.unwrap();
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
    visitor.demo.stop().await.unwrap();
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
    visitor
        .answers(&state["phones"][1]["number"], "I stand in.", &bubble["sid"])
        .await;
    let answered = ("manager".into(), "I stand in.".into());
    assert_eq!(visitor.thread(&reference).await[1..], [answered]);
    visitor.demo.stop().await.unwrap();
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
    visitor.demo.stop().await.unwrap();
}
