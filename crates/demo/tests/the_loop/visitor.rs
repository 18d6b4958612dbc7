//! Somebody before the page, and what is to be seen there.

use std::{net::TcpListener, time::Duration};

use demo::Demo;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::{Instant, interval};

/// By when anything must have happened.
const DEADLINE: Duration = Duration::from_secs(30);

/// Somebody before the page.
pub(crate) struct Visitor {
    pub(crate) demo: Demo,
    pub(crate) client: Client,
}

impl Visitor {
    pub(crate) async fn arrives() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self {
            demo: Demo::start(listener).await.unwrap(),
            client: Client::builder().no_proxy().timeout(DEADLINE).build().unwrap(),
        }
    }

    /// Ends the demo.
    pub(crate) async fn leaves(self) {
        self.demo.stop().await.unwrap();
    }

    pub(crate) async fn call(&self, method: Method, path: &str, key: &str, body: &Value) -> (StatusCode, Value) {
        let url = format!("http://{}{path}", self.demo.address());
        let request = self.client.request(method, url).header("x-api-key", key);
        let request = request.header("content-type", "application/json");
        let response = request.body(body.to_string()).send().await.unwrap();
        let status = response.status();
        let body = response.bytes().await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    pub(crate) async fn press(&self, method: Method, path: &str, body: &Value) -> Value {
        let (status, answer) = self.call(method, path, "", body).await;
        assert!(status.is_success(), "{path}: {status} {answer}");
        answer
    }

    /// Opens a ticket: its reference.
    pub(crate) async fn open(&self, subject: &str) -> String {
        let form = json!({
            "customerName": "Ada Winter", "customerPhone": "+15550200001", "customerEmail": "ada@example.com",
            "subject": subject, "message": "Three of six arrived broken.",
        });
        let opened = self.press(Method::POST, "/website/tickets", &form).await;
        opened["ticketRef"].as_str().unwrap().into()
    }

    /// Waits until something is to be seen.
    pub(crate) async fn sees<T>(&self, path: &str, what: &str, look: impl Fn(&Value) -> Option<T>) -> T {
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
    pub(crate) async fn receives(&self, phone: usize, reference: &str) -> Value {
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
    pub(crate) async fn reads<T>(&self, reference: &str, what: &str, look: impl Fn(&Value) -> Option<T>) -> T {
        self.sees(&format!("/website/tickets/{reference}"), what, look).await
    }

    pub(crate) async fn delivery_is(&self, reference: &str, wanted: &str) {
        self.reads(reference, wanted, |thread| {
            (thread["ticket"]["delivery"]["state"] == wanted).then_some(())
        })
        .await;
    }

    /// Somebody types into a phone, perhaps as an answer to the message with this id.
    pub(crate) async fn types(&self, phone: usize, text: &str, quoting: &Value) {
        let number = &self.state().await["phones"][phone]["number"];
        let typed = json!({ "number": number, "text": text, "quoting": quoting });
        self.press(Method::POST, "/phone/messages", &typed).await;
    }

    /// Somebody taps what a message offers.
    pub(crate) async fn taps(&self, phone: usize, bubble: &Value, action: usize) {
        let number = &self.state().await["phones"][phone]["number"];
        let action = &bubble["actions"][action];
        let tap = json!({
            "number": number, "text": action["title"], "quoting": bubble["sid"], "tapped": action["payload"],
        });
        self.press(Method::POST, "/phone/messages", &tap).await;
    }

    pub(crate) async fn trouble(&self, trouble: Value) {
        self.press(Method::PUT, "/trouble", &trouble).await;
    }

    pub(crate) async fn state(&self) -> Value {
        self.press(Method::GET, "/state", &Value::Null).await
    }

    /// The messages of a thread, as `sender: text`.
    pub(crate) async fn thread(&self, reference: &str) -> Vec<String> {
        let text = |message: &Value| {
            let [sender, body] = ["sender", "body"].map(|name| message[name].as_str().unwrap());
            format!("{sender}: {body}")
        };
        let texts = |thread: &Value| Some(thread["messages"].as_array()?.iter().map(text).collect());
        self.reads(reference, "the thread", texts).await
    }

    /// Waits until the calls of a leg to a path are answered in a certain way.
    pub(crate) async fn sees_calls(&self, leg: &str, path: &str, is_it: impl Fn(&[Value]) -> bool) -> Value {
        let what = format!("certain calls of {leg}");
        let look = |state: &Value| is_it(&statuses(state, leg, path)).then(|| state.clone());
        self.sees("/state", &what, look).await
    }
}

impl Visitor {
    /// Waits until a phone shows one question about this.
    pub(crate) async fn is_asked(&self, phone: usize, about: &str) -> Value {
        let look = |state: &Value| <[Value; 1]>::try_from(notifications(state, phone, about)).ok();
        let [question] = self.sees("/state", "the question", look).await;
        question
    }
}

pub(crate) fn notifications(state: &Value, phone: usize, reference: &str) -> Vec<Value> {
    let bubbles = state["phones"][phone]["bubbles"].as_array().unwrap().iter();
    let is_it = |bubble: &&Value| bubble["author"] == "server" && bubble["text"].as_str().unwrap().contains(reference);
    bubbles.filter(is_it).cloned().collect()
}

/// What the desk said on the manager's phone by itself, in answer to messages.
pub(crate) fn said(state: &Value) -> Vec<String> {
    let bubbles = state["phones"][0]["bubbles"].as_array().unwrap().iter();
    let answers = bubbles.filter(|bubble| bubble["author"] == "answer");
    answers
        .map(|bubble| bubble["text"].as_str().unwrap().to_owned())
        .collect()
}

/// The states that calls of a leg to a path were answered with.
pub(crate) fn statuses(state: &Value, leg: &str, path: &str) -> Vec<Value> {
    let lines = state["wire"].as_array().unwrap().iter();
    let of_path = lines.filter(|line| line["leg"] == leg && line["path"] == path);
    of_path.map(|line| line["status"].clone()).collect()
}
