//! The operators' list and search with a million tickets, each beside the same with ten thousand, in one run. Run it with
//! `make bench-lists`: it fills two stores of each kind, which takes a quarter of an hour and 6 GB of disk. One engine
//! alone is measured by `cargo bench -p black-box --bench lists sqlite` (or `postgres`). It fails where something takes
//! longer than it may, once all was measured.
#![allow(clippy::panic, clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

mod measure;

use std::time::Instant;

use black_box::{Engine, TempStore, TestServer};
use measure::{Figures, fill::fill};

const FEW: u32 = 10_000;
const MANY: u32 = 1_000_000;

/// How often each is asked, of both stores in turns.
const TIMES: usize = 200;

/// How much longer each may take with [`MANY`] tickets than with [`FEW`], by the medians.
const AT_MOST: f64 = 1.5;

/// What is asked, and what it is. `{n}` is the number of the newest ticket but a hundred.
const ASKED: [(&str, &str); 10] = [
    ("list: all", "/api/tickets"),
    ("list: waiting for the team", "/api/tickets?awaiting=manager"),
    ("list: urgent and closed", "/api/tickets?priority=urgent&status=closed"),
    (
        "list: nothing is so (low, awaiting)",
        "/api/tickets?priority=low&awaiting=manager",
    ),
    ("search: a reference", "/api/tickets?q=T-20250115-{n}"),
    ("search: a telephone number", "/api/tickets?q=%2B1555{n}"),
    ("search: name and a word", "/api/tickets?q=customer{n}+bottles"),
    ("search: a word of every ticket", "/api/tickets?q=bottles"),
    ("search: a word of one in a hundred", "/api/tickets?q=batch42"),
    ("search: two letters of a word", "/api/tickets?q=bo"),
];

#[tokio::main]
async fn main() {
    let mut beyond = Vec::new();
    for engine in engines() {
        println!("{engine:?}, {FEW} and {MANY} tickets");
        let (few, many) = (filled(engine, FEW).await, filled(engine, MANY).await);
        let few_server = TestServer::on(&few).start().await;
        let many_server = TestServer::on(&many).start().await;
        for (name, path) in ASKED {
            let mut times = [Vec::new(), Vec::new()];
            for _ in 0..TIMES {
                for ((server, tickets), times) in [(&few_server, FEW), (&many_server, MANY)].into_iter().zip(&mut times)
                {
                    let path = path.replace("{n}", &format!("{:07}", tickets - 100));
                    let begun = Instant::now();
                    let reply = server.get_as_operator(&path).await;
                    times.push(begun.elapsed());
                    assert_eq!(reply.status, 200, "{path}");
                }
            }
            let [few, many] = times.map(Figures::of);
            let ratio = many.ratio_to(&few);
            println!("  {name:36} {few}; {many}; ratio {ratio:.2} (at most {AT_MOST})");
            if ratio > AT_MOST {
                beyond.push(format!("{engine:?}, {name}: {ratio:.2}"));
            }
        }
        few_server.kill().await;
        many_server.kill().await;
    }
    assert!(beyond.is_empty(), "more than {AT_MOST} times as long: {beyond:#?}");
}

/// Those that the command names, or both.
fn engines() -> Vec<Engine> {
    // Cargo adds `--bench`.
    let named: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with("--"))
        .collect();
    let engine = |word: &String| match word.as_str() {
        "sqlite" => Engine::Sqlite,
        "postgres" => Engine::Postgres,
        other => panic!("no such engine: {other} (sqlite or postgres)"),
    };
    if named.is_empty() {
        vec![Engine::Sqlite, Engine::Postgres]
    } else {
        named.iter().map(engine).collect()
    }
}

/// A store with so many tickets, two in three with an answer.
async fn filled(engine: Engine, tickets: u32) -> TempStore {
    let store = TempStore::new(engine).await;
    // Creates the schema.
    TestServer::on(&store).start().await.kill().await;
    fill(engine, &store, tickets, "i % 3 <> 0").await;
    store
}
