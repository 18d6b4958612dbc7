//! No log line shows what people wrote, their numbers or keys, even at the most detailed level. Each server that a test
//! starts is checked when it ends; here it logs at `trace`, and the requests fail as often as they succeed.

use black_box::{
    CUSTOMER, Engine, FakeN8n, FakeSmtp, MANAGER, OPERATOR_TOKEN, Reaction, TempStore, TestServer, on_both_stores,
    ticket, ticket_with,
};
use serde_json::json;

use crate::form::post_form;

on_both_stores!(nothing_private_is_logged_at_trace);

async fn nothing_private_is_logged_at_trace(engine: Engine) {
    let store = TempStore::new(engine).await;
    let n8n = FakeN8n::start();
    n8n.always(Reaction::AcceptWithOwnId);
    let smtp = FakeSmtp::start();
    let options = TestServer::on(&store).notifying(&n8n).mailing(&smtp);
    let options = options.set("RUST_LOG", "trace").set("TICKET_ACCESS", "private");
    let server = options.start().await;
    let created = server.create(&ticket()).await;
    let (reference, url) = (created.field("ticketRef"), created.field("ticketUrl"));
    let page = url.strip_prefix("https://desk.example").unwrap();
    let wrong = format!("/ticket/{reference}?key=not-the-right-key");
    for (path, status) in [(page, 200), (&*wrong, 404)] {
        assert_eq!(server.get(path).await.status, status);
        assert_eq!(server.get(&format!("/api{path}")).await.status, status);
    }
    let invalid = json!({ "customerEmail": "somebody.else-customer.example", "customerPhone": "call me by my name" });
    assert_eq!(server.create(&ticket_with(&invalid)).await.status, 400);
    server.wait_for_empty_outbox().await;

    // The manager and a stranger, by WhatsApp.
    let quoted = n8n.received()[0].external_id();
    let from = format!("whatsapp:{MANAGER}");
    for (status, body) in [
        (
            200,
            json!({ "from": from, "message": "Quoting, in confidence", "repliedToExternalId": quoted,
            "mediaUrl": "https://media.example/private-picture" }),
        ),
        (400, json!({ "from": from, "message": "Which one? Nobody knows" })),
        (200, json!({ "from": from, "message": reference })),
        (
            200,
            json!({ "from": from, "message": "With a picture, in confidence", "ticketRef": reference,
            "mediaUrl": "http://media.example/another-private-picture" }),
        ),
        (
            400,
            json!({ "from": CUSTOMER.replace("111", "222"), "message": "From a stranger, to nobody" }),
        ),
    ] {
        assert_eq!(server.inbound(&body).await.status, status, "{body}");
    }
    let wrong = [("x-api-key", "the-wrong-inbound-key")];
    let message = json!({ "message": "From nobody at all" });
    let refused = server.post("/api/ticket/inbound", &wrong, &message).await;
    assert_eq!(refused.status, 401);

    // A customer and an operator, by browser.
    assert_eq!(post_form(&server, "/", &ticket()).await.status, 303);
    let message = json!({ "message": "Written on the page, unseen" });
    assert_eq!(post_form(&server, page, &message).await.status, 303);
    let wrong = post_form(
        &server,
        "/inbox/session",
        &json!({ "token": "not-the-operators-token" }),
    )
    .await;
    assert_eq!(wrong.status, 401);
    let entered = post_form(&server, "/inbox/session", &json!({ "token": OPERATOR_TOKEN })).await;
    let cookie = entered.header("set-cookie").split(';').next().unwrap().to_owned();
    for path in [
        "/inbox",
        "/inbox?q=Damaged+bottles+in",
        "/inbox/unmatched",
        "/inbox/notifications",
    ] {
        let shown = server.send("GET", path, &[("cookie", &cookie)], None).await;
        assert_eq!(shown.status, 200, "{path}");
    }
    for path in [
        "tickets?q=damaged+bottles+in",
        "unmatched",
        "notifications",
        "audit-log",
    ] {
        let listed = server.get_as_operator(&format!("/api/{path}")).await;
        assert_eq!(listed.status, 200, "{path}");
    }
    assert_eq!(
        post_form(&server, "/find", &json!({ "contact": CUSTOMER }))
            .await
            .status,
        200
    );
    server.wait_for_empty_outbox().await;
    let mailed = smtp.received();
    assert!(
        mailed.iter().any(|mail| mail.text.contains("in confidence")),
        "{mailed:?}"
    );
    assert!(server.log().contains("\"level\":\"TRACE\""), "the level was not set");
    server.end().await;
}
