//! What was found out, round by round.

use std::time::Duration;

use super::{oha::Load, pgbench::Run};

/// Connections that every bar is about.
pub(crate) const MANY: u16 = 64;
/// More of them.
pub(crate) const MOST: u16 = 256;

/// What is measured in each round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Tickets are opened over so many connections.
    Create(u16),
    /// Threads of three messages are read.
    Thread,
    /// The same, by who has them already.
    ThreadAgain,
    /// `pgbench` opens tickets over so many connections.
    PgbenchCreate(u16),
    /// `pgbench` reads threads.
    PgbenchThread,
    /// Tickets are opened in a fresh store.
    Together,
    /// The same, by a server that puts one into each commit.
    OneByOne,
}

/// What a step came to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outcome {
    /// Of the server.
    Load(Load),
    /// Of `pgbench`.
    Run(Run),
}

impl Outcome {
    /// How many a second.
    pub(crate) fn rate(&self) -> f64 {
        match self {
            Self::Load(load) => load.rate,
            Self::Run(run) => run.rate,
        }
    }
}

/// What was found out about one kind of store.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Each round's outcomes of each step.
    pub(crate) rounds: Vec<Vec<(Step, Outcome)>>,
    /// From the start of the process until it was ready, on a store of some ten thousand tickets.
    pub(crate) ready: Vec<Duration>,
    /// Resident memory in KiB, before anybody asked anything.
    pub(crate) at_rest: Vec<u32>,
    /// The most resident memory in KiB at the end of each round.
    pub(crate) at_most: Vec<u32>,
    /// Tickets opened at half of the top rate: without any receiver, and with one that hangs, in turns.
    pub(crate) beside_n8n: Vec<[Load; 2]>,
}

impl Findings {
    /// What a step came to in each round.
    pub(crate) fn outcomes(&self, wanted: Step) -> Vec<Outcome> {
        let of_round =
            |round: &Vec<(Step, Outcome)>| round.iter().find(|(step, _)| *step == wanted).map(|found| found.1);
        self.rounds.iter().filter_map(of_round).collect()
    }

    /// The loads of a step.
    pub(crate) fn loads(&self, step: Step) -> Vec<Load> {
        let load = |outcome: Outcome| match outcome {
            Outcome::Load(load) => Some(load),
            Outcome::Run(_) => None,
        };
        self.outcomes(step).into_iter().filter_map(load).collect()
    }

    /// How many a second, in the round in the middle.
    pub(crate) fn rate(&self, step: Step) -> f64 {
        middle(self.outcomes(step).iter().map(Outcome::rate))
    }

    /// How many times as fast as another step, round by round, since what disturbs the machine may disturb a whole
    /// round; then the round in the middle.
    pub(crate) fn ratio(&self, step: Step, other: Step) -> f64 {
        let (these, others) = (self.outcomes(step), self.outcomes(other));
        middle(
            these
                .iter()
                .zip(&others)
                .map(|(this, other)| this.rate() / other.rate()),
        )
    }

    /// How many requests of the whole run were not answered as they had to be.
    pub(crate) fn failed(&self) -> u32 {
        let of_rounds = self.rounds.iter().flatten().map(|(_, outcome)| match outcome {
            Outcome::Load(load) => load.failed,
            Outcome::Run(_) => 0,
        });
        let beside_n8n = self.beside_n8n.iter().flatten().map(|load| load.failed);
        of_rounds.chain(beside_n8n).sum()
    }

    /// The p99 beside a receiver that hangs, over that without one.
    pub(crate) fn hanging_ratio(&self) -> f64 {
        let ratio = |[quiet, hanging]: &[Load; 2]| hanging.p99.as_secs_f64() / quiet.p99.as_secs_f64();
        middle(self.beside_n8n.iter().map(ratio))
    }
}

/// The value in the middle.
pub(crate) fn middle(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
