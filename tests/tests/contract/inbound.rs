//! `POST /api/ticket/inbound`.

use std::time::Duration;

use black_box::{
    CUSTOMER, Engine, INBOUND_KEY, MANAGER, N8n, Reaction, Reply, TempStore, TestServer, on_both_stores, ticket,
};
use futures_util::future::join_all;
use serde_json::{Value, json};

on_both_stores!(
    the_key_comes_before_everything,
    every_field_has_two_sides,
    long_and_odd_texts_are_kept,
    which_ticket_is_certain_or_not_at_all,
    a_message_without_a_ticket_is_kept_and_joins_later,
    one_external_id_is_one_message_for_ever,
    a_customers_message_is_told_to_the_manager,
);

const STRANGER: &str = "+15559999999";

async fn unmatched(desk: &TestServer) -> f64 {
    desk.metric("messages_unmatched").await
}

async fn bodies(desk: &TestServer, reference: &str) -> Vec<String> {
    let thread = desk.ticket(reference).await;
    let messages = thread["messages"].as_array().unwrap().clone();
    messages
        .iter()
        .map(|message| message["body"].as_str().unwrap().to_owned())
        .collect()
}

fn told(reply: &Reply) -> (u16, String) {
    (
        reply.status,
        if reply.status == 200 {
            String::new()
        } else {
            reply.problem()
        },
    )
}

async fn the_key_comes_before_everything(engine: Engine) {
    let place = TempStore::new(engine).await;
    let rotating = format!("{INBOUND_KEY},{INBOUND_KEY}-new");
    let desk = TestServer::on(&place)
        .set("RAILWAY_INBOUND_SECRET", &rotating)
        .start()
        .await;
    let reference = desk.open().await;
    let message = json!({ "ticketRef": reference, "message": "x", "from": MANAGER });
    let new_key = format!("{INBOUND_KEY}-new");
    for key in [INBOUND_KEY, new_key.as_str()] {
        assert_eq!(
            desk.post("/api/ticket/inbound", &[("x-api-key", key)], &message)
                .await
                .status,
            200
        );
    }
    for key in ["", "wrong", &INBOUND_KEY[1..], rotating.as_str()] {
        let reply = desk.post("/api/ticket/inbound", &[("x-api-key", key)], &message).await;
        assert_eq!(told(&reply), (401, "unauthorized".into()), "{key}");
    }
    // Nothing of the body is looked at: neither its type nor its syntax nor its size.
    for body in ["", "not JSON", &"x".repeat(300 * 1024)] {
        let reply = desk.send("POST", "/api/ticket/inbound", &[], Some(body.into())).await;
        assert_eq!(told(&reply), (401, "unauthorized".into()));
    }
    assert!(desk.stop().await.success());

    let desk = TestServer::on(&place).set("RAILWAY_INBOUND_SECRET", "").start().await;
    desk.wait_for_log("RAILWAY_INBOUND_SECRET is not set").await;
    for key in ["", INBOUND_KEY] {
        assert_eq!(
            desk.post("/api/ticket/inbound", &[("x-api-key", key)], &message)
                .await
                .status,
            401
        );
    }
    assert!(desk.stop().await.success());
}

