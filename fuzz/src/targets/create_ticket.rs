//! The body of `POST /api/ticket`: what is opened is what was sent, and what is refused has a fault.

use crate::{in_process::with_server, oracle, text_request::TextRequest};
use serde_json::{Map, Value};
use ticket_domain::Priority;

const FIELDS: [&str; 6] = [
    "customerName",
    "customerPhone",
    "customerEmail",
    "subject",
    "message",
    "priority",
];

/// The texts of a ticket, if nothing about them is doubtful.
fn certain(body: &Map<String, Value>) -> Option<[String; 3]> {
    let text = |name: &str| body.get(name)?.as_str();
    let is_number = |text: &str| (7..=15).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_word = |text: &str| (1..20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_address = |text: &str| {
        let parts: Vec<&str> = text.split(['@', '.']).collect();
        parts.len() == 3 && text.find('@') < text.find('.') && text.contains('@') && parts.into_iter().all(is_word)
    };
    let priority = body.get("priority").unwrap_or(&Value::Null);
    let is_priority = priority.is_null() || Priority::words().any(|word| priority == word);
    text("customerPhone").filter(|phone| is_number(phone) && !phone.starts_with("00"))?;
    text("customerEmail").filter(|email| is_address(email))?;
    let texts = [
        oracle::line(text("customerName")?, 200)?,
        oracle::line(text("subject")?, 200)?,
        oracle::prose(text("message")?, 5_000)?,
    ];
    is_priority.then_some(texts)
}

pub fn run(data: &[u8]) {
    with_server(|server| {
        let answer = server.send(&TextRequest::post("/api/ticket", data));
        let Ok(Value::Object(body)) = serde_json::from_slice(data) else {
            // serde's own depth is limited where a value is kept, and not where it is passed over.
            let is_repaired = std::str::from_utf8(data).map_or(true, |text| {
                text.starts_with('\u{feff}') || text.to_ascii_lowercase().contains("\\ud")
            });
            assert!(
                is_repaired || answer.status != 201 || data.len() > 100,
                "{}",
                answer.status
            );
            return;
        };
        let certain = certain(&body);
        // Written anew, so that nothing is there twice.
        let answer = server.send(&TextRequest::post(
            "/api/ticket",
            Value::Object(body).to_string().as_bytes(),
        ));
        if answer.status != 201 {
            assert!(certain.is_none() || answer.status == 413, "{}", answer.status);
            if answer.status == 400 {
                let faults = answer.json()["errors"].as_array().cloned().unwrap_or_default();
                assert!(!faults.is_empty() && faults.len() <= FIELDS.len());
                let is_known = |fault: &Value| FIELDS.iter().any(|field| fault["field"] == *field);
                assert!(faults.iter().all(is_known), "{faults:?}");
            }
            return;
        }
        let reference = answer.json()["ticketRef"].as_str().expect("a reference").to_owned();
        let thread = server
            .send(&TextRequest::get(&format!("/api/ticket/{reference}")))
            .json();
        let (ticket, message) = (&thread["ticket"], &thread["messages"][0]);
        let stored = [&ticket["customerName"], &ticket["subject"], &message["body"]].map(|text| text.as_str());
        if let Some(texts) = certain {
            assert_eq!(stored, texts.each_ref().map(|text| Some(text.as_str())));
        }
        for text in stored.into_iter().flatten() {
            assert!(!text.is_empty() && !oracle::has_controls(text));
        }
    });
}
