//! How fast it is, each figure beside what it is compared with, in one run: `make bench`. Writes
//! `docs/performance.md` and its picture, and fails if a bar is missed. It ends within twelve minutes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark"
)]

mod chart;
mod fill;
mod findings;
mod form;
mod machine;
#[path = "../measure/mod.rs"]
mod measure;
mod oha;
mod one_by_one;
mod pgbench;
mod report;
mod rounds;

use std::{env, process::ExitCode, time::Duration};

use black_box::Engine;
use mimalloc::MiMalloc;
use tokio::time::timeout;

/// That of the server, which this is as well: `one_by_one.rs`.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Whatever happens, it ends.
const LIMIT: Duration = Duration::from_mins(12);

fn main() -> ExitCode {
    if env::args().nth(1).as_deref() == Some("serve") {
        one_by_one::serve();
        return ExitCode::SUCCESS;
    }
    compare()
}

#[tokio::main]
async fn compare() -> ExitCode {
    let measured = timeout(LIMIT, async {
        (
            rounds::measure(Engine::Sqlite).await,
            rounds::measure(Engine::Postgres).await,
        )
    });
    let (sqlite, postgres) = measured.await.expect("it ends within twelve minutes");
    let bars = report::bars(&sqlite, &postgres);
    report::write(&bars, &sqlite, &postgres);
    println!("\n{}", measure::bars::table(&bars));
    println!("docs/performance.md tells more");
    if bars.iter().all(measure::bars::Bar::is_met) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
