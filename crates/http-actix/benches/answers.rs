//! What an answer costs where the store costs little: a thread in a small file, read over a kept connection of this
//! machine by one reader, with everything around it: parsing the request, access, JSON, `ETag`, the log line's place.
//! `GET /health/live`, which does none of that, stands beside it. `cargo bench -p http-actix`.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use std::{
    hint::black_box,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use criterion::{Criterion, criterion_group, criterion_main};
use http_actix::{AppState, DeliveryMetrics, Settings, serve, state_tag};
use serde_json::{Value, json};
use store_diesel::SqliteStore;
use ticket_domain::{
    Access, Delivery, DeliveryState, Managers, Payload, Recipient, TicketLinks, TicketVersion, Timestamp,
    ports::{Clock, Composer, Composers, Event, Random, Store, WakeSignal},
    use_cases::{Context, ReportReceipt},
};

const KEY: &str = "inbound-key-of-the-benchmark";
const MANAGER: &str = "+919655716000";

/// It always is the same moment.
struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_micros(1_736_937_000_123_456).unwrap()
    }
}

/// Nothing that comes twice, and no chance either.
struct Counter(AtomicU64);

impl Random for Counter {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let number = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            chunk.copy_from_slice(&number.to_be_bytes()[..chunk.len()]);
        }
    }
}

struct Nothing;

impl Composer for Nothing {
    fn compose(&self, _: Event<'_>) -> Option<Payload> {
        Some(Payload(b"{}".as_slice().into()))
    }
}

impl WakeSignal for Nothing {
    fn wake(&self) {}
}

fn state() -> AppState {
    let store: Arc<dyn Store> = Arc::new(SqliteStore::temporary().unwrap());
    let context = Context {
        clock: Arc::new(Stopped),
        random: Arc::new(Counter(AtomicU64::new(0))),
        composers: Composers::default().with(Recipient::Manager, Arc::new(Nothing), false),
        wake: Arc::new(Nothing),
        links: TicketLinks::new("https://desk.example", Access::Open),
    };
    let managers = Managers::new(vec![MANAGER.parse().unwrap()]);
    let receipts = ReportReceipt::new(store.clone(), context.clone());
    let settings = Settings {
        inbound_keys: vec![KEY.into()],
        rate_limits: false,
        workers: Some(1),
        ..Settings::default()
    };
    let metrics = DeliveryMetrics::default();
    AppState::new(&store, context, managers, Arc::new(receipts), metrics, settings).unwrap()
}

/// Serves until the benchmark ends.
fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        actix_web::rt::System::new().block_on(async {
            let server = serve(listener, state(), std::future::pending()).unwrap();
            server.await.unwrap();
        });
    });
    address
}

/// A connection that is kept.
struct Caller {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Caller {
    fn of(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            buffer: vec![0; 256 * 1024],
        }
    }

    /// Sends a request; gives head and body of the answer.
    fn call(&mut self, request: &[u8]) -> (&str, &[u8]) {
        self.stream.write_all(request).unwrap();
        let mut length = 0;
        loop {
            let read = self.stream.read(&mut self.buffer[length..]).unwrap();
            assert!(read > 0, "the connection was closed");
            length += read;
            let Some(head) = self.buffer[..length].windows(4).position(|end| end == b"\r\n\r\n") else {
                continue;
            };
            let told = std::str::from_utf8(&self.buffer[..head]).unwrap();
            let body = told
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |length| length.parse().unwrap());
            if length == head + 4 + body {
                let (head, body) = self.buffer[..length].split_at(head + 4);
                return (std::str::from_utf8(head).unwrap(), body);
            }
        }
    }

    fn post(&mut self, path: &str, body: &Value) -> Value {
        let body = body.to_string();
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: desk.example\r\nx-api-key: {KEY}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let (head, body) = self.call(request.as_bytes());
        assert!(head.starts_with("HTTP/1.1 20"), "{head}");
        serde_json::from_slice(body).unwrap()
    }

    /// A ticket with a thread of so many messages; gives its reference.
    fn thread(&mut self, messages: usize) -> String {
        let form = json!({
            "customerName": "Zoë Quuxley", "customerPhone": "+15550001111", "customerEmail": "zoe@customer.example",
            "subject": "Order 1234 came damaged", "message": "I received damaged bottles in my last order.",
        });
        let reference = self.post("/api/ticket", &form)["ticketRef"]
            .as_str()
            .unwrap()
            .to_owned();
        for _ in 1..messages {
            let reply = json!({
                "ticketRef": reference, "from": MANAGER,
                "message": "Thank you for reporting this. We \"investigate\" immediately – and write again today.",
            });
            self.post("/api/ticket/inbound", &reply);
        }
        reference
    }
}

fn get(path: &str, header: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: desk.example\r\n{header}\r\n").into_bytes()
}

fn benches(criterion: &mut Criterion) {
    let mut caller = Caller::of(start());
    let live = get("/health/live", "");
    criterion.bench_function("GET /health/live", |bencher| {
        bencher.iter(|| assert!(caller.call(&live).0.starts_with("HTTP/1.1 200")));
    });
    for messages in [3, 50] {
        let path = format!("/api/ticket/{}", caller.thread(messages));
        let read = get(&path, "");
        criterion.bench_function(&format!("GET a thread of {messages} messages"), |bencher| {
            bencher.iter(|| assert!(caller.call(&read).0.starts_with("HTTP/1.1 200")));
        });
        let tag = caller
            .call(&read)
            .0
            .lines()
            .find_map(|line| line.strip_prefix("etag: "))
            .unwrap();
        let again = get(&path, &format!("if-none-match: {tag}\r\n"));
        criterion.bench_function(&format!("the same, not modified ({messages} messages)"), |bencher| {
            bencher.iter(|| assert!(caller.call(&again).0.starts_with("HTTP/1.1 304")));
        });
    }

    let state = TicketVersion {
        version: 3,
        delivery: Delivery {
            state: DeliveryState::Sent,
            at: Stopped.now(),
        },
    };
    criterion.bench_function("the tag of a version", |bencher| {
        bencher.iter(|| state_tag(black_box(state)));
    });
}

criterion_group!(all, benches);
criterion_main!(all);
