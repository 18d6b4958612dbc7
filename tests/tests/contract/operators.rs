//! What operators do over the API: lists, changes, replies, unmatched messages, the trail.

use std::time::Duration;

use black_box::{
    CUSTOMER, Engine, MANAGER, N8n, OPERATOR_TOKEN, Reaction, Reply, TempStore, TestServer, on_both_stores, ticket,
};
use serde_json::{Value, json};

on_both_stores!(
    tickets_are_listed_filtered_and_searched,
    a_list_is_read_page_by_page,
    a_ticket_is_answered_and_changed_and_the_trail_tells,
    an_unmatched_message_is_attached,
    everything_that_was_given_up_is_sent_again,
    only_operators_come_in,
);

async fn send(desk: &TestServer, method: &str, path: &str, body: &Value) -> Reply {
    let bearer = format!("Bearer {OPERATOR_TOKEN}");
    let headers = [("content-type", "application/json"), ("authorization", bearer.as_str())];
    desk.send(method, path, &headers, Some(body.to_string().into_bytes()))
        .await
}

async fn list(desk: &TestServer, path: &str) -> Value {
    let reply = desk.get_as_operator(path).await;
    assert_eq!(reply.status, 200, "{path} {reply:?}");
    reply.json()
}

async fn open(desk: &TestServer, field: &str, value: &str) -> String {
    let mut form = ticket();
    form[field] = json!(value);
    let reply = desk.create(&form).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    reply.json()["ticketRef"].as_str().unwrap().to_owned()
}

fn references(list: &Value) -> Vec<&str> {
    let tickets = list["tickets"].as_array().unwrap().iter();
    tickets.map(|ticket| ticket["ticketRef"].as_str().unwrap()).collect()
}

async fn tickets_are_listed_filtered_and_searched(engine: Engine) {
    let place = TempStore::new(engine).await;
    let desk = TestServer::on(&place).start().await;
    assert_eq!(
        list(&desk, "/api/tickets").await,
        json!({ "ok": true, "tickets": [], "next": null })
    );
    let urgent = open(&desk, "priority", "urgent").await;
    let accented = open(&desk, "customerName", "Ångström Łukasz").await;
    let answered = open(&desk, "subject", "Zebra's crossing").await;
    let reply = json!({ "ticketRef": answered, "from": MANAGER, "message": "Purple\nelephants" });
    assert_eq!(desk.inbound(&reply).await.status, 200);
    let closed = open(&desk, "message", "Straße 東京 quotes \"'% _ OR").await;
    let change = send(
        &desk,
        "PATCH",
        &format!("/api/ticket/{closed}"),
        &json!({ "status": "closed" }),
    )
    .await;
    assert_eq!(change.status, 200);

    let (urgent, accented, answered, closed) = (&*urgent, &*accented, &*answered, &*closed);
    for (query, expected) in [
        ("", vec![closed, answered, accented, urgent]),
        ("status=open", vec![answered, accented, urgent]),
        ("status=closed&other=ignored", vec![closed]),
        ("priority=urgent&status=", vec![urgent]),
        ("awaiting=manager", vec![accented, urgent]),
        ("awaiting=customer", vec![answered]),
        ("q=zebra", vec![answered]),
        ("q=zebras", vec![]),
        ("q=PURPLE%20eleph", vec![answered]),
        ("q=purple+damaged", vec![]),
        ("q=angstrom", vec![accented]),
        ("q=東京", vec![closed]),
        ("q=damaged&status=open", vec![answered, accented, urgent]),
        ("q=%25", vec![]),
        ("q=%22", vec![]),
    ] {
        let page = list(&desk, &format!("/api/tickets?{query}")).await;
        assert_eq!(references(&page), expected, "{query}");
    }
    for text in [
        answered.to_owned(),
        answered.to_lowercase(),
        CUSTOMER.replace('+', "%2B"),
    ] {
        let page = list(&desk, &format!("/api/tickets?q={text}&limit=100")).await;
        assert!(references(&page).contains(&answered), "{text}");
    }
    let listed = &list(&desk, "/api/tickets?q=elephants").await["tickets"][0];
    assert_eq!(
        (&listed["awaiting"], &listed["last"]["sender"], &listed["last"]["text"]),
        (&json!("customer"), &json!("manager"), &json!("Purple elephants"))
    );
    let shown = desk.ticket(answered).await;
    for field in [
        "id",
        "subject",
        "customerName",
        "customerPhone",
        "createdAt",
        "updatedAt",
    ] {
        assert_eq!(listed[field], shown["ticket"][field]);
    }
    let wrong = desk
        .get_as_operator("/api/tickets?status=x&priority=x&awaiting=x&q=%00&limit=0&after=x")
        .await;
    assert_eq!((wrong.status, wrong.problem().as_str()), (400, "validation_failed"));
    assert_eq!(
        wrong.faulty_fields(),
        ["after", "awaiting", "limit", "priority", "q", "status"]
    );
    assert!(desk.stop().await.success());
}

