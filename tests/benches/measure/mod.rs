//! What the benchmarks share: filled stores, a server under load, durations, and limits that a run has to keep.
#![allow(dead_code, reason = "not every benchmark uses all of it")]

pub(crate) mod fill;
pub(crate) mod server;

use std::{path::Path, process::ExitCode, time::Duration};

use black_box::{Engine, TempStore, TestServer, write_into_page};

/// The durations of many measurements of the same.
pub(crate) struct Durations {
    pub(crate) median: Duration,
    pub(crate) p99: Duration,
    pub(crate) longest: Duration,
}

impl Durations {
    pub(crate) fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self {
            median: times[times.len() / 2],
            p99: times[times.len() * 99 / 100],
            longest: times[times.len() - 1],
        }
    }

    /// How much longer this takes than `other`, by the medians.
    pub(crate) fn ratio_to(&self, other: &Self) -> f64 {
        self.median.as_secs_f64() / other.median.as_secs_f64()
    }
}

/// The value in the middle.
pub(crate) fn middle(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// A measured value, and the limit that it has to keep.
pub(crate) struct Bar {
    what: String,
    measured: f64,
    limit: f64,
    is_minimum: bool,
    unit: &'static str,
}

impl Bar {
    pub(crate) fn at_least(what: impl Into<String>, measured: f64, limit: f64) -> Self {
        Self {
            is_minimum: true,
            ..Self::at_most(what, measured, limit, "")
        }
    }

    /// The unit is empty for a ratio, else it begins with a space.
    pub(crate) fn at_most(what: impl Into<String>, measured: f64, limit: f64, unit: &'static str) -> Self {
        Self {
            what: what.into(),
            measured,
            limit,
            is_minimum: false,
            unit,
        }
    }

    fn is_met(&self) -> bool {
        if self.is_minimum {
            self.measured >= self.limit
        } else {
            self.measured <= self.limit
        }
    }

    fn row(&self) -> String {
        let Self {
            what,
            measured,
            limit,
            unit,
            ..
        } = self;
        let sign = if self.is_minimum { '≥' } else { '≤' };
        let met = if self.is_met() { "met" } else { "**not met**" };
        let places = match *limit {
            1_000.0.. => (0, 0),
            10.0.. | 0.0 => (0, 1),
            _ => (1, 2),
        };
        format!(
            "| {what} | {sign} {limit:.0$}{unit} | {measured:.1$}{unit} | {met} |\n",
            places.0, places.1
        )
    }
}

/// Prints a report: `head`, a table of the bars, and `tail`. Puts it into the part of `docs/performance.md` that is called
/// `part`, if there is one; people write the rest of that page. Fails if a bar is missed.
pub(crate) fn report(part: Option<&str>, head: &str, bars: &[Bar], tail: &str) -> ExitCode {
    let rows: String = bars.iter().map(Bar::row).collect();
    let text = format!("{head}\n\n| what | bar | measured | |\n|-|-|-|-|\n{rows}\n{tail}");
    println!("\n{text}");
    if let Some(part) = part {
        write_into_page("performance.md", part, &text);
    }
    if bars.iter().all(Bar::is_met) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// A store with its schema in the build's folder, which is on a disk like the source.
pub(crate) async fn store_on_disk(engine: Engine) -> TempStore {
    let store = TempStore::within(Path::new(env!("CARGO_TARGET_TMPDIR")), engine).await;
    TestServer::on(&store).succeed(&["migrate"]).await;
    store
}
