//! How fast the server is, each figure beside what it is compared with, in one run: `make bench`. Writes its part of
//! `docs/performance.md`, and fails if a bar is missed. It ends within twelve minutes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark"
)]

mod create;
#[path = "../measure/mod.rs"]
mod measure;
mod oha;
mod one_by_one;
mod pgbench;
mod rounds;

use std::{collections::BTreeMap, env, fs, process::ExitCode, time::Duration};

use black_box::{Engine, server_binary};
use measure::{Bar, middle, report};
use mimalloc::MiMalloc;
use tokio::{process::Command, time::timeout};

/// That of the server, which this program is as well: `one_by_one.rs`.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Connections that most bars are about, and more of them.
const MANY: u16 = 64;
const MOST: u16 = 256;

/// Whatever happens, it ends.
const LIMIT: Duration = Duration::from_mins(12);

/// The machine and the programs, in one sentence for readers who compare.
const MACHINE: &str = r#"
first() { "$@" 2>/dev/null | head -n 1; }
echo "Measured on $(date -u +%F) at revision $(first git describe --always --dirty --exclude '*'): $(nproc) cores \
($(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)), $(awk '/MemTotal/ { print int($2 / 1048576 + .5) }' /proc/meminfo) \
GiB of memory, $(df --output=fstype,source . | awk 'NR == 2 { print $1 " on " $2 }'), $(uname -sr); $(first rustc --version), \
$(first "$OHA" --version), $(first "$TEST_POSTGRES_BIN/pgbench" --version). The load generator, the server and Postgres \
share these cores.""#;

/// What is measured in each round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// Tickets are opened over so many connections.
    Create(u16),
    /// Threads of three messages are read.
    Thread,
    /// The same, by a reader who has them already.
    NotModified,
    /// Tickets are opened at half of the top rate.
    HalfRate(Receiver),
    /// Tickets are opened in a fresh store.
    FreshStore,
    /// The same, by a server that commits each ticket by itself.
    OneByOne,
    /// `pgbench` opens tickets over so many connections.
    PgbenchCreate(u16),
    /// `pgbench` reads threads.
    PgbenchThread,
}

/// Who is notified of tickets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Receiver {
    /// Nobody.
    Nobody,
    /// An n8n that never answers.
    HangingN8n,
    /// Customers, by a mail server that is as slow as one on the internet.
    Customers,
}

impl Step {
    fn name(self) -> String {
        match self {
            Self::Create(1) => "create, 1 connection".to_owned(),
            Self::Create(connections) => format!("create, {connections} connections"),
            Self::Thread => format!("thread of 3 messages, {MANY} connections"),
            Self::NotModified => "the same, not modified (304)".to_owned(),
            Self::HalfRate(receiver) => {
                let receiver = match receiver {
                    Receiver::Nobody => "without n8n",
                    Receiver::HangingN8n => "n8n hanging",
                    Receiver::Customers => "with mails to customers",
                };
                format!("create at half of the top rate, {receiver}")
            }
            Self::FreshStore => format!("create, {MANY} connections, fresh store"),
            Self::OneByOne => "the same with a commit for each ticket".to_owned(),
            Self::PgbenchCreate(1) => "`pgbench`, create, 1 client".to_owned(),
            Self::PgbenchCreate(clients) => format!("`pgbench`, create, {clients} clients"),
            Self::PgbenchThread => format!("`pgbench`, two selects, {MANY} clients"),
        }
    }
}

/// What a step came to.
#[derive(Debug, Clone)]
struct Outcome {
    /// Responses, or transactions of `pgbench`, a second.
    rate: f64,
    /// Milliseconds: median, p99 and p99.9; of `pgbench` only the mean.
    times: Vec<f64>,
    /// Microseconds of the server's processor time for one response, without that of Postgres.
    processor_time: Option<f64>,
    /// How many responses or transactions that is; 0 of `pgbench`.
    responses: u32,
    /// Responses with another status than the right one, and requests without a response.
    failed: u32,
}

/// What was measured on one engine.
#[derive(Default)]
struct Results {
    /// The outcomes of each step, round by round.
    steps: BTreeMap<Step, Vec<Outcome>>,
    /// Milliseconds from the start of the process until it was ready, on a store of some ten thousand tickets.
    ready: Vec<f64>,
    /// Resident memory in MiB, before the first request and at most.
    at_rest: Vec<f64>,
    at_most: Vec<f64>,
}

impl Results {
    fn rate(&self, step: Step) -> f64 {
        middle(self.steps[&step].iter().map(|outcome| outcome.rate))
    }

    /// How many times as much of something as in another step, round by round, since what disturbs the machine may
    /// disturb a whole round; then the round in the middle.
    fn ratio(&self, step: Step, other: Step, of: fn(&Outcome) -> f64) -> f64 {
        let pairs = self.steps[&step].iter().zip(&self.steps[&other]);
        middle(pairs.map(|(this, other)| of(this) / of(other)))
    }

    fn failed(&self) -> u32 {
        self.steps.values().flatten().map(|outcome| outcome.failed).sum()
    }

