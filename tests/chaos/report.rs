//! The report: a line per experiment, and a table.

use std::{fmt::Write, time::Duration};

use black_box::Engine;

use crate::{
    outcome::{Counts, Outcome},
    page,
};

/// An experiment on a store.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) engine: Engine,
    pub(crate) outcome: Outcome,
}

impl Row {
    /// Whether it passed.
    pub(crate) fn passes(&self) -> bool {
        self.outcome.objections().is_empty()
    }

    /// The line printed at its end.
    pub(crate) fn line(&self, took: Option<Duration>) -> String {
        let Outcome {
            times,
            counts,
            slowest,
            recovery,
            drained,
            in_flight,
            memory,
            ..
        } = &self.outcome;
        let Counts {
            acknowledged,
            lost,
            doubled,
            misplaced,
            repeated,
        } = counts;
        let mut line = format!(
            "{} {} on {}: {times}×, {acknowledged} acknowledged, {lost} lost, {doubled} doubled, {misplaced} \
             misplaced, {repeated} told again, slowest answer {:.1?}, recovery {}, all told after {}, {in_flight} callers at once, memory {memory:?}; {:.0?}",
            if self.passes() { "ok    " } else { "FAILED" },
            self.name,
            self.engine.name(),
            slowest.0,
            seconds(*recovery),
            seconds(*drained),
            took.unwrap_or_default(),
        );
        for objection in self.outcome.objections() {
            write!(line, "\n       {objection}").unwrap();
        }
        line
    }
}

fn seconds(time: Option<Duration>) -> String {
    time.map_or("–".to_owned(), |time| format!("{:.1} s", time.as_secs_f64()))
}

/// All rows, with the failures below.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut table = "| `ONLY=` | what is broken | store | times | acknowledged | lost | doubled | misplaced | told again | slowest \
                     answer | recovery | memory, MiB |\n|-|-|-|-|-|-|-|-|-|-|-|-|\n"
        .to_owned();
    for row in rows {
        let Outcome {
            times,
            counts,
            slowest,
            recovery,
            memory,
            ..
        } = &row.outcome;
        let mib = |kib: u32| f64::from(kib) / 1024.0;
        // The server that grew most.
        let memory = memory
            .iter()
            .max_by_key(|memory| memory.end.saturating_sub(memory.warm));
        let memory = memory.map_or("–".to_owned(), |memory| {
            format!("{:.0} → {:.0}", mib(memory.warm), mib(memory.end))
        });
        writeln!(
            table,
            "| `{}` | {} | {} | {times} | {} | {} | {} | {} | {} | {:.1} s | {} | {memory} |",
            row.name,
            row.what,
            row.engine.name(),
            counts.acknowledged,
            counts.lost,
            counts.doubled,
            counts.misplaced,
            counts.repeated,
            slowest.0.as_secs_f64(),
            seconds(*recovery),
        )
        .unwrap();
    }
    let failed: Vec<&Row> = rows.iter().filter(|row| !row.passes()).collect();
    if !failed.is_empty() {
        table.push_str("\nWhat does not pass:\n\n");
    }
    for row in failed {
        let objections = row.outcome.objections().join("; ");
        writeln!(table, "- `{}` on {}: {objections}", row.name, row.engine.name()).unwrap();
    }
    table
}

/// Writes the table into the page.
pub(crate) fn write(rows: &[Row]) {
    let sum = |of: fn(&Counts) -> usize| rows.iter().map(|row| of(&row.outcome.counts)).sum::<usize>();
    let passed = rows.iter().filter(|row| row.passes()).count();
    let text = format!(
        "{passed} of {} rows pass. Of {} acknowledged forms and messages, {} were lost, {} doubled, {} misplaced.\n\n{}",
        rows.len(),
        sum(|counts| counts.acknowledged),
        sum(|counts| counts.lost),
        sum(|counts| counts.doubled),
        sum(|counts| counts.misplaced),
        table(rows)
    );
    page::put("reliability.md", "make chaos", &text);
}
