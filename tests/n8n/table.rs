//! The table of `docs/n8n.md`, held against a real n8n row by row.

use std::time::Duration;

use black_box::{N8nCase, SHARED_SECRET, TableRow, kind_of_body};
use serde_json::json;

use crate::{
    fixture::{Fixture, payload},
    real_n8n::{CARELESS, StatusAndBody},
};

/// Every row whose case can be made while n8n runs; `failures::inactive_then_active` checks the others.
pub(crate) async fn n8n_answers_as_the_table_says(fixture: &mut Fixture) {
    let (_store, server) = fixture.server().await;
    for (number, case) in N8nCase::all().iter().enumerate() {
        if let Some(answer) = provoke(fixture, number, &case.name).await {
            check(&case.name, Some(&answer));
        }
    }
    server.end().await;
}

/// Asserts that a response is the one in the table.
pub(crate) fn check(case: &str, answer: Option<&StatusAndBody>) {
    let (status, kind) = seen(answer);
    assert_eq!(TableRow::of(case).seen, (status, kind.to_owned()), "{case}: {answer:?}");
}

/// A response as the table writes it.
pub(crate) fn seen(answer: Option<&StatusAndBody>) -> (Option<u16>, &'static str) {
    let kind = answer.map_or("none", |(_, body)| kind_of_body(body));
    (answer.map(|(status, _)| *status), kind)
}

/// Brings a case about and returns the response; `None` if it can't be made now.
async fn provoke(fixture: &Fixture, number: usize, case: &str) -> Option<StatusAndBody> {
    let reference = format!("T-20261103-{number:04}");
    let ticket = payload(&reference).to_string();
    let n8n = &fixture.n8n;
    let keyed = [("x-api-key", SHARED_SECRET), ("webhook-id", reference.as_str())];
    let send = |body| n8n.post("/webhook/ticket-created", &keyed, body);
    let other = async |id| n8n.post(&format!("/webhook/{id}"), &[], &ticket).await;
    match case {
        "Twilio took the message" => send(&ticket).await,
        "Twilio had taken it before" => {
            send(&ticket).await;
            send(&ticket).await
        }
        "another workflow, *Respond: immediately*" => other("atOnce0000000001").await,
        "another workflow, Respond node never reached" => other("neverAnswers0001").await,
        "wrong or missing `x-api-key`" => {
            let missing = n8n.post("/webhook/ticket-created", &[], &ticket).await;
            let key = [("x-api-key", "wrong")];
            let wrong = n8n.post("/webhook/ticket-created", &key, &ticket).await;
            assert_eq!(seen(missing.as_ref()), seen(wrong.as_ref()));
            wrong
        }
        "credential missing, or a node throws" => {
            let throws = other("throws0000000001").await;
            let lacks = other("noCredential0001").await;
            assert_eq!(seen(throws.as_ref()).0, seen(lacks.as_ref()).0, "{lacks:?}");
            throws
        }
        "malformed JSON" => send("{\"event\":").await,
        "Twilio says 429" => {
            fixture.twilio.then(429, 20429, Some(7));
            send(&ticket).await
        }
        "Twilio fails, is silent, or refuses for anything but the recipient" => {
            // Credentials, sender, our own layout, the sandbox, something that is not Twilio's.
            for (status, code) in [
                (401, 20003),
                (400, 21212),
                (400, 21617),
                (400, 63015),
                (403, 0),
                (400, 0),
            ] {
                fixture.twilio.then(status, code, None);
                assert_eq!(send(&ticket).await.unwrap().0, 502, "Twilio's {status}, {code}");
            }
            fixture.twilio.then(500, 20500, None);
            send(&ticket).await
        }
        "the same message is under way" => {
            fixture.twilio.delay(Duration::from_secs(1));
            let second = async {
                tokio::time::sleep(Duration::from_millis(500)).await;
                send(&ticket).await
            };
            let (first, second) = tokio::join!(send(&ticket), second);
            fixture.twilio.delay(Duration::ZERO);
            assert_eq!(first.unwrap().0, 200);
            second
        }
        "Twilio refuses the recipient" => {
            for code in [21211, 21610, 21614, 63013, 63024, 63032] {
                fixture.twilio.then(400, code, None);
                assert_eq!(send(&ticket).await.unwrap().0, 410, "Twilio's {code}");
            }
            fixture.twilio.then(400, 63003, None);
            send(&ticket).await
        }
        "the payload can't be read, or needs a template and there is none" => {
            send("{\"event\":\"ticket.created\"}").await
        }
        "no number to send to, or a template is needed and `templateVariables` is no JSON" => {
            let mut ticket = payload(&reference);
            ticket.as_object_mut().unwrap().remove("to");
            let path = format!("/webhook/{CARELESS}");
            n8n.post(&path, &keyed, &ticket.to_string()).await
        }
        "`server check --probe`" => send(&json!({ "event": "probe" }).to_string()).await,
        "workflow inactive, unknown path, wrong method" => n8n.post("/webhook/there-is-none", &keyed, &ticket).await,
        "n8n stopped" | "n8n starting, for about two seconds" => None,
        other => panic!("{other}: nothing brings it about"),
    }
}
