//! Shows how far a transfer is, on standard error: one line that is redrawn on a terminal, else a line every few seconds.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

use store_diesel::dump::{Counts, Step, Table};

/// How often the line is redrawn.
const ON_TERMINAL: Duration = Duration::from_millis(100);

/// How often a line is written elsewhere.
const IN_LOGS: Duration = Duration::from_secs(5);

/// How many characters a full bar has.
const BAR: u64 = 24;

/// The parts of a transfer, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Writing,
    Indexing,
    ReadingBack,
    Committing,
}

impl Phase {
    fn label(self) -> &'static str {
        match self {
            Self::Writing => "writing",
            Self::Indexing => "making it searchable",
            Self::ReadingBack => "verifying",
            Self::Committing => "committing",
        }
    }
}

/// How far a transfer is.
pub(super) struct Progress {
    on_terminal: bool,
    /// How many rows and tickets there are in all.
    rows: u64,
    tickets: u64,
    begun: Instant,
    phase: Phase,
    phase_begun: Instant,
    /// How many rows and tickets this phase has done.
    done: u64,
    tickets_done: u64,
    drawn: Option<Instant>,
    took: Vec<(Phase, Duration)>,
}

impl Progress {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            on_terminal: io::stderr().is_terminal(),
            rows: 0,
            tickets: 0,
            begun: now,
            phase: Phase::Writing,
            phase_begun: now,
            done: 0,
            tickets_done: 0,
            drawn: None,
            took: Vec::new(),
        }
    }

    /// Counts a step, and shows it if it is time.
    pub(super) fn step(&mut self, step: Step) {
        match step {
            Step::Begin(counts) => self.begin(&counts),
            Step::Written(table) => self.count(Phase::Writing, table),
            Step::ReadBack(table) => self.count(Phase::ReadingBack, table),
            Step::Indexing => self.enter(Phase::Indexing),
            Step::Committing => self.enter(Phase::Committing),
        }
        let pause = if self.on_terminal { ON_TERMINAL } else { IN_LOGS };
        // Most steps are one row of a great many, and asking for the time costs as much as counting it.
        let is_time = self.done.is_multiple_of(64) && self.drawn.is_none_or(|drawn| drawn.elapsed() >= pause);
        if is_time {
            self.draw();
        }
    }

    fn begin(&mut self, counts: &Counts) {
        self.rows = counts.values().sum();
        self.tickets = counts.get(&Table::Tickets).copied().unwrap_or_default();
    }

    fn count(&mut self, phase: Phase, table: Table) {
        self.enter(phase);
        self.done += 1;
        if table == Table::Tickets {
            self.tickets_done += 1;
        }
    }

    fn enter(&mut self, phase: Phase) {
        if phase == self.phase {
            return;
        }
        self.took.push((self.phase, self.phase_begun.elapsed()));
        self.phase = phase;
        self.phase_begun = Instant::now();
        self.done = 0;
        self.tickets_done = 0;
        // Shows a new phase at once.
        self.drawn = None;
    }

    fn draw(&mut self) {
        let line = self.line();
        let mut out = io::stderr();
        // Nobody misses a line if the terminal is gone.
        drop(if self.on_terminal {
            write!(out, "\r\x1b[2K{line}").and_then(|()| out.flush())
        } else {
            writeln!(out, "{line}")
        });
        self.drawn = Some(Instant::now());
    }

    fn line(&self) -> String {
        let label = self.phase.label();
        match self.phase {
            Phase::Writing | Phase::ReadingBack => {
                let rows = Rows {
                    done: self.done,
                    all: self.rows,
                    after: self.phase_begun.elapsed(),
                };
                format!(
                    "{label} {} {} of {} tickets, {} of {} rows{}",
                    rows.bar(),
                    grouped(self.tickets_done),
                    grouped(self.tickets),
                    grouped(self.done),
                    grouped(self.rows),
                    rows.pace()
                )
            }
            Phase::Indexing | Phase::Committing => label.to_owned(),
        }
    }

    /// The transfer failed: whatever is written next begins on a line of its own.
    pub(super) fn failed(&self) {
        if self.on_terminal {
            drop(writeln!(io::stderr()));
        }
    }

    /// The transfer is done: returns how long each part took, in words.
    pub(super) fn ended(mut self, tickets: u64) -> String {
        self.took.push((self.phase, self.phase_begun.elapsed()));
        if self.on_terminal {
            drop(write!(io::stderr(), "\r\x1b[2K"));
        }
        let parts: Vec<String> = self
            .took
            .iter()
            .map(|(phase, took)| format!("{} {:.2} s", phase.label(), took.as_secs_f64()))
            .collect();
        let took = self.begun.elapsed();
        format!(
            "took {:.2} s, {} tickets a second: {}",
            took.as_secs_f64(),
            grouped(per_second(tickets, took)),
            parts.join(", ")
        )
    }
}

/// The rows of a phase.
struct Rows {
    done: u64,
    all: u64,
    after: Duration,
}

impl Rows {
    fn bar(&self) -> String {
        let full = (self.done.min(self.all) * BAR).checked_div(self.all).unwrap_or(BAR);
        (0..BAR).map(|mark| if mark < full { '#' } else { '.' }).collect()
    }

    /// Empty at the very beginning, when there is nothing to go by.
    fn pace(&self) -> String {
        let pace = per_second(self.done, self.after);
        let left = self.all.saturating_sub(self.done).checked_div(pace);
        match left.filter(|_| self.after >= ON_TERMINAL) {
            Some(left) => format!(", {} rows/s, {left} s left", grouped(pace)),
            None => String::new(),
        }
    }
}

fn per_second(count: u64, after: Duration) -> u64 {
    let micros = after.as_micros().max(1);
    u64::try_from(u128::from(count) * 1_000_000 / micros).unwrap_or(u64::MAX)
}

/// A number with a comma after every thousand.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        for (number, expected) in [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")] {
            assert_eq!(grouped(number), expected);
        }
    }

    #[test]
    fn a_line_shows_how_far_it_is_and_how_long_it_will_take() {
        let rows = |done, all| Rows {
            done,
            all,
            after: Duration::from_secs(2),
        };
        assert_eq!(rows(0, 100).bar(), ".".repeat(24));
        assert_eq!(rows(50, 100).bar(), "############............");
        assert_eq!(rows(100, 100).bar(), "#".repeat(24));
        assert_eq!(rows(0, 0).bar(), "#".repeat(24));
        assert_eq!(rows(2_000, 12_000).pace(), ", 1,000 rows/s, 10 s left");
        assert_eq!(rows(0, 10).pace(), "");

        let mut progress = Progress::new();
        progress.step(Step::Begin(Counts::from([(Table::Tickets, 4), (Table::Messages, 6)])));
        for table in [Table::Tickets, Table::Tickets, Table::Messages] {
            progress.step(Step::Written(table));
        }
        let line = progress.line();
        assert!(line.contains(" 2 of 4 tickets, 3 of 10 rows"), "{line}");
        progress.step(Step::Indexing);
        assert_eq!(progress.line(), "making it searchable");
        progress.step(Step::ReadBack(Table::Tickets));
        assert!(progress.line().starts_with("verifying "));
        assert_eq!(progress.took.len(), 2);
        assert!(progress.ended(4).contains("tickets a second: writing 0.00 s, "));
    }
}
