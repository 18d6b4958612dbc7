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
    let expect = |schema: &str, words: Vec<&str>| {
        assert_eq!(
            document["components"]["schemas"][schema]["enum"],
            json!(words),
            "{schema}"
        );
    };
    expect("Status", Status::words().collect());
    expect("Priority", Priority::words().collect());
    expect("Awaiting", Awaiting::words().collect());
    expect("Sender", Sender::words().collect());
    expect("Actor", ActorKind::words().collect());
    expect("AuditAction", AuditKind::words().collect());
    expect("Event", EventKind::words().collect());
    expect("Recipient", Recipient::words().collect());
    expect("NotificationState", Stage::words().collect());
}
