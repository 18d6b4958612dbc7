//! One customer fills a ticket, and many clients read it slowly, with the right key: the server's memory meanwhile, the
//! response times of everybody else, and when a reader that hardly reads is let go. Part of `make bench`; it ends within two
//! minutes.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

mod measure;

use std::{
    net::SocketAddr,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use black_box::{Engine, TempStore, TestServer, peak_kib, ticket};
use measure::{Bar, Durations, milliseconds, report};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::sleep,
};

/// Messages in the ticket, each as long as it may be, of characters of four bytes: 20 MB.
const MESSAGES: usize = 1_000;
/// Slow readers of the ticket as JSON, as many of its events, and as many of its page.
const READERS: usize = 40;
/// How long everybody else is measured.
const WATCHED: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> ExitCode {
    let mut bars = Vec::new();
    for engine in Engine::ALL {
        let store = TempStore::new(engine).await;
        // Without the limits that keep a ticket from growing so large.
        let server = TestServer::on(&store)
            .set("RATE_LIMIT_MESSAGES", "1000000/1000000")
            .set("MAX_CUSTOMER_MESSAGES", "1000000")
            .start()
            .await;
        let server = Arc::new(server);
        let page = fill(&server).await;
        let before = peak_kib(server.pid());
        let mut readers = JoinSet::new();
        for number in 0..3 * READERS {
            let target = match number % 3 {
                0 => format!("/api{page}"),
                1 => format!("/api{}", page.replace("?key=", "/events?key=")),
                _ => format!("{page}&all"),
            };
            readers.spawn(read(server.address(), target, 20_000));
        }
        let too_slow = tokio::spawn(read(server.address(), format!("/api{page}"), 1_000));
        let others = others(&server).await;
        let peak = peak_kib(server.pid());
        println!("{engine:?}: peak {before} KiB before the readers, {peak} KiB with them");
        let name = engine.name();
        bars.push(Bar::at_most(
            format!("{name}: memory with {} slow readers", 3 * READERS),
            f64::from(peak) / 1024.0,
            120.0,
            " MiB",
        ));
        bars.push(Bar::at_most(
            format!("{name}: 99th percentile of others"),
            milliseconds(others.p99),
            100.0,
            " ms",
        ));
        let let_go = too_slow.await.unwrap();
        bars.push(Bar::at_most(
            format!("{name}: a reader of 1 KB/s is let go after"),
            let_go.as_secs_f64(),
            45.0,
            " s",
        ));
        readers.shutdown().await;
        Arc::into_inner(server).unwrap().kill().await;
    }
    report(None, "Slow readers of one long ticket.", &bars, "")
}

/// Opens a ticket and fills it. The address of its page.
async fn fill(server: &Arc<TestServer>) -> String {
    let opened = server.create(&ticket()).await.json();
    let url = url::Url::parse(opened["ticketUrl"].as_str().unwrap()).unwrap();
    let page = format!("{}?{}", url.path(), url.query().unwrap());
    let messages = format!("/api{}", page.replace("?key=", "/messages?key="));
    let body = json!({ "message": "\u{1f600}".repeat(5_000) });
    let mut writers = JoinSet::new();
    for _ in 0..10 {
        let (server, messages, body) = (server.clone(), messages.clone(), body.clone());
        writers.spawn(async move {
            for _ in 0..MESSAGES / 10 {
                assert_eq!(server.post(&messages, &[], &body).await.status, 201);
            }
        });
    }
    writers.join_all().await;
    page
}

/// Reads a response at this many bytes a second, again and again. Returns after how long the server let go of the first.
async fn read(address: SocketAddr, target: String, rate: usize) -> Duration {
    let begun = Instant::now();
    let mut let_go = None;
    loop {
        let mut stream = connect_narrow(address).await;
        let head = format!("GET {target} HTTP/1.1\r\nhost: desk.example\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut piece = vec![0; rate / 10];
        while matches!(stream.read(&mut piece).await, Ok(1..)) {
            sleep(Duration::from_millis(100)).await;
        }
        let let_go = *let_go.get_or_insert_with(|| begun.elapsed());
        if rate < 10_000 {
            return let_go;
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// A connection with a small receive buffer.
async fn connect_narrow(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    socket.connect(address).await.unwrap()
}

/// The response times of four clients that open tickets and read them.
async fn others(server: &Arc<TestServer>) -> Durations {
    let end = Instant::now() + WATCHED;
    let mut clients = JoinSet::new();
    for _ in 0..4 {
        let server = server.clone();
        clients.spawn(async move {
            let mut times = Vec::new();
            while Instant::now() < end {
                let begun = Instant::now();
                let reference = server.open().await;
                times.push(begun.elapsed());
                let begun = Instant::now();
                assert_eq!(server.get(&format!("/api/ticket/{reference}")).await.status, 200);
                times.push(begun.elapsed());
                sleep(Duration::from_millis(20)).await;
            }
            times
        });
    }
    Durations::of(clients.join_all().await.concat())
}
