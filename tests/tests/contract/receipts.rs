//! `POST /api/ticket/inbound/status`, and what follows from it.

use std::time::Duration;

use black_box::{Engine, MANAGER, N8n, Reaction, Received, TempStore, TestServer, on_both_stores};
use serde_json::{Value, json};

on_both_stores!(
    every_field_has_two_sides,
    a_ticket_tells_how_far_its_message_got,
    receipts_may_overtake_the_answer,
    what_comes_too_late_goes_as_a_template,
    what_the_first_number_cannot_get_goes_to_the_second,
    what_a_workflow_refuses_for_good_goes_to_the_second_number,
    without_another_way_it_is_dead_and_can_be_sent_again,
);

const PATIENCE: Duration = Duration::from_secs(20);
const BACKUP: &str = "+15550000000";

fn of(id: &str, status: &str) -> Value {
    json!({ "externalId": id, "status": status })
}

/// A server whose workflow names each message after its `webhook-id`.
async fn desk_on(place: &TempStore, n8n: &N8n, backup: &str) -> TestServer {
    n8n.always(Reaction::TakenByItsId);
    TestServer::on(place)
        .telling(n8n)
        .set("AGENT_PHONE_BACKUP", backup)
        .start()
        .await
}

fn sid(received: &Received) -> String {
    format!("SM-{}", received.id())
}

async fn every_field_has_two_sides(engine: Engine) {
    let place = TempStore::new(engine).await;
    let desk = TestServer::on(&place).start().await;
    let base = json!({ "externalId": "SM1", "status": "sent" });
    let with = |field: &str, value: Value| {
        let mut body = base.clone();
        body[field] = value;
        body
    };
    for (field, value) in [
        ("externalId", json!("x".repeat(128))),
        ("status", json!("queued")),
        ("status", json!("delivered")),
        ("status", json!("read")),
        ("status", json!("failed")),
        ("status", json!("undelivered")),
        ("errorCode", json!(63_016)),
        ("errorCode", json!("63016")),
        ("errorCode", json!(null)),
        ("errorCode", json!("")),
        ("unknown", json!("ignored")),
    ] {
        let reply = desk.status(&with(field, value.clone())).await;
        assert_eq!(
            (reply.status, reply.json()),
            (200, json!({ "ok": true, "known": false })),
            "{field} {value}"
        );
    }
    for (field, value) in [
        ("externalId", json!(null)),
        ("externalId", json!(" ")),
        ("externalId", json!("x".repeat(129))),
        ("externalId", json!(7)),
        ("status", json!(null)),
        ("status", json!("")),
        ("status", json!("seen")),
        ("status", json!(["sent"])),
        ("errorCode", json!("none")),
        ("errorCode", json!(-1)),
        ("errorCode", json!(1.5)),
        ("errorCode", json!("99999999999")),
        ("errorCode", json!({})),
    ] {
        let reply = desk.status(&with(field, value.clone())).await;
        assert_eq!(
            (reply.status, reply.problem()),
            (400, "validation_failed".into()),
            "{field} {value}"
        );
        assert_eq!(reply.faulty_fields(), [field], "{value}");
    }
    let all = desk.status(&json!({ "errorCode": "x" })).await;
    assert_eq!(all.faulty_fields(), ["errorCode", "externalId", "status"]);
    for key in ["", "wrong"] {
        let reply = desk
            .post("/api/ticket/inbound/status", &[("x-api-key", key)], &json!({}))
            .await;
        assert_eq!((reply.status, reply.problem()), (401, "unauthorized".into()));
    }
    assert!(desk.stop().await.success());
}

async fn a_ticket_tells_how_far_its_message_got(engine: Engine) {
    let place = TempStore::new(engine).await;
    let n8n = N8n::start();
    let desk = desk_on(&place, &n8n, "").await;
    let reference = desk.open().await;
    desk.wait_for_delivery(&reference, "sent").await;
    let received = n8n.received();
    assert_eq!(received[0].json()["to"], MANAGER);
    let id = sid(&received[0]);
    for (status, expected) in [
        ("queued", "sent"),
        ("delivered", "delivered"),
        ("sent", "delivered"),
        ("read", "read"),
        ("delivered", "read"),
        ("failed", "read"),
    ] {
        let before = desk.get(&format!("/api/ticket/{reference}")).await;
        let reply = desk.status(&of(&id, status)).await;
        assert_eq!((reply.status, &reply.json()["known"]), (200, &json!(true)), "{status}");
        assert_eq!(desk.delivery(&reference).await, expected, "{status}");
        // A poller learns of a change, and of nothing else.
        let after = desk.get(&format!("/api/ticket/{reference}")).await;
        assert_eq!(
            before.header("etag") == after.header("etag"),
            before.text == after.text,
            "{status}"
        );
    }
    assert_eq!(n8n.received().len(), 1);
    assert!(desk.stop().await.success());
}

async fn receipts_may_overtake_the_answer(engine: Engine) {
    let place = TempStore::new(engine).await;
    let n8n = N8n::start();
    n8n.always(Reaction::After(
        Duration::from_secs(1),
        Box::new(Reaction::taken("SM-early")),
    ));
    let desk = TestServer::on(&place).telling(&n8n).start().await;
    let reference = desk.open().await;
    n8n.wait_for(1, PATIENCE).await;
    for status in ["read", "delivered", "sent"] {
        let reply = desk.status(&of("SM-early", status)).await;
        assert_eq!(reply.json(), json!({ "ok": true, "known": false }));
    }
    desk.wait_for_delivery(&reference, "read").await;
    assert!(desk.stop().await.success());
}

