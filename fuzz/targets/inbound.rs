//! The body of `POST /api/ticket/inbound`: a message that has a sender and words is in a thread or kept, whatever else it has.
#![no_main]

use fuzz::{
    in_process::{REFERENCE, Server, with_server},
    oracle,
    text_request::TextRequest,
};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};

fn receive(server: &mut Server, body: &[u8]) -> (u16, Value) {
    let answer = server.send_with_keys(TextRequest::post("/api/ticket/inbound", body));
    (answer.status, answer.json())
}

/// Whether there is a sender and a text, and nothing that is of another kind than it should be.
fn is_message(body: &Map<String, Value>) -> bool {
    let is_text = |name: &str| body.get(name).is_none_or(|value| value.is_null() || value.is_string());
    let digits = body.get("from").and_then(Value::as_str).unwrap_or_default();
    let is_sender = (7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    let words = body.get("message").and_then(Value::as_str).unwrap_or_default();
    let has_words = words.chars().any(|char| !char.is_whitespace() && !char.is_control());
    let channel = body.get("channel").unwrap_or(&Value::Null);
    let has_channel = channel.is_null() || channel == "web" || channel == "whatsapp";
    let id = body.get("externalId").and_then(Value::as_str).unwrap_or_default();
    let has_id = id.chars().count() <= 128 && !id.chars().any(char::is_control);
    let texts = ["ticketRef", "message", "channel", "externalId"]
        .into_iter()
        .all(is_text);
    is_sender && !digits.starts_with("00") && has_words && has_channel && has_id && texts
}

fuzz_target!(|data: &[u8]| {
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
        assert!(
            ["ticket_not_named", "ticket_not_found"]
                .iter()
                .any(|code| answer["code"] == *code)
                || status == 200
        );
        // A repeat is the same message, wherever the first one is.
        if body
            .get("externalId")
            .and_then(Value::as_str)
            .is_some_and(|id| !id.trim().is_empty())
        {
            let (again, repeated) = receive(server, body_text.as_bytes());
            assert_eq!((again, &repeated["messageId"]), (status, &answer["messageId"]));
            assert!(status != 200 || repeated["duplicate"] == true);
        }
        // Wherever it is, it is text.
        let thread = server
            .send(&TextRequest::get(&format!("/api/ticket/{REFERENCE}")))
            .json();
        let list = server
            .send_with_keys(TextRequest::get("/api/unmatched?limit=100"))
            .json();
        for (messages, name) in [(&thread["messages"], "body"), (&list["messages"], "body")] {
            for message in messages.as_array().expect("messages") {
                assert!(!oracle::has_controls(message[name].as_str().unwrap_or_default()));
            }
        }
    });
});
