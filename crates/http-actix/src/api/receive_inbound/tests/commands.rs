//! What managers steer the server with from their phone.

use serde_json::{Value, json};

use crate::testing::{MANAGER, TestApp};

fn start() -> (TestApp, String) {
    let api = TestApp::start();
    let reference = api.open_ticket().reference;
    (api, reference)
}

fn say(api: &TestApp, id: &str, text: &str) -> Value {
    let response = api.receive(&json!({ "from": MANAGER, "externalId": id, "message": text }));
    assert_eq!(response.status, 200, "{text}");
    response.json()
}

fn told(answer: &Value) -> &str {
    answer["notice"].as_str().unwrap()
}

fn bodies(api: &TestApp, reference: &str) -> Vec<Value> {
    let thread = api.shown(reference);
    let messages = thread["messages"].as_array().unwrap().iter();
    messages.skip(1).map(|message| message["body"].clone()).collect()
}

#[test]
fn a_ticket_is_resolved_and_reopened() {
    let (api, reference) = start();
    for (id, command, status, begins) in [
        ("SM1", "/resolve", "resolved", "Marked as solved: John Doe"),
        ("SM2", "/REOPEN", "open", "Open again: John Doe"),
    ] {
        for duplicate in [false, true] {
            let answer = say(&api, id, &format!("{command} {reference}"));
            assert_eq!(answer["duplicate"], duplicate);
            assert_eq!(
                (&answer["ticketRef"], &answer["messageId"]),
                (&json!(reference), &Value::Null)
            );
            assert!(told(&answer).starts_with(begins), "{answer}");
            assert_eq!(api.shown(&reference)["ticket"]["status"], status);
        }
    }
    assert!(bodies(&api, &reference).is_empty());
}

#[test]
fn nothing_after_a_slash_is_published() {
    let (api, reference) = start();
    for (id, text, begins) in [
        ("SM1", "/resolve", "Which ticket?"),
        ("SM2", &*format!("/resolved {reference}"), "I don't know that command"),
        ("SM3", "/help", "Swipe a ticket's message"),
        ("SM4", "/list", "Open tickets, newest first:\n• John Doe – "),
        ("SM5", "/undo", "There's no answer of yours"),
        ("SM6", &*format!("/note {reference}"), "To add a note"),
        ("SM7", "👍", "I didn't send 👍 to anyone"),
    ] {
        let answer = say(&api, id, text);
        assert!(told(&answer).starts_with(begins), "{text}: {answer}");
    }
    assert!(bodies(&api, &reference).is_empty());
}

#[test]
fn a_command_is_none_of_the_answers_to_an_open_question() {
    let (api, reference) = start();
    say(&api, "SM1", &format!("Too early, {reference}"));
    let asked = json!({ "from": MANAGER, "externalId": "SM2", "message": "We send you new bottles." });
    assert_eq!(api.receive(&asked).status, 400);
    // So that the question is sent, and a short text could be an answer to it.
    api.clock.pass(3);
    assert!(told(&say(&api, "SM3", "/list")).starts_with("Open tickets"));
    assert!(told(&say(&api, "SM4", "👍")).starts_with("I didn't send 👍"));
    assert!(told(&say(&api, "SM5", "/undo")).starts_with("Taken back."));
    assert!(told(&say(&api, "SM6", "1")).starts_with("Sent to John Doe"));
    assert_eq!(bodies(&api, &reference), [json!(""), json!("We send you new bottles.")]);
}

#[test]
fn a_tap_needs_no_text() {
    let (api, reference) = start();
    let body = json!({ "from": MANAGER, "externalId": "SM1", "message": "", "buttonPayload": "whatever" });
    let answer = api.receive(&body);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(told(&answer.json()).starts_with("That button doesn't work any more"));
    assert!(bodies(&api, &reference).is_empty());
}

#[test]
fn a_tap_by_somebody_else_publishes_nothing() {
    let (api, reference) = start();
    for (id, from) in [("SM1", "+1234567890"), ("SM2", "+3333333333")] {
        let body = json!({
            "from": from, "externalId": id, "message": "Resolve", "ticketRef": reference,
            "buttonPayload": format!("resolve.{reference}.00000000000000000000000000000000"),
        });
        let answer = api.receive(&body);
        assert_eq!((answer.status, answer.json().get("notice")), (200, None));
    }
    assert!(bodies(&api, &reference).is_empty());
    assert_eq!(api.shown(&reference)["ticket"]["status"], "open");
}

#[test]
fn a_note_is_for_the_team() {
    let (api, reference) = start();
    let answer = say(&api, "SM1", &format!("/note {reference} Ask Bob first"));
    assert!(
        told(&answer).starts_with("Noted for your team. John Doe won't see it"),
        "{answer}"
    );
    assert!(answer["messageId"].is_string());
    assert!(
        say(&api, "SM1", &format!("/note {reference} Ask Bob first"))["duplicate"]
            .as_bool()
            .unwrap()
    );
}

#[test]
fn the_last_answer_is_taken_back() {
    let (api, reference) = start();
    say(&api, "SM1", &format!("Too early, {reference}"));
    let answer = say(&api, "SM2", "/undo");
    assert!(told(&answer).starts_with("Taken back. John Doe now sees"), "{answer}");
    let message = &api.shown(&reference)["messages"][1];
    assert_eq!((&message["removed"], &message["body"]), (&json!(true), &json!("")));
    assert!(told(&say(&api, "SM3", "/undo")).starts_with("There's no answer"));
}

#[test]
fn a_button_that_is_not_ours_does_nothing() {
    let (api, reference) = start();
    for (id, payload) in [
        ("SM1", format!("resolve.{reference}.00000000000000000000000000000000")),
        ("SM2", "whatever".to_owned()),
    ] {
        let body = json!({ "from": MANAGER, "externalId": id, "message": "Resolve", "buttonPayload": payload });
        let answer = api.receive(&body);
        assert_eq!(answer.status, 200);
        assert!(told(&answer.json()).starts_with("That button doesn't work any more"));
    }
    assert_eq!(api.shown(&reference)["ticket"]["status"], "open");
    assert!(bodies(&api, &reference).is_empty());
}
