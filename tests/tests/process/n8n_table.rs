//! The fake n8n, checked against the table of `docs/n8n.md`, and the server against the fake. `make e2e-n8n` checks a
//! real n8n against the same table.

use black_box::{Engine, N8nCase, Reaction, TableRow, TempStore, TestServer};
use futures_util::{StreamExt, stream};

#[test]
fn the_fake_responds_as_the_table_says() {
    let cases = N8nCase::all();
    assert_eq!(TableRow::all().len(), cases.len());
    for case in cases {
        let (status, kind) = case.seen();
        assert_eq!(
            TableRow::of(&case.name).seen,
            (status, kind.to_owned()),
            "{}",
            case.name
        );
    }
}

/// What the server makes of each response, and that it recovers when n8n does.
#[tokio::test(flavor = "multi_thread")]
async fn the_server_does_what_the_table_says() {
    // The response to a probe is none to a notification; `command_line` tests the command.
    let cases = N8nCase::all();
    let cases = cases.iter().filter(|case| !case.name.contains("--probe"));
    stream::iter(cases).for_each_concurrent(4, follow).await;
}

async fn follow(case: &N8nCase) {
    let n8n = case.fake().await;
    let store = TempStore::new(Engine::Sqlite).await;
    let server = TestServer::on(&store).notifying(&n8n).start().await;
    let reference = server.open().await;
    let state = match TableRow::of(&case.name).consequence.as_str() {
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
            assert!(!server.log().contains("notification given up"), "{}", case.name);
            if case.seen().0.is_none() {
                n8n.come_back();
            }
            n8n.always(Reaction::accepted("SM00000000000000000000000000000001"));
            server.wait_for_log("\"has_id\":true").await;
            "sent"
        }
        "given up" => {
            server.wait_for_log("notification given up").await;
            assert_eq!(n8n.count(), 1, "{}", case.name);
            "failed"
        }
        other => panic!("{}: unknown consequence {other:?}", case.name),
    };
    server.wait_for_empty_outbox().await;
    assert_eq!(server.delivery(&reference).await, state, "{}", case.name);
    server.end().await;
}
