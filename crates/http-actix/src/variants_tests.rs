//! A new variant of an enum appears wherever operators and API clients see one: each test iterates over `ALL`.
#![allow(clippy::unwrap_used)]

use serde_json::json;
use ticket_domain::{ActorKind, AuditKind, Awaiting, EventKind, Priority, Recipient, Sender, Stage, Status};

use crate::testing::{Request, TestApp};

#[test]
fn every_status_is_set_listed_and_shown() {
    let app = TestApp::inbox();
    let visitor = app.sign_in();
    for status in Status::words() {
        let reference = app.ticket().to_string();
        let path = format!("/api/ticket/{reference}");
        let changed = app.as_operator(Request::patch(&path, &json!({ "status": status })));
        assert_eq!(
            (changed.status, &changed.json()["ticket"]["status"]),
            (200, &json!(status))
        );
        let listed = app.get_as_operator(&format!("/api/tickets?status={status}")).json();
        assert_eq!(listed["tickets"][0]["ticketRef"], json!(reference), "{status}");
        visitor.get(&format!("/inbox?status={status}")).shows(&[&reference]);
        visitor.get(&format!("/inbox/ticket/{reference}")).shows(&[&reference]);
        let option = format!("<option value=\"{status}\"");
        visitor.get("/inbox?status=any").shows(&[&option, &reference]);
        visitor.act(&format!("/inbox/ticket/{reference}/status"), &[("status", status)]);
    }
}

#[test]
fn every_priority_is_offered_listed_and_shown() {
    let app = TestApp::inbox();
    let visitor = app.sign_in();
    for &priority in Priority::ALL {
        let reference = app
            .ticket_of("John Doe", "Bottles", "They broke.", priority)
            .to_string();
        let listed = app.get_as_operator(&format!("/api/tickets?priority={priority}")).json();
        assert_eq!(listed["tickets"][0]["ticketRef"], json!(reference));
        visitor.get(&format!("/inbox?priority={priority}")).shows(&[&reference]);
        app.get("/").shows(&[&format!("value=\"{priority}\"")]);
    }
}

#[test]
fn openapi_names_every_variant() {
    let document = TestApp::start().get("/api/openapi.json").json();
    let words_of = |schema: &str| -> Vec<String> {
        let words = document["components"]["schemas"][schema]["enum"].as_array().unwrap();
        words.iter().map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(words_of("Status"), Vec::from_iter(Status::words()));
    assert_eq!(words_of("Priority"), Vec::from_iter(Priority::words()));
    assert_eq!(words_of("Awaiting"), Vec::from_iter(Awaiting::words()));
    assert_eq!(words_of("Sender"), Vec::from_iter(Sender::words()));
    assert_eq!(words_of("Actor"), Vec::from_iter(ActorKind::words()));
    assert_eq!(words_of("AuditAction"), Vec::from_iter(AuditKind::words()));
    assert_eq!(words_of("Event"), Vec::from_iter(EventKind::words()));
    assert_eq!(words_of("Recipient"), Vec::from_iter(Recipient::words()));
    assert_eq!(words_of("NotificationState"), Vec::from_iter(Stage::words()));
}
