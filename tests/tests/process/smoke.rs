//! The whole loop once on each store: form, notification, reply, operator.

use std::{net::TcpListener, time::Duration};

use black_box::{
    CUSTOMER, Engine, FakeN8n, MANAGER, Reaction, SHARED_SECRET, TempStore, TestServer, on_both_stores, ticket,
};
use serde_json::json;

on_both_stores!(a_ticket_goes_round_the_loop, operators_work_on_tickets,);

const TIMEOUT: Duration = Duration::from_secs(10);

async fn a_ticket_goes_round_the_loop(engine: Engine) {
    let store = TempStore::new(engine).await;
    let n8n = FakeN8n::start();
    n8n.always(Reaction::AcceptWithOwnId);
    let server = TestServer::on(&store).notifying(&n8n).start().await;

    let created = server.create(&ticket()).await;
    assert_eq!(created.status, 201, "{created:?}");
    let reference = created.field("ticketRef");
    assert_eq!(created.header("location"), format!("/api/ticket/{reference}"));
    let url = created.field("ticketUrl");
    let page = format!("https://desk.example/ticket/{reference}");
    let key = url.strip_prefix(&format!("{page}?key=")).unwrap();

    let received = n8n.wait_for(1, TIMEOUT).await.remove(0);
    assert_eq!(received.path, "/webhook/ticket-created");
    assert_eq!(received.headers["content-type"], "application/json");
    assert_eq!(received.headers["x-api-key"], SHARED_SECRET);
    assert!(received.headers["webhook-timestamp"].parse::<u64>().unwrap() > 1_700_000_000);
    let payload = received.json();
    for (field, value) in ticket().as_object().unwrap() {
        assert_eq!(payload[field], *value);
    }
    assert_eq!(
        (&payload["event"], &payload["to"]),
        (&json!("ticket.created"), &json!(MANAGER))
    );
    assert_eq!(payload["ticketUrl"], page, "without the customer's key");
    server.wait_for_delivery(&reference, "sent").await;

    let read = json!({ "externalId": received.external_id(), "status": "read" });
    let key_header = [("x-api-key", black_box::INBOUND_KEY)];
    let reported = server.post("/api/ticket/inbound/status", &key_header, &read).await;
    assert_eq!(reported.json()["known"], true, "{reported:?}");
    assert_eq!(server.delivery(&reference).await, "read");

    // A medium that nobody may fetch: who sends its URL would learn about people who did not follow it.
    let medium = TcpListener::bind("127.0.0.1:0").unwrap();
    medium.set_nonblocking(true).unwrap();
    let quoting = json!({
        "message": "We look into it", "from": MANAGER, "externalId": "SM1",
        "repliedToExternalId": received.external_id(),
        "mediaUrl": format!("https://{}/picture.png", medium.local_addr().unwrap()),
    });
    for duplicate in [false, true] {
        let reply = server.inbound(&quoting).await;
        assert_eq!((reply.status, reply.field("ticketRef")), (200, reference.clone()));
        assert_eq!(reply.json()["duplicate"], duplicate);
    }
    // A reply that names no ticket is answered with a question, and the question with a number.
    let bare = json!({ "message": "And we send new ones", "from": MANAGER, "externalId": "SM2" });
    let question = server.inbound(&bare).await;
    assert_eq!((question.status, question.problem()), (400, "ticket_not_named".into()));
    assert!(question.field("ask").contains("\n1. "), "{question:?}");
    assert_eq!(question.json()["questionSent"], true);
    let sent = n8n.wait_for(2, TIMEOUT).await.remove(1).json();
    assert_eq!(
        (&sent["event"], &sent["text"]),
        (&json!("question"), &question.json()["ask"])
    );
    let choice = json!({ "message": "1", "from": MANAGER, "externalId": "SM3" });
    assert_eq!(server.inbound(&choice).await.field("ticketRef"), reference);

    let path = format!("/api/ticket/{reference}/messages?key={key}");
    let added = server.post(&path, &[], &json!({ "message": "Thank you" })).await;
    assert_eq!(added.status, 201, "{added:?}");
    let updated = n8n.wait_for(3, TIMEOUT).await.remove(2).json();
    assert_eq!(
        (&updated["event"], &updated["message"]),
        (&json!("ticket.updated"), &json!("Thank you"))
    );
    server.wait_for_empty_outbox().await;
    let first = ticket()["message"].as_str().unwrap().to_owned();
    assert_eq!(
        server.messages(&reference).await,
        [&first, "We look into it", "And we send new ones", "Thank you"]
    );
    let shown = server.get(&format!("/ticket/{reference}")).await.text;
    assert!(shown.contains("at 127.0.0.1") && !shown.contains("<img"), "{shown}");
    server.end().await;
    assert!(medium.accept().is_err(), "the server fetched the medium");
}

async fn operators_work_on_tickets(engine: Engine) {
    let store = TempStore::new(engine).await;
    let server = TestServer::on(&store).start().await;
    let reference = server.open().await;
    server.open().await;
    let path = format!("/api/ticket/{reference}");
    let changed = server
        .send_as_operator("PATCH", &path, &json!({ "status": "resolved" }))
        .await;
    assert_eq!(changed.status, 200, "{changed:?}");
    let reply = json!({ "message": "On its way" });
    let replied = server
        .send_as_operator("POST", &format!("{path}/replies"), &reply)
        .await;
    assert_eq!(replied.status, 201, "{replied:?}");
    for (query, count) in [
        ("status=resolved", 1),
        ("status=open", 1),
        ("q=damaged", 2),
        ("q=way", 1),
        ("q=x", 0),
    ] {
        let list = server.get_as_operator(&format!("/api/tickets?{query}")).await.json();
        assert_eq!(list["tickets"].as_array().unwrap().len(), count, "{query}: {list}");
    }
    let unmatched = json!({ "message": "Anybody there?", "from": CUSTOMER });
    assert_eq!(server.inbound(&unmatched).await.problem(), "ticket_not_named");
    let listed = server.get_as_operator("/api/unmatched").await.json();
    let id = listed["messages"][0]["id"].as_str().unwrap();
    let attached = server
        .send_as_operator(
            "POST",
            &format!("/api/unmatched/{id}/attach"),
            &json!({ "ticketRef": reference }),
        )
        .await;
    assert_eq!(attached.status, 200, "{attached:?}");
    let ticket = server.ticket(&reference).await;
    assert_eq!(ticket["ticket"]["status"], "open", "the customer's message reopens it");
    assert_eq!(server.messages(&reference).await[1..], ["On its way", "Anybody there?"]);
    let audited = server
        .get_as_operator(&format!("/api/audit-log?ticketRef={reference}"))
        .await
        .json();
    assert_eq!(audited["entries"].as_array().unwrap().len(), 3, "{audited}");
    server.end().await;
}
