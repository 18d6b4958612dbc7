//! What customers write can do nothing but be read.

use std::{net::TcpListener, time::Duration};

use black_box::{CUSTOMER, Engine, MANAGER, N8n, TempStore, TestServer, on_both_stores, ticket};
use serde_json::json;

on_both_stores!(
    what_a_manager_sends_back_never_names_another_ticket,
    a_forwarded_text_names_nothing,
    a_line_of_which_nothing_is_seen_is_missing,
    a_medium_is_shown_and_never_fetched,
);

async fn how_many(desk: &TestServer, reference: &str) -> usize {
    desk.ticket(reference).await["messages"].as_array().unwrap().len()
}

async fn what_a_manager_sends_back_never_names_another_ticket(engine: Engine) {
    let place = TempStore::new(engine).await;
    let n8n = N8n::start();
    let desk = TestServer::on(&place).telling(&n8n).start().await;
    let victim = desk.open().await;
    let mut hostile = ticket();
    hostile["customerName"] = json!(format!("{victim} \u{202e}Doe"));
    hostile["customerEmail"] = json!(format!("{victim}@customer.example"));
    hostile["subject"] = json!(format!("*{victim}*"));
    hostile["message"] = json!(format!(
        "Tell them: {}\n*Ticket:* {victim}",
        victim.replace("T-2", "T-\u{202d}2")
    ));
    let created = desk.create(&hostile).await.json();
    let reference = created["ticketRef"].as_str().unwrap();
    // The API gives back what was written.
    let shown = desk.ticket(reference).await;
    assert_eq!(shown["ticket"]["subject"], hostile["subject"]);
    assert_eq!(shown["messages"][0]["body"], hostile["message"]);

    let received = n8n.wait_for(2, Duration::from_secs(10)).await;
    let told = received
        .iter()
        .find(|told| told.ticket_ref() == reference)
        .unwrap()
        .json();
    for field in ["customerName", "customerEmail", "subject", "message"] {
        let text = told[field].as_str().unwrap();
        assert!(text.contains(&victim.replace('-', "\u{2011}")), "{field}: {text}");
        let reply = desk
            .inbound(&json!({ "message": text, "from": MANAGER, "externalId": field }))
            .await;
        assert_eq!(
            (reply.status, reply.problem()),
            (400, "ticket_not_named".into()),
            "{field}: {text}"
        );
        // Nor does the question that the manager is asked.
        let ask = reply.json()["ask"].as_str().unwrap().to_owned();
        let line = ask.lines().find(|line| line.contains(reference)).unwrap();
        assert_eq!(line.matches(&victim).count(), 0, "{ask}");
    }
    let summary = json!({ "message": told["summary"], "from": MANAGER, "externalId": "summary" });
    assert_eq!(desk.inbound(&summary).await.json()["ticketRef"], reference);
    assert_eq!(how_many(&desk, &victim).await, 1);
    assert_eq!(desk.metric("messages_unmatched").await, 4.0);
    assert!(desk.stop().await.success());
}

async fn a_forwarded_text_names_nothing(engine: Engine) {
    let place = TempStore::new(engine).await;
    let desk = TestServer::on(&place).start().await;
    let reference = desk.open().await;
    let text = format!("see {reference}");
    for (forwarded, status) in [
        (json!(true), 400),
        (json!("true"), 400),
        (json!(false), 200),
        (json!("no"), 200),
        (json!({ "x": 1 }), 200),
        (json!(null), 200),
    ] {
        let reply = desk
            .inbound(&json!({ "message": text, "from": MANAGER, "forwarded": forwarded }))
            .await;
        assert_eq!(reply.status, status, "{forwarded}");
    }
    let named = json!({ "ticketRef": reference, "message": text, "from": CUSTOMER, "forwarded": true });
    assert_eq!(desk.inbound(&named).await.status, 200);
    assert!(desk.stop().await.success());
}

async fn a_line_of_which_nothing_is_seen_is_missing(engine: Engine) {
    let place = TempStore::new(engine).await;
    let desk = TestServer::on(&place).start().await;
    let mut form = ticket();
    form["customerName"] = json!("\u{200b}\u{202e}");
    form["subject"] = json!("\u{3164} \u{feff}");
    let reply = desk.create(&form).await;
    assert_eq!(
        (reply.status, reply.faulty_fields()),
        (400, vec!["customerName".into(), "subject".into()])
    );
    assert!(
        reply.json()["errors"]
            .as_array()
            .unwrap()
            .iter()
            .all(|error| error["code"] == "required")
    );
    let mut form = ticket();
    form["customerName"] = json!("مى\u{200c}خواهم \u{202e}👩\u{200d}🔧");
    let created = desk.create(&form).await;
    assert_eq!(created.status, 201);
    assert!(desk.stop().await.success());
}

/// Whoever gives an address hears of nobody who did not follow it.
async fn a_medium_is_shown_and_never_fetched(engine: Engine) {
    let place = TempStore::new(engine).await;
    let n8n = N8n::start();
    let desk = TestServer::on(&place).telling(&n8n).start().await;
    let reference = desk.open().await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let host = listener.local_addr().unwrap();
    let address = format!("https://{host}/picture.png");
    for from in [MANAGER, CUSTOMER] {
        let body = json!({ "ticketRef": reference, "message": "see", "from": from, "mediaUrl": address });
        assert_eq!(desk.inbound(&body).await.status, 200);
    }
    let aside = json!({ "message": "aside", "from": MANAGER, "mediaUrl": address });
    assert_eq!(desk.inbound(&aside).await.status, 400);
    for disguised in [
        format!("https://bank.example@{host}/"),
        format!("https://{host}/\u{202e}gnp.exe"),
    ] {
        let body = json!({ "ticketRef": reference, "message": "disguised", "from": MANAGER, "mediaUrl": disguised });
        assert_eq!(desk.inbound(&body).await.status, 200);
    }
    n8n.wait_for(2, Duration::from_secs(10)).await;
    desk.all_settled().await;
    let shown = desk.ticket(&reference).await;
    let media: Vec<_> = shown["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["mediaUrl"].clone())
        .collect();
    assert_eq!(
        media,
        [json!(null), json!(address), json!(address), json!(null), json!(null)]
    );
    let page = desk
        .try_send("GET", &format!("/ticket/{reference}"), &[], None)
        .await
        .unwrap();
    assert_eq!(page.text.matches("at 127.0.0.1").count(), 2, "{}", page.text);
    assert_eq!(page.text.matches("<img").count(), 0);
    assert_eq!(desk.get_as_operator("/api/unmatched").await.status, 200);
    assert!(desk.stop().await.success());
    // The server is gone: whatever it had opened would be waiting here.
    assert!(listener.accept().is_err(), "somebody fetched the medium");
}
