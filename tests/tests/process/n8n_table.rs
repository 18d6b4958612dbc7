//! The fake n8n, checked against the table of `docs/n8n.md`, and the server against the fake. `make e2e-n8n` checks a
//! real n8n against the same table.

use std::{collections::BTreeSet, time::Duration};

use black_box::{
    BodyKind, Engine, N8nCase, Reaction, Response, SHARED_SECRET, TableRow, TempStore, TestServer, http_client,
};
use futures_util::{StreamExt, stream};

#[test]
fn the_table_has_one_row_per_case() {
    let rows: Vec<String> = TableRow::all().into_iter().map(|row| row.case).collect();
    let cases: BTreeSet<&str> = N8nCase::ALL.iter().map(|case| case.name()).collect();
    assert_eq!(rows.len(), cases.len());
    assert_eq!(rows.iter().map(String::as_str).collect::<BTreeSet<_>>(), cases);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fake_responds_as_the_table_says() {
    let client = http_client(Duration::from_secs(10));
    for case in N8nCase::ALL {
        let (row, n8n) = (case.row(), case.fake().await);
        let request = client.post(n8n.url()).header("x-api-key", SHARED_SECRET).body("{}");
        let response = Response::of(request).await.ok();
        let kind = response
            .as_ref()
            .map_or(BodyKind::Nothing, |response| BodyKind::of(&response.text));
        assert_eq!(
            (row.status, row.kind.as_str()),
            (response.map(|response| response.status), kind.name()),
            "{}",
            case.name()
        );
    }
}

/// What the server makes of each response, and that it recovers when n8n does.
#[tokio::test(flavor = "multi_thread")]
async fn the_server_does_what_the_table_says() {
    // Not a response to a notification; `command_line` tests the command.
    let cases = N8nCase::ALL.iter().filter(|case| **case != N8nCase::Probe);
    stream::iter(cases).for_each_concurrent(4, |case| follow(*case)).await;
}

async fn follow(case: N8nCase) {
    let n8n = case.fake().await;
    let store = TempStore::new(Engine::Sqlite).await;
    let server = TestServer::on(&store).notifying(&n8n).start().await;
    let reference = server.open().await;
    let state = match case.row().consequence.as_str() {
        "delivered, with the id" => {
            server.wait_for_log("\"has_id\":true").await;
            "sent"
        }
        "delivered, without an id" => {
            server.wait_for_log("\"has_id\":false").await;
            "sent"
        }
        "tried again" => {
            server.wait_for_log("notification failed").await;
            assert!(!server.log().contains("notification given up"), "{}", case.name());
            if case == N8nCase::Away {
                n8n.come_back();
            }
            n8n.always(Reaction::accepted("SM00000000000000000000000000000001"));
            server.wait_for_log("\"has_id\":true").await;
            "sent"
        }
        "given up" => {
            server.wait_for_log("notification given up").await;
            assert_eq!(n8n.count(), 1, "{}", case.name());
            "failed"
        }
        other => panic!("{}: unknown consequence {other:?}", case.name()),
    };
    server.wait_for_empty_outbox().await;
    assert_eq!(server.delivery(&reference).await, state, "{}", case.name());
    assert!(server.stop().await.success());
}
