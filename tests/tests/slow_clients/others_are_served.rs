//! Five hundred clients that keep the server waiting in five ways, and the response times of everybody else.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use black_box::{Engine, TempStore, TestServer, on_both_stores, ticket};
use tokio::{
    net::TcpStream,
    sync::Barrier,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::{
    MEASURING, connect_narrow,
    wire::{head, read_ok, write},
};

/// Slow clients of each kind.
const CLIENTS: usize = 100;
/// How long the other clients are measured.
const WATCHED: Duration = Duration::from_secs(4);
/// The 99th percentile of their response times.
const P99: Duration = Duration::from_millis(500);

/// A header that never ends.
const HALF_A_HEAD: &str = "GET / HTTP/1.1\r\nhost: desk.example\r\nx: ";

on_both_stores!(slow_clients_delay_nobody_else);

/// How a client keeps the server waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    FirstHead,
    SecondHead,
    Body,
    Unread,
    Stream,
}

impl Way {
    const ALL: [Self; 5] = [
        Self::FirstHead,
        Self::SecondHead,
        Self::Body,
        Self::Unread,
        Self::Stream,
    ];

    async fn begin(self, address: SocketAddr, reference: &str) -> TcpStream {
        let get = |path: &str| head("GET", path, "");
        let mut stream = match self {
            Self::Unread => connect_narrow(address).await,
            _ => TcpStream::connect(address).await.unwrap(),
        };
        match self {
            Self::FirstHead => write(&mut stream, HALF_A_HEAD).await,
            Self::SecondHead => {
                write(&mut stream, &get("/health/live")).await;
                read_ok(&mut stream, "}").await;
                write(&mut stream, HALF_A_HEAD).await;
            }
            Self::Body => {
                let lines = "content-type: application/json\r\ncontent-length: 1000\r\n";
                write(&mut stream, &head("POST", "/api/ticket", lines)).await;
            }
            Self::Unread => write(&mut stream, &get("/api/openapi.json").repeat(16)).await,
            Self::Stream => write(&mut stream, &get(&format!("/api/ticket/{reference}/events"))).await,
        }
        stream
    }

    /// Whether it sends a byte now and then.
    fn trickles(self) -> bool {
        matches!(self, Self::FirstHead | Self::SecondHead | Self::Body)
    }

    /// Whether the server has to close the connection while this test runs.
    fn has_short_deadline(self) -> bool {
        matches!(self, Self::FirstHead | Self::SecondHead)
    }
}

/// Keeps the server waiting until it closes, or until the end.
async fn keep_waiting(way: Way, mut stream: TcpStream, end: Instant) {
    let begun = Instant::now();
    while Instant::now() < end {
        if way.trickles() && tokio::io::AsyncWriteExt::write_all(&mut stream, b"x").await.is_err() {
            return;
        }
        sleep(Duration::from_millis(500)).await;
    }
    assert!(
        !way.has_short_deadline(),
        "{way:?} still open after {:?}",
        begun.elapsed()
    );
}

async fn slow_clients_delay_nobody_else(engine: Engine) {
    let _alone = MEASURING.lock().await;
    let store = TempStore::new(engine).await;
    let server = Arc::new(TestServer::on(&store).start().await);
    let reference = server.open().await;
    let end = Instant::now() + WATCHED + Duration::from_secs(6);
    let all_begun = Arc::new(Barrier::new(Way::ALL.len() * CLIENTS + 1));
    let mut slow = JoinSet::new();
    for way in Way::ALL.into_iter().cycle().take(Way::ALL.len() * CLIENTS) {
        let (address, reference, all_begun) = (server.address(), reference.clone(), all_begun.clone());
        slow.spawn(async move {
            let stream = way.begin(address, &reference).await;
            all_begun.wait().await;
            keep_waiting(way, stream, end).await;
        });
    }
    timeout(Duration::from_secs(10), all_begun.wait())
        .await
        .expect("the server accepts all of them");
    let mut took = others(&server, &reference).await;
    took.sort();
    let p99 = took[took.len() * 99 / 100];
    println!(
        "{engine:?}: {} responses, p99 {p99:?}, slowest {:?}",
        took.len(),
        took.last().unwrap()
    );
    assert!(took.len() > 100, "{}", took.len());
    assert!(p99 < P99, "{p99:?}");
    while let Some(ended) = slow.join_next().await {
        ended.unwrap();
    }
    let server = Arc::into_inner(server).expect("no other user");
    assert!(server.stop().await.success());
}

/// The response times of four clients that open tickets and read one.
async fn others(server: &Arc<TestServer>, reference: &str) -> Vec<Duration> {
    let end = Instant::now() + WATCHED;
    let mut clients = JoinSet::new();
    for _ in 0..4 {
        let (server, path) = (server.clone(), format!("/api/ticket/{reference}"));
        clients.spawn(async move {
            let mut took = Vec::new();
            while Instant::now() < end {
                let begun = Instant::now();
                assert_eq!(server.create(&ticket()).await.status, 201);
                took.push(begun.elapsed());
                let begun = Instant::now();
                assert_eq!(server.get(&path).await.status, 200);
                took.push(begun.elapsed());
            }
            took
        });
    }
    clients.join_all().await.concat()
}
