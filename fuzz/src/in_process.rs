//! The whole server except its socket: the API and the pages over a temporary store.

use std::{
    cell::RefCell,
    mem::ManuallyDrop,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use actix_http::Request;
use actix_web::{
    body::BoxBody,
    dev::{Service, ServiceResponse},
    rt::{System, SystemRunner},
    test::init_service,
};
use http_actix::{AppState, DeliveryMetrics, Settings};
use notify_n8n::N8nComposer;
use serde_json::Value;
use store_diesel::SqliteStore;
use ticket_domain::{
    Access, AccessKey, AccessKeys, Managers, Message, MessageId, NotificationId, Priority, Recipient, RetrySchedule,
    Ticket, TicketLinks, Timestamp,
    ports::{Clock, Composers, Opening, Random, Store, WakeSignal},
    testing::{self, MessageBuilder, TicketBuilder},
    use_cases::{Context, ReportReceipt},
};
use uuid::Uuid;

use crate::text_request::TextRequest;

pub const INBOUND_KEY: &str = "inbound-key";
pub const OPERATOR_TOKEN: &str = "operator-token";
pub const MANAGER: &str = "+919655716000";
/// A ticket that is there from the start, its customer's key, and its customer's number.
pub const REFERENCE: &str = "T-20250115-1234";
pub const KEY: &str = "000102030405060708090a0b0c0d0eff";
pub const CUSTOMER: &str = "+1234567890";

/// What never stands in a page, unless somebody's text got there unescaped.
const UNESCAPED: &str = "<fuzz";

/// After so many requests a server is replaced: looking through what the store has takes longer and longer.
const LIFE: u32 = 200;

type Handling = Pin<Box<dyn Future<Output = Result<ServiceResponse<BoxBody>, actix_web::Error>>>>;

/// A running server.
pub struct Server {
    runner: SystemRunner,
    service: Box<dyn Fn(Request) -> Handling>,
    cookie: String,
    document: Value,
    answered: u32,
}

/// What came back.
pub struct Response {
    pub status: u16,
    pub media_type: String,
    pub headers: actix_web::http::header::HeaderMap,
    /// Empty for a stream.
    pub body: Vec<u8>,
}

impl Response {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

/// Some seconds after the ticket was opened; each look at it finds it a little later.
struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        moment(self.0.fetch_add(1_000, Ordering::Relaxed))
    }
}

fn moment(micros: i64) -> Timestamp {
    Timestamp::from_unix_micros(1_736_937_000_000_000 + micros).expect("a moment")
}

/// The same numbers on every run (splitmix64).
struct Counting(AtomicU64);

impl Random for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let state = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(z ^ (z >> 31)).to_be_bytes()[..chunk.len()]);
        }
    }
}

struct NobodyWakes;

impl WakeSignal for NobodyWakes {
    fn wake(&self) {}
}

thread_local! {
    // Never dropped at the end of the process: what actix keeps by thread is gone by then.
    static SERVER: RefCell<ManuallyDrop<Option<Server>>> = const { RefCell::new(ManuallyDrop::new(None)) };
}

/// Does something with a server, which others may have used before.
pub fn with_server(act: impl FnOnce(&mut Server)) {
    SERVER.with_borrow_mut(|server| {
        if server.as_ref().is_none_or(|server| server.answered >= LIFE) {
            **server = None;
            **server = Some(Server::new());
        }
        act(server.as_mut().expect("a server"));
    });
}

impl Server {
    fn new() -> Self {
        let runner = System::new();
        let store = Arc::new(SqliteStore::temporary().expect("a store"));
        runner.block_on(store_ticket(&*store));
        let service = runner.block_on(serve(&store));
        let mut server = Self {
            runner,
            service,
            cookie: String::new(),
            document: Value::Null,
            answered: 0,
        };
        server.document = server.send(&TextRequest::get("/api/openapi.json")).json();
        let sign_in = "POST /inbox/session\ncontent-type: application/x-www-form-urlencoded\n\ntoken=";
        let sign_in = TextRequest::read(format!("{sign_in}{OPERATOR_TOKEN}").as_bytes()).expect("a sound request");
        let entered = server.send(&sign_in);
        let cookie = entered
            .headers
            .get("set-cookie")
            .expect("a cookie")
            .to_str()
            .expect("ASCII");
        server.cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        server
    }

    /// Sends a request with every key that it does not name itself, and holds the answer against what holds for all.
    pub fn send_with_keys(&mut self, mut request: TextRequest) -> Response {
        let cookie = self.cookie.clone();
        for (name, value) in [
            ("x-api-key", INBOUND_KEY),
            ("authorization", "Bearer operator-token"),
            ("cookie", cookie.as_str()),
            // A form of our own pages.
            ("sec-fetch-site", "same-origin"),
        ] {
            if request.header(name).is_none() {
                request = request.with(name, value);
            }
        }
        self.send(&request)
    }

    /// Posts a body with every key.
    pub fn post(&mut self, path: &str, body: &[u8]) -> Response {
        self.send_with_keys(TextRequest::post(path, body))
    }

    /// Gets a path with every key.
    pub fn get(&mut self, path: &str) -> Response {
        self.send_with_keys(TextRequest::get(path))
    }