async fn what_comes_too_late_goes_as_a_template(engine: Engine) {
    let place = TempStore::new(engine).await;
    let n8n = N8n::start();
    let desk = desk_on(&place, &n8n, "").await;
    let reference = desk.open().await;
    desk.wait_for_delivery(&reference, "sent").await;
    let first = n8n.received().remove(0);
    let mut late = of(&sid(&first), "failed");
    late["errorCode"] = "63016".into();
    // Twilio may say it twice.
    for _ in 0..2 {
        assert_eq!(desk.status(&late).await.json()["known"], true);
    }
    let received = n8n.wait_for(2, PATIENCE).await;
    desk.wait_for_delivery(&reference, "sent").await;
    let mut expected = first.json();
    expected["template"] = true.into();
    assert_eq!(received[1].json(), expected);
    assert_eq!(received[1].id(), format!("{}.1", first.id()));
    desk.wait_for_log("another way").await;

    assert_eq!(desk.status(&of(&sid(&received[1]), "read")).await.status, 200);
    assert_eq!(desk.delivery(&reference).await, "read");
    assert_eq!(n8n.received().len(), 2);
    // Both messages lead to the ticket.
    for (number, quoted) in [&first, &received[1]].into_iter().enumerate() {
        let reply = json!({
            "message": "ok", "from": MANAGER, "externalId": format!("IN-{number}"), "repliedToExternalId": sid(quoted),
        });
        assert_eq!(desk.inbound(&reply).await.json()["ticketRef"], json!(reference));
    }
    assert!(desk.stop().await.success());
}

async fn what_the_first_number_cannot_get_goes_to_the_second(engine: Engine) {
    let place = TempStore::new(engine).await;
    let n8n = N8n::start();
    let desk = desk_on(&place, &n8n, BACKUP).await;
    let reference = desk.open().await;
    desk.wait_for_delivery(&reference, "sent").await;
    let first = n8n.received().remove(0);
    desk.status(&of(&sid(&first), "undelivered")).await;
    let second = n8n.wait_for(2, PATIENCE).await.remove(1);
    let mut expected = first.json();
    expected["to"] = BACKUP.into();
    assert_eq!(second.json(), expected);
    desk.wait_for_delivery(&reference, "sent").await;

    let mut late = of(&sid(&second), "failed");
    late["errorCode"] = 63_016.into();
    desk.status(&late).await;
    let third = n8n.wait_for(3, PATIENCE).await.remove(2);
    expected["template"] = true.into();
    assert_eq!(
        (third.json(), third.id()),
        (expected, format!("{}.2", first.id()).as_str())
    );
    desk.wait_for_delivery(&reference, "sent").await;
    desk.status(&of(&sid(&third), "failed")).await;
    assert_eq!(desk.delivery(&reference).await, "failed");
    assert_eq!(desk.metric("notifications{state=\"dead\"}").await, 1.0);
    assert_eq!(n8n.received().len(), 3);
    assert!(desk.stop().await.success());
}

async fn what_a_workflow_refuses_for_good_goes_to_the_second_number(engine: Engine) {
    let place = TempStore::new(engine).await;
    let n8n = N8n::start();
    n8n.then(Reaction::status(410));
    let desk = desk_on(&place, &n8n, BACKUP).await;
    let reference = desk.open().await;
    let received = n8n.wait_for(2, PATIENCE).await;
    let to: Vec<Value> = received.iter().map(|told| told.json()["to"].clone()).collect();
    assert_eq!(to, [json!(MANAGER), json!(BACKUP)]);
    desk.wait_for_delivery(&reference, "sent").await;
    assert!(desk.stop().await.success());
}

async fn without_another_way_it_is_dead_and_can_be_sent_again(engine: Engine) {
    let place = TempStore::new(engine).await;
    let n8n = N8n::start();
    let desk = desk_on(&place, &n8n, "").await;
    let reference = desk.open().await;
    desk.wait_for_delivery(&reference, "sent").await;
    let first = n8n.received().remove(0);
    desk.status(&of(&sid(&first), "failed")).await;
    assert_eq!(desk.delivery(&reference).await, "failed");
    desk.wait_for_log("notification given up").await;
    let listed = desk.get_as_operator("/api/notifications").await.json();
    let dead = &listed["notifications"][0];
    assert_eq!(
        (&dead["state"], &dead["lastError"]),
        (&json!("dead"), &json!("WhatsApp reports: failed")),
        "{listed}"
    );

    let token = format!("Bearer {}", black_box::OPERATOR_TOKEN);
    let again = format!("/api/notifications/{}/redeliver", dead["id"].as_str().unwrap());
    let reply = desk.send("POST", &again, &[("authorization", &token)], None).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let second = n8n.wait_for(2, PATIENCE).await.remove(1);
    // Another message, and so another id, or a workflow that knows the first would not send it.
    assert_eq!(
        (second.id(), second.json()),
        (format!("{}.1", first.id()).as_str(), first.json())
    );
    desk.wait_for_delivery(&reference, "sent").await;
    assert!(desk.stop().await.success());
}