async fn every_field_has_two_sides(engine: Engine) {
    let place = TempStore::new(engine).await;
    let desk = TestServer::on(&place).start().await;
    let reference = desk.open().await;
    let base = json!({ "ticketRef": reference, "message": "x", "from": MANAGER });
    let with = |field: &str, value: Value| {
        let mut body = base.clone();
        body[field] = value;
        body
    };
    for (field, value) in [
        ("from", json!("whatsapp:+919655716000")),
        ("from", json!("15550009999")),
        ("channel", json!("web")),
        ("channel", json!("whatsapp")),
        ("channel", json!(null)),
        ("channel", json!("")),
        ("externalId", json!("x".repeat(128))),
        ("externalId", json!("")),
        ("externalId", json!(null)),
        ("externalId", json!(" ")),
        ("mediaUrl", json!(format!("https://m.example/{}", "x".repeat(2_030)))),
        ("mediaUrl", json!(null)),
        ("mediaUrl", json!("http://insecure.example/1")),
        ("mediaUrl", json!(["https://m.example/1"])),
        ("repliedToExternalId", json!("nobody-knows")),
        ("repliedToExternalId", json!(null)),
        ("repliedToExternalId", json!("x".repeat(500))),
        ("ticketRef", json!(format!(" {} ", reference.to_lowercase()))),
    ] {
        let reply = desk.inbound(&with(field, value.clone())).await;
        assert_eq!(told(&reply), (200, String::new()), "{field}: {value}");
    }
    for (field, value) in [
        ("from", json!(null)),
        ("from", json!("")),
        ("from", json!("whatsapp:")),
        ("from", json!("nobody")),
        ("from", json!(919_655_716_000_u64)),
        ("channel", json!("sms")),
        ("externalId", json!("x".repeat(129))),
        ("externalId", json!(5)),
        ("message", json!("")),
        ("message", json!(null)),
        ("message", json!({})),
        ("ticketRef", json!(1234)),
    ] {
        let reply = desk.inbound(&with(field, value.clone())).await;
        assert_eq!(told(&reply), (400, "validation_failed".into()), "{field}: {value}");
        assert_eq!(reply.faulty_fields(), [field], "{value}");
    }
    // A bad input is not kept.
    assert_eq!(unmatched(&desk).await, 0.0);
    let media_only = json!({ "ticketRef": reference, "from": MANAGER, "mediaUrl": "https://m.example/1" });
    assert_eq!(desk.inbound(&media_only).await.status, 200);
    // Of an unusable medium nothing is stored, and the words stay.
    let thread = desk.ticket(&reference).await;
    let media: Vec<_> = thread["messages"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|m| !m["mediaUrl"].is_null())
        .collect();
    assert_eq!(media.len(), 2, "{thread}");
    assert!(desk.stop().await.success());
}

async fn long_and_odd_texts_are_kept(engine: Engine) {
    let place = TempStore::new(engine).await;
    let desk = TestServer::on(&place).start().await;
    let reference = desk.open().await;
    let send = async |text: &str| {
        let body = json!({ "ticketRef": reference, "message": text, "from": MANAGER });
        assert_eq!(desk.inbound(&body).await.status, 200);
        bodies(&desk, &reference).await.pop().unwrap()
    };
    let full = "字".repeat(16_000);
    assert_eq!(send(&full).await, full);
    let cut = send(&format!("{full}and more")).await;
    assert!(
        cut.starts_with(&full) && cut != full && !cut.contains("and more"),
        "marked as cut"
    );
    assert_eq!(send("a\u{0}b\u{1b}c\r\nd\u{7f}").await, "abc\nd");
    assert_eq!(send("👍🏽").await, "👍🏽");
    // Up to 256 KiB of body.
    assert!(send(&"x".repeat(200 * 1024)).await.len() > 16_000);
    let too_large = json!({ "ticketRef": reference, "message": "x".repeat(256 * 1024), "from": MANAGER });
    assert_eq!(told(&desk.inbound(&too_large).await), (413, "payload_too_large".into()));
    assert!(desk.stop().await.success());
}

