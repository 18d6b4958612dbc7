//! What people read of it: `docs/performance.md`, and the picture in it.

use std::{fmt::Write as _, fs, path::Path, time::Duration};

use black_box::server_binary;

use crate::{
    chart,
    findings::{Findings, MANY, MOST, Outcome, Step, middle},
    machine::Machine,
    measure::{
        bars::{Bar, Bound, table},
        page,
    },
    oha::{self, Load},
    pgbench,
};

/// Every bar of this run.
pub(crate) fn bars(sqlite: &Findings, postgres: &Findings) -> Vec<Bar> {
    let bar = |what: &str, measured, bound| Bar {
        what: what.to_owned(),
        measured,
        bound,
    };
    let against = |step, other| postgres.ratio(step, other);
    let mut bars = vec![
        bar(
            "Postgres: create, 64 connections, over `pgbench` with the same transaction one by one, 64 clients",
            against(Step::Create(MANY), Step::PgbenchCreate(MANY)),
            Bound::RatioFrom(3.0),
        ),
        bar(
            "Postgres: create, 256 connections, over the same",
            against(Step::Create(MOST), Step::PgbenchCreate(MANY)),
            Bound::RatioFrom(3.0),
        ),
        bar(
            "Postgres: create, 1 connection, over `pgbench`, 1 client",
            against(Step::Create(1), Step::PgbenchCreate(1)),
            Bound::RatioFrom(0.8),
        ),
        bar(
            "Postgres: thread of 3 messages, 64 connections, over `pgbench` with two selects, 64 clients",
            against(Step::Thread, Step::PgbenchThread),
            Bound::RatioFrom(1.0),
        ),
        bar(
            "Postgres: the same for who has it already (`If-None-Match`)",
            against(Step::ThreadAgain, Step::PgbenchThread),
            Bound::RatioFrom(1.5),
        ),
        bar(
            "SQLite: create, 64 connections, fresh store, over the same server with a commit for each ticket",
            sqlite.ratio(Step::Together, Step::OneByOne),
            Bound::RatioFrom(3.0),
        ),
    ];
    for (name, findings) in [("SQLite", sqlite), ("Postgres", postgres)] {
        bars.extend([
            bar(
                &format!("{name}: requests that were not answered as they had to be"),
                f64::from(findings.failed()),
                Bound::None,
            ),
            bar(
                &format!("{name}: p99 of create at half of the top rate, n8n hanging, over the same without n8n"),
                findings.hanging_ratio(),
                Bound::RatioTo(1.1),
            ),
            bar(
                &format!("{name}: resident memory at rest"),
                middle(findings.at_rest.iter().copied().map(mebibytes)),
                Bound::MebibytesTo(30.0),
            ),
            bar(
                &format!("{name}: resident memory at most, 256 connections under full load"),
                middle(findings.at_most.iter().copied().map(mebibytes)),
                Bound::MebibytesTo(80.0),
            ),
        ]);
    }
    bars.push(bar(
        "Release binary, stripped",
        megabytes_of(&server_binary()),
        Bound::MegabytesTo(25.0),
    ));
    bars
}

fn mebibytes(kib: u32) -> f64 {
    f64::from(kib) / 1_024.0
}

fn megabytes_of(file: &Path) -> f64 {
    let kib = fs::metadata(file).unwrap().len() / 1_000;
    f64::from(u32::try_from(kib).unwrap()) / 1_000.0
}

/// Writes the page's part and the picture.
pub(crate) fn write(bars: &[Bar], sqlite: &Findings, postgres: &Findings) {
    let machine = Machine::look(
        Path::new(env!("CARGO_TARGET_TMPDIR")),
        &oha::program(),
        &pgbench::program(),
    );
    fs::write(page::docs("images/performance.svg"), chart::draw(sqlite, postgres)).unwrap();
    let missed = bars.iter().filter(|bar| !bar.is_met()).count();
    let summary = match missed {
        0 => "Every bar is met.".to_owned(),
        missed => format!("{missed} of {} bars are not met.", bars.len()),
    };
    let text = format!(
        "{}\n\n{summary}\n\n{}\n![Tickets opened and threads read a second, beside what they are compared with]\
         (images/performance.svg)\n\n{}\n{}",
        measured_on(&machine),
        table(bars),
        rates(sqlite, postgres),
        besides(sqlite, postgres),
    );
    page::put("performance.md", "make bench", &text);
}

