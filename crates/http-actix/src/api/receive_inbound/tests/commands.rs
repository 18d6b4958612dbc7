//! What managers steer the server with from their phone.

use serde_json::{Value, json};
use ticket_domain::Managers;

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

/// Whoever names a ticket means the answer to that one.
#[test]
fn an_answer_to_another_ticket_is_not_taken_back() {
    let (api, reference) = start();
    let other = api.open_ticket().reference;
    say(&api, "SM1", &format!("On its way, {reference}"));
    say(&api, "SM2", &format!("Which size? {other}"));
    let swiped = json!({ "from": MANAGER, "externalId": "SM4", "message": "/undo", "repliedToExternalId": "SM1" });
    for answer in [
        say(&api, "SM3", &format!("/undo {reference}")),
        api.receive(&swiped).json(),
    ] {
        assert!(told(&answer).starts_with("There's no answer"), "{answer}");
    }
    assert!(told(&say(&api, "SM5", &format!("/undo {other}"))).starts_with("Taken back."));
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

#[test]
fn no_words_and_no_picture_are_lost_behind_a_slash() {
    let (api, reference) = start();
    let media = "https://media.example/1.jpg";
    for (id, text, media) in [
        ("SM1", format!("/resolve {reference} We sent a new one"), None),
        ("SM2", format!("/resolve {reference}"), Some(media)),
        ("SM3", "/undo this please".to_owned(), None),
    ] {
        let body = json!({ "from": MANAGER, "externalId": id, "message": text, "mediaUrl": media });
        let answer = api.receive(&body).json();
        assert!(
            told(&answer).starts_with("Only /note takes words or attachments"),
            "{text} {answer}"
        );
    }
    assert_eq!(api.shown(&reference)["ticket"]["status"], "open");
    for (id, text) in [
        ("SM4", format!("/note {reference} Look at this")),
        ("SM5", format!("/note {reference}")),
    ] {
        let body = json!({ "from": MANAGER, "externalId": id, "message": text, "mediaUrl": media });
        assert!(told(&api.receive(&body).json()).starts_with("Noted"), "{text}");
    }
    let thread = api.get_as_operator(&format!("/api/ticket/{reference}")).json();
    let notes = thread["messages"].as_array().unwrap()[1..].iter();
    let notes: Vec<_> = notes
        .map(|note| (note["body"].as_str().unwrap(), note["mediaUrl"].as_str().unwrap()))
        .collect();
    assert_eq!(notes, [("Look at this", media), ("", media)]);
    assert!(bodies(&api, &reference).is_empty());
}

#[test]
fn a_command_with_two_tickets_or_an_unknown_one_does_nothing() {
    let (api, reference) = start();
    let other = api.open_ticket().reference;
    say(&api, "SM1", &format!("It is on its way, {reference}"));
    for (id, text, begins) in [
        ("SM2", format!("/resolve {other}"), "Which ticket?"),
        ("SM3", format!("/note {other} Ask Bob"), "Which ticket?"),
        (
            "SM4",
            "/note T-20000101-1234 Ask Bob".to_owned(),
            "I can't find ticket T-20000101-1234",
        ),
    ] {
        let body = json!({ "from": MANAGER, "externalId": id, "message": text, "repliedToExternalId": "SM1" });
        let answer = api.receive(&body).json();
        assert!(told(&answer).starts_with(begins), "{text} {answer}");
    }
    for reference in [&reference, &other] {
        assert_eq!(api.shown(reference)["ticket"]["status"], "open");
    }
    // A note may mention another ticket.
    let body = json!({
        "from": MANAGER, "externalId": "SM5", "message": format!("/note as in {other}"), "repliedToExternalId": "SM1",
    });
    assert_eq!(api.receive(&body).json()["ticketRef"], reference);
}

/// The number that nobody chose recognises a manager, who is told nothing; nothing after a slash is published all the same.
#[test]
fn a_manager_who_is_told_nothing_publishes_no_command() {
    let api = TestApp::with(|setup| setup.managers = Managers::only_recognised(vec![MANAGER.parse().unwrap()]));
    let reference = api.open_ticket().reference;
    let resolve = json!({ "from": MANAGER, "ticketRef": reference, "message": "Resolve", "buttonPayload": { "a": 1 } });
    for (id, text) in [
        ("SM1", "/note Ask Bob"),
        ("SM2", "/list"),
        ("SM3", "👍"),
        ("SM4", "/resolve"),
    ] {
        let body = json!({ "from": MANAGER, "externalId": id, "message": text, "ticketRef": reference });
        for _ in 0..2 {
            let answer = api.receive(&body);
            assert_eq!((answer.status, answer.json().get("notice")), (200, None), "{text}");
        }
    }
    assert_eq!(api.receive(&resolve).json().get("notice"), None);
    assert!(bodies(&api, &reference).is_empty());
    assert_eq!(api.shown(&reference)["ticket"]["status"], "resolved");
}

#[test]
fn an_answer_is_taken_back_from_any_of_their_numbers() {
    let api = TestApp::with(|setup| setup.managers = Managers::new(vec!["+5511987654321".parse().unwrap()]));
    let reference = api.open_ticket().reference;
    let say = |from: &str, id: &str, text: &str| {
        let body = json!({ "from": from, "externalId": id, "message": text, "fromUserId": "BR.1" });
        api.receive(&body).json()
    };
    say("+551187654321", "SM1", &format!("Too early, {reference}"));
    assert!(told(&say("+5511987654321", "SM2", "/undo")).starts_with("Taken back."));
    say("BR.1", "SM3", &format!("Still too early, {reference}"));
    assert!(told(&say("+551187654321", "SM4", "/undo")).starts_with("Taken back."));
}

/// Whatever a button carries, its title was written by nobody.
#[test]
fn a_payload_that_is_no_text_is_a_tap() {
    let (api, reference) = start();
    let body = json!({ "from": MANAGER, "ticketRef": reference, "message": "Resolve", "buttonPayload": { "a": 1 } });
    assert!(told(&api.receive(&body).json()).starts_with("That button doesn't work any more"));
    assert!(bodies(&api, &reference).is_empty());
}

/// The manager answers a question with the newest ticket; returns the button under the confirmation.
fn answer(api: &TestApp, id: &str, text: &str) -> Value {
    let asked = json!({ "from": MANAGER, "externalId": id, "message": text });
    assert_eq!(api.receive(&asked).status, 400);
    let mut answer = say(api, &format!("{id}-pick"), "1");
    assert!(told(&answer).starts_with("Sent to John Doe"), "{answer}");
    answer["actions"][0].take()
}

fn tap(api: &TestApp, id: &str, payload: &Value) -> Value {
    let body = json!({ "from": MANAGER, "externalId": id, "message": "Undo", "buttonPayload": payload });
    let answer = api.receive(&body);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[test]
fn the_button_of_an_answer_takes_it_back() {
    let (api, reference) = start();
    let button = answer(&api, "SM1", "Too early");
    assert_eq!(button["title"], "Undo");
    for duplicate in [false, true] {
        let answer = tap(&api, "SM2", &button["payload"]);
        assert!(told(&answer).starts_with("Taken back. John Doe now sees"), "{answer}");
        assert_eq!(
            (&answer["duplicate"], &answer["ticketRef"]),
            (&json!(duplicate), &json!(reference))
        );
        assert_eq!(bodies(&api, &reference), [""]);
    }
    let answer = tap(&api, "SM3", &button["payload"]);
    assert!(told(&answer).starts_with("There's no answer"), "{answer}");
}

#[test]
fn the_button_takes_back_nothing_else() {
    let (api, reference) = start();
    let button = answer(&api, "SM1", "Too early");
    let payload = button["payload"].as_str().unwrap();
    let other = api.open_ticket().reference;
    say(&api, "SM2", &format!("On its way, {other}"));
    for (id, payload, begins) in [
        // The last answer went to another ticket.
        ("SM3", payload.to_owned(), "There's no answer"),
        ("SM4", payload.replace(&reference, &other), "That button doesn't work"),
        ("SM5", payload.replace("undo.", "resolve."), "That button doesn't work"),
        ("SM6", format!("undo.{other}."), "That button doesn't work"),
    ] {
        let answer = tap(&api, id, &json!(payload));
        assert!(told(&answer).starts_with(begins), "{answer}");
    }
    let stranger = json!({ "from": "+1234567890", "externalId": "SM7", "message": "Undo", "buttonPayload": payload });
    assert_eq!(api.receive(&stranger).json().get("notice"), None);
    assert_eq!(bodies(&api, &reference), ["Too early"]);
    assert_eq!(bodies(&api, &other), [format!("On its way, {other}")]);

    // More than a minute later.
    let button = answer(&api, "SM8", "Tomorrow");
    api.clock.pass(61);
    let late = tap(&api, "SM9", &button["payload"]);
    assert!(told(&late).starts_with("There's no answer"), "{late}");
    assert_eq!(bodies(&api, &other).len(), 2);
}

#[test]
fn only_what_sent_a_message_has_a_button() {
    let (api, reference) = start();
    answer(&api, "SM1", "Too early");
    for (id, text) in [
        // Repeated.
        ("SM1-pick", "1".to_owned()),
        ("SM2", "/undo".to_owned()),
        ("SM3", format!("/note {reference} Ask Bob first")),
        ("SM4", format!("On its way, {reference}")),
    ] {
        assert_eq!(say(&api, id, &text).get("actions"), None, "{text}");
    }
    // The message in question has joined a ticket otherwise.
    let mut asked = json!({ "from": MANAGER, "externalId": "SM5", "message": "Tomorrow" });
    assert_eq!(api.receive(&asked).status, 400);
    asked["ticketRef"] = json!(reference);
    assert_eq!(api.receive(&asked).status, 200);
    let nothing = say(&api, "SM6", "1");
    assert!(told(&nothing).starts_with("There was nothing left"), "{nothing}");
    assert_eq!(nothing.get("actions"), None);
    let asked = json!({ "from": MANAGER, "externalId": "SM7", "message": "Whose is this?" });
    assert_eq!(api.receive(&asked).status, 400);
    assert_eq!(say(&api, "SM8", "0").get("actions"), None);
}
