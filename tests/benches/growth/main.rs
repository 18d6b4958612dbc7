//! What people wait for, with millions of tickets beside ten thousand: `make bench-growth`. Writes its part of
//! `docs/performance.md`, and fails if a bar is missed. With five million it takes about a quarter of an hour and 15 GB of
//! disk; `BENCH_TICKETS` makes it fewer.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark"
)]

#[path = "../measure/mod.rs"]
mod measure;
mod requests;

use std::{path::Path, process::ExitCode, time::Duration};

use black_box::{Engine, TempStore, TestServer};
use measure::{
    Figures,
    bars::{Bar, Bound, table},
    fill::fill,
    page,
    server::Server,
};

use requests::{REQUESTS, Side};

const FEW: u32 = 10_000;
const MANY: u32 = 5_000_000;

/// How often each is asked, of both stores in turns.
const TIMES: usize = 400;

/// Starts on the large store.
const STARTS: usize = 5;

#[tokio::main]
async fn main() -> ExitCode {
    let many = tickets();
    let (mut bars, mut rows) = (Vec::new(), Vec::new());
    for engine in [Engine::Sqlite, Engine::Postgres] {
        println!("{engine:?}, {FEW} and {many} tickets");
        measure(engine, many, &mut bars, &mut rows).await;
    }
    let text = format!(
        "{many} tickets beside {FEW}; every request by one client alone, {TIMES} times each, in turns. Ratios are of the \
         medians.\n\n{}\n| | median with {FEW} | median with {many} | p99 | p99 |\n|-|-|-|-|-|\n{}",
        table(&bars),
        rows.join("\n"),
    );
    println!("\n{text}");
    page::put("performance.md", "make bench-growth", &text);
    if bars.iter().all(Bar::is_met) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn tickets() -> u32 {
    #[allow(clippy::disallowed_methods, reason = "how long it may take is the runner's to say")]
    let given = std::env::var("BENCH_TICKETS").ok();
    let tickets = given.map_or(MANY, |number| number.parse().expect("BENCH_TICKETS is a number"));
    assert!(
        (FEW..10_000_000).contains(&tickets),
        "BENCH_TICKETS is from {FEW} to below ten million"
    );
    tickets
}

async fn measure(engine: Engine, many: u32, bars: &mut Vec<Bar>, rows: &mut Vec<String>) {
    let store = match engine {
        Engine::Sqlite => "SQLite",
        Engine::Postgres => "Postgres",
    };
    let few_store = filled(engine, FEW).await;
    let many_store = filled(engine, many).await;
    let few = Side::start(engine, &few_store, FEW).await;
    let many = Side::start(engine, &many_store, many).await;
    let mut times: Vec<[Vec<Duration>; 2]> = REQUESTS.iter().map(|_| Default::default()).collect();
    for turn in 0..TIMES {
        let mut sides = [(0, &few), (1, &many)];
        if turn % 2 == 1 {
            sides.reverse();
        }
        for (which, side) in sides {
            for (took, times) in side.turn(turn).await.into_iter().zip(&mut times) {
                times[which].push(took);
            }
        }
    }
    for (name, times) in REQUESTS.iter().zip(times) {
        let [few, many] = times.map(Figures::of);
        let ms = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1_000.0);
        rows.push(format!(
            "| {store}: {name} | {} | {} | {} | {} |",
            ms(few.median),
            ms(many.median),
            ms(few.p99),
            ms(many.p99)
        ));
        bars.push(Bar {
            what: format!("{store}: {name}"),
            measured: many.ratio_to(&few),
            bound: Bound::RatioTo(1.2),
        });
    }
    few.end().await;
    many.end().await;
    bars.push(Bar {
        what: format!("{store}: start to ready with so many"),
        measured: start_to_ready(&many_store).await.as_secs_f64() * 1_000.0,
        bound: Bound::MillisecondsTo(300.0),
    });
}

async fn filled(engine: Engine, tickets: u32) -> TempStore {
    let store = TempStore::within(Path::new(env!("CARGO_TARGET_TMPDIR")), engine).await;
    // Makes the schema.
    TestServer::on(&store).start().await.kill().await;
    fill(engine, &store, tickets, "i % 10 = 1").await;
    store
}

async fn start_to_ready(store: &TempStore) -> Duration {
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let server = Server::start(TestServer::on(store), &store.folder().join("log")).await;
        times.push(server.ready_in);
        server.kill().await;
    }
    Figures::of(times).median
}
