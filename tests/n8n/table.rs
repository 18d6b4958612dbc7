//! The table of `docs/n8n.md`, held against a real n8n row by row.

use std::time::Duration;

use black_box::{Case, Kind, SHARED_SECRET};
use serde_json::json;

use crate::{
    others,
    real::CARELESS,
    stage::{Stage, payload},
};

/// Every row whose case can be made while n8n runs; `trouble::inactive_then_active` sees to the others.
pub(crate) async fn n8n_answers_as_the_table_says(stage: &mut Stage) {
    let (_place, desk) = stage.desk().await;
    for case in Case::ALL {
        let Some((status, body)) = provoke(stage, case).await else {
            continue;
        };
        hold(case, Some(status), Kind::of(&body), &body);
    }
    assert!(desk.stop().await.success());
}

/// Asserts that an answer is the one of the table.
pub(crate) fn hold(case: Case, status: Option<u16>, kind: Kind, body: &str) {
    let row = case.row();
    assert_eq!(
        (row.status, row.kind.as_str()),
        (status, kind.name()),
        "{}: {body}",
        case.name()
    );
}

/// Brings a case about, and gives the answer.
async fn provoke(stage: &Stage, case: Case) -> Option<(u16, String)> {
    let reference = format!("T-20261103-{:04}", case as u32);
    let ticket = payload(&reference).to_string();
    let n8n = &stage.n8n;
    let keyed = [("x-api-key", SHARED_SECRET), ("webhook-id", reference.as_str())];
    let other = |id: &'static str| n8n.post_other(id, &ticket);
    match case {
        Case::Taken => n8n.post("/webhook/ticket-created", &keyed, &ticket).await,
        Case::TakenBefore => {
            n8n.post("/webhook/ticket-created", &keyed, &ticket).await;
            n8n.post("/webhook/ticket-created", &keyed, &ticket).await
        }
        Case::AtOnce => other(others::AT_ONCE).await,
        Case::NeverAnswers => other(others::NEVER_ANSWERS).await,
        Case::WrongKey => {
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
        Case::Fails => {
            let throws = other(others::THROWS).await;
            let lacks = other(others::NO_CREDENTIAL).await;
            assert_eq!(
                throws.as_ref().map(|answer| answer.0),
                lacks.as_ref().map(|answer| answer.0),
                "{lacks:?}"
            );
            throws
        }
        Case::NotJson => n8n.post("/webhook/ticket-created", &keyed, "{\"event\":").await,
        Case::SlowDown => {
            stage.twilio.then(429, 20429, Some(7));
            n8n.post("/webhook/ticket-created", &keyed, &ticket).await
        }
        Case::NotNow => {
            // Credentials, sender, our own layout, the sandbox, something that is not Twilio's.
            for (status, code) in [
                (401, 20003),
                (400, 21212),
                (400, 21617),
                (400, 63015),
                (403, 0),
                (400, 0),
            ] {
                stage.twilio.then(status, code, None);
                let answer = n8n.post("/webhook/ticket-created", &keyed, &ticket).await;
                assert_eq!(answer.unwrap().0, 502, "Twilio's {status}, {code}");
            }
            stage.twilio.then(500, 20500, None);
            n8n.post("/webhook/ticket-created", &keyed, &ticket).await
        }
        Case::UnderWay => {
            stage.twilio.pace(Duration::from_secs(1));
            let second = async {
                tokio::time::sleep(Duration::from_millis(500)).await;
                n8n.post("/webhook/ticket-created", &keyed, &ticket).await
            };
            let first = n8n.post("/webhook/ticket-created", &keyed, &ticket);
            let (first, second) = tokio::join!(first, second);
            stage.twilio.pace(Duration::ZERO);
            assert_eq!(first.unwrap().0, 200);
            second
        }
        Case::Refused => {
            for code in [21211, 21610, 21614, 63013, 63024, 63032] {
                stage.twilio.then(400, code, None);
                let answer = n8n.post("/webhook/ticket-created", &keyed, &ticket).await;
                assert_eq!(answer.unwrap().0, 410, "Twilio's {code}");
            }
            stage.twilio.then(400, 63003, None);
            n8n.post("/webhook/ticket-created", &keyed, &ticket).await
        }
        Case::Unreadable => {
            n8n.post("/webhook/ticket-created", &keyed, "{\"event\":\"ticket.created\"}")
                .await
        }
        Case::Careless => {
            let mut ticket = payload(&reference);
            ticket.as_object_mut().unwrap().remove("to");
            let path = format!("/webhook/{CARELESS}");
            n8n.post(&path, &keyed, &ticket.to_string()).await
        }
        Case::Probe => {
            let probe = json!({ "event": "probe" }).to_string();
            n8n.post("/webhook/ticket-created", &keyed, &probe).await
        }
        Case::Inactive => n8n.post("/webhook/there-is-none", &keyed, &ticket).await,
        Case::Away | Case::Starting => None,
    }
}
