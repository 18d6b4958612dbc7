//! The test harness: the server on a socket of this machine, over a real store, called byte by byte.
//!
//! Every response of the API is looked up in the `OpenAPI` document, so that the document can't promise less than what
//! happens.
// Tests run with the real clock and real randomness.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

mod any_json;
mod bodies;
mod client;
mod clock;
mod documented;
pub(crate) mod inbox;
mod log;
mod mail;
pub(crate) mod pages;
mod stream;

use std::{
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use actix_web::web::ServiceConfig;
use serde_json::{Value, json};
use store_diesel::SqliteStore;
use ticket_domain::{
    DeliveryRoute, Fallback, LeaseToken, Managers, Payload, Recipient, RetrySchedule, TicketLinks, Timestamp,
    ports::{
        AttemptOutcome, Claim, Clock, Composer, Composers, Event, NextStep, Outbox, Random, Rejection, Store,
        WakeSignal,
    },
    use_cases::{Context, ReportReceipt},
};
use tokio::sync::oneshot;

use crate::{AppState, DeliveryMetrics, Settings, serve::serve_with};
pub(crate) use any_json::any_json;
pub(crate) use bodies::{check_fields, send_anything};
pub(crate) use client::{Request, Response};
pub(crate) use clock::TestClock;
pub(crate) use documented::mismatch;
pub(crate) use log::Log;
pub(crate) use store_contract::FailingStore;
pub(crate) use stream::{EventStream, Piece};

/// The key that n8n shows in tests.
pub(crate) const INBOUND_KEY: &str = "inbound-key-of-the-tests";
/// The operators' token in tests.
pub(crate) const OPERATOR_TOKEN: &str = "operator-token-of-the-tests";
/// The base URL in tests.
pub(crate) const BASE_URL: &str = "https://desk.example";
/// The manager's number in tests.
pub(crate) const MANAGER: &str = "+919655716000";

/// The configuration of a test's application.
pub(crate) struct Setup {
    pub(crate) settings: Settings,
    pub(crate) managers: Managers,
    /// The store of another application. None: an empty one.
    pub(crate) store: Option<Arc<FailingStore>>,
    /// Whether every call of the store fails.
    pub(crate) is_down: bool,
    /// Whether there is a receiver for notifications.
    pub(crate) has_receiver: bool,
    /// Whether customers are mailed.
    pub(crate) has_mail: bool,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) delivery_metrics: DeliveryMetrics,
    /// More routes.
    pub(crate) routes: fn(&mut ServiceConfig),
}

/// A running application. Stops when it is dropped.
pub(crate) struct TestApp {
    pub(crate) address: SocketAddr,
    pub(crate) state: AppState,
    pub(crate) store: Arc<FailingStore>,
    /// The application's clock, unless a test gave it another.
    pub(crate) clock: Arc<TestClock>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<std::io::Result<()>>>,
}

struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(16) {
            chunk.copy_from_slice(&uuid::Uuid::new_v4().as_bytes()[..chunk.len()]);
        }
    }
}

/// Composes notifications of the subject alone, with a template as fallback. Error 20429 and none are temporary.
struct Subjects;

impl Composer for Subjects {
    fn compose(&self, event: Event<'_>) -> Option<Payload> {
        Some(Payload(event.ticket.details.subject.as_str().as_bytes().into()))
    }

    fn after_refusal(&self, route: &DeliveryRoute, payload: &Payload, refusal: Rejection) -> NextStep {
        match refusal {
            Rejection::Reported(Some(63_016)) if *route == DeliveryRoute::FIRST => NextStep::Fallback(Fallback {
                route: DeliveryRoute::new("template"),
                payload: payload.clone(),
            }),
            Rejection::Reported(None | Some(20_429)) => NextStep::Retry { to_repair: None },
            _ => NextStep::GiveUp,
        }
    }
}

struct NobodyWakes;

impl WakeSignal for NobodyWakes {
    fn wake(&self) {}
}

/// An idempotency key, so that the same ticket is another one.
pub(crate) fn unused_key() -> String {
    static USED: AtomicU64 = AtomicU64::new(0);
    format!("key {}", USED.fetch_add(1, Ordering::Relaxed))
}