async fn which_ticket_is_certain_or_not_at_all(engine: Engine) {
    let place = TempStore::new(engine).await;
    let n8n = N8n::start();
    let desk = TestServer::on(&place).telling(&n8n).start().await;
    n8n.then(Reaction::taken("SM-a"));
    let a = desk.open().await;
    n8n.wait_for(1, Duration::from_secs(10)).await;
    desk.all_settled().await;
    n8n.then(Reaction::taken("SM-b"));
    let mut other = ticket();
    other["customerPhone"] = json!("+15552222222");
    let b = desk.create(&other).await.json()["ticketRef"]
        .as_str()
        .unwrap()
        .to_owned();
    n8n.wait_for(2, Duration::from_secs(10)).await;
    desk.all_settled().await;

    let not_named = || Err("ticket_not_named");
    let not_found = || Err("ticket_not_found");
    let longer = format!("{a}5");
    for (from, named, quoted, text, expected) in [
        (MANAGER, Some(a.as_str()), None, "ok".to_owned(), Ok((&a, "manager"))),
        (CUSTOMER, Some(&a), None, "ok".into(), Ok((&a, "customer"))),
        (STRANGER, Some(&a), None, "ok".into(), Ok((&a, "agent"))),
        (MANAGER, None, Some("SM-a"), "ok".into(), Ok((&a, "manager"))),
        (MANAGER, None, Some("SM-b"), format!("about {a}"), Ok((&b, "manager"))),
        (MANAGER, Some(&a), Some("SM-a"), "ok".into(), Ok((&a, "manager"))),
        (MANAGER, Some(&a), Some("SM-b"), "ok".into(), not_named()),
        (MANAGER, Some(&a), Some("SM-nobody"), "ok".into(), Ok((&a, "manager"))),
        (MANAGER, None, Some("SM-nobody"), "ok".into(), not_named()),
        (MANAGER, None, Some("SM-nobody"), format!("re {b}"), Ok((&b, "manager"))),
        (
            MANAGER,
            None,
            None,
            format!("*{}* is done", a.to_lowercase()),
            Ok((&a, "manager")),
        ),
        (MANAGER, None, None, format!("{a} {a}"), Ok((&a, "manager"))),
        (MANAGER, None, None, format!("{a} and {b}"), not_named()),
        (MANAGER, None, None, format!("see {longer}"), not_found()),
        (MANAGER, None, None, "T-20250115-0000".into(), not_found()),
        (MANAGER, None, None, "ok".into(), not_named()),
        (MANAGER, Some("T-20250115-0000"), None, "ok".into(), not_found()),
        (MANAGER, Some("nonsense"), None, "ok".into(), not_found()),
        (CUSTOMER, None, Some("SM-a"), "ok".into(), Ok((&a, "customer"))),
        (CUSTOMER, None, Some("SM-b"), "ok".into(), not_named()),
        (CUSTOMER, None, None, format!("about {a}"), Ok((&a, "customer"))),
        (CUSTOMER, None, None, format!("about {b}"), not_named()),
        (STRANGER, None, Some("SM-a"), "ok".into(), not_named()),
        (STRANGER, None, None, format!("about {a}"), not_named()),
    ] {
        let body = json!({ "ticketRef": named, "repliedToExternalId": quoted, "message": text, "from": from });
        let reply = desk.inbound(&body).await;
        match expected {
            Ok((reference, sender)) => {
                assert_eq!(
                    (reply.status, &reply.json()["ticketRef"]),
                    (200, &json!(reference)),
                    "{body}: {reply:?}"
                );
                let thread = desk.ticket(reference).await;
                let message = thread["messages"].as_array().unwrap().last().unwrap();
                assert_eq!(
                    (&message["sender"], &message["id"]),
                    (&json!(sender), &reply.json()["messageId"]),
                    "{body}"
                );
            }
            Err(code) => assert_eq!(reply.problem(), code, "{body}"),
        }
    }
    assert_eq!(unmatched(&desk).await, 12.0);
    assert!(desk.stop().await.success());
}

