//! The promise of the whole system, at random: with 50 open tickets and 1,000 replies of every kind, each reply is where
//! it belongs, once.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use black_box::{CUSTOMER, Engine, FakeN8n, Reaction, Response, TempStore, TestServer, on_both_stores};
use futures_util::future::join_all;
use serde_json::{Value, json};

on_both_stores!(a_thousand_random_replies_end_where_they_belong);

const TICKETS: usize = 50;
const MANAGERS: [&str; 4] = ["+919655716000", "+15550000001", "+15550000002", "+15550000003"];
/// Of each of the four managers, and of all others together.
const REPLIES_EACH: usize = 200;

/// Draws the same in every run (splitmix64).
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % end as u64).unwrap()
    }

    fn one_of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// A ticket, and the outside id of its notification.
struct Open {
    reference: String,
    sid: String,
}

/// Somebody who writes, one message after the other, each perhaps several times at once.
struct Writer {
    server: Arc<TestServer>,
    n8n: Arc<FakeN8n>,
    tickets: Arc<Vec<Open>>,
    number: &'static str,
    draw: Draw,
    sent: usize,
    /// Texts, each with the ticket that it has to be in; none if it has to be kept.
    expected: BTreeMap<String, Option<String>>,
    /// The newest tickets, which every question lists.
    listed: Arc<Vec<String>>,
    /// What the open question is about; nothing if none is open.
    asked_about: Vec<String>,
}

impl Writer {
    /// Sends a message, one to four times at once; every answer must be of the same status.
    async fn send(&mut self, text: &str, more: Value) -> Response {
        self.sent += 1;
        let mut body = json!({
            "message": text,
            "from": format!("whatsapp:{}", self.number),
            "externalId": format!("IN-{}-{}", self.number, self.sent),
        });
        for (field, value) in more.as_object().cloned().unwrap_or_default() {
            body[field] = value;
        }
        let times = 1 + self.draw.below(8).saturating_sub(4);
        let mut replies = join_all((0..times).map(|_| self.server.inbound(&body))).await;
        let statuses: BTreeSet<u16> = replies.iter().map(|reply| reply.status).collect();
        assert_eq!(statuses.len(), 1, "{text}: {replies:?}");
        replies.remove(0)
    }

    fn text(&self) -> String {
        format!("reply {} of {}", self.sent + 1, self.number)
    }

    /// What everything that was asked about now belongs to.
    fn picks(&mut self, reply: &Response, ticket: Option<&str>) {
        assert_eq!(
            (reply.status, &reply.json()["ticketRef"]),
            (200, &json!(ticket)),
            "{reply:?}"
        );
        for text in std::mem::take(&mut self.asked_about) {
            self.expected.insert(text, ticket.map(str::to_owned));
        }
    }

    /// Waits until the open question is sent: it is about the first of these texts, as it was when the first came.
    async fn question_is_sent(&self) {
        // Without references, which a question shows in another way.
        let about = self.asked_about[0].split(" for ").next().unwrap();
        let is_sent = |request: &black_box::Received| {
            let request = request.json();
            request["event"] == "question" && request["text"].as_str().is_some_and(|text| text.contains(about))
        };
        let mut ticks = tokio::time::interval(Duration::from_millis(50));
        let sent = async {
            while !self.n8n.received().iter().any(is_sent) {
                ticks.tick().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), sent).await.expect(about);
    }

    async fn answer_question(&mut self) {
        let listed = self.listed.clone();
        let (tickets, number) = (self.tickets.clone(), self.draw.below(5));
        // A number is for a list that was read, so the question has to be sent; a reference needs none.
        let (text, ticket) = match self.draw.below(8) {
            0 => ("0".to_owned(), None),
            1 => ((number + 1).to_string(), Some(&listed[number])),
            _ => {
                let ticket = &self.draw.one_of(&tickets).reference;
                (ticket.to_lowercase(), Some(ticket))
            }
        };
        if text.len() == 1 {
            self.question_is_sent().await;
        }
        // A quote of an id that the server does not know.
        let more = match self.draw.below(2) {
            0 => json!({}),
            _ => json!({ "repliedToExternalId": "SM-of-nobody" }),
        };
        let reply = self.send(&text, more).await;
        self.picks(&reply, ticket.map(String::as_str));
    }

