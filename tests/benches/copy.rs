//! How fast `server copy` takes tickets from the embedded store to Postgres, from the start of the program to its end:
//! `make bench-copy`. Writes its part of `docs/performance.md`, and fails if the bar is missed.
//!
//! `COPY_TICKETS=1000000` asks for more than the usual 200,000 (1 GB of disk for each 200,000 while it runs).
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

mod measure;

use std::{process::ExitCode, time::Instant};

use black_box::{Engine, TempStore, TestServer, setting};
use measure::{Bar, Durations, fill, report, store_on_disk};

/// Copies, of which the one in the middle counts.
const TIMES: usize = 5;

/// The payload of a notification, as long as ours are.
const PAYLOAD: &str = "{\"event\":\"ticket.created\",\"ticketRef\":\"T-20250115-0000000\",\
    \"ticketId\":\"0194690a-7a28-7c3e-9d6f-0123456789ab\",\"ticketUrl\":\"https://desk.example/ticket/T-20250115-0000000\",\
    \"customerName\":\"Zoe Customer\",\"customerPhone\":\"+15550000000\",\"customerEmail\":\"c1234567@customer.example\",\
    \"subject\":\"Order came broken\",\"message\":\"The bottles of batch are damaged, please send new ones.\",\
    \"priority\":\"high\",\"createdAt\":\"2025-01-15T10:30:00.000000Z\",\"summary\":\"Zoe: Order came broken\"}";

#[tokio::main]
async fn main() -> ExitCode {
    let tickets = setting("COPY_TICKETS").map_or(200_000, |number| number.parse().unwrap());
    let file = store_on_disk(Engine::Sqlite).await;
    let what = fill::Fill {
        tickets,
        answers: 0,
        answered: "false",
        apart: 1_000,
        payload: PAYLOAD,
    };
    fill::fill(&file, &what);
    let (mut times, mut fsync) = (Vec::new(), String::new());
    for _ in 0..TIMES {
        let postgres = TempStore::new(Engine::Postgres).await;
        fsync = postgres.ask("SELECT current_setting('fsync')");
        let arguments = ["copy", "--from", &file.url(), "--to", &postgres.url()];
        let mut command = TestServer::on(&file).command(&arguments);
        let begun = Instant::now();
        let output = command.output().await.unwrap();
        times.push(begun.elapsed());
        assert!(output.status.success(), "{output:?}");
        println!("  a copy took {:.1?}", begun.elapsed());
    }
    let took = Durations::of(times).median;
    let head = format!(
        "`server copy` of {tickets} tickets, each with its message and its notification, from a SQLite file to an empty \
         Postgres (fsync {fsync}), from the start of the program to its end: {took:.1?}, the middle of {TIMES} copies."
    );
    let rate = f64::from(tickets) / took.as_secs_f64();
    let bars = [Bar::at_least("tickets copied a second", rate, 10_000.0)];
    report(Some("make bench-copy"), &head, &bars, "")
}
