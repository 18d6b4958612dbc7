//! A manager gets a clarifying question, and answers it. The domain's table of talks has the many ways in which that can go.

use serde_json::{Value, json};

use crate::testing::{BASE_URL, MANAGER, Request, Response, TestApp, changed, seeds_ticket};

const CUSTOMER: &str = "+1234567890";
const STRANGER: &str = "+3333333333";
/// A reference that no ticket has.
const UNKNOWN: &str = "T-20000101-1234";

/// Two tickets, the older one first.
fn start() -> (TestApp, [String; 2]) {
    let api = TestApp::start();
    let references = ["Caps", "Bottles"].map(|subject| {
        let ticket = changed(seeds_ticket(), "subject", Some(json!(subject)));
        let answer = api.send(Request::post("/api/ticket", &ticket)).json();
        answer["ticketRef"].as_str().unwrap().to_owned()
    });
    (api, references)
}

fn say(api: &TestApp, from: &str, id: &str, words: &str) -> Response {
    api.receive(&json!({ "from": from, "externalId": id, "message": words }))
}

/// The problem's code, and what is asked.
fn asked(answer: &Response) -> (u16, String, Option<String>) {
    let ask = answer.json().get("ask").map(|ask| ask.as_str().unwrap().to_owned());
    (answer.status, answer.code(), ask)
}

fn thread(api: &TestApp, reference: &str) -> Vec<Value> {
    let thread = api.shown(reference);
    thread["messages"].as_array().unwrap().clone()
}

/// Everything of a thread but the message that opened it.
fn replies(api: &TestApp, reference: &str) -> Vec<(String, String)> {
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let messages = thread(api, reference).into_iter().skip(1);
    messages
        .map(|message| (word(&message["sender"]), word(&message["body"])))
        .collect()
}

#[test]
fn a_manager_gets_a_clarifying_question_with_both_problems() {
    let (api, [older, newer]) = start();
    let list = "1. John Doe – Bottles (now)\n2. John Doe – Caps (now)\n";
    for (id, named, words, status, code) in [
        ("SM1", None, "It is on its way", 400, "ticket_not_named"),
        ("SM2", None, &*format!("{older} and {newer}"), 400, "ticket_not_named"),
        (
            "SM3",
            None,
            &*format!("{UNKNOWN} is on its way"),
            404,
            "ticket_not_found",
        ),
        ("SM4", Some(UNKNOWN), "It is on its way", 404, "ticket_not_found"),
        ("SM5", Some("no reference"), "It is on its way", 404, "ticket_not_found"),
    ] {
        let body = json!({ "ticketRef": named, "from": MANAGER, "externalId": id, "message": words });
        let (got_status, got_code, ask) = asked(&api.receive(&body));
        assert_eq!((got_status, got_code.as_str()), (status, code), "{words}");
        assert!(ask.as_ref().is_some_and(|ask| ask.contains(list)), "{words} {ask:?}");
    }
}

#[test]
fn customers_are_asked_about_their_own_tickets_once_a_day() {
    let (api, [older, newer]) = start();
    let (status, code, ask) = asked(&say(&api, CUSTOMER, "SM1", "Where is it?"));
    assert_eq!((status, code.as_str()), (400, "ticket_not_named"));
    let list = format!("1. {newer}, *Bottles*\n2. {older}, *Caps*\n");
    assert!(ask.as_ref().is_some_and(|ask| ask.contains(&list)), "{ask:?}");
    assert_eq!(asked(&say(&api, CUSTOMER, "SM1", "Where is it?")).2, ask);
    assert_eq!(asked(&say(&api, CUSTOMER, "SM2", "Hello?")).2, None);
    let answer = say(&api, CUSTOMER, "SM3", "2");
    assert_eq!(answer.status, 200);
    let answer = answer.json();
    assert_eq!(
        (&answer["ticketRef"], &answer["duplicate"]),
        (&json!(older), &json!(false))
    );
    assert!(
        answer["notice"].as_str().unwrap().contains(&format!("{older}, *Caps*")),
        "{answer}"
    );
    let again = say(&api, CUSTOMER, "SM3", "2").json();
    assert_eq!(again, changed(answer, "duplicate", Some(json!(true))));
    let said = ["Where is it?", "Hello?"].map(|text| ("customer".to_owned(), text.to_owned()));
    assert_eq!(replies(&api, &older), said);

    let (_, _, ask) = asked(&say(&api, STRANGER, "SM4", "Hello?"));
    let how = format!("Please open one at {BASE_URL}");
    assert!(ask.as_ref().is_some_and(|ask| ask.contains(&how)), "{ask:?}");
}

