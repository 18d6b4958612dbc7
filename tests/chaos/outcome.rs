//! What an experiment came to, and whether that passes.

use std::time::Duration;

/// Whoever asks has an answer within this time, whatever is down.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);

/// When what was broken is whole again, everything goes on by itself within this time.
pub(crate) const RECOVER_WITHIN: Duration = Duration::from_secs(10);

/// What was counted. Everything but what was acknowledged has to be none.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Counts {
    /// Forms and messages that got a 2xx.
    pub(crate) acknowledged: usize,
    /// Acknowledged and not there, or never told to n8n.
    pub(crate) lost: usize,
    /// There more often than once, or told to n8n more often than it may be.
    pub(crate) doubled: usize,
    /// In the thread of another ticket, or told of another one.
    pub(crate) misplaced: usize,
    /// Told to n8n again under the same `webhook-id`.
    pub(crate) repeated: usize,
}

/// The resident memory of a server in KiB.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// After some seconds of work, before anything was broken.
    pub(crate) warm: u32,
    /// At the end.
    pub(crate) end: u32,
    /// At most.
    pub(crate) peak: u32,
}

/// What a server may take beyond what it had when it was warm. Most that was measured were 4 MiB, while 1,000
/// notifications waited.
const MAY_GROW_KIB: u32 = 6 * 1024;

/// What it may take besides for each of the callers who ever waited at once, for their connections stay open. Where the
/// store did not answer and 150 to 430 waited, 35 to 38 were measured after the first time. Of four such times in a row
/// each further one took less than the one before: 2.4, 1.3 and 1.1 MiB in all.
const FOR_A_CALLER_KIB: u32 = 40;

impl Memory {
    /// Whether neither the end nor the peak is beyond what is granted.
    fn is_flat(self, in_flight: usize) -> bool {
        let in_flight = u32::try_from(in_flight).unwrap_or(u32::MAX);
        let most = self.warm + MAY_GROW_KIB + in_flight.saturating_mul(FOR_A_CALLER_KIB);
        self.end <= most && self.peak <= most
    }
}

/// What an experiment came to on a store.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// How often something was broken.
    pub(crate) times: u32,
    pub(crate) counts: Counts,
    /// The slowest answer, and what it was.
    pub(crate) slowest: (Duration, String),
    /// The longest from when the cause was over until a new ticket was acknowledged, read and told.
    pub(crate) recovery: Option<Duration>,
    /// The longest from when the cause was over until nothing waited any more.
    pub(crate) drained: Option<Duration>,
    /// The most callers who ever waited for an answer at once.
    pub(crate) in_flight: usize,
    /// Of each server that lived through it.
    pub(crate) memory: Vec<Memory>,
    /// What else is wrong.
    pub(crate) faults: Vec<String>,
}

impl Outcome {
    /// Of an experiment that did not come to its end.
    pub(crate) fn broken_off(why: String) -> Self {
        Self {
            faults: vec![why],
            ..Self::default()
        }
    }

    /// Everything that does not pass.
    pub(crate) fn objections(&self) -> Vec<String> {
        let Counts {
            acknowledged,
            lost,
            doubled,
            misplaced,
            ..
        } = self.counts;
        let mut objections = self.faults.clone();
        let mut demand = |is_met: bool, objection: String| {
            if !is_met {
                objections.push(objection);
            }
        };
        demand(acknowledged > 0, "nothing was acknowledged".to_owned());
        demand(lost == 0, format!("{lost} lost"));
        demand(doubled == 0, format!("{doubled} doubled"));
        demand(misplaced == 0, format!("{misplaced} misplaced"));
        demand(
            self.slowest.0 <= ANSWER_WITHIN,
            format!("an answer took {:.1?} ({})", self.slowest.0, self.slowest.1),
        );
        if let Some(recovery) = self.recovery {
            demand(recovery <= RECOVER_WITHIN, format!("recovery took {recovery:.1?}"));
        }
        for memory in &self.memory {
            demand(
                memory.is_flat(self.in_flight),
                format!(
                    "the memory is not flat: {memory:?}, in KiB, for {} callers at once",
                    self.in_flight
                ),
            );
        }
        objections
    }
}
