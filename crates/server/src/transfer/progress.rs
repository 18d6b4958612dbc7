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

/// How far a transfer is.
pub(super) struct Progress {
    on_terminal: bool,
    /// How many rows each table has.
    all: Counts,
    begun: Instant,
    /// The phases so far, and when each began.
    phases: Vec<(&'static str, Instant)>,
    /// How many rows and tickets this phase has done.
    rows: u64,
    tickets: u64,
    drawn: Option<Instant>,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            on_terminal: io::stderr().is_terminal(),
            all: Counts::new(),
            begun: Instant::now(),
            phases: Vec::new(),
            rows: 0,
            tickets: 0,
            drawn: None,
        }
    }

    /// Counts a step, and shows it if it is time.
    pub(super) fn step(&mut self, step: Step) {
        let (phase, row) = match step {
            Step::Begin(counts) => {
                self.all = counts;
                return;
            }
            Step::Written(table) => ("writing", Some(table)),
            Step::Indexing => ("making it searchable", None),
            Step::ReadBack(table) => ("verifying", Some(table)),
            Step::Committing => ("committing", None),
        };
        if self.phases.last().is_none_or(|(last, _)| *last != phase) {
            self.phases.push((phase, Instant::now()));
            // Shows a new phase at once.
            (self.rows, self.tickets, self.drawn) = (0, 0, None);
        }
        self.rows += u64::from(row.is_some());
        self.tickets += u64::from(row == Some(Table::Tickets));
        let pause = if self.on_terminal { ON_TERMINAL } else { IN_LOGS };
        // Most steps are one row of a great many, and asking for the time costs as much as counting it.
        let may_be_time = self.drawn.is_none() || self.rows.is_multiple_of(64);
        if may_be_time && self.drawn.is_none_or(|drawn| drawn.elapsed() >= pause) {
            self.draw();
        }
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
        let Some((phase, begun)) = self.phases.last().filter(|_| self.rows > 0) else {
            return self
                .phases
                .last()
                .map_or_else(String::new, |(phase, _)| (*phase).to_owned());
        };
        let all = self.all.values().sum();
        let tickets = self.all.get(&Table::Tickets).copied().unwrap_or_default();
        format!(
            "{phase} {} {} of {} tickets, {} of {} rows{}",
            bar(self.rows, all),
            grouped(self.tickets),
            grouped(tickets),
            grouped(self.rows),
            grouped(all),
            pace(self.rows, all, begun.elapsed())
        )
    }

    /// The transfer failed: whatever is written next begins on a line of its own.
    pub(super) fn failed(&self) {
        if self.on_terminal {
            drop(writeln!(io::stderr()));
        }
    }

    /// The transfer is done: returns how long each phase took, in words.
    pub(super) fn ended(&self, tickets: u64) -> String {
        if self.on_terminal {
            drop(write!(io::stderr(), "\r\x1b[2K"));
        }
        let now = Instant::now();
        let ends = self.phases.iter().skip(1).map(|(_, begun)| *begun).chain([now]);
        let phases = self.phases.iter().zip(ends);
        let phases: Vec<String> = phases
            .map(|((phase, begun), end)| format!("{phase} {:.2} s", (end - *begun).as_secs_f64()))
            .collect();
        let took = now - self.begun;
        format!(
            "took {:.2} s, {} tickets a second: {}",
            took.as_secs_f64(),
            grouped(per_second(tickets, took)),
            phases.join(", ")
        )
    }
}

fn bar(done: u64, all: u64) -> String {
    let full = (done.min(all) * BAR).checked_div(all).unwrap_or(BAR);
    (0..BAR).map(|mark| if mark < full { '#' } else { '.' }).collect()
}

/// Empty at the very beginning, when there is nothing to go by.
fn pace(done: u64, all: u64, after: Duration) -> String {
    let pace = per_second(done, after);
    match all.saturating_sub(done).checked_div(pace) {
        Some(left) if after >= ON_TERMINAL => format!(", {} rows/s, {left} s left", grouped(pace)),
        _ => String::new(),
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
        let half = format!("{}{}", "#".repeat(12), ".".repeat(12));
        for (done, all, expected) in [(0, 100, ".".repeat(24)), (50, 100, half), (0, 0, "#".repeat(24))] {
            assert_eq!(bar(done, all), expected);
        }
        let after = Duration::from_secs(2);
        assert_eq!(pace(2_000, 12_000, after), ", 1,000 rows/s, 10 s left");
        assert_eq!(pace(0, 10, after), "");

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
        assert!(progress.ended(4).contains("tickets a second: writing 0.00 s, "));
    }
}
