//! What the manager is told of what a customer typed: a line each of name, number, address and subject, and the message.
#![no_main]

use fuzz::oracle;
use libfuzzer_sys::{Corpus, fuzz_target};
use notify_n8n::N8nComposer;
use serde_json::Value;
use ticket_domain::{
    AccessKey, AccessKeys, Customer, DeliveryRoute, EventKind, MessageBody, MessageText, Payload, Priority, Status,
    Ticket, TicketId, Timestamp,
    ports::{Composer, Event},
};
use uuid::Uuid;

fn ticket(name: &str, phone: &str, email: &str, subject: &str) -> Option<Ticket> {
    let at = Timestamp::from_unix_micros(1_736_937_000_000_000).ok()?;
    let key = AccessKey::from_random([7; 16]);
    Some(Ticket {
        id: TicketId(Uuid::from_u128(1)),
        reference: "T-20250115-1234".parse().ok()?,
        customer: Customer {
            name: name.parse().ok()?,
            phone: phone.parse().or_else(|_| "+1234567890".parse()).ok()?,
            email: email.parse().or_else(|_| "john@example.com".parse()).ok()?,
        },
        subject: subject.parse().ok()?,
        priority: Priority::Urgent,
        status: Status::Open,
        keys: AccessKeys {
            customer: key.clone(),
            reader: key,
        },
        version: 1,
        created_at: at,
        updated_at: at,
    })
}

fn read(payload: &Payload) -> Value {
    serde_json::from_slice(&payload.0).expect("JSON")
}

fuzz_target!(|data: &[u8]| -> Corpus {
    let Ok(text) = std::str::from_utf8(data) else {
        return Corpus::Reject;
    };
    let mut lines = text.splitn(5, '\n');
    let mut next = || lines.next().unwrap_or("x");
    let (name, phone, email, subject, words) = (next(), next(), next(), next(), next());
    let Some(ticket) = ticket(name, phone, email, subject) else {
        return Corpus::Keep;
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
        ticket_url: "https://desk.example/ticket/T-20250115-1234",
    };
    let payload = composer.compose(event);
    let body = read(&payload);
    // Nothing is bold or struck through that nobody of ours made so.
    for field in ["customerName", "customerEmail", "subject", "summary"] {
        let value = body[field].as_str().expect("a text");
        assert!(!oracle::formats(value), "{field}: {value:?}");
    }
    for (field, value) in body.as_object().expect("an object") {
        let value = value.as_str().expect("a text");
        assert!(!oracle::has_controls(value), "{field}");
        assert!(!oracle::turns_around(value), "{field}");
        // Whatever a manager passes on of it leads to this ticket or to none.
        assert!(
            oracle::references(value).iter().all(|found| found == "T-20250115-1234"),
            "{field}: {value:?}"
        );
        assert!(field == "message" || !value.contains(['\n', '\r', '\t']), "{field}");
    }
    let summary = body["summary"].as_str().expect("a summary");
    assert!(summary.chars().count() <= 500 && summary.starts_with("T-20250115-1234 (urgent) "));
    assert!(!summary.contains("  ") && summary.trim() == summary);

    // Another way changes whom it goes to, and nothing else.
    for (route, to, is_template) in [
        (DeliveryRoute::Template, "+919655716000", true),
        (DeliveryRoute::Backup, "+49301234567", false),
        (DeliveryRoute::BackupTemplate, "+49301234567", true),
    ] {
        let mut other = read(&composer.redirect(&payload, route).expect("a way"));
        assert_eq!(other["to"], to);
        let template = other.as_object_mut().expect("an object").remove("template");
        assert_eq!(template, is_template.then_some(Value::Bool(true)));
        other["to"] = body["to"].clone();
        assert_eq!(other, body);
    }
    Corpus::Keep
});