    /// Sends a request as it is, and holds the answer against what holds for all.
    pub fn send(&mut self, request: &TextRequest) -> Response {
        self.answered += 1;
        let answering = (self.service)(request.to_request());
        let answer = self.runner.block_on(async {
            let response = match answering.await {
                Ok(response) => response.into_parts().1,
                // As actix does on a socket.
                Err(error) => error.error_response(),
            };
            let media_type = response.headers().get("content-type");
            let media_type = media_type.map_or("", |kind| kind.to_str().expect("ASCII"));
            let media_type = media_type.split(';').next().unwrap_or_default().to_owned();
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let body = if media_type == "text/event-stream" {
                Vec::new()
            } else {
                actix_web::body::to_bytes(response.into_body())
                    .await
                    .expect("a body")
                    .to_vec()
            };
            Response {
                status,
                media_type,
                headers,
                body,
            }
        });
        self.check(request, &answer);
        answer
    }

    fn check(&self, request: &TextRequest, answer: &Response) {
        let Response { status, media_type, .. } = answer;
        assert!(*status < 500, "{status}");
        assert!(answer.headers.contains_key("x-request-id"));
        if media_type == "application/problem+json" {
            let problem = answer.json();
            assert_eq!((&problem["ok"], &problem["status"]), (&false.into(), &(*status).into()));
            assert!(problem["code"].is_string() && *status >= 400);
        }
        if media_type == "text/html" {
            let text = std::str::from_utf8(&answer.body).expect("UTF-8");
            assert!(!text.contains(UNESCAPED), "a text got into a page unescaped");
        }
        if let Some(responses) = self.responses(request) {
            assert!(responses[status.to_string()].is_object(), "undocumented: {status}");
        }
    }

    /// What the document says of the answers to such a request, if it knows it.
    fn responses(&self, request: &TextRequest) -> Option<&Value> {
        let path: Vec<&str> = request.uri.path().split('/').collect();
        // A method in other letters is another one.
        let method = ["GET", "POST", "PATCH"]
            .into_iter()
            .find(|method| *method == request.method.as_str())?;
        let fits = |template: &&String| {
            let template: Vec<&str> = template.split('/').collect();
            template.len() == path.len()
                && template
                    .iter()
                    .zip(&path)
                    .all(|(part, given)| part == given || (part.starts_with('{') && !given.is_empty()))
        };
        let paths = self.document["paths"].as_object()?;
        // An address without a parameter goes before one with.
        let template = paths
            .keys()
            .filter(fits)
            .min_by_key(|template| template.matches('{').count())?;
        paths[template][method.to_ascii_lowercase()].get("responses")
    }
}

/// A ticket with its first message, whose notification was sent.
async fn store_ticket(store: &SqliteStore) {
    let id = |number| Uuid::from_u128(number);
    let key: AccessKey = KEY.parse().expect("a key");
    let opening = Opening {
        ticket: Ticket {
            keys: AccessKeys {
                customer: key,
                reader: AccessKey::from_random([7; 16]),
            },
            ..TicketBuilder::new(REFERENCE)
                .customer_phone(CUSTOMER)
                .priority(Priority::High)
                .created_at(moment(0))
                .build()
        },
        message: Message {
            external_id: Some("SM0".parse().expect("an id")),
            ..MessageBuilder::new(MessageId(id(2)), "Damaged bottles.")
                .created_at(moment(0))
                .build()
        },
        attachments: Vec::new(),
        notifications: vec![testing::notification(NotificationId(id(3)), b"{}", moment(0))],
        idempotency: None,
    };
    let store: &dyn Store = store;
    store.open(opening).await.expect("room for a ticket");
}

async fn serve(memory: &Arc<SqliteStore>) -> Box<dyn Fn(Request) -> Handling> {
    let store: Arc<dyn Store> = memory.clone();
    let to = |number: &str| number.parse().expect("a number");
    let n8n = N8nComposer {
        to: Some(to(MANAGER)),
        backup: Some(to("+49301234567")),
    };
    let context = Context {
        clock: Arc::new(Ticking(AtomicI64::new(60_000_000))),
        random: Arc::new(Counting(AtomicU64::new(1))),
        composers: Composers::default().with(Recipient::Manager, Arc::new(n8n), true),
        wake: Arc::new(NobodyWakes),
        links: TicketLinks::new("https://desk.example", Access::Open),
    };
    let managers = Managers::new(vec![to(MANAGER).into()]);
    let receipts = ReportReceipt::new(store.clone(), context.clone(), RetrySchedule::new(8));
    let settings = Settings {
        inbound_keys: vec![INBOUND_KEY.into()],
        operator_tokens: vec![OPERATOR_TOKEN.into()],
        rate_limits: false,
        ..Settings::default()
    };
    let metrics = DeliveryMetrics::default();
    let state = AppState::new(&store, context, managers, Arc::new(receipts), metrics, settings).expect("a state");
    let app = http_actix::application(&state, |_| ());
    let service = Rc::new(init_service(app).await);
    Box::new(move |request| {
        let service = service.clone();
        Box::pin(async move { service.call(request).await.map(ServiceResponse::map_into_boxed_body) })
    })
}
