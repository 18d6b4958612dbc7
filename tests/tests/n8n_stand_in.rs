//! The stand-in for n8n, held against the table of `docs/n8n.md`, and the server against the stand-in. `make e2e-n8n`
//! holds a real n8n against the same table.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::{collections::BTreeSet, time::Duration};

use black_box::{Case, Engine, Kind, Row, StandIn, TempStore, TestServer};

#[test]
fn the_table_has_a_row_for_every_case_and_no_other() {
    let told: Vec<String> = Row::all().into_iter().map(|row| row.case).collect();
    let known: BTreeSet<&str> = Case::ALL.into_iter().map(Case::name).collect();
    assert_eq!(told.len(), known.len());
    assert_eq!(told.iter().map(String::as_str).collect::<BTreeSet<_>>(), known);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stand_in_answers_as_the_table_says() {
    for case in Case::ALL {
        let (row, answer) = (case.row(), StandIn::start(case).await.ask().await);
        let kind = answer.as_ref().map_or(Kind::Nothing, |(_, body)| Kind::of(body));
        assert_eq!(
            (row.status, row.kind.as_str()),
            (answer.map(|(status, _)| status), kind.name()),
            "{}",
            case.name()
        );
    }
}

/// What the server makes of each answer, and that it comes round when the trouble is over.
#[tokio::test(flavor = "multi_thread")]
async fn the_server_does_what_the_table_says() {
    for case in Case::ALL {
        // No answer to a notification: tests of the command are elsewhere.
        if case == Case::Probe {
            continue;
        }
        let stand_in = StandIn::start(case).await;
        let place = TempStore::new(Engine::Sqlite).await;
        let desk = TestServer::on(&place).telling(stand_in.server()).start().await;
        let reference = desk.open().await;
        let consequence = case.row().consequence;
        let state = match consequence.as_str() {
            "delivered, with the id" => {
                desk.wait_for_log("\"has_id\":true").await;
                "sent"
            }
            "delivered, without an id" => {
                desk.wait_for_log("\"has_id\":false").await;
                "sent"
            }
            "tried again" => {
                desk.wait_for_log("notification failed").await;
                assert!(!desk.log().contains("notification given up"), "{}", case.name());
                stand_in.mend(case);
                desk.wait_for_log("\"has_id\":true").await;
                "sent"
            }
            "given up" => {
                desk.wait_for_log("notification given up").await;
                let tries = stand_in.server().wait_for(1, Duration::from_secs(5)).await;
                assert_eq!(tries.len(), 1, "{}", case.name());
                "failed"
            }
            other => panic!("{}: {other:?} is not known here", case.name()),
        };
        desk.all_settled().await;
        let ticket = desk.ticket(&reference).await;
        assert_eq!(ticket["ticket"]["delivery"]["state"], state, "{}", case.name());
        assert!(desk.stop().await.success());
    }
}
