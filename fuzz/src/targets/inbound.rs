//! The body of `POST /api/ticket/inbound`: a message that has words is in a thread or kept, whatever else it has.

use crate::{
    in_process::{REFERENCE, Server, with_server},
    oracle,
};
use serde_json::{Map, Value};

fn receive(server: &mut Server, body: &[u8]) -> (u16, Value) {
    let answer = server.post("/api/ticket/inbound", body);
    (answer.status, answer.json())
}

/// Whether there is a text, and nothing that is of another kind than it should be.
fn is_message(body: &Map<String, Value>) -> bool {
    let is_text = |name: &str| body.get(name).is_none_or(|value| value.is_null() || value.is_string());
    let words = body.get("message").and_then(Value::as_str).unwrap_or_default();
    let has_words = words.chars().any(|char| !char.is_whitespace() && !char.is_control());
    let channel = body.get("channel").unwrap_or(&Value::Null);
    let has_channel = channel.is_null() || channel == "web" || channel == "whatsapp";
    let id = body.get("externalId").and_then(Value::as_str).unwrap_or_default();
    let has_id = id.chars().count() <= 128 && !id.chars().any(char::is_control);
    let texts = ["ticketRef", "message", "channel", "externalId"]
        .into_iter()
        .all(is_text);
    has_words && has_channel && has_id && texts
}

pub fn run(data: &[u8]) {
    with_server(|server| {
        receive(server, data);
        let Ok(Value::Object(body)) = serde_json::from_slice(data) else {
            return;
        };
        let body_text = Value::Object(body.clone()).to_string();
        let (status, answer) = receive(server, body_text.as_bytes());
        if is_message(&body) {
            assert_ne!(answer["code"], "validation_failed", "a message was lost: {answer}");
        }
        if status == 400 && answer["code"] == "validation_failed" {
            return;
        }
        let is_unmatched = answer["code"] == "ticket_not_named" || answer["code"] == "ticket_not_found";
        assert!(is_unmatched || status == 200);
        // A repeat is the same message, wherever the first one is.
        let id = body.get("externalId").and_then(Value::as_str).unwrap_or_default();
        if !id.trim().is_empty() {
            let (again, repeated) = receive(server, body_text.as_bytes());
            assert_eq!((again, &repeated["messageId"]), (status, &answer["messageId"]));
            assert!(status != 200 || repeated["duplicate"] == true);
        }
        // Wherever it is, it is text.
        for path in [&format!("/api/ticket/{REFERENCE}"), "/api/unmatched?limit=100"] {
            let list = server.get(path).json();
            for message in list["messages"].as_array().expect("messages") {
                assert!(!oracle::has_controls(message["body"].as_str().unwrap_or_default()));
            }
        }
    });
}
