//! `POST /api/ticket/{ref}/messages` and `GET /api/ticket/{ref}/events`.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use black_box::{Engine, MANAGER, N8n, OPERATOR_TOKEN, Reply, TempStore, TestServer, on_both_stores, ticket};
use serde_json::{Value, json};
use tokio::time::timeout;

on_both_stores!(
    a_customer_adds_to_the_ticket_and_the_manager_is_told,
    only_the_customers_key_writes,
    one_idempotency_key_is_one_message,
    a_stream_tells_everything_and_then_each_change,
    a_stream_goes_on_where_it_broke_off,
    private_tickets_are_followed_by_their_holders,
    many_streams_are_told_soon_and_end_with_the_server,
);

/// A ticket that was opened, and the query that its customer's address has.
struct Opened {
    reference: String,
    key: String,
}

async fn open(desk: &TestServer) -> Opened {
    let created = desk.create(&ticket()).await.json();
    let url = created["ticketUrl"].as_str().unwrap();
    Opened {
        reference: created["ticketRef"].as_str().unwrap().to_owned(),
        key: url.split_once('?').unwrap().1.to_owned(),
    }
}

impl Opened {
    fn path(&self, below: &str) -> String {
        format!("/api/ticket/{}/{below}?{}", self.reference, self.key)
    }

    async fn add(&self, desk: &TestServer, text: &str) -> Reply {
        desk.post(&self.path("messages"), &[], &json!({ "message": text }))
            .await
    }

    async fn answer(&self, desk: &TestServer, text: &str) {
        let reply = json!({ "ticketRef": self.reference, "from": MANAGER, "message": text });
        assert_eq!(desk.inbound(&reply).await.status, 200);
    }

    async fn set_status(&self, desk: &TestServer, status: &str) {
        let body = json!({ "status": status }).to_string().into_bytes();
        let bearer = format!("Bearer {OPERATOR_TOKEN}");
        let headers = [("content-type", "application/json"), ("authorization", bearer.as_str())];
        let path = format!("/api/ticket/{}", self.reference);
        let reply = desk.send("PATCH", &path, &headers, Some(body)).await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }
}

/// A stream of events, read as it comes.
struct Events {
    response: reqwest::Response,
    text: String,
    /// The ticket as it was told last.
    ticket: Value,
}

#[derive(Debug)]
struct Event {
    name: String,
    id: String,
    data: Value,
}

