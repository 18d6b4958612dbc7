//! The body of `POST /api/ticket/inbound/status`.

use crate::in_process::with_server;
use serde_json::Value;
use ticket_domain::MessageStatus;

const PATH: &str = "/api/ticket/inbound/status";

/// Twilio's words for a message that WhatsApp does not have yet.
const QUEUED: [&str; 3] = ["accepted", "scheduled", "sending"];

pub fn run(data: &[u8]) {
    with_server(|server| {
        server.post(PATH, data);
        let Ok(Value::Object(body)) = serde_json::from_slice(data) else {
            return;
        };
        let id = body
            .get("externalId")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .trim();
        let has_id = (1..=128).contains(&id.chars().count()) && !id.chars().any(char::is_control);
        let has_status = MessageStatus::words()
            .chain(QUEUED)
            .any(|word| body.get("status") == Some(&Value::from(word)));
        let error = body.get("errorCode").cloned().unwrap_or_default();
        let has_error = match &error {
            Value::Null => true,
            Value::String(text) => text.trim().is_empty() || text.trim().bytes().all(|byte| byte.is_ascii_digit()),
            Value::Number(number) => number
                .as_f64()
                .is_some_and(|code| code.fract() == 0.0 && code.is_sign_positive() && code <= f64::from(u32::MAX)),
            _ => false,
        };
        let is_short = !error
            .as_str()
            .is_some_and(|text| text.trim().trim_start_matches('0').len() > 9);
        let text = Value::Object(body).to_string();
        let answer = server.post(PATH, text.as_bytes());
        match (has_id && has_status && has_error, is_short) {
            (true, true) => assert_eq!(answer.status, 200),
            (true, false) => (),
            (false, _) => assert_eq!(answer.status, 400),
        }
    });
}