impl TestApp {
    /// With keys, open access, and no caller limited.
    pub(crate) fn start() -> Self {
        Self::with(|_| ())
    }

    pub(crate) fn with(change: impl FnOnce(&mut Setup)) -> Self {
        let clock = Arc::new(TestClock::default());
        let mut setup = Setup {
            settings: Settings {
                base_url: BASE_URL.into(),
                trusted_proxy_hops: 1,
                workers: Some(1),
                inbound_keys: vec![INBOUND_KEY.into(), "the-key-before".into()],
                operator_tokens: vec![OPERATOR_TOKEN.into()],
                ..Settings::default()
            },
            managers: Managers::new(vec![MANAGER.parse().unwrap()]),
            store: None,
            is_down: false,
            has_receiver: true,
            has_mail: false,
            clock: clock.clone(),
            delivery_metrics: DeliveryMetrics::default(),
            routes: |_| (),
        };
        change(&mut setup);
        let store = setup.store.take().unwrap_or_else(|| {
            let sqlite = SqliteStore::temporary().unwrap();
            Arc::new(FailingStore::new(Arc::new(sqlite), setup.is_down))
        });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let routes = setup.routes;
        let state = state(setup, &(store.clone() as Arc<dyn Store>));
        let served = state.clone();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async {
                serve_with(listener, served, routes, async {
                    let _ = stopped.await;
                })?
                .await
            })
        });
        Self {
            address,
            state,
            store,
            clock,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Stops the server without waiting.
    pub(crate) fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    pub(crate) fn get(&self, target: &str) -> Response {
        self.send(Request::new("GET", target))
    }

    /// Reads as an operator.
    pub(crate) fn get_as_operator(&self, target: &str) -> Response {
        self.as_operator(Request::new("GET", target))
    }

    /// Sends a request as an operator.
    pub(crate) fn as_operator(&self, request: Request) -> Response {
        self.send(request.bearer(OPERATOR_TOKEN))
    }

    /// Gives a ticket another status, as an operator.
    pub(crate) fn set_status(&self, reference: &str, status: &str) {
        let body = json!({ "status": status });
        let answer = self.as_operator(Request::patch(&format!("/api/ticket/{reference}"), &body));
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// Receives a message that names no ticket, and returns its id.
    pub(crate) fn store_unmatched(&self, from: &str, text: &str) -> String {
        let kept = self.receive(&json!({ "from": from, "message": text }));
        assert_eq!(kept.code(), "ticket_not_named");
        let list = self.get_as_operator("/api/unmatched?limit=100").json();
        let messages = list["messages"].as_array().unwrap();
        messages.last().unwrap()["id"].as_str().unwrap().to_owned()
    }

    /// Opens the seed's ticket.
    pub(crate) fn open_ticket(&self) -> Opened {
        let request = Request::post("/api/ticket", &seeds_ticket()).header("idempotency-key", &unused_key());
        let answer = self.send(request);
        assert_eq!(answer.status, 201, "{answer:?}");
        let body = answer.json();
        let url = body["ticketUrl"].as_str().unwrap();
        Opened {
            reference: body["ticketRef"].as_str().unwrap().to_owned(),
            id: body["ticketId"].as_str().unwrap().to_owned(),
            key: url.split("?key=").nth(1).unwrap().to_owned(),
        }
    }

    /// Attempts to deliver what is due, as the delivery does.
    fn attempt(&self, outcome: impl Fn(Timestamp) -> AttemptOutcome) {
        let now = self.state.clock.now();
        let claim = Claim {
            recipient: Recipient::Manager,
            now,
            lease: LeaseToken(uuid::Uuid::from_u128(1)),
            until: now.plus(Duration::from_secs(30)),
            first_tries_only: false,
        };
        wait(async {
            let claimed = self.store.claim(claim, 100).await.unwrap();
            assert!(!claimed.is_empty());
            for claimed in claimed {
                let record = self.store.record_attempt(claimed.id, claim.lease, outcome(now));
                record.await.unwrap();
            }
        });
    }

    /// Delivers every notification that is due, under an external id if n8n names one.
    pub(crate) fn deliver(&self, external_id: Option<&str>) {
        self.attempt(|at| AttemptOutcome::Delivered {
            at,
            external_id: external_id.map(|id| id.parse().unwrap()),
        });
    }

    /// Gives up every notification that is due.
    pub(crate) fn give_up(&self, reason: &str) {
        self.attempt(|at| AttemptOutcome::Dead {
            at,
            reason: reason.into(),
        });
    }

    /// The ticket and its messages, as the API shows them.
    #[track_caller]
    pub(crate) fn shown(&self, reference: &str) -> Value {
        let answer = self.get(&format!("/api/ticket/{reference}"));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// The entries of the audit log, newest first.
    pub(crate) fn audit_log(&self) -> Vec<Value> {
        let log = self.get_as_operator("/api/audit-log?limit=100").json();
        log["entries"].as_array().unwrap().clone()
    }

    /// Reads a list page by page: the entries of all pages. `cursor` is the parameter that takes the `next` of a page.
    pub(crate) fn all_pages(&self, target: &str, cursor: &str, list: &str) -> Vec<Value> {
        let mut all = Vec::new();
        let mut next = String::new();
        loop {
            let mut page = self.get_as_operator(&format!("{target}&{cursor}={next}")).json();
            all.extend(page[list].as_array().unwrap().iter().cloned());
            match page["next"].take() {
                Value::String(cursor) => next = cursor,
                end => {
                    assert!(end.is_null(), "{page}");
                    return all;
                }
            }
        }
    }

    /// The delivery state of a ticket, as the API shows it.
    pub(crate) fn delivery_state(&self, reference: &str) -> String {
        self.shown(reference)["ticket"]["delivery"]["state"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Sends a message as n8n does.
    pub(crate) fn receive(&self, message: &Value) -> Response {
        self.send(Request::post("/api/ticket/inbound", message).header("x-api-key", INBOUND_KEY))
    }
}

impl Opened {
    /// The path for messages, with the customer's key.
    pub(crate) fn messages(&self) -> String {
        format!("/api/ticket/{}/messages?key={}", self.reference, self.key)
    }
}

/// A ticket that a test opened.
pub(crate) struct Opened {
    pub(crate) reference: String,
    pub(crate) id: String,
    pub(crate) key: String,
}

/// Waits for a future.
pub(crate) fn wait<T>(work: impl Future<Output = T>) -> T {
    actix_web::rt::System::new().block_on(work)
}

/// The ticket in the documentation's example.
pub(crate) fn seeds_ticket() -> Value {
    json!({
        "customerName": "John Doe",
        "customerPhone": "+1234567890",
        "customerEmail": "john@example.com",
        "subject": "Product Quality Issue",
        "message": "I received damaged bottles in my last order.",
        "priority": "high"
    })
}

/// `object` with this field set, or removed if the value is none.
pub(crate) fn changed(mut object: Value, field: &str, value: Option<Value>) -> Value {
    match value {
        Some(value) => object[field] = value,
        None => drop(object.as_object_mut().unwrap().remove(field)),
    }
    object
}

fn state(mut setup: Setup, store: &Arc<dyn Store>) -> AppState {
    let mut composers = Composers::default().with(Recipient::Manager, Arc::new(Subjects), setup.has_receiver);
    setup.settings.mail |= setup.has_mail;
    if setup.has_mail {
        composers = composers.with(Recipient::Customer, Arc::new(mail::Links), true);
    }
    let context = Context {
        clock: setup.clock,
        random: Arc::new(SystemRandom),
        composers,
        wake: Arc::new(NobodyWakes),
        links: TicketLinks::new(&setup.settings.base_url, setup.settings.ticket_access),
    };
    let receipts = Arc::new(ReportReceipt::new(
        store.clone(),
        context.clone(),
        RetrySchedule::new(8),
    ));
    let Setup {
        managers,
        delivery_metrics,
        settings,
        ..
    } = setup;
    AppState::new(store, context, managers, receipts, delivery_metrics, settings).unwrap()
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            let served = thread.join();
            if !std::thread::panicking() {
                served
                    .expect("the server does not panic")
                    .expect("the server ends well");
            }
        }
    }
}