    /// A row of each step: the middle of each column.
    fn table(&self, engine: Engine) -> String {
        let row = |(step, outcomes): (&Step, &Vec<Outcome>)| {
            let name = step.name();
            let of_engine = if name.starts_with('`') {
                String::new()
            } else {
                format!("{}: ", engine.name())
            };
            let column = |index: usize| {
                let times = outcomes.iter().filter_map(|outcome| outcome.times.get(index).copied());
                let times: Vec<f64> = times.collect();
                if times.is_empty() {
                    String::new()
                } else {
                    format!("{:.1} ms", middle(times))
                }
            };
            let cpu: Vec<f64> = outcomes.iter().filter_map(|outcome| outcome.processor_time).collect();
            let cpu = if cpu.is_empty() {
                String::new()
            } else {
                format!("{:.0} µs", middle(cpu))
            };
            let mean = if outcomes[0].times.len() == 1 { " (mean)" } else { "" };
            let rate = grouped(self.rate(*step));
            let times = [column(0) + mean, column(1), column(2)].join(" | ");
            format!("| {of_engine}{name} | {rate} | {times} | {cpu} |\n")
        };
        self.steps.iter().map(row).collect()
    }
}

/// With a comma before each three digits.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .filter_map(|group| str::from_utf8(group).ok())
        .collect();
    groups.join(",")
}

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
    let machine = Command::new("sh").args(["-c", MACHINE]).output().await.unwrap();
    let machine = String::from_utf8(machine.stdout).unwrap();
    let tail = format!(
        "| | a second | median | p99 | p99.9 | processor time of the server, each |\n|-|-|-|-|-|-|\n{}{}\n\
         Ready {:.0} ms (SQLite) and {:.0} ms (Postgres) after the start of the process, with the tickets of this run. \
         On SQLite, {MANY} connections open {:.1} times as many tickets a second as one.",
        sqlite.table(Engine::Sqlite),
        postgres.table(Engine::Postgres),
        middle(sqlite.ready.iter().copied()),
        middle(postgres.ready.iter().copied()),
        sqlite.ratio(Step::Create(MANY), Step::Create(1), |outcome| outcome.rate),
    );
    report(Some("make bench"), machine.trim(), &bars(&sqlite, &postgres), &tail)
}

fn bars(sqlite: &Results, postgres: &Results) -> Vec<Bar> {
    let rates = |results: &Results, step, other| results.ratio(step, other, |outcome| outcome.rate);
    let over_pgbench = |what: &str, step, other, limit| {
        Bar::at_least(format!("Postgres: {what}"), rates(postgres, step, other), limit)
    };
    let (many, one) = (Step::PgbenchCreate(MANY), Step::PgbenchCreate(1));
    let mut bars = vec![
        over_pgbench(
            "create, 64 connections, over `pgbench` with the same transaction one by one, 64 clients",
            Step::Create(MANY),
            many,
            3.0,
        ),
        over_pgbench("create, 256 connections, over the same", Step::Create(MOST), many, 3.0),
        over_pgbench(
            "create, 1 connection, over `pgbench`, 1 client",
            Step::Create(1),
            one,
            0.8,
        ),
        over_pgbench(
            "thread of 3 messages, 64 connections, over `pgbench` with two selects, 64 clients",
            Step::Thread,
            Step::PgbenchThread,
            1.0,
        ),
        over_pgbench(
            "the same for who has it already (`If-None-Match`)",
            Step::NotModified,
            Step::PgbenchThread,
            1.5,
        ),
        Bar::at_least(
            "SQLite: create, 64 connections, fresh store, over the same server with a commit for each ticket",
            rates(sqlite, Step::FreshStore, Step::OneByOne),
            3.0,
        ),
    ];
    for (name, results) in [("SQLite", sqlite), ("Postgres", postgres)] {
        let beside = |receiver, of| results.ratio(Step::HalfRate(receiver), Step::HalfRate(Receiver::Nobody), of);
        let hanging = beside(Receiver::HangingN8n, |outcome| outcome.times[1]);
        let mailing = beside(Receiver::Customers, |outcome| outcome.times[0]);
        let memory = |all: &[f64]| middle(all.iter().copied());
        for (what, measured, limit, unit) in [
            (
                "requests that were not answered as they had to be",
                f64::from(results.failed()),
                0.0,
                "",
            ),
            (
                "p99 of create at half of the top rate, n8n hanging, over the same without n8n",
                hanging,
                1.1,
                "",
            ),
            (
                "median of create at half of the top rate, with mails to customers, over the same without",
                mailing,
                1.05,
                "",
            ),
            ("resident memory at rest", memory(&results.at_rest), 30.0, " MiB"),
            (
                "resident memory at most, 256 connections under full load",
                memory(&results.at_most),
                80.0,
                " MiB",
            ),
        ] {
            bars.push(Bar::at_most(format!("{name}: {what}"), measured, limit, unit));
        }
    }
    let bytes = fs::metadata(server_binary()).unwrap().len();
    let megabytes = f64::from(u32::try_from(bytes / 1_000).unwrap()) / 1_000.0;
    bars.push(Bar::at_most("Release binary, stripped", megabytes, 25.0, " MB"));
    bars
}
