//! Breaks the system on purpose and counts losses. `make chaos` runs everything, on both stores where it applies. Arguments
//! choose experiments by name, `part=ci` those of CI.
//!
//! The database, n8n and the clients are on this machine; the server is the real binary, except where its clock
//! is shifted.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

mod audit;
mod clients;
mod clock;
mod cluster;
mod database;
mod disk;
mod experiments;
mod faulty_proxy;
mod fixture;
mod kill;
mod n8n;
mod replicas;
mod report;
mod shifted_clock;
mod tampered;

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use black_box::{Engine, chosen, conclude, or_until_asked_to_end};
use experiments::{ALL, Experiment};
use report::{Outcome, Row};
use tokio::task::JoinSet;

#[tokio::main]
async fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(shifted_clock::SERVE) {
        return shifted_clock::serve().await;
    }
    rlimit::increase_nofile_limit(u64::MAX).expect("a limit of open files");
    or_until_asked_to_end(run()).await
}

async fn run() -> ExitCode {
    let (begun, words) = (Instant::now(), chosen());
    let (parts, names): (Vec<&str>, Vec<&str>) = words.iter().map(String::as_str).partition(|word| word.contains('='));
    let wanted = |experiment: &Experiment| {
        let is_in_part = parts.iter().all(|part| *part == "part=ci" && experiment.in_ci);
        let is_named = |name: &&str| experiment.name == *name;
        is_in_part && (names.is_empty() || names.iter().any(is_named))
    };
    Box::pin(tampered::is_noticed()).await;
    let mut rows = Vec::new();
    for group in ALL {
        rows.extend(run_together(group.iter().filter(|experiment| wanted(experiment))).await);
    }
    let failed = rows.iter().filter(|row| !row.passes()).count();
    if words.is_empty() {
        report::write(&rows);
    }
    println!("\n{}", report::table(&rows));
    conclude("experiments", rows.len() - failed, failed, begun)
}

/// Runs experiments side by side, each on all its stores: most of them mostly wait. Each is a task, so a panic
/// ends nothing else.
async fn run_together<'a>(experiments: impl Iterator<Item = &'a Experiment>) -> Vec<Row> {
    let mut running = JoinSet::new();
    let mut places: Vec<(&Experiment, Engine, tokio::task::Id)> = Vec::new();
    for experiment in experiments {
        for engine in experiment.engines {
            let begun = Instant::now();
            let acting = (experiment.run)(*engine);
            let handle = running.spawn_local(async move { (acting.await, begun.elapsed()) });
            places.push((experiment, *engine, handle.id()));
        }
    }
    let mut rows = Vec::new();
    while let Some(ended) = running.join_next_with_id().await {
        let (id, (outcome, time)) = ended.unwrap_or_else(|error| {
            let outcome = Outcome {
                faults: vec![error.to_string()],
                ..Outcome::default()
            };
            (error.id(), (outcome, Duration::ZERO))
        });
        let at = places.iter().position(|(_, _, place)| *place == id);
        let at = at.expect("a task of ours");
        let (experiment, engine, _) = places[at];
        let row = Row {
            name: experiment.name,
            what: experiment.what,
            engine,
            outcome,
        };
        println!("{}", row.line(time));
        rows.push((at, row));
    }
    rows.sort_by_key(|(at, _)| *at);
    rows.into_iter().map(|(_, row)| row).collect()
}