async fn a_list_is_read_page_by_page(engine: Engine) {
    let place = TempStore::new(engine).await;
    let desk = TestServer::on(&place).start().await;
    let mut opened = Vec::new();
    for _ in 0..12 {
        opened.push(desk.open().await);
    }
    opened.reverse();
    for query in ["limit=5", "limit=4&q=bottles", "limit=1&status=open&priority=high"] {
        let mut seen: Vec<String> = Vec::new();
        let mut after = String::new();
        loop {
            let page = list(&desk, &format!("/api/tickets?{query}&after={after}")).await;
            seen.extend(references(&page).into_iter().map(str::to_owned));
            let Some(next) = page["next"].as_str() else { break };
            next.clone_into(&mut after);
        }
        assert_eq!(seen, opened, "{query}");
    }
    assert!(desk.stop().await.success());
}

async fn a_ticket_is_answered_and_changed_and_the_trail_tells(engine: Engine) {
    let place = TempStore::new(engine).await;
    let options = TestServer::on(&place);
    let desk = options.start().await;
    let reference = desk.open().await;
    let other = desk.open().await;
    let path = format!("/api/ticket/{reference}");
    let reply = send(
        &desk,
        "POST",
        &format!("{path}/replies"),
        &json!({ "message": "On its way" }),
    )
    .await;
    assert_eq!(reply.status, 201, "{reply:?}");
    let both = json!({ "status": "resolved", "priority": "low" });
    let changed = send(&desk, "PATCH", &path, &both).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    let thread = desk.ticket(&reference).await;
    let mut shown = thread["ticket"].clone();
    shown.as_object_mut().unwrap().remove("delivery");
    assert_eq!(changed.json()["ticket"], shown);
    assert_eq!(
        (&shown["status"], &shown["priority"]),
        (&json!("resolved"), &json!("low"))
    );
    assert_eq!(
        (&thread["messages"][1]["sender"], &thread["messages"][1]["id"]),
        (&json!("manager"), &reply.json()["messageId"])
    );
    for body in [json!({}), json!({ "status": "gone" })] {
        let refused = send(&desk, "PATCH", &path, &body).await;
        assert_eq!(
            (refused.status, refused.problem().as_str()),
            (400, "validation_failed"),
            "{body}"
        );
    }
    assert_eq!(
        send(&desk, "PATCH", &format!("/api/ticket/{other}"), &both)
            .await
            .status,
        200
    );
    assert!(desk.stop().await.success());

    // What was done stays known.
    let desk = options.start().await;
    let trail = list(&desk, &format!("/api/trail?ticketRef={reference}")).await;
    let entries = trail["entries"].as_array().unwrap();
    let mut acts: Vec<_> = entries.iter().map(|entry| entry["act"].as_str().unwrap()).collect();
    assert_eq!(acts.pop(), Some("reply"));
    acts.sort_unstable();
    assert_eq!(acts, ["priority", "status"]);
    let status = entries.iter().find(|entry| entry["act"] == "status").unwrap();
    assert_eq!((&status["from"], &status["to"]), (&json!("open"), &json!("resolved")));
    let all = list(&desk, "/api/trail?limit=4").await;
    assert_eq!(all["entries"].as_array().unwrap().len(), 4);
    let rest = list(&desk, &format!("/api/trail?before={}", all["next"].as_str().unwrap())).await;
    assert_eq!(
        (rest["entries"].as_array().unwrap().len(), &rest["next"]),
        (1, &json!(null))
    );
    let unknown = desk.get_as_operator("/api/trail?ticketRef=T-20250115-0000").await;
    assert_eq!((unknown.status, unknown.problem().as_str()), (404, "ticket_not_found"));
    assert!(desk.stop().await.success());
}

