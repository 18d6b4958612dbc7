//! A manager is asked back, and answers.

use serde_json::{Value, json};
use ticket_domain::Managers;

use crate::testing::{MANAGER, Request, Response, TestApp, changed, seeds_ticket};

const CUSTOMER: &str = "+1234567890";
const STRANGER: &str = "+3333333333";
const OTHER_MANAGER: &str = "+15550000000";
/// A reference that no ticket has.
const UNKNOWN: &str = "T-20000101-1234";

/// Two tickets, the older one first, and managers that may be asked.
fn start() -> (TestApp, [String; 2]) {
    let api = TestApp::with(|setup| {
        setup.managers = Managers::new([MANAGER, OTHER_MANAGER].map(|number| number.parse().unwrap()).into());
    });
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
fn a_manager_is_asked_with_either_problem() {
    let (api, [older, newer]) = start();
    let list = format!("1. {newer} – Bottles\n2. {older} – Caps\n");
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
        assert!(ask.as_ref().is_some_and(|ask| ask.contains(&list)), "{words} {ask:?}");
    }
}

#[test]
fn nobody_else_is_asked_or_told_anything() {
    let (api, [reference, _]) = start();
    let unset = TestApp::with(|setup| setup.managers = Managers::only_recognised(vec![MANAGER.parse().unwrap()]));
    unset.open_ticket();
    for (api, from, named, words, status) in [
        (&api, STRANGER, None, "It is on its way", 400),
        (&api, STRANGER, None, "1", 400),
        (&api, STRANGER, None, &*reference, 400),
        (&api, STRANGER, Some(UNKNOWN), "It is on its way", 404),
        (&api, CUSTOMER, None, "Where is it?", 400),
        (&api, CUSTOMER, None, UNKNOWN, 400),
        (&api, CUSTOMER, Some(UNKNOWN), "Where is it?", 404),
        (&api, &MANAGER[1..], None, "Without the country code", 400),
        (&unset, MANAGER, None, "It is on its way", 400),
        (&unset, MANAGER, None, "1", 400),
        (&unset, MANAGER, None, UNKNOWN, 404),
    ] {
        let body = json!({ "ticketRef": named, "from": from, "message": words });
        let (got, _, ask) = asked(&api.receive(&body));
        assert_eq!((got, ask), (status, None), "{from} {words}");
    }
}

#[test]
fn a_repetition_is_asked_the_same_and_opens_no_question() {
    let (api, [_, newer]) = start();
    let first = asked(&say(&api, MANAGER, "SM1", "It is on its way"));
    // A ticket more would be in a new question.
    api.open_ticket();
    for _ in 0..3 {
        assert_eq!(asked(&say(&api, MANAGER, "SM1", "It is on its way")), first);
    }
    let picked = say(&api, MANAGER, "SM2", "1").json();
    assert_eq!(
        (&picked["ticketRef"], &picked["notice"]),
        (&json!(newer), &json!(format!("Added to {newer} – Bottles")))
    );
}

#[test]
fn a_question_that_another_replaced_is_not_asked_again() {
    let (api, _) = start();
    let first = asked(&say(&api, MANAGER, "SM1", "It is on its way"));
    let second = asked(&say(&api, MANAGER, "SM2", UNKNOWN));
    assert!(first.2.is_some() && second.2.is_some());
    let without = (400, "ticket_not_named".to_owned(), None);
    assert_eq!(asked(&say(&api, MANAGER, "SM1", "It is on its way")), without);
    assert_eq!(asked(&say(&api, MANAGER, "SM2", UNKNOWN)), second);
}