#[test]
fn nobody_else_gets_a_managers_question() {
    let (api, [reference, _]) = start();
    for from in [STRANGER, CUSTOMER] {
        say(&api, from, "", "Hello");
    }
    for (from, named, words, status) in [
        (STRANGER, None, "It is on its way", 400),
        (STRANGER, None, "1", 400),
        (STRANGER, None, &*reference, 400),
        (STRANGER, Some(UNKNOWN), "It is on its way", 404),
        (CUSTOMER, None, "Where is it?", 400),
        (CUSTOMER, None, UNKNOWN, 400),
    ] {
        let body = json!({ "ticketRef": named, "from": from, "message": words });
        let (got, _, ask) = asked(&api.receive(&body));
        assert_eq!((got, ask), (status, None), "{from} {words}");
    }
}

#[test]
fn a_choice_by_number_or_reference_attaches_and_is_not_stored() {
    let (api, [older, newer]) = start();
    let third = api.open_ticket().reference;
    // The newest is the first; the last pick is by reference.
    for (number, (pick, reference)) in (0..).zip([("2", &newer), ("3.", &older), (&*third.to_lowercase(), &third)]) {
        let (words, kept, by) = (
            format!("Words {number}"),
            format!("SM{number}"),
            format!("SM{number}-pick"),
        );
        assert_eq!(say(&api, MANAGER, &kept, &words).status, 400);
        let first = say(&api, MANAGER, &by, pick);
        let again = say(&api, MANAGER, &by, pick);
        assert_eq!((first.status, again.status), (200, 200));
        let (mut first, again) = (first.json(), again.json());
        let button = &first.as_object_mut().unwrap().remove("actions").unwrap()[0];
        let payload = button["payload"].as_str().unwrap();
        assert!(payload.starts_with(&format!("undo.{reference}.")), "{button}");
        let message = thread(&api, reference).pop().unwrap();
        let subject = api.shown(reference)["ticket"]["subject"].as_str().unwrap().to_owned();
        let expected = |duplicate: bool| {
            json!({
                "ok": true,
                "ticketRef": reference,
                "messageId": message["id"],
                "duplicate": duplicate,
                "notice": format!("Sent to John Doe – {subject} ({reference}). /undo takes it back.")
            })
        };
        assert_eq!((first, again), (expected(false), expected(true)));
        assert_eq!(replies(&api, reference), [("manager".to_owned(), words)]);
        // What was asked about is a message of the thread from now on.
        let repeated = say(&api, MANAGER, &kept, "Words again").json();
        assert_eq!(
            (&repeated["ticketRef"], &repeated["duplicate"], repeated.get("notice")),
            (&json!(reference), &json!(true), None)
        );
    }
}

#[test]
fn zero_leaves_the_message_to_an_operator() {
    let (api, references) = start();
    assert_eq!(say(&api, MANAGER, "SM1", "Whatever").status, 400);
    let first = say(&api, MANAGER, "SM2", "0");
    let again = say(&api, MANAGER, "SM2", "0");
    assert_eq!((first.status, again.status), (200, 200));
    let (first, again) = (first.json(), again.json());
    assert!(
        first["ticketRef"].is_null() && first["messageId"].is_string(),
        "{first}"
    );
    assert_eq!(
        first["notice"],
        "OK, nothing was sent. Your team can see what you wrote in the inbox."
    );
    assert_eq!(again, changed(first, "duplicate", Some(json!(true))));
    assert!(references.iter().all(|reference| replies(&api, reference).is_empty()));
    // It is kept as before, and joins once its ticket is named.
    let named = json!({ "ticketRef": references[0], "from": MANAGER, "externalId": "SM1", "message": "Whatever" });
    assert_eq!(api.receive(&named).json()["duplicate"], false);
    assert_eq!(replies(&api, &references[0]).len(), 1);
}

#[test]
fn what_answers_nothing_is_told_so_and_never_published() {
    let (api, [older, _]) = start();
    let first = say(&api, MANAGER, "SM1", "We refund you.");
    assert_eq!(first.json()["questionSent"], false, "nobody is there to send it");
    let told = |id: &str, words: &str| asked(&say(&api, MANAGER, id, words)).2.unwrap();
    for _ in 0..2 {
        assert_eq!(told("SM2", "9"), "I don't see a 9. Reply 1–2, or 0.");
    }
    assert_eq!(say(&api, MANAGER, "SM3", "2").status, 200);
    assert_eq!(
        replies(&api, &older),
        [("manager".to_owned(), "We refund you.".to_owned())]
    );
    assert_eq!(
        told("SM4", "2"),
        "No question of mine is open. Swipe a ticket's message to answer it."
    );
    assert_eq!(replies(&api, &older).len(), 1);
}

#[test]
fn a_row_that_is_tapped_answers_its_question_and_its_title_is_no_message() {
    let (api, [older, _]) = start();
    assert_eq!(say(&api, MANAGER, "SM1", "We refund you.").status, 400);
    let forged = json!({
        "from": MANAGER, "externalId": "SM2", "message": "John Doe",
        "buttonPayload": "choice.01010101010101010101010101010101.1",
    });
    assert_eq!(api.receive(&forged).status, 400);
    assert!(replies(&api, &older).is_empty());
}