impl Events {
    async fn open(desk: &TestServer, path: &str, headers: &[(&str, &str)]) -> Self {
        // One for all streams: to make one reads every certificate of the machine.
        static CLIENT: LazyLock<reqwest::Client> =
            LazyLock::new(|| reqwest::Client::builder().no_proxy().build().unwrap());
        let mut request = CLIENT.get(desk.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        assert!(response.headers().contains_key("x-request-id"));
        Self {
            response,
            text: String::new(),
            ticket: Value::Null,
        }
    }

    /// The next event; none at the end of the stream.
    async fn next(&mut self) -> Option<Event> {
        loop {
            while let Some(end) = self.text.find("\n\n") {
                let lines: String = self.text.drain(..end + 2).collect();
                let field = |name: &str| {
                    lines
                        .lines()
                        .find_map(|line| line.strip_prefix(name))
                        .map(str::to_owned)
                };
                if let (Some(name), Some(id), Some(data)) = (field("event: "), field("id: "), field("data: ")) {
                    let data: Value = serde_json::from_str(&data).unwrap();
                    if name == "ticket" {
                        self.ticket = data.clone();
                    }
                    return Some(Event { name, id, data });
                }
            }
            let chunk = timeout(Duration::from_secs(30), self.response.chunk()).await;
            let chunk = chunk.expect("something within 30 s").unwrap()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next event of this name.
    async fn wait_for(&mut self, name: &str) -> Event {
        loop {
            let event = self.next().await.expect("the stream goes on");
            if event.name == name {
                return event;
            }
        }
    }
}

impl Events {
    /// Waits until the ticket is told to be so; it may have been told along with something else.
    async fn wait_until(&mut self, is_so: impl Fn(&Value) -> bool) {
        let told = timeout(Duration::from_secs(30), async {
            while !is_so(&self.ticket) {
                self.next().await.expect("the stream goes on");
            }
        });
        told.await.expect("it is told within 30 s");
    }
}

async fn a_customer_adds_to_the_ticket_and_the_manager_is_told(engine: Engine) {
    let place = TempStore::new(engine).await;
    let n8n = N8n::start();
    let desk = TestServer::on(&place).telling(&n8n).start().await;
    let opened = open(&desk).await;
    desk.all_settled().await;
    for (number, status) in ["open", "resolved", "closed"].into_iter().enumerate() {
        opened.set_status(&desk, status).await;
        let text = format!("More, {number}");
        let reply = opened.add(&desk, &text).await;
        let added = reply.json();
        assert_eq!((reply.status, &added["ok"]), (201, &json!(true)), "{reply:?}");
        assert_eq!(added["ticketRef"], opened.reference);
        let thread = desk.ticket(&opened.reference).await;
        assert_eq!(thread["ticket"]["status"], "open", "{status}");
        let last = thread["messages"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(
            last,
            json!({
                "id": added["messageId"], "sender": "customer", "channel": "web", "body": text, "mediaUrl": null,
                "createdAt": added["createdAt"]
            })
        );
        let received = n8n.wait_for(number + 2, Duration::from_secs(10)).await;
        let told = received.last().unwrap().json();
        assert_eq!(
            (&told["event"], &told["message"], &told["ticketRef"]),
            (&json!("ticket.updated"), &json!(text), &json!(opened.reference))
        );
        desk.wait_for_delivery(&opened.reference, "sent").await;
    }
    for (body, field) in [
        (json!({ "message": " " }), "message"),
        (json!({ "message": "x".repeat(5_001) }), "message"),
        (json!({}), "message"),
    ] {
        let reply = desk.post(&opened.path("messages"), &[], &body).await;
        assert_eq!((reply.status, reply.problem().as_str()), (400, "validation_failed"));
        assert_eq!(reply.faulty_fields(), [field]);
    }
    assert!(desk.stop().await.success());
}

async fn only_the_customers_key_writes(engine: Engine) {
    let place = TempStore::new(engine).await;
    for (access, wrong) in [("open", (401, "unauthorized")), ("private", (404, "ticket_not_found"))] {
        let n8n = N8n::start();
        let desk = TestServer::on(&place)
            .telling(&n8n)
            .set("TICKET_ACCESS", access)
            .start()
            .await;
        let (opened, other) = (open(&desk).await, open(&desk).await);
        for query in [String::new(), "?key=".into(), format!("?{}", other.key)] {
            let path = format!("/api/ticket/{}/messages{query}", opened.reference);
            let reply = desk.post(&path, &[], &json!({ "message": "Let me in" })).await;
            assert_eq!((reply.status, reply.problem().as_str()), wrong, "{access} {query}");
        }
        let nowhere = format!("/api/ticket/T-20250115-0000/messages?{}", opened.key);
        let reply = desk.post(&nowhere, &[], &json!({ "message": "Hello" })).await;
        assert_eq!((reply.status, reply.problem().as_str()), (404, "ticket_not_found"));
        if access == "private" {
            // The manager's link reads, and does not write.
            let received = n8n.wait_for(2, Duration::from_secs(10)).await;
            let told = received.iter().map(black_box::Received::json);
            let told = told
                .into_iter()
                .find(|told| told["ticketRef"] == opened.reference.as_str())
                .unwrap();
            let key = told["ticketUrl"]
                .as_str()
                .unwrap()
                .split_once('?')
                .unwrap()
                .1
                .to_owned();
            let path = format!("/api/ticket/{}/messages?{key}", opened.reference);
            assert_eq!(desk.post(&path, &[], &json!({ "message": "Hello" })).await.status, 401);
        }
        let thread = desk
            .get(&format!("/api/ticket/{}?{}", opened.reference, opened.key))
            .await
            .json();
        assert_eq!(thread["messages"].as_array().unwrap().len(), 1);
        assert_eq!(opened.add(&desk, "It is me").await.status, 201);
        desk.all_settled().await;
        assert!(desk.stop().await.success());
    }
}

async fn one_idempotency_key_is_one_message(engine: Engine) {
    let place = TempStore::new(engine).await;
    let options = TestServer::on(&place);
    let desk = options.start().await;
    let opened = open(&desk).await;
    let send = async |desk: &TestServer, key: &str, text: &str| {
        let body = json!({ "message": text });
        desk.post(&opened.path("messages"), &[("idempotency-key", key)], &body)
            .await
    };
    for round in 0..5 {
        let key = format!("twins-{round}");
        let twins = futures_util::future::join_all((0..20).map(|_| send(&desk, &key, "Once"))).await;
        assert!(twins.iter().all(|twin| twin.status == 201), "{twins:?}");
        assert!(twins.iter().all(|twin| twin.text == twins[0].text), "{twins:?}");
        let replayed = twins.iter().filter(|twin| twin.header("idempotent-replayed") == "true");
        assert_eq!(replayed.count(), 19);
        let thread = desk.ticket(&opened.reference).await;
        assert_eq!(thread["messages"].as_array().unwrap().len(), round + 2);
    }
    let first = send(&desk, "kept", "Once").await;
    let reused = send(&desk, "kept", "Twice").await;
    assert_eq!(
        (reused.status, reused.problem().as_str()),
        (422, "idempotency_key_reused")
    );
    assert!(desk.stop().await.success());
    let desk = options.start().await;
    let again = send(&desk, "kept", "Once").await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (201, "true"));
    assert_eq!(again.text, first.text);
    assert!(desk.stop().await.success());
}

async fn a_stream_tells_everything_and_then_each_change(engine: Engine) {
    let place = TempStore::new(engine).await;
    let n8n = N8n::start();
    let desk = TestServer::on(&place).telling(&n8n).start().await;
    let opened = open(&desk).await;
    desk.all_settled().await;
    let shown = desk.ticket(&opened.reference).await;
    let mut events = Events::open(&desk, &format!("/api/ticket/{}/events", opened.reference), &[]).await;
    let (first, second) = (events.next().await.unwrap(), events.next().await.unwrap());
    assert_eq!((first.name.as_str(), &first.data), ("ticket", &shown["ticket"]));
    assert_eq!((second.name.as_str(), &second.data), ("message", &shown["messages"][0]));
    assert!(
        first.id.starts_with("0.") && second.id.starts_with("1."),
        "{first:?} {second:?}"
    );

    let begun = Instant::now();
    opened.answer(&desk, "We look into it.").await;
    let event = events.wait_for("message").await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(
        (&event.data["body"], &event.data["sender"]),
        (&json!("We look into it."), &json!("manager"))
    );

    opened.add(&desk, "Thank you").await;
    assert_eq!(events.wait_for("message").await.data["body"], "Thank you");
    // The manager is told of it, and how far that got is told as well.
    events.wait_until(|ticket| ticket["delivery"]["state"] == "sent").await;
    opened.set_status(&desk, "resolved").await;
    events.wait_until(|ticket| ticket["status"] == "resolved").await;
    assert!(desk.stop().await.success());
    while events.next().await.is_some() {}
}

async fn a_stream_goes_on_where_it_broke_off(engine: Engine) {
    let place = TempStore::new(engine).await;
    let options = TestServer::on(&place);
    let desk = options.start().await;
    let opened = open(&desk).await;
    let path = format!("/api/ticket/{}/events", opened.reference);
    let mut events = Events::open(&desk, &path, &[]).await;
    let last = events.wait_for("message").await;
    drop(events);
    opened.answer(&desk, "While you were away").await;
    let resumed = format!("{path}?lastEventId={}", last.id);
    for (path, header) in [(&path, Some(last.id.as_str())), (&resumed, None)] {
        let headers: Vec<_> = header.into_iter().map(|id| ("last-event-id", id)).collect();
        let mut events = Events::open(&desk, path, &headers).await;
        let told = [events.next().await.unwrap(), events.next().await.unwrap()];
        assert_eq!((told[0].name.as_str(), told[1].name.as_str()), ("ticket", "message"));
        assert_eq!(told[1].data["body"], "While you were away");
    }
    assert!(desk.stop().await.success());

    // Another process, the same place in the thread.
    let desk = options.start().await;
    let mut events = Events::open(&desk, &path, &[("last-event-id", &last.id)]).await;
    assert_eq!(events.wait_for("message").await.data["body"], "While you were away");
    opened.answer(&desk, "Back again").await;
    assert_eq!(events.wait_for("message").await.data["body"], "Back again");
    assert!(desk.stop().await.success());
}

async fn private_tickets_are_followed_by_their_holders(engine: Engine) {
    let place = TempStore::new(engine).await;
    let desk = TestServer::on(&place).set("TICKET_ACCESS", "private").start().await;
    let (opened, other) = (open(&desk).await, open(&desk).await);
    let path = format!("/api/ticket/{}/events", opened.reference);
    let missing = desk.get("/api/ticket/T-20250115-0000/events").await.json();
    for query in [String::new(), "?key=wrong".into(), format!("?{}", other.key)] {
        let reply = desk.get(&format!("{path}{query}")).await;
        assert_eq!((reply.status, reply.json()), (404, missing.clone()), "{query}");
    }
    let bearer = format!("Bearer {OPERATOR_TOKEN}");
    for (path, headers) in [
        (opened.path("events"), vec![]),
        (path.clone(), vec![("authorization", bearer.as_str())]),
    ] {
        let mut events = Events::open(&desk, &path, &headers).await;
        assert_eq!(events.wait_for("message").await.data["sender"], "customer");
    }
    let head = desk.send("HEAD", &path, &[], None).await;
    assert_eq!((head.status, head.header("allow")), (405, "GET"));
    assert!(desk.stop().await.success());
}

async fn many_streams_are_told_soon_and_end_with_the_server(engine: Engine) {
    let place = TempStore::new(engine).await;
    let desk = TestServer::on(&place).start().await;
    let opened = open(&desk).await;
    let path = format!("/api/ticket/{}/events", opened.reference);
    let mut streams = Vec::new();
    for _ in 0..200 {
        let mut events = Events::open(&desk, &path, &[]).await;
        events.wait_for("message").await;
        streams.push(events);
    }
    desk.wait_for_metric("event_streams_open", 200.0).await;
    let begun = Instant::now();
    opened.answer(&desk, "To all of you").await;
    for events in &mut streams {
        assert_eq!(events.wait_for("message").await.data["body"], "To all of you");
    }
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    let begun = Instant::now();
    assert!(desk.stop().await.success());
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    for events in &mut streams {
        while events.next().await.is_some() {}
    }
}

/// What another process on the same Postgres wrote is told within a second; the embedded store has one process only.
#[tokio::test(flavor = "multi_thread")]
async fn a_reply_at_one_replica_appears_at_another() {
    let place = TempStore::new(Engine::Postgres).await;
    let options = TestServer::on(&place);
    let (here, there) = (options.start().await, options.start().await);
    let opened = open(&here).await;
    let mut events = Events::open(&here, &format!("/api/ticket/{}/events", opened.reference), &[]).await;
    events.wait_for("message").await;
    for round in 0..5 {
        let text = format!("From over there, {round}");
        let begun = Instant::now();
        opened.answer(&there, &text).await;
        assert_eq!(events.wait_for("message").await.data["body"], text);
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    }
    assert!(here.stop().await.success());
    assert!(there.stop().await.success());
}
