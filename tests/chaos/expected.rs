//! What clients sent and what was acknowledged to them.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// What a form says, and with it which one it is.
pub(crate) fn form_text(form: u32) -> String {
    format!("form {form}: I received broken ware.")
}

/// What a message says, and with it which one it is and for whose form.
pub(crate) fn message_text(message: u32, form: u32) -> String {
    format!("message {message} for form {form}: we look into it.")
}

/// The number of the form that says this.
pub(crate) fn form_of(text: &str) -> Option<u32> {
    text.strip_prefix("form ")?.split(':').next()?.parse().ok()
}

/// The number of the message that says this, and of the form it is for.
pub(crate) fn message_of(text: &str) -> Option<(u32, u32)> {
    let (message, rest) = text.strip_prefix("message ")?.split_once(" for form ")?;
    Some((message.parse().ok()?, rest.split(':').next()?.parse().ok()?))
}

/// What clients know.
#[derive(Default)]
pub(crate) struct Expected {
    /// The forms that got their 201, with the reference that it told.
    pub(crate) forms: BTreeMap<u32, String>,
    /// The messages that got their 200, with the form that each is for.
    pub(crate) messages: BTreeMap<u32, u32>,
    /// The messages that were kept aside, since their ticket was not certain.
    pub(crate) kept: BTreeSet<u32>,
    /// The longest that anybody waited until an answer was there whole or did not come, and for which.
    pub(crate) slowest: (Duration, String),
    /// How many wait for an answer.
    waiting: usize,
    /// The most who ever waited for an answer at once.
    pub(crate) in_flight: usize,
    /// How many answers were that the store is not available.
    pub(crate) refused: usize,
    /// What nobody should see.
    pub(crate) anomalies: Vec<String>,
}

impl Expected {
    /// One more waits for an answer.
    pub(crate) fn begin(&mut self) {
        self.waiting += 1;
        self.in_flight = self.in_flight.max(self.waiting);
    }

    /// Who has this answer waited so long for it.
    pub(crate) fn waited(&mut self, time: Duration, answer: String) {
        self.waiting = self.waiting.saturating_sub(1);
        if time > self.slowest.0 {
            self.slowest = (time, answer);
        }
    }

    /// Takes down what nobody should see; the first few of them tell enough.
    pub(crate) fn note_anomaly(&mut self, what: String) {
        if self.anomalies.len() < 5 {
            self.anomalies.push(what);
        }
    }
}
