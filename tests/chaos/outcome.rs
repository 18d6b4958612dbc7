//! The results of an experiment, and whether they pass.

use std::time::Duration;

/// Every request gets a response within this time, whatever is down.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);

/// After a repair the system recovers by itself within this time.
pub(crate) const RECOVER_WITHIN: Duration = Duration::from_secs(10);

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
    /// At the end.
    pub(crate) end: u32,
    /// At most.
    pub(crate) peak: u32,
}

/// How much the memory may grow from the warm state. The most that was measured was 4 MiB, while 1,000
/// notifications waited.
const MAY_GROW_KIB: u32 = 6 * 1024;

/// What it may grow in addition per request that ever waited at once, since their connections stay open. When the
/// store did not respond and 150 to 430 waited, 35 to 38 were measured after the first time. In four such times in a row
/// each further one took less than the one before: 2.4, 1.3 and 1.1 MiB in all.
const FOR_A_CALLER_KIB: u32 = 40;

impl Memory {
    /// Whether end and peak are within the limits.
    fn is_flat(self, in_flight: usize) -> bool {
        let in_flight = u32::try_from(in_flight).unwrap_or(u32::MAX);
        let most = self.warm + MAY_GROW_KIB + in_flight.saturating_mul(FOR_A_CALLER_KIB);
        self.end <= most && self.peak <= most
    }
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
    pub(crate) in_flight: usize,
    /// Of each server that survived the experiment.
    pub(crate) memory: Vec<Memory>,
    /// What else is wrong.
    pub(crate) faults: Vec<String>,
}

impl Outcome {
    /// Of an experiment that panicked.
    pub(crate) fn broken_off(why: String) -> Self {
        Self {
            faults: vec![why],
            ..Self::default()
        }
    }

    /// Everything that fails the experiment.
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