async fn a_message_without_a_ticket_is_kept_and_joins_later(engine: Engine) {
    let place = TempStore::new(engine).await;
    let desk = TestServer::on(&place).start().await;
    let reference = desk.open().await;
    let bare = json!({ "message": "Which one?", "from": MANAGER, "externalId": "SM-bare" });
    for _ in 0..3 {
        assert_eq!(told(&desk.inbound(&bare).await), (400, "ticket_not_named".into()));
        assert_eq!(unmatched(&desk).await, 1.0);
    }
    let lost = json!({ "ticketRef": "T-20250115-0000", "message": "y", "from": MANAGER, "externalId": "SM-lost" });
    for _ in 0..2 {
        assert_eq!(told(&desk.inbound(&lost).await), (404, "ticket_not_found".into()));
        assert_eq!(unmatched(&desk).await, 2.0);
    }
    let mut named = bare.clone();
    named["ticketRef"] = json!(reference);
    let joined = desk.inbound(&named).await.json();
    assert_eq!(joined["duplicate"], json!(false));
    assert_eq!(unmatched(&desk).await, 1.0);
    assert_eq!(bodies(&desk, &reference).await.len(), 2);
    let again = desk.inbound(&bare).await;
    let expected = json!({ "ok": true, "ticketRef": reference, "messageId": joined["messageId"], "duplicate": true });
    assert_eq!((again.status, again.json()), (200, expected));
    assert!(desk.stop().await.success());
}

async fn one_external_id_is_one_message_for_ever(engine: Engine) {
    let place = TempStore::new(engine).await;
    let desk = TestServer::on(&place).start().await;
    let reference = desk.open().await;
    let other = desk.open().await;
    for round in 0..3 {
        let body =
            json!({ "ticketRef": reference, "message": "x", "from": MANAGER, "externalId": format!("SM{round}") });
        let replies = join_all((0..100).map(|_| desk.inbound(&body))).await;
        assert!(replies.iter().all(|reply| reply.status == 200), "{replies:?}");
        let fresh = replies
            .iter()
            .filter(|reply| reply.json()["duplicate"] == json!(false))
            .count();
        assert_eq!(fresh, 1);
        assert!(
            replies
                .iter()
                .all(|reply| reply.json()["messageId"] == replies[0].json()["messageId"])
        );
        assert_eq!(bodies(&desk, &reference).await.len(), round + 2);
    }
    let elsewhere = json!({ "ticketRef": other, "message": "x", "from": MANAGER, "externalId": "SM0" });
    let reply = desk.inbound(&elsewhere).await.json();
    assert_eq!(
        (&reply["duplicate"], &reply["ticketRef"]),
        (&json!(true), &json!(reference))
    );
    assert_eq!(bodies(&desk, &other).await.len(), 1);
    // Several media of one message are messages of their own; without an id nothing tells a repetition.
    for id in [json!("SM9"), json!("SM9/1"), json!("SM9/2"), json!(null), json!(null)] {
        let body = json!({ "ticketRef": other, "from": MANAGER, "externalId": id, "mediaUrl": "https://m.example/1" });
        assert_eq!(desk.inbound(&body).await.json()["duplicate"], json!(false));
    }
    assert_eq!(bodies(&desk, &other).await.len(), 6);
    assert!(desk.stop().await.success());
}

async fn a_customers_message_is_told_to_the_manager(engine: Engine) {
    let place = TempStore::new(engine).await;
    let n8n = N8n::start();
    let desk = TestServer::on(&place).telling(&n8n).start().await;
    let reference = desk.open().await;
    n8n.wait_for(1, Duration::from_secs(10)).await;
    let from_manager = json!({ "ticketRef": reference, "message": "Which bottle?", "from": MANAGER });
    assert_eq!(desk.inbound(&from_manager).await.status, 200);
    let from_customer = json!({
        "ticketRef": reference, "message": "The green one", "from": "whatsapp:+1 (555) 000-1111",
        "mediaUrl": "https://m.example/green",
    });
    assert_eq!(desk.inbound(&from_customer).await.status, 200);
    let received = n8n.wait_for(2, Duration::from_secs(10)).await;
    let told = received[1].json();
    assert_eq!(
        (&told["event"], &told["ticketRef"]),
        (&json!("ticket.updated"), &json!(reference))
    );
    assert_eq!(told["message"], "The green one\nhttps://m.example/green");
    desk.all_settled().await;
    assert_eq!(
        n8n.received().len(),
        2,
        "the manager's own message is not told to the manager"
    );
    assert!(desk.stop().await.success());
}
