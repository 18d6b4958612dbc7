//! Another store, another notifier, and the whole application started with them. `docs/swapping-adapters.md` explains
//! it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

use std::{ffi::OsString, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::{Value, json};
use server::{Application, Builder, Config};
use store_contract::FailingStore;
use store_diesel::SqliteStore;
use ticket_domain::{
    Payload,
    ports::{Composer, Delivering, DeliveryResult, Event, Notifier, Store, StoreHealth as _},
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
    fn compose(&self, event: Event<'_>) -> Payload {
        let line = format!("{} {}", event.ticket.reference, event.ticket.details.subject);
        Payload(line.into_bytes().into())
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

// 3. The whole application with both, on a free port.

async fn start(store: Arc<dyn Store>, pager: Pager) -> Application {
    let look_up = |name: &str| match name {
        "HOST" => Some(OsString::from("127.0.0.1")),
        "PORT" => Some(OsString::from("0")),
        "RAILWAY_INBOUND_SECRET" => Some(OsString::from("the-inbound-key")),
        "AGENT_PHONE" => Some(OsString::from("+15550000000")),
        _ => None,
    };
    let config = Config::load(&look_up, Path::new("."), false).unwrap().config;
    Builder::new(config)
        .store(store)
        .notifier(Arc::new(PagerWords), Arc::new(pager))
        .start()
        .await
        .unwrap()
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
    let application = start(store.clone(), Pager { shown }).await;
    let api = format!("http://{}/api/ticket", application.address());

    let form = json!({
        "customerName": "John Doe", "customerPhone": "+1234567890", "customerEmail": "john@example.com",
        "subject": "Bottles", "message": "They broke.",
    });
    let opened = post(&api, &form).await;
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

fn opened_now() -> ticket_domain::Timestamp {
    use ticket_domain::ports::Clock as _;
    server::SystemClock.now()
}