async fn an_unmatched_message_is_attached(engine: Engine) {
    let place = TempStore::new(engine).await;
    let n8n = N8n::start();
    let desk = TestServer::on(&place).telling(&n8n).start().await;
    let (reference, other) = (desk.open().await, desk.open().await);
    desk.all_settled().await;
    for (from, text) in [
        (CUSTOMER, "Anybody there?"),
        (MANAGER, "Which one?"),
        ("+15557654321", "Hello"),
    ] {
        let kept = desk.inbound(&json!({ "from": from, "message": text })).await;
        assert_eq!(kept.problem(), "ticket_not_named");
    }
    desk.wait_for_metric("messages_unmatched", 3.0).await;
    let first = list(&desk, "/api/unmatched?limit=1").await;
    let message = &first["messages"][0];
    assert_eq!(
        (
            &message["body"],
            &message["from"],
            &message["channel"],
            &message["mediaUrl"]
        ),
        (
            &json!("Anybody there?"),
            &json!(CUSTOMER),
            &json!("whatsapp"),
            &json!(null)
        )
    );
    let rest = list(
        &desk,
        &format!("/api/unmatched?after={}", first["next"].as_str().unwrap()),
    )
    .await;
    let bodies: Vec<_> = rest["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["body"].clone())
        .collect();
    assert_eq!(
        (bodies, &rest["next"]),
        (vec![json!("Which one?"), json!("Hello")], &json!(null))
    );

    let id = message["id"].as_str().unwrap();
    let closed = send(
        &desk,
        "PATCH",
        &format!("/api/ticket/{reference}"),
        &json!({ "status": "closed" }),
    )
    .await;
    assert_eq!(closed.status, 200);
    let path = format!("/api/unmatched/{id}/attach");
    for (path, to, status, code) in [
        (&path, "T-20250115-0000", 404, "ticket_not_found"),
        (
            &"/api/unmatched/00000000-0000-4000-8000-000000000000/attach".to_owned(),
            &*reference,
            404,
            "not_found",
        ),
    ] {
        let refused = send(&desk, "POST", path, &json!({ "ticketRef": to })).await;
        assert_eq!((refused.status, refused.problem().as_str()), (status, code));
    }
    // Said by ten at once, it is done once.
    let body = json!({ "ticketRef": reference });
    let attached = futures_util::future::join_all((0..10).map(|_| send(&desk, "POST", &path, &body))).await;
    assert!(attached.iter().all(|reply| reply.status == 200), "{attached:?}");
    let news = attached
        .iter()
        .filter(|reply| reply.json()["duplicate"] == json!(false));
    assert_eq!(news.count(), 1);
    let elsewhere = send(&desk, "POST", &path, &json!({ "ticketRef": other })).await;
    assert_eq!(
        (elsewhere.status, elsewhere.problem().as_str()),
        (409, "already_attached")
    );

    let thread = desk.ticket(&reference).await;
    assert_eq!(
        (
            &thread["ticket"]["status"],
            &thread["messages"][1]["id"],
            &thread["messages"][1]["sender"]
        ),
        (&json!("open"), &json!(id), &json!("customer"))
    );
    assert_eq!(thread["messages"].as_array().unwrap().len(), 2);
    let received = n8n.wait_for(3, Duration::from_secs(10)).await;
    assert_eq!(received[2].json()["event"], "ticket.updated");
    desk.wait_for_metric("messages_unmatched", 2.0).await;
    desk.all_settled().await;
    assert_eq!(n8n.received().len(), 3);
    assert!(desk.stop().await.success());
}

async fn everything_that_was_given_up_is_sent_again(engine: Engine) {
    let place = TempStore::new(engine).await;
    let n8n = N8n::start();
    n8n.always(Reaction::status(410));
    let desk = TestServer::on(&place).telling(&n8n).start().await;
    for _ in 0..5 {
        desk.open().await;
    }
    desk.wait_for_metric("notifications{state=\"dead\"}", 5.0).await;
    n8n.always(Reaction::status(200));
    let again = send(&desk, "POST", "/api/notifications/redeliver", &json!({})).await;
    assert_eq!((again.status, again.json()), (200, json!({ "ok": true, "queued": 5 })));
    n8n.wait_for(10, Duration::from_secs(20)).await;
    desk.all_settled().await;
    assert_eq!(desk.metric("notifications{state=\"dead\"}").await, 0.0);
    let none = send(&desk, "POST", "/api/notifications/redeliver", &json!({})).await;
    assert_eq!(none.json()["queued"], 0);
    let trail = list(&desk, "/api/trail").await;
    assert_eq!(
        (
            &trail["entries"][0]["act"],
            &trail["entries"][0]["count"],
            trail["entries"].as_array().unwrap().len()
        ),
        (&json!("redeliver_dead"), &json!(5), 1)
    );
    assert!(desk.stop().await.success());
}

async fn only_operators_come_in(engine: Engine) {
    let place = TempStore::new(engine).await;
    let desk = TestServer::on(&place).start().await;
    let reference = desk.open().await;
    for (method, path) in [
        ("GET", "/api/tickets".to_owned()),
        ("PATCH", format!("/api/ticket/{reference}")),
        ("POST", format!("/api/ticket/{reference}/replies")),
        ("POST", "/api/notifications/redeliver".into()),
        ("GET", "/api/unmatched".into()),
        ("POST", "/api/unmatched/x/attach".into()),
        ("GET", "/api/trail".into()),
    ] {
        for headers in [vec![], vec![("authorization", "Bearer wrong")]] {
            let reply = desk.send(method, &path, &headers, None).await;
            assert_eq!(
                (reply.status, reply.problem().as_str()),
                (401, "unauthorized"),
                "{method} {path}"
            );
            assert_eq!(reply.header("www-authenticate"), "Bearer");
        }
    }
    assert!(desk.stop().await.success());
}