    /// One message of a manager, of any kind.
    async fn manager_writes(&mut self) {
        let is_asked = !self.asked_about.is_empty();
        if is_asked && self.draw.below(2) == 0 {
            return self.answer_question().await;
        }
        let tickets = self.tickets.clone();
        let (ticket, other) = (self.draw.one_of(&tickets), self.draw.one_of(&tickets));
        let (reference, another) = (&ticket.reference, &other.reference);
        let (text, lower) = (self.text(), reference.to_lowercase());
        let quote = json!({ "repliedToExternalId": ticket.sid });
        let unknown_quote = json!({ "repliedToExternalId": "SM-nobody-knows" });
        // The text, what else, and the status: other than 200 it is answered with a question.
        // With two open questions a number would be ambiguous; the contract of stores has all of that.
        let kinds = if is_asked { 4 } else { 7 };
        let (text, more, status) = match self.draw.below(kinds) {
            // Quoted, also with another ticket in the text.
            0 => (text, quote, 200),
            1 => (format!("{text}, not {another}"), quote, 200),
            // Named in the text, also under a quote of somebody else's message.
            2 => (format!("{text} for {lower}"), json!({}), 200),
            3 => (format!("{text} ({reference})"), unknown_quote, 200),
            // Naming none, one that is not there, or two.
            4 => (text, json!({}), 400),
            5 => (format!("{text} for T-20200101-0000"), json!({}), 404),
            _ if reference != another => (format!("{text} for {reference} and {another}"), json!({}), 400),
            _ => (text, quote, 200),
        };
        let reply = self.send(&text, more).await;
        assert_eq!(reply.status, status, "{text}: {reply:?}");
        if status == 200 {
            assert_eq!(reply.field("ticketRef"), *reference, "{text}");
            self.expected.insert(text, Some(reference.clone()));
        } else {
            assert!(!reply.field("ask").is_empty());
            self.expected.insert(text.clone(), None);
            self.asked_about.push(text);
        }
    }

    /// One message of a stranger or of a customer, who may name only what is theirs, and are asked once a day.
    async fn other_writes(&mut self, is_customer: bool) {
        let tickets = self.tickets.clone();
        let ticket = self.draw.one_of(&tickets);
        let text = self.text();
        let (text, more, named) = match self.draw.below(4) {
            0 => (text, json!({ "repliedToExternalId": ticket.sid }), is_customer),
            1 => (format!("{text} for {}", ticket.reference), json!({}), is_customer),
            2 => (text, json!({ "ticketRef": ticket.reference }), true),
            _ => (text, json!({}), false),
        };
        let reply = self.send(&text, more).await;
        assert_eq!(reply.status, if named { 200 } else { 400 }, "{text}: {reply:?}");
        assert!(reply.json()["notice"].is_null(), "{reply:?}");
        if !reply.json()["ask"].is_null() {
            assert!(self.asked_about.is_empty(), "{reply:?}");
            self.asked_about.push(text.clone());
        }
        self.expected.insert(text, named.then(|| ticket.reference.clone()));
    }
}

async fn open_tickets(server: &TestServer, n8n: &FakeN8n) -> Vec<Open> {
    join_all((0..TICKETS).map(|_| server.open())).await;
    let received = n8n.wait_for(TICKETS, Duration::from_mins(1)).await;
    server.wait_for_empty_outbox().await;
    let open = received.iter().map(|told| Open {
        reference: told.ticket_ref(),
        sid: format!("SM-{}", told.id()),
    });
    open.collect()
}

async fn a_thousand_random_replies_end_where_they_belong(engine: Engine) {
    let store = TempStore::new(engine).await;
    let n8n = Arc::new(FakeN8n::start());
    n8n.always(Reaction::AcceptWithOwnId);
    let server = TestServer::on(&store)
        .notifying(&n8n)
        .set("AGENT_PHONE", &MANAGERS.join(","))
        .start()
        .await;
    let tickets = Arc::new(open_tickets(&server, &n8n).await);
    let newest = "SELECT reference AS line FROM tickets ORDER BY created_at DESC, number DESC LIMIT 5";
    let listed = Arc::new(store.lines(newest));
    let server = Arc::new(server);
    let numbers = MANAGERS.into_iter().chain([CUSTOMER, "+15559999999"]);
    let writers = (1..).zip(numbers).map(|(seed, number)| {
        let mut writer = Writer {
            server: server.clone(),
            n8n: n8n.clone(),
            tickets: tickets.clone(),
            number,
            draw: Draw(seed),
            sent: 0,
            expected: BTreeMap::new(),
            listed: listed.clone(),
            asked_about: Vec::new(),
        };
        tokio::spawn(async move {
            if MANAGERS.contains(&number) {
                while writer.sent < REPLIES_EACH {
                    writer.manager_writes().await;
                }
            } else {
                while writer.sent < REPLIES_EACH / 2 {
                    writer.other_writes(number == CUSTOMER).await;
                }
            }
            (writer.sent, writer.expected)
        })
    });
    let (mut sent, mut expected) = (0, BTreeMap::new());
    for writer in writers.collect::<Vec<_>>() {
        let (by_one, of_one) = writer.await.unwrap();
        sent += by_one;
        expected.extend(of_one);
    }
    assert_eq!(sent, 1_000);

    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for ticket in tickets.iter() {
        let thread = server.ticket(&ticket.reference).await;
        for message in &thread["messages"].as_array().unwrap()[1..] {
            let text = message["body"].as_str().unwrap().to_owned();
            found.entry(text).or_default().push(ticket.reference.clone());
        }
    }
    let kept = expected.values().filter(|ticket| ticket.is_none()).count();
    for (text, ticket) in expected {
        let places = found.remove(&text).unwrap_or_default();
        assert_eq!(places, ticket.into_iter().collect::<Vec<_>>(), "{text}");
    }
    assert!(found.is_empty(), "what nobody wrote: {found:?}");
    assert_eq!(
        server.metric("messages_unmatched").await,
        f64::from(u32::try_from(kept).unwrap())
    );
    let server = Arc::into_inner(server).unwrap();
    server.end().await;
}
