//! What the manager is told of what a customer typed: a line each of name, number, address and subject, and the message.

use crate::oracle;
use notify_n8n::N8nComposer;
use serde_json::Value;
use ticket_domain::{
    DeliveryRoute, EventKind, MessageBody, MessageText, Payload, Priority, Ticket,
    ports::{Composer, Event, NextStep, Rejection},
    testing::{self, TicketBuilder},
};

fn ticket(name: &str, phone: &str, email: &str, subject: &str) -> Option<Ticket> {
    let mut details = testing::details();
    details.customer.name = name.parse().ok()?;
    details.customer.phone = phone.parse().unwrap_or(details.customer.phone);
    details.customer.email = email.parse().unwrap_or(details.customer.email);
    details.subject = subject.parse().ok()?;
    details.priority = Priority::Urgent;
    Some(TicketBuilder::new("T-20250115-1234").details(details).build())
}

fn read(payload: &Payload) -> Value {
    serde_json::from_slice(&payload.0).expect("JSON")
}

pub fn run(text: &str) {
    let mut lines = text.splitn(5, '\n');
    let mut next = || lines.next().unwrap_or("x");
    let (name, phone, email, subject, words) = (next(), next(), next(), next(), next());
    let Some(ticket) = ticket(name, phone, email, subject) else {
        return;
    };
    let message = match words.parse::<MessageText>() {
        Ok(message) => message.to_string(),
        // From WhatsApp anything may come.
        Err(_) => MessageBody::lenient(words).to_string(),
    };
    let composer = N8nComposer {
        to: Some("+919655716000".parse().expect("a number")),
        backup: Some("+49301234567".parse().expect("a number")),
    };
    let event = Event {
        kind: EventKind::Created,
        ticket: &ticket,
        message: &message,
        attachments: &[],
        ticket_url: "https://desk.example/ticket/T-20250115-1234",
    };
    let payload = composer.compose(event).expect("a notification");
    let body = read(&payload);
    // Nothing is bold or struck through that nobody of ours made so.
    for field in ["customerName", "customerEmail", "subject", "summary"] {
        let value = body[field].as_str().expect("a text");
        assert!(!oracle::formats(value), "{field}: {value:?}");
    }
    let text = body["text"].as_str().expect("a text");
    assert!(text.encode_utf16().count() <= ticket_domain::texts::MAX, "{text:?}");
    assert!(
        text.contains("\n*View ticket:* https://desk.example/ticket/T-20250115-1234\n\nSwipe"),
        "{text:?}"
    );
    for (field, value) in body.as_object().expect("an object") {
        let Some(value) = value.as_str() else { continue };
        assert!(!oracle::has_controls(value), "{field}");
        assert!(!oracle::turns_around(value), "{field}");
        // Whatever a manager passes on of it leads to this ticket or to none.
        assert!(
            oracle::references(value).iter().all(|found| found == "T-20250115-1234"),
            "{field}: {value:?}"
        );
        assert!(
            matches!(field.as_str(), "message" | "text") || !value.contains(['\n', '\r', '\t']),
            "{field}"
        );
    }
    let summary = body["summary"].as_str().expect("a summary");
    assert!(summary.chars().count() <= 500 && summary.starts_with("T-20250115-1234 (urgent) "));
    assert!(!summary.contains("  ") && summary.trim() == summary);

    // Another way changes whom it goes to, and nothing else.
    let (mut route, mut payload) = (DeliveryRoute::FIRST, payload);
    for (to, is_template) in [("+919655716000", true), ("+49301234567", false), ("+49301234567", true)] {
        // Free text came too late.
        let next = composer.after_refusal(&route, &payload, Rejection::Reported(Some(63_016)));
        let NextStep::Fallback(fallback) = next else {
            panic!("a fallback: {next:?}")
        };
        (route, payload) = (fallback.route, fallback.payload);
        let mut other = read(&payload);
        assert_eq!(other["to"], to);
        let template = other.as_object_mut().expect("an object").remove("template");
        assert_eq!(template, is_template.then_some(Value::Bool(true)));
        other["to"] = body["to"].clone();
        assert_eq!(other, body);
    }
}
