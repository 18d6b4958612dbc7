//! The table of `docs/n8n.md`, held against a real n8n row by row.

use std::time::Duration;

use black_box::{BodyKind, N8nCase, SHARED_SECRET};
use serde_json::json;

use crate::{
    fixture::{Fixture, payload},
    other_workflows,
    real_n8n::CARELESS,
};

/// Every row whose case can be made while n8n runs; `failures::inactive_then_active` sees to the others.
pub(crate) async fn n8n_answers_as_the_table_says(fixture: &mut Fixture) {
    let (_store, server) = fixture.server().await;
    for case in N8nCase::ALL.iter().copied() {
        let Some((status, body)) = provoke(fixture, case).await else {
            continue;
        };
        check(case, Some(status), BodyKind::of(&body), &body);
    }
    assert!(server.stop().await.success());
}

/// Asserts that a response is the one in the table.
pub(crate) fn check(case: N8nCase, status: Option<u16>, kind: BodyKind, body: &str) {
    let row = case.row();
    assert_eq!(
        (row.status, row.kind.as_str()),
        (status, kind.name()),
        "{}: {body}",
        case.name()
    );
}

/// Brings a case about and returns the response.
async fn provoke(fixture: &Fixture, case: N8nCase) -> Option<(u16, String)> {
    let reference = format!("T-20261103-{:04}", case as u32);
    let ticket = payload(&reference).to_string();
    let n8n = &fixture.n8n;
    let keyed = [("x-api-key", SHARED_SECRET), ("webhook-id", reference.as_str())];
    let other = |id: &'static str| n8n.post_other(id, &ticket);
    match case {
        N8nCase::Taken => n8n.post("/webhook/ticket-created", &keyed, &ticket).await,
        N8nCase::TakenBefore => {
            n8n.post("/webhook/ticket-created", &keyed, &ticket).await;
            n8n.post("/webhook/ticket-created", &keyed, &ticket).await
        }
        N8nCase::AtOnce => other(other_workflows::AT_ONCE).await,
        N8nCase::NeverAnswers => other(other_workflows::NEVER_ANSWERS).await,
        N8nCase::WrongKey => {
            let missing = n8n.post("/webhook/ticket-created", &[], &ticket).await;
            let wrong = n8n
                .post("/webhook/ticket-created", &[("x-api-key", "wrong")], &ticket)
                .await;
            assert_eq!(
                missing.as_ref().map(|answer| answer.0),
                wrong.as_ref().map(|answer| answer.0)
            );
            wrong
        }
        N8nCase::Fails => {
            let throws = other(other_workflows::THROWS).await;
            let lacks = other(other_workflows::NO_CREDENTIAL).await;
            assert_eq!(
                throws.as_ref().map(|answer| answer.0),
                lacks.as_ref().map(|answer| answer.0),
                "{lacks:?}"
            );
            throws
        }
        N8nCase::NotJson => n8n.post("/webhook/ticket-created", &keyed, "{\"event\":").await,
        N8nCase::SlowDown => {
            fixture.twilio.then(429, 20429, Some(7));
            n8n.post("/webhook/ticket-created", &keyed, &ticket).await
        }
        N8nCase::NotNow => {
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
                let answer = n8n.post("/webhook/ticket-created", &keyed, &ticket).await;
                assert_eq!(answer.unwrap().0, 502, "Twilio's {status}, {code}");
            }
            fixture.twilio.then(500, 20500, None);
            n8n.post("/webhook/ticket-created", &keyed, &ticket).await
        }
        N8nCase::UnderWay => {
            fixture.twilio.delay(Duration::from_secs(1));
            let second = async {
                tokio::time::sleep(Duration::from_millis(500)).await;
                n8n.post("/webhook/ticket-created", &keyed, &ticket).await
            };
            let first = n8n.post("/webhook/ticket-created", &keyed, &ticket);
            let (first, second) = tokio::join!(first, second);
            fixture.twilio.delay(Duration::ZERO);
            assert_eq!(first.unwrap().0, 200);
            second
        }
        N8nCase::Refused => {
            for code in [21211, 21610, 21614, 63013, 63024, 63032] {
                fixture.twilio.then(400, code, None);
                let answer = n8n.post("/webhook/ticket-created", &keyed, &ticket).await;
                assert_eq!(answer.unwrap().0, 410, "Twilio's {code}");
            }
            fixture.twilio.then(400, 63003, None);
            n8n.post("/webhook/ticket-created", &keyed, &ticket).await
        }
        N8nCase::Unreadable => {
            n8n.post("/webhook/ticket-created", &keyed, "{\"event\":\"ticket.created\"}")
                .await
        }
        N8nCase::Careless => {
            let mut ticket = payload(&reference);
            ticket.as_object_mut().unwrap().remove("to");
            let path = format!("/webhook/{CARELESS}");
            n8n.post(&path, &keyed, &ticket.to_string()).await
        }
        N8nCase::Probe => {
            let probe = json!({ "event": "probe" }).to_string();
            n8n.post("/webhook/ticket-created", &keyed, &probe).await
        }
        N8nCase::Inactive => n8n.post("/webhook/there-is-none", &keyed, &ticket).await,
        N8nCase::Away | N8nCase::Starting => None,
    }
}
