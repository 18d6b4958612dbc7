//! `GET /api/ticket/{ref}`.

use std::time::Duration;

use black_box::{Engine, MANAGER, N8n, OPERATOR_TOKEN, Reaction, TempStore, TestServer, on_both_stores, ticket};
use serde_json::json;

on_both_stores!(
    a_ticket_reads_as_the_seed_has_it,
    a_poller_is_told_that_nothing_changed,
    what_is_not_there_is_not_found,
    private_tickets_need_a_key_or_an_operator,
    delivery_tells_how_far_the_newest_notification_got,
    a_restart_changes_nothing,
    browsers_of_allowed_origins_may_call,
);

fn is_moment(value: &serde_json::Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    text.len() == 27 && text.ends_with('Z') && &text[10..11] == "T" && &text[19..20] == "."
}

async fn a_ticket_reads_as_the_seed_has_it(engine: Engine) {
    let place = TempStore::new(engine).await;
    let desk = TestServer::on(&place).start().await;
    let created = desk.create(&ticket()).await.json();
    let reference = created["ticketRef"].as_str().unwrap();
    let reply = json!({
        "ticketRef": reference, "message": "We'll investigate.", "from": MANAGER, "channel": "whatsapp",
        "externalId": "SM1", "mediaUrl": "https://media.example/1",
    });
    let message_id = desk.inbound(&reply).await.json()["messageId"].clone();
    let thread = desk.ticket(reference).await;
    assert_eq!(thread["ok"], json!(true));
    let shown = &thread["ticket"];
    let form = ticket();
    for field in ["customerName", "customerPhone", "customerEmail", "subject", "priority"] {
        assert_eq!(shown[field], form[field]);
    }
    assert_eq!(
        (&shown["id"], &shown["ticketRef"]),
        (&created["ticketId"], &created["ticketRef"])
    );
    assert_eq!(shown["status"], "open");
    assert!(
        is_moment(&shown["createdAt"]) && is_moment(&shown["updatedAt"]),
        "{shown}"
    );
    assert!(shown["updatedAt"].as_str() > shown["createdAt"].as_str(), "{shown}");
    assert_eq!(shown.as_object().unwrap().len(), 11, "{shown}");
    let messages = thread["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 2);
    let texts: Vec<_> = messages
        .iter()
        .map(|m| [&m["sender"], &m["channel"], &m["body"], &m["mediaUrl"]])
        .collect();
    assert_eq!(
        texts[0],
        [&json!("customer"), &json!("web"), &form["message"], &json!(null)]
    );
    let media = json!("https://media.example/1");
    assert_eq!(
        texts[1],
        [
            &json!("manager"),
            &json!("whatsapp"),
            &json!("We'll investigate."),
            &media
        ]
    );
    assert_eq!(messages[1]["id"], message_id);
    assert!(
        messages
            .iter()
            .all(|m| is_moment(&m["createdAt"]) && m.as_object().unwrap().len() == 6)
    );
    // Matching ignores case.
    assert_eq!(desk.ticket(&reference.to_lowercase()).await, thread);
    assert!(desk.stop().await.success());
}

async fn a_poller_is_told_that_nothing_changed(engine: Engine) {
    let place = TempStore::new(engine).await;
    let n8n = N8n::start();
    n8n.then(Reaction::After(
        Duration::from_millis(500),
        Box::new(Reaction::status(200)),
    ));
    let desk = TestServer::on(&place).telling(&n8n).start().await;
    let reference = desk.open().await;
    let path = format!("/api/ticket/{reference}");
    let first = desk.get(&path).await;
    let waiting = first.header("etag").to_owned();
    assert!(waiting.starts_with('"') && waiting.ends_with('"'), "{waiting}");
    desk.all_settled().await;
    let etag = desk.get(&path).await.header("etag").to_owned();
    assert_ne!(etag, waiting, "the delivery is part of what is shown");

    for (sent, status) in [
        (etag.clone(), 304),
        (format!("W/{etag}"), 304),
        (format!("\"x\", {etag}"), 304),
        ("*".into(), 304),
        ("\"x\"".into(), 200),
        (waiting, 200),
    ] {
        let reply = desk.send("GET", &path, &[("if-none-match", &sent)], None).await;
        assert_eq!((reply.status, reply.header("etag")), (status, etag.as_str()), "{sent}");
        assert_eq!(reply.text.is_empty(), status == 304);
    }
    let message = json!({ "ticketRef": reference, "message": "news", "from": MANAGER });
    assert_eq!(desk.inbound(&message).await.status, 200);
    assert_eq!(
        desk.send("GET", &path, &[("if-none-match", &etag)], None).await.status,
        200
    );
    assert!(desk.stop().await.success());
}

async fn what_is_not_there_is_not_found(engine: Engine) {
    let place = TempStore::new(engine).await;
    let desk = TestServer::on(&place).start().await;
    for path in ["/api/ticket", "/api/ticket/"] {
        let reply = desk.get(path).await;
        assert_eq!(
            (reply.status, reply.problem().as_str()),
            (400, "validation_failed"),
            "{path}"
        );
        assert_eq!(reply.faulty_fields(), ["ticketRef"]);
    }
    let long = "x".repeat(3_000);
    for reference in [
        "T-20250115-0000",
        "T-99999999-1234",
        "nonsense",
        "%00",
        "%ff",
        "'%20OR%201=1",
        "🎫",
        &long,
    ] {
        let reply = desk.get(&format!("/api/ticket/{reference}")).await;
        assert_eq!(
            (reply.status, reply.problem().as_str()),
            (404, "ticket_not_found"),
            "{reference}"
        );
    }
    let elsewhere = desk.get("/api/nowhere").await;
    assert_eq!((elsewhere.status, elsewhere.problem().as_str()), (404, "not_found"));
    for (method, path, allowed) in [
        ("DELETE", "/api/ticket/T-20250115-0000", "GET"),
        ("GET", "/api/ticket/inbound", "POST"),
        ("PUT", "/api/ticket", "POST"),
    ] {
        let reply = desk.send(method, path, &[], None).await;
        assert_eq!(
            (reply.status, reply.problem().as_str()),
            (405, "method_not_allowed"),
            "{method} {path}"
        );
        assert!(reply.header("allow").contains(allowed), "{reply:?}");
    }
    assert!(desk.stop().await.success());
}

async fn private_tickets_need_a_key_or_an_operator(engine: Engine) {
    let place = TempStore::new(engine).await;
    let n8n = N8n::start();
    let desk = TestServer::on(&place)
        .telling(&n8n)
        .set("TICKET_ACCESS", "private")
        .start()
        .await;
    let created = desk.create(&ticket()).await.json();
    let other = desk.create(&ticket()).await.json();
    let path = format!("/api/ticket/{}", created["ticketRef"].as_str().unwrap());
    let key_of = |ticket: &serde_json::Value| {
        ticket["ticketUrl"]
            .as_str()
            .unwrap()
            .split_once('?')
            .unwrap()
            .1
            .to_owned()
    };
    let bearer = format!("Bearer {OPERATOR_TOKEN}");

    let missing = desk.get("/api/ticket/T-20250115-0000").await.json();
    for query in [
        String::new(),
        "?key=".into(),
        "?key=wrong".into(),
        format!("?{}", key_of(&other)),
    ] {
        let reply = desk.get(&format!("{path}{query}")).await;
        assert_eq!(reply.status, 404, "{query}");
        assert_eq!(reply.json(), missing, "nothing tells that the ticket is there");
    }
    assert_eq!(desk.get(&format!("{path}?{}", key_of(&created))).await.status, 200);
    assert_eq!(
        desk.send("GET", &path, &[("authorization", &bearer)], None)
            .await
            .status,
        200
    );
    assert_eq!(
        desk.send("GET", &path, &[("authorization", "Bearer wrong")], None)
            .await
            .status,
        404
    );

    // The manager's link has a key that reads, and it is not the customer's.
    let received = n8n.wait_for(2, Duration::from_secs(10)).await;
    let told = received
        .iter()
        .map(black_box::Received::json)
        .find(|told| told["ticketRef"] == created["ticketRef"])
        .unwrap();
    let managers_key = key_of(&told);
    assert_ne!(managers_key, key_of(&created));
    assert_eq!(desk.get(&format!("{path}?{managers_key}")).await.status, 200);
    assert!(desk.stop().await.success());
}

async fn delivery_tells_how_far_the_newest_notification_got(engine: Engine) {
    let place = TempStore::new(engine).await;
    let n8n = N8n::start();
    let desk = TestServer::on(&place).telling(&n8n).start().await;
    n8n.then(Reaction::After(
        Duration::from_millis(700),
        Box::new(Reaction::status(200)),
    ));
    let sent = desk.open().await;
    let delivery = async |reference: &str| desk.ticket(reference).await["ticket"]["delivery"].clone();
    let waiting = delivery(&sent).await;
    assert_eq!(waiting["state"], "waiting");
    assert!(is_moment(&waiting["at"]), "{waiting}");
    desk.all_settled().await;
    let state = delivery(&sent).await;
    assert_eq!(state["state"], "sent");
    assert!(state["at"].as_str() > waiting["at"].as_str());

    n8n.then(Reaction::status(410));
    let failed = desk.open().await;
    desk.wait_for_metric("notifications{state=\"dead\"}", 1.0).await;
    assert_eq!(delivery(&failed).await["state"], "failed");
    assert!(desk.stop().await.success());
}

async fn a_restart_changes_nothing(engine: Engine) {
    let place = TempStore::new(engine).await;
    let options = TestServer::on(&place);
    let desk = options.start().await;
    let reference = desk.open().await;
    let message = json!({ "ticketRef": reference, "message": "Hello", "from": MANAGER, "externalId": "SM1" });
    desk.inbound(&message).await;
    let before = desk.ticket(&reference).await;
    assert!(desk.stop().await.success());
    let desk = options.start().await;
    assert_eq!(desk.ticket(&reference).await, before);
    assert_eq!(desk.inbound(&message).await.json()["duplicate"], json!(true));
    assert!(desk.stop().await.success());
}

async fn browsers_of_allowed_origins_may_call(engine: Engine) {
    let place = TempStore::new(engine).await;
    let desk = TestServer::on(&place)
        .set("ALLOWED_ORIGINS", "https://www.example.com")
        .start()
        .await;
    let reference = desk.open().await;
    let path = format!("/api/ticket/{reference}");
    let allowed = ("origin", "https://www.example.com");
    let reply = desk.send("GET", &path, &[allowed], None).await;
    assert_eq!(reply.header("access-control-allow-origin"), "https://www.example.com");
    let stranger = desk
        .send("GET", &path, &[("origin", "https://evil.example")], None)
        .await;
    assert_eq!(
        (stranger.status, stranger.header("access-control-allow-origin")),
        (200, "")
    );
    let preflight = [
        allowed,
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type,idempotency-key"),
    ];
    let reply = desk.send("OPTIONS", "/api/ticket", &preflight, None).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert!(
        reply.header("access-control-allow-methods").contains("POST"),
        "{reply:?}"
    );
    assert!(
        reply
            .header("access-control-allow-headers")
            .to_lowercase()
            .contains("idempotency-key"),
        "{reply:?}"
    );
    let inbound = desk.send("OPTIONS", "/api/ticket/inbound", &preflight, None).await;
    assert_eq!(inbound.header("access-control-allow-origin"), "", "n8n is no browser");
    assert!(desk.stop().await.success());

    let desk = TestServer::on(&place).start().await;
    assert_eq!(
        desk.send("GET", &path, &[allowed], None)
            .await
            .header("access-control-allow-origin"),
        ""
    );
    assert!(desk.stop().await.success());
}
