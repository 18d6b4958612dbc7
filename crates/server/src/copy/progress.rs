//! How far a copy is, for people: one line that is drawn anew on a terminal, else a plain line now and then.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

use ticket_domain::ports::transfer::{Step, Table};

use crate::commands::say;

/// How often a line is drawn anew.
const ON_TERMINAL: Duration = Duration::from_millis(100);

/// How often a plain line is written.
const IN_LOGS: Duration = Duration::from_secs(5);

/// The marks of a whole bar.
const BAR: u64 = 24;

/// What is done one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Writing,
    Words,
    Indexes,
    References,
    ReadingBack,
    Committing,
}

impl Phase {
    fn words(self) -> &'static str {
        match self {
            Self::Writing => "copying",
            Self::Words => "making it searchable",
            Self::Indexes => "building indexes",
            Self::References => "checking references",
            Self::ReadingBack => "verifying",
            Self::Committing => "committing",
        }
    }
}

/// How far it is.
pub(super) struct Progress {
    on_terminal: bool,
    rows: u64,
    tickets: u64,
    begun: Instant,
    phase: Phase,
    phase_begun: Instant,
    /// Rows of this phase, and of its tickets.
    done: u64,
    tickets_done: u64,
    indexes: (u32, u32),
    drawn: Option<Instant>,
    took: Vec<(Phase, Duration)>,
}

impl Progress {
    /// Begins with how many rows each table has.
    pub(super) fn begin(all: &[(Table, u64)]) -> Self {
        let now = Instant::now();
        let tickets = all.iter().find(|(table, _)| *table == Table::TicketPage);
        Self {
            on_terminal: io::stderr().is_terminal(),
            rows: all.iter().map(|(_, rows)| rows).sum(),
            tickets: tickets.map_or(0, |(_, rows)| *rows),
            begun: now,
            phase: Phase::Writing,
            phase_begun: now,
            done: 0,
            tickets_done: 0,
            indexes: (0, 0),
            drawn: None,
            took: Vec::new(),
        }
    }

    /// Takes a step in, and shows it if it is time.
    pub(super) fn tell(&mut self, step: Step) {
        match step {
            Step::Written(table, rows) => self.count(Phase::Writing, table, rows),
            Step::ReadBack(table, rows) => self.count(Phase::ReadingBack, table, rows),
            Step::GatheringWords => self.enter(Phase::Words),
            Step::Indexing(number, of) => {
                self.enter(Phase::Indexes);
                self.indexes = (number, of);
            }
            Step::CheckingReferences => self.enter(Phase::References),
            Step::Committing => self.enter(Phase::Committing),
        }
        let pause = if self.on_terminal { ON_TERMINAL } else { IN_LOGS };
        if self.drawn.is_none_or(|drawn| drawn.elapsed() >= pause) {
            self.draw();
        }
    }

    fn count(&mut self, phase: Phase, table: Table, rows: u64) {
        self.enter(phase);
        self.done += rows;
        if table == Table::TicketPage {
            self.tickets_done += rows;
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
        // A new phase is shown at once.
        self.drawn = None;
    }

    fn draw(&mut self) {
        let line = self.line();
        let mut out = io::stderr();
        // A terminal that went away wants no more lines.
        drop(if self.on_terminal {
            write!(out, "\r\x1b[2K{line}").and_then(|()| out.flush())
        } else {
            writeln!(out, "{line}")
        });
        self.drawn = Some(Instant::now());
    }

    fn line(&self) -> String {
        let words = self.phase.words();
        match self.phase {
            Phase::Writing | Phase::ReadingBack => {
                let rows = Rows {
                    done: self.done,
                    all: self.rows,
                    after: self.phase_begun.elapsed(),
                };
                format!(
                    "{words} {} {} of {} tickets, {} of {} rows{}",
                    rows.bar(),
                    grouped(self.tickets_done),
                    grouped(self.tickets),
                    grouped(self.done),
                    grouped(self.rows),
                    rows.pace()
                )
            }
            Phase::Indexes => format!("{words}, {} of {}", self.indexes.0, self.indexes.1),
            Phase::Words | Phase::References | Phase::Committing => words.to_owned(),
        }
    }

    /// It broke off: what is written next begins on a line of its own.
    pub(super) fn broken_off(&self) {
        if self.on_terminal {
            drop(writeln!(io::stderr()));
        }
    }

    /// It is done: says how long each part took.
    pub(super) fn ended(&mut self, tickets: u64) {
        self.took.push((self.phase, self.phase_begun.elapsed()));
        if self.on_terminal {
            drop(write!(io::stderr(), "\r\x1b[2K"));
        }
        let parts: Vec<String> = self
            .took
            .iter()
            .map(|(phase, took)| format!("{} {:.2} s", phase.words(), took.as_secs_f64()))
            .collect();
        let took = self.begun.elapsed();
        say(&format!(
            "took {:.2} s, {} tickets a second: {}",
            took.as_secs_f64(),
            grouped(per_second(tickets, took)),
            parts.join(", ")
        ));
    }
}

/// Rows of a phase.
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

    /// Nothing at the very beginning, when it says nothing yet.
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
    fn numbers_are_easy_to_read() {
        for (number, expected) in [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")] {
            assert_eq!(grouped(number), expected);
        }
    }

    #[test]
    fn a_line_says_how_far_it_is_and_how_long_it_still_takes() {
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

        let mut progress = Progress::begin(&[(Table::TicketPage, 4), (Table::Messages, 6)]);
        progress.tell(Step::Written(Table::TicketPage, 4));
        progress.tell(Step::Written(Table::Messages, 1));
        let line = progress.line();
        assert!(line.contains(" 4 of 4 tickets, 5 of 10 rows"), "{line}");
        progress.tell(Step::Indexing(3, 25));
        assert_eq!(progress.line(), "building indexes, 3 of 25");
        progress.tell(Step::ReadBack(Table::TicketPage, 1));
        assert!(progress.line().starts_with("verifying "));
        assert_eq!(progress.took.len(), 2);
    }
}
