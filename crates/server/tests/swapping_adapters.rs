//! Another store, other notifiers, and the whole application started with them. `docs/swapping-adapters.md` explains it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

use std::{ffi::OsString, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::{Value, json};
use server::{Builder, Config};
use store_contract::FailingStore;
use store_diesel::SqliteStore;
use ticket_domain::{
    EventKind, Payload, Recipient,
    ports::{Composer, Delivering, DeliveryResult, Event, Notifier, Outbox as _, Store, StoreHealth as _},
};
use tokio::sync::mpsc;

// 1. Another notifier: it puts events into its own words, and sends them its own way.

/// Tells the manager on a pager that shows one line.
struct Pager {
    shown: mpsc::UnboundedSender<String>,
}

/// Writes what a pager can show.
struct PagerWords;

impl Composer for PagerWords {
    fn compose(&self, event: Event<'_>) -> Option<Payload> {
        let line = format!("{} {}", event.ticket.reference, event.ticket.details.subject);
        Some(Payload(line.into_bytes().into()))
    }
}

#[async_trait]
impl Notifier for Pager {
    async fn deliver(&self, delivering: Delivering<'_>) -> DeliveryResult {
        let line = String::from_utf8_lossy(&delivering.payload.0).into_owned();
        self.shown.send(line).expect("somebody looks at the pager");
        DeliveryResult::Accepted {
            external_id: Some("page-1".parse().expect("an id")),
        }
    }
}

/// Sends the customer a postcard once a ticket is open, and nothing else.
struct Postcards {
    sent: mpsc::UnboundedSender<String>,
}

impl Composer for Postcards {
    fn compose(&self, event: Event<'_>) -> Option<Payload> {
        let text = format!("Dear {}, we have it.", event.ticket.details.customer.name);
        (event.kind == EventKind::Created).then(|| Payload(text.into_bytes().into()))
    }
}

#[async_trait]
impl Notifier for Postcards {
    async fn deliver(&self, delivering: Delivering<'_>) -> DeliveryResult {
        let text = String::from_utf8_lossy(&delivering.payload.0).into_owned();
        self.sent.send(text).expect("somebody reads the post");
        DeliveryResult::Accepted { external_id: None }
    }
}

// 2. Another store: `FailingStore`, which wraps one of ours, stands for yours. It keeps the contract, which is checked like
// this.

#[allow(clippy::unused_async, reason = "most stores have to wait for something")]
async fn empty_store() -> (Arc<dyn Store>, ()) {
    (Arc::new(store_of_your_own()), ())
}

fn store_of_your_own() -> FailingStore {
    FailingStore::new(Arc::new(SqliteStore::temporary().unwrap()), false)
}

mod the_store_keeps_the_contract {
    store_contract::store_contract!(super::empty_store);
}

// 3. The whole application with them, on a free port.

fn config(webhook: Option<&str>) -> Config {
    let look_up = |name: &str| match name {
        "HOST" => Some(OsString::from("127.0.0.1")),
        "PORT" => Some(OsString::from("0")),
        "RAILWAY_INBOUND_SECRET" => Some(OsString::from("the-inbound-key")),
        "AGENT_PHONE" => Some(OsString::from("+15550000000")),
        "N8N_WEBHOOK_URL" => webhook.map(OsString::from),
        "N8N_WEBHOOK_API_KEY" => webhook.map(|_| OsString::from("the-webhook-key")),
        _ => None,
    };
    Config::load(&look_up, Path::new("."), false).unwrap().config
}

fn form() -> Value {
    json!({
        "customerName": "John Doe", "customerPhone": "+1234567890", "customerEmail": "john@example.com",
        "subject": "Bottles", "message": "They broke.",
    })
}

async fn post(url: &str, body: &Value) -> Value {
    let client = reqwest::Client::new();
    let request = client.post(url).header("x-api-key", "the-inbound-key").json(body);
    request.send().await.unwrap().json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_loop_runs_with_other_adapters() {
    let (shown, mut pages) = mpsc::unbounded_channel();
    let store = Arc::new(store_of_your_own());
    let application = Builder::new(config(None))
        .store(store.clone())
        .notifier(Recipient::Manager, Arc::new(PagerWords), Arc::new(Pager { shown }))
        .start()
        .await
        .unwrap();
    let api = format!("http://{}/api/ticket", application.address());

    let opened = post(&api, &form()).await;
    let reference = opened["ticketRef"].as_str().unwrap();
    let page = tokio::time::timeout(Duration::from_secs(5), pages.recv())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(page, format!("{reference} Bottles"));

    // The answer quotes the page, whose id the notifier gave. It can only once that id has been stored.
    let settled = tokio::time::timeout(Duration::from_secs(5), async {
        while store.vitals(opened_now()).await.unwrap().waiting > 0 {
            tokio::task::yield_now().await;
        }
    });
    settled.await.unwrap();
    let answer = json!({ "message": "On our way.", "from": "+15550000000", "repliedToExternalId": "page-1" });
    let received = post(&format!("{api}/inbound"), &answer).await;
    assert_eq!(received["ticketRef"], opened["ticketRef"]);

    let thread: Value = reqwest::get(format!("{api}/{reference}"))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(thread["messages"][1]["body"], "On our way.");
    application.stop().await.unwrap();
}

/// n8n is away, so the manager's notification waits; the customer's postcard goes out all the same.
#[tokio::test(flavor = "multi_thread")]
async fn another_notifier_works_beside_n8n() {
    let nobody_listens = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/webhook", listener.local_addr().unwrap())
    };
    let (sent, mut postcards) = mpsc::unbounded_channel();
    let store = Arc::new(store_of_your_own());
    let application = Builder::new(config(Some(&nobody_listens)))
        .store(store.clone())
        .notifier(
            Recipient::Customer,
            Arc::new(Postcards { sent: sent.clone() }),
            Arc::new(Postcards { sent }),
        )
        .start()
        .await
        .unwrap();
    let api = format!("http://{}/api/ticket", application.address());

    for message in ["They broke.", "They leak."] {
        let mut form = form();
        form["message"] = message.into();
        assert!(post(&api, &form).await["ticketRef"].is_string());
        let postcard = tokio::time::timeout(Duration::from_secs(5), postcards.recv());
        assert_eq!(postcard.await.unwrap().unwrap(), "Dear John Doe, we have it.");
    }
    application.stop().await.unwrap();
    let waiting = store.undelivered(10).await.unwrap();
    let recipients: Vec<_> = waiting.iter().map(|notification| notification.recipient).collect();
    assert_eq!(recipients, [Recipient::Manager; 2]);
}

fn opened_now() -> ticket_domain::Timestamp {
    use ticket_domain::ports::Clock as _;
    server::SystemClock.now()
}