fn measured_on(machine: &Machine) -> String {
    let Machine {
        date,
        cores,
        processor,
        memory_gib,
        disk,
        system,
        rust,
        postgres,
        oha,
        revision,
    } = machine;
    format!(
        "Measured on {date} at revision {revision}: {cores} cores ({processor}), {memory_gib:.0} GiB of memory, {disk}, \
         {system}; {rust}, {oha}, {postgres}. The load generator, the server and Postgres share these cores."
    )
}

/// How many, how long, how much.
fn rates(sqlite: &Findings, postgres: &Findings) -> String {
    let mut text =
        String::from("| | a second | median | p99 | p99.9 | processor time of the server, each |\n|-|-|-|-|-|-|\n");
    let of_the_server = [
        (Step::Create(1), "create, 1 connection"),
        (Step::Create(MANY), "create, 64 connections"),
        (Step::Create(MOST), "create, 256 connections"),
        (Step::Thread, "thread of 3 messages, 64 connections"),
        (Step::ThreadAgain, "the same, not modified (304)"),
    ];
    for (name, findings) in [("SQLite", sqlite), ("Postgres", postgres)] {
        for (step, what) in of_the_server {
            text.push_str(&load_row(&format!("{name}: {what}"), &findings.loads(step)));
        }
        for (which, what) in [(0, "without n8n"), (1, "n8n hanging")] {
            let loads: Vec<Load> = findings.beside_n8n.iter().map(|pair| pair[which]).collect();
            text.push_str(&load_row(
                &format!("{name}: create at half of the top rate, {what}"),
                &loads,
            ));
        }
    }
    for (step, what) in [
        (Step::Together, "SQLite: create, 64 connections, fresh store"),
        (Step::OneByOne, "SQLite: the same with a commit for each ticket"),
    ] {
        text.push_str(&load_row(what, &sqlite.loads(step)));
    }
    let of_pgbench = [
        (Step::PgbenchCreate(1), "`pgbench`, create, 1 client"),
        (Step::PgbenchCreate(MANY), "`pgbench`, create, 64 clients"),
        (Step::PgbenchThread, "`pgbench`, two selects, 64 clients"),
    ];
    for (step, what) in of_pgbench {
        let outcomes = postgres.outcomes(step);
        let means = outcomes.iter().filter_map(|outcome| match outcome {
            Outcome::Run(run) => Some(run.mean.as_secs_f64()),
            Outcome::Load(_) => None,
        });
        let mean = milliseconds(middle(means));
        let rate = grouped(postgres.rate(step));
        writeln!(text, "| {what} | {rate} | {mean} (mean) | | | |").unwrap();
    }
    text
}

/// The middle of each column.
fn load_row(what: &str, loads: &[Load]) -> String {
    let column = |of: fn(&Load) -> Duration| middle(loads.iter().map(|load| of(load).as_secs_f64()));
    format!(
        "| {what} | {} | {} | {} | {} | {:.0} µs |\n",
        grouped(middle(loads.iter().map(|load| load.rate))),
        milliseconds(column(|load| load.median)),
        milliseconds(column(|load| load.p99)),
        milliseconds(column(|load| load.p999)),
        column(|load| load.processor_time) * 1e6,
    )
}

fn besides(sqlite: &Findings, postgres: &Findings) -> String {
    let ready = |findings: &Findings| middle(findings.ready.iter().map(Duration::as_secs_f64)) * 1_000.0;
    format!(
        "Ready {:.0} ms (SQLite) and {:.0} ms (Postgres) after the start of the process, with the tickets of this run. \
         On SQLite, 64 connections open {:.1} times as many tickets a second as one.",
        ready(sqlite),
        ready(postgres),
        sqlite.ratio(Step::Create(MANY), Step::Create(1)),
    )
}

fn milliseconds(seconds: f64) -> String {
    format!("{:.1} ms", seconds * 1_000.0)
}

/// With a comma before each three digits.
pub(crate) fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
