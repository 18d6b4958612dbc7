//! The results of an experiment, whether they pass, and the report of all of them.

use std::{fmt::Write, time::Duration};

use black_box::{Engine, write_into_page};

/// Every request gets a response within this time, whatever is down.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);

/// After a repair the system recovers by itself within this time.
pub(crate) const RECOVER_WITHIN: Duration = Duration::from_secs(10);

/// How much the memory may grow from the warm state. The most that was measured was 4 MiB, while 1,000
/// notifications waited.
const MAY_GROW_KIB: u32 = 6 * 1024;

/// What it may grow in addition per request that ever waited at once, since their connections stay open. When the
/// store did not respond and 150 to 430 waited, 35 to 38 were measured after the first time. In four such times in a row
/// each further one took less than the one before: 2.4, 1.3 and 1.1 MiB in all.
const FOR_A_CALLER_KIB: u32 = 40;

/// The counts. All but `acknowledged` have to be zero, except `repeated`.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Counts {
    /// Forms and messages that got a 2xx.
    pub(crate) acknowledged: usize,
    /// Acknowledged and missing, or never sent to n8n.
    pub(crate) lost: usize,
    /// Stored more than once, or sent to n8n more often than allowed.
    pub(crate) doubled: usize,
    /// In another ticket, or sent as part of another one.
    pub(crate) misplaced: usize,
    /// Sent to n8n again with the same `webhook-id`.
    pub(crate) repeated: usize,
}

/// The resident memory of a server in KiB.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// After some seconds of work, before the first failure.
    pub(crate) warm: u32,
    pub(crate) end: u32,
    pub(crate) peak: u32,
}

/// The results of an experiment on a store.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// How often something was broken.
    pub(crate) times: u32,
    pub(crate) counts: Counts,
    /// The slowest response, and to what.
    pub(crate) slowest: (Duration, String),
    /// The longest recovery: until a new ticket was acknowledged, readable and sent.
    pub(crate) recovery: Option<Duration>,
    /// The longest time from a repair to an empty outbox.
    pub(crate) drained: Option<Duration>,
    /// The most requests that ever waited at once.
    pub(crate) in_flight: u32,
    /// Of each server that survived the experiment.
    pub(crate) memory: Vec<Memory>,
    /// What else is wrong.
    pub(crate) faults: Vec<String>,
}

impl Outcome {
    /// Everything that fails the experiment.
    pub(crate) fn objections(&self) -> Vec<String> {
        let counts = self.counts;
        let (slowest, to) = &self.slowest;
        let mut demands = vec![
            (counts.acknowledged > 0, "nothing was acknowledged".to_owned()),
            (counts.lost == 0, format!("{} lost", counts.lost)),
            (counts.doubled == 0, format!("{} doubled", counts.doubled)),
            (counts.misplaced == 0, format!("{} misplaced", counts.misplaced)),
            (
                *slowest <= ANSWER_WITHIN,
                format!("an answer took {slowest:.1?} ({to})"),
            ),
        ];
        demands.extend(self.recovery.map(|recovery| {
            let is_quick = recovery <= RECOVER_WITHIN;
            (is_quick, format!("recovery took {recovery:.1?}"))
        }));
        demands.extend(self.memory.iter().map(|memory| {
            let most = memory.warm + MAY_GROW_KIB + self.in_flight.saturating_mul(FOR_A_CALLER_KIB);
            let is_flat = memory.end.max(memory.peak) <= most;
            let callers = self.in_flight;
            let objection = format!("the memory is not flat: {memory:?}, in KiB, for {callers} callers at once");
            (is_flat, objection)
        }));
        let unmet = demands.into_iter().filter(|(is_met, _)| !is_met);
        self.faults
            .iter()
            .cloned()
            .chain(unmet.map(|(_, objection)| objection))
            .collect()
    }
}

/// An experiment on a store.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) engine: Engine,
    pub(crate) outcome: Outcome,
}

impl Row {
    pub(crate) fn passes(&self) -> bool {
        self.outcome.objections().is_empty()
    }

    /// The line printed at its end.
    pub(crate) fn line(&self, took: Duration) -> String {
        let result = if self.passes() { "ok    " } else { "FAILED" };
        let Outcome {
            drained,
            in_flight,
            memory,
            ..
        } = &self.outcome;
        let mut line = format!(
            "{result} {}, all sent after {}, {in_flight} callers at once, memory {memory:?}; {took:.0?}",
            self.cells().join(" | "),
            seconds(*drained),
        );
        for objection in self.outcome.objections() {
            write!(line, "\n       {objection}").unwrap();
        }
        line
    }

    fn cells(&self) -> Vec<String> {
        let Outcome {
            times,
            counts,
            slowest,
            recovery,
            memory,
            ..
        } = &self.outcome;
        let mib = |kib: u32| f64::from(kib) / 1024.0;
        // The server that grew most.
        let memory = memory
            .iter()
            .max_by_key(|memory| memory.end.saturating_sub(memory.warm));
        let memory = memory.map_or("–".to_owned(), |memory| {
            format!("{:.0} → {:.0}", mib(memory.warm), mib(memory.end))
        });
        let mut cells = vec![
            format!("`{}`", self.name),
            self.what.to_owned(),
            self.engine.name().to_owned(),
            times.to_string(),
        ];
        let Counts {
            acknowledged,
            lost,
            doubled,
            misplaced,
            repeated,
        } = counts;
        cells.extend([acknowledged, lost, doubled, misplaced, repeated].map(ToString::to_string));
        cells.extend([seconds(Some(slowest.0)), seconds(*recovery), memory]);
        cells
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
        writeln!(table, "| {} |", row.cells().join(" | ")).unwrap();
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
    write_into_page("reliability.md", "make chaos", &text);
}
