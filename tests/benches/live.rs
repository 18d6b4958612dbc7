//! Thousands of open event streams on one process: their memory and open files, how much they slow creations down, and
//! how long a message takes to them. Part of `make bench`; it ends within two minutes.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

mod measure;

use std::{
    collections::HashMap,
    iter::repeat_n,
    process::ExitCode,
    time::{Duration, Instant},
};

use black_box::{Engine, MANAGER, TempStore, TestServer, open_files, resident_kib};
use measure::{Bar, Durations, milliseconds, report};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};

/// Half of them follow one ticket, each of the others one of its own.
const STREAMS: u16 = 2_000;

/// Creations on each of two servers in turns, so that a busy moment of the machine hits both.
const CREATIONS: usize = 500;

/// The reply that all streams wait for.
const REPLY: &str = "Your parcel left today.";

#[tokio::main]
async fn main() -> ExitCode {
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let mut bars = Vec::new();
    for engine in Engine::ALL {
        let (quiet_store, busy_store) = (TempStore::new(engine).await, TempStore::new(engine).await);
        let quiet = TestServer::on(&quiet_store).start().await;
        let busy = TestServer::on(&busy_store).start().await;
        let mut tickets = Vec::new();
        for _ in 0..=STREAMS / 2 {
            tickets.push(busy.open().await);
            // As large a store, so that only the streams differ.
            quiet.open().await;
        }
        let streams = open_streams(&busy, &tickets).await;
        let slowdown = creations(&quiet, &busy).await;
        let slowest = replies(&busy, &tickets, streams).await;
        let name = engine.name();
        bars.push(Bar::at_most(
            format!("{name}: create beside {STREAMS} streams, over none"),
            slowdown,
            1.2,
            "",
        ));
        bars.push(Bar::at_most(
            format!("{name}: from reply to reader"),
            milliseconds(slowest),
            2_000.0,
            " ms",
        ));
        quiet.kill().await;
        busy.kill().await;
    }
    report(None, "Open event streams.", &bars, "")
}

/// When the reply came, of the ticket that was followed.
type Heard = (String, Instant);

async fn open_streams(server: &TestServer, tickets: &[String]) -> JoinSet<Heard> {
    let (memory, files) = (resident_kib(server.pid()), open_files(server.pid()));
    let mut streams = JoinSet::new();
    let others = repeat_n(&tickets[0], usize::from(STREAMS) - tickets.len());
    for reference in tickets.iter().chain(others).cloned() {
        let mut stream = BufReader::new(TcpStream::connect(server.address()).await.unwrap());
        let head = format!("GET /api/ticket/{reference}/events HTTP/1.1\r\nhost: desk.example\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        read_until(&mut stream, "damaged bottles").await;
        streams.spawn(async move {
            read_until(&mut stream, REPLY).await;
            (reference, Instant::now())
        });
    }
    let each = f64::from(resident_kib(server.pid()) - memory) / f64::from(STREAMS);
    let files = open_files(server.pid()) - files;
    println!("  {STREAMS} streams: {each:.1} KiB of memory each, {files} open files more");
    streams
}

async fn read_until(stream: &mut BufReader<TcpStream>, part: &str) {
    let mut line = String::new();
    while !line.contains(part) {
        line.clear();
        let read = timeout(Duration::from_mins(1), stream.read_line(&mut line)).await;
        assert!(read.unwrap().unwrap() > 0, "the stream ended");
    }
}

/// How many times as long a creation takes beside the streams.
async fn creations(quiet: &TestServer, busy: &TestServer) -> f64 {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..CREATIONS {
        for (server, times) in [quiet, busy].into_iter().zip(&mut times) {
            let begun = Instant::now();
            server.open().await;
            times.push(begun.elapsed());
        }
    }
    let [without, with] = times.map(Durations::of);
    println!(
        "  create: median {:.2?}, beside the streams {:.2?}",
        without.median, with.median
    );
    with.ratio_to(&without)
}

/// The longest time from a reply to a reader: one reply to each ticket, the first to half of all streams.
async fn replies(server: &TestServer, tickets: &[String], mut streams: JoinSet<Heard>) -> Duration {
    let mut sent = HashMap::new();
    for reference in tickets {
        sent.insert(reference.clone(), Instant::now());
        let reply = json!({ "ticketRef": reference, "from": MANAGER, "message": REPLY });
        assert_eq!(server.inbound(&reply).await.status, 200);
    }
    let mut times = Vec::new();
    while let Some(heard) = streams.join_next().await {
        let (reference, at) = heard.unwrap();
        times.push(at.saturating_duration_since(sent[&reference]));
    }
    let times = Durations::of(times);
    println!(
        "  from reply to reader: median {:.2?}, p99 {:.2?}",
        times.median, times.p99
    );
    times.longest
}
