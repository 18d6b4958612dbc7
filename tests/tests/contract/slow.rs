//! Five hundred clients that keep the server waiting, each kind in its own way, and what the others notice of it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use black_box::{Engine, TempStore, TestServer, on_both_stores, ticket};
use tokio::{
    net::TcpStream,
    sync::Barrier,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::wire::{answer, connect, connect_narrow, head, write};

/// Of each kind.
const CLIENTS: usize = 100;
/// How long the others are watched.
const WATCHED: Duration = Duration::from_secs(4);
/// No answer to the others may take longer, but one in a hundred.
const P99: Duration = Duration::from_millis(500);

/// A header that never ends.
const HALF_A_HEAD: &str = "GET / HTTP/1.1\r\nhost: desk.example\r\nx: ";

on_both_stores!(slow_clients_keep_nobody_else_waiting);

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
            _ => connect(address).await,
        };
        match self {
            Self::FirstHead => write(&mut stream, HALF_A_HEAD).await,
            Self::SecondHead => {
                write(&mut stream, &get("/health/live")).await;
                assert_eq!(answer(&mut stream).await.status, 200);
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

    /// What is sent now and then.
    fn trickles(self) -> bool {
        matches!(self, Self::FirstHead | Self::SecondHead | Self::Body)
    }

    /// Whether the server closes before the others are watched to the end, and a few seconds more.
    fn has_short_deadline(self) -> bool {
        matches!(self, Self::FirstHead | Self::SecondHead)
    }
}

/// Keeps the server waiting until it closes, which it must do soon where the deadline is short, or until the end.
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

async fn slow_clients_keep_nobody_else_waiting(engine: Engine) {
    let place = TempStore::new(engine).await;
    let desk = Arc::new(TestServer::on(&place).start().await);
    let reference = desk.open().await;
    let end = Instant::now() + WATCHED + Duration::from_secs(6);
    let all_begun = Arc::new(Barrier::new(Way::ALL.len() * CLIENTS + 1));
    let mut slow = JoinSet::new();
    for way in Way::ALL.into_iter().cycle().take(Way::ALL.len() * CLIENTS) {
        let (address, reference, all_begun) = (desk.address(), reference.clone(), all_begun.clone());
        slow.spawn(async move {
            let stream = way.begin(address, &reference).await;
            all_begun.wait().await;
            keep_waiting(way, stream, end).await;
        });
    }
    timeout(Duration::from_secs(10), all_begun.wait())
        .await
        .expect("all of them are let in");
    let mut took = others(&desk, &reference).await;
    took.sort();
    let p99 = took[took.len() * 99 / 100];
    println!(
        "{engine:?}: {} answers, p99 {p99:?}, slowest {:?}",
        took.len(),
        took.last().unwrap()
    );
    assert!(took.len() > 100, "{}", took.len());
    assert!(p99 < P99, "{p99:?}");
    while let Some(ended) = slow.join_next().await {
        ended.unwrap();
    }
    let desk = Arc::into_inner(desk).expect("nobody uses it any more");
    assert!(desk.stop().await.success());
}

/// How long each answer takes to those who behave: four who open tickets and read one.
async fn others(desk: &Arc<TestServer>, reference: &str) -> Vec<Duration> {
    let end = Instant::now() + WATCHED;
    let mut clients = JoinSet::new();
    for _ in 0..4 {
        let (desk, path) = (desk.clone(), format!("/api/ticket/{reference}"));
        clients.spawn(async move {
            let mut took = Vec::new();
            while Instant::now() < end {
                let begun = Instant::now();
                assert_eq!(desk.create(&ticket()).await.status, 201);
                took.push(begun.elapsed());
                let begun = Instant::now();
                assert_eq!(desk.get(&path).await.status, 200);
                took.push(begun.elapsed());
            }
            took
        });
    }
    clients.join_all().await.concat()
}