#[test]
fn a_pick_by_number_or_by_reference_attaches_and_is_no_message() {
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
        let message = thread(&api, reference).pop().unwrap();
        let subject = first.json()["notice"]
            .as_str()
            .unwrap()
            .split(" – ")
            .nth(1)
            .unwrap()
            .to_owned();
        let expected = |duplicate: bool| {
            json!({
                "ok": true,
                "ticketRef": reference,
                "messageId": message["id"],
                "duplicate": duplicate,
                "notice": format!("Added to {reference} – {subject}")
            })
        };
        assert_eq!((first.json(), again.json()), (expected(false), expected(true)));
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
fn nought_leaves_it_to_an_operator() {
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
    assert_eq!(first["notice"], "Kept aside. Your team will see to it.");
    assert_eq!(again, changed(first, "duplicate", Some(json!(true))));
    assert!(references.iter().all(|reference| replies(&api, reference).is_empty()));
    // It is kept as before, and joins once its ticket is named.
    let named = json!({ "ticketRef": references[0], "from": MANAGER, "externalId": "SM1", "message": "Whatever" });
    assert_eq!(api.receive(&named).json()["duplicate"], false);
    assert_eq!(replies(&api, &references[0]).len(), 1);
}

#[test]
fn an_album_is_picked_for_at_once_also_by_swiping_the_question() {
    let (api, [older, _]) = start();
    let picture = |number: u8| {
        let media = format!("https://media.example/{number}");
        api.receive(&json!({ "from": MANAGER, "externalId": format!("SM1/{number}"), "mediaUrl": media }))
    };
    let first = asked(&picture(0));
    assert!(first.0 == 400 && first.2.is_some(), "{first:?}");
    assert_eq!((asked(&picture(1)), asked(&picture(2))), (first.clone(), first));
    let swiped = json!({ "from": MANAGER, "message": "2", "repliedToExternalId": "SM-of-the-question" });
    let picked = api.receive(&swiped).json();
    assert_eq!(picked["notice"], format!("3 messages added to {older} – Caps"));
    let pictures: Vec<Value> = thread(&api, &older)
        .drain(1..)
        .map(|message| message["mediaUrl"].clone())
        .collect();
    assert_eq!(
        pictures,
        [0, 1, 2].map(|number| json!(format!("https://media.example/{number}")))
    );
    assert_eq!(picked["messageId"], thread(&api, &older)[1]["id"]);
}

#[test]
fn managers_do_not_answer_each_others_questions() {
    let (api, references) = start();
    assert_eq!(say(&api, MANAGER, "SM1", "Whatever").status, 400);
    let others = asked(&say(&api, OTHER_MANAGER, "SM2", "1"));
    assert!(others.0 == 400 && others.2.is_some(), "{others:?}");
    assert!(references.iter().all(|reference| replies(&api, reference).is_empty()));
    assert_eq!(say(&api, MANAGER, "SM3", "1").json()["ticketRef"], references[1]);
    assert_eq!(
        replies(&api, &references[1]),
        [("manager".to_owned(), "Whatever".to_owned())]
    );
}

#[test]
fn what_is_no_answer_ends_the_question() {
    let (api, [older, newer]) = start();
    assert_eq!(say(&api, MANAGER, "SM1", "Whatever").status, 400);
    let named = say(&api, MANAGER, "SM2", &format!("{older} is done"));
    assert_eq!((named.status, named.json().get("notice")), (200, None));
    // A number alone answers nothing now: it is asked about like any other words.
    let number = asked(&say(&api, MANAGER, "SM3", "1"));
    assert!(number.0 == 400 && number.2.is_some(), "{number:?}");
    assert!(replies(&api, &newer).is_empty());
}

#[test]
fn twins_of_a_pick_attach_once() {
    for _ in 0..5 {
        let (api, [_, newer]) = start();
        assert_eq!(say(&api, MANAGER, "SM1", "Whatever").status, 400);
        let answers: Vec<Value> = std::thread::scope(|scope| {
            let twins: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| say(&api, MANAGER, "SM2", "1").json()))
                .collect();
            twins.into_iter().map(|twin| twin.join().unwrap()).collect()
        });
        let first = answers.iter().filter(|answer| answer["duplicate"] == false).count();
        assert_eq!(first, 1, "{answers:?}");
        assert!(answers.iter().all(|answer| answer["ticketRef"] == newer), "{answers:?}");
        assert_eq!(replies(&api, &newer).len(), 1);
    }
}
