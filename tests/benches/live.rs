//! Many open event streams on one process: what they cost in memory and open files, what they cost whoever opens a
//! ticket meanwhile, and how long their messages take. Run it with `make bench`; it ends within two minutes.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

mod measure;

use std::{
    collections::HashMap,
    iter::repeat_n,
    time::{Duration, Instant},
};

use black_box::{Engine, TempStore, TestServer, open_files, resident_kib};
use measure::Figures;
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};

/// Half of them follow one ticket, each of the others one of its own.
const STREAMS: usize = 2_000;

/// Creations of each kind. The two servers take turns, so that a busy moment of the machine hits both.
const CREATIONS: usize = 500;

/// What everybody waits for.
const NEWS: &str = "Your parcel left today.";

#[tokio::main]
async fn main() {
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    for engine in [Engine::Sqlite, Engine::Postgres] {
        println!("{engine:?}");
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
        creations(&quiet, &busy).await;
        news(&busy, &tickets, streams).await;
        quiet.kill().await;
        busy.kill().await;
    }
}

/// When the news came, of the ticket that was followed.
type Heard = (String, Instant);

async fn open_streams(server: &TestServer, tickets: &[String]) -> JoinSet<Heard> {
    let (memory, files) = (resident_kib(server.pid()), open_files(server.pid()));
    let mut streams = JoinSet::new();
    for reference in tickets.iter().chain(repeat_n(&tickets[0], STREAMS - tickets.len())) {
        let stream = open_stream(server, reference).await;
        streams.spawn(listen(stream, reference.clone()));
    }
    println!(
        "  {STREAMS} streams:           {:.1} KiB of memory each, {} open files more",
        f64::from(resident_kib(server.pid()) - memory) / f64::from(u32::try_from(STREAMS).unwrap()),
        open_files(server.pid()) - files
    );
    streams
}

/// A stream that has told everything so far.
async fn open_stream(server: &TestServer, reference: &str) -> BufReader<TcpStream> {
    let mut stream = BufReader::new(TcpStream::connect(server.address()).await.unwrap());
    let head = format!("GET /api/ticket/{reference}/events HTTP/1.1\r\nhost: desk.example\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    read_until(&mut stream, "damaged bottles").await;
    stream
}

async fn listen(mut stream: BufReader<TcpStream>, reference: String) -> Heard {
    read_until(&mut stream, NEWS).await;
    (reference, Instant::now())
}

async fn read_until(stream: &mut BufReader<TcpStream>, part: &str) {
    let mut line = String::new();
    while !line.contains(part) {
        line.clear();
        let read = timeout(Duration::from_mins(1), stream.read_line(&mut line)).await;
        assert!(read.unwrap().unwrap() > 0, "the stream ended");
    }
}

async fn creations(quiet: &TestServer, busy: &TestServer) {
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..CREATIONS {
        for (server, times) in [(quiet, &mut without), (busy, &mut with)] {
            let begun = Instant::now();
            server.open().await;
            times.push(begun.elapsed());
        }
    }
    let (without, with) = (Figures::of(without), Figures::of(with));
    println!("  create, no stream:      {without}");
    println!("  create, beside them:    {with}");
    let ratio = with.ratio_to(&without);
    println!("  ratio of the medians:   {ratio:.3} (at most 1.2)");
    assert!(ratio <= 1.2, "open streams slow creations down");
}

/// One answer to each ticket, one after the other, the first to half of all streams.
async fn news(server: &TestServer, tickets: &[String], mut streams: JoinSet<Heard>) {
    let mut sent = HashMap::new();
    for reference in tickets {
        sent.insert(reference.clone(), Instant::now());
        let reply = json!({ "ticketRef": reference, "from": black_box::MANAGER, "message": NEWS });
        assert_eq!(server.inbound(&reply).await.status, 200);
    }
    let mut times = Vec::new();
    while let Some(heard) = streams.join_next().await {
        let (reference, at) = heard.unwrap();
        times.push(at.saturating_duration_since(sent[&reference]));
    }
    let times = Figures::of(times);
    let longest = times.longest;
    println!("  from reply to reader:   {times}, longest {longest:.2?} (at most 2 s)");
    assert!(longest <= Duration::from_secs(2), "readers wait too long");
}
