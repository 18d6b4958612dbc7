//! Nobody's words, numbers and keys stand in a log, however much of it is asked for. Each server that a test starts is
//! held to it when it stops; here it says everything that it can.

use std::time::Duration;

use black_box::{
    CUSTOMER, Engine, FakeN8n, INBOUND_KEY, MANAGER, OPERATOR_TOKEN, Reaction, TempStore, TestServer, on_both_stores,
    ticket,
};
use serde_json::{Value, json};
use url::form_urlencoded;

on_both_stores!(nothing_private_is_logged_at_trace);

async fn post_form(server: &TestServer, path: &str, cookie: &str, fields: &[(&str, &str)]) -> black_box::Response {
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("origin", "https://desk.example"),
        ("cookie", cookie),
    ];
    server
        .try_send("POST", path, &headers, Some(body.into_bytes()))
        .await
        .unwrap()
}

async fn nothing_private_is_logged_at_trace(engine: Engine) {
    let store = TempStore::new(engine).await;
    let n8n = FakeN8n::start();
    n8n.always(Reaction::AcceptWithOwnId);
    let server = TestServer::on(&store)
        .notifying(&n8n)
        .set("RUST_LOG", "trace")
        .set("TICKET_ACCESS", "private")
        .start()
        .await;
    // A customer, by program.
    let created = server.create(&ticket()).await.json();
    let (reference, url) = (
        created["ticketRef"].as_str().unwrap(),
        created["ticketUrl"].as_str().unwrap(),
    );
    let key = url.split_once("?key=").unwrap().1;
    for path in [format!("/api/ticket/{reference}"), format!("/ticket/{reference}")] {
        let read = server
            .try_send("GET", &format!("{path}?key={key}"), &[], None)
            .await
            .unwrap();
        assert_eq!(read.status, 200);
        let wrong = server
            .try_send("GET", &format!("{path}?key=not-the-right-key"), &[], None)
            .await
            .unwrap();
        assert_eq!(wrong.status, 404);
    }
    let mut faulty = ticket();
    faulty["customerEmail"] = json!("somebody.else-customer.example");
    faulty["customerPhone"] = json!("call me by my name");
    assert_eq!(server.create(&faulty).await.status, 400);
    let added = json!({ "message": "One thing more, in secret words" });
    let path = format!("/api/ticket/{reference}/messages?key={key}");
    assert_eq!(server.post(&path, &[], &added).await.status, 201);
    // The manager, by WhatsApp: quoted, named, neither, and with a wrong key.
    let told = n8n.wait_for(2, Duration::from_secs(10)).await;
    let says = |text: &str, more: Value| {
        let mut body = json!({ "message": text, "from": format!("whatsapp:{MANAGER}") });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let quote = json!({ "repliedToExternalId": format!("SM-{}", told[0].id()), "mediaUrl": "https://media.example/private-picture" });
    assert_eq!(server.inbound(&says("Quoting, in confidence", quote)).await.status, 200);
    assert_eq!(
        server.inbound(&says("Which one? Nobody knows", json!({}))).await.status,
        400
    );
    assert_eq!(server.inbound(&says("1", json!({}))).await.status, 200);
    let unusable = json!({ "ticketRef": reference, "mediaUrl": "http://media.example/another-private-picture" });
    assert_eq!(
        server
            .inbound(&says("With a picture, in confidence", unusable))
            .await
            .status,
        200
    );
    let wrong = [("x-api-key", "the-wrong-inbound-key")];
    let refused = server
        .post("/api/ticket/inbound", &wrong, &says("From nobody at all", json!({})))
        .await;
    assert_eq!(refused.status, 401);
    let aside = json!({ "message": "From a stranger, to nobody", "from": CUSTOMER.replace("111", "222") });
    assert_eq!(
        server
            .post("/api/ticket/inbound", &[("x-api-key", INBOUND_KEY)], &aside)
            .await
            .status,
        400
    );
    // A customer and an operator, by browser.
    let form = ticket();
    let fields: Vec<(&str, &str)> = form
        .as_object()
        .unwrap()
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str().unwrap()))
        .collect();
    assert_eq!(post_form(&server, "/", "", &fields).await.status, 303);
    let page = format!("/ticket/{reference}?key={key}");
    assert_eq!(
        post_form(&server, &page, "", &[("message", "Written on the page, unseen")])
            .await
            .status,
        303
    );
    let wrong = post_form(&server, "/inbox/session", "", &[("token", "not-the-operators-token")]).await;
    assert_eq!(wrong.status, 401);
    let entered = post_form(&server, "/inbox/session", "", &[("token", OPERATOR_TOKEN)]).await;
    let cookie = entered.header("set-cookie").split(';').next().unwrap().to_owned();
    for path in [
        "/inbox",
        "/inbox?q=Damaged+bottles+in",
        "/inbox/unmatched",
        "/inbox/notifications",
    ] {
        let shown = server
            .try_send("GET", path, &[("cookie", &cookie)], None)
            .await
            .unwrap();
        assert_eq!(shown.status, 200, "{path}");
    }
    for path in [
        "/api/tickets?q=damaged+bottles+in",
        "/api/unmatched",
        "/api/notifications",
        "/api/audit-log",
    ] {
        assert_eq!(server.get_as_operator(path).await.status, 200, "{path}");
    }
    server.wait_for_empty_outbox().await;
    assert!(
        server.log().contains("\"level\":\"TRACE\""),
        "it was not asked for everything"
    );
    assert!(server.stop().await.success());
}
