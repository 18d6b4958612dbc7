//! The state that clients expect: what they sent and what was acknowledged.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// The text of a form, with its number.
pub(crate) fn form_text(form: u32) -> String {
    format!("form {form}: I received broken ware.")
}

/// The text of a message, with its number and its form's.
pub(crate) fn message_text(message: u32, form: u32) -> String {
    format!("message {message} for form {form}: we look into it.")
}

/// The number of the form with this text.
pub(crate) fn form_of(text: &str) -> Option<u32> {
    text.strip_prefix("form ")?.split(':').next()?.parse().ok()
}

/// The numbers of the message with this text and of its form.
pub(crate) fn message_of(text: &str) -> Option<(u32, u32)> {
    let (message, rest) = text.strip_prefix("message ")?.split_once(" for form ")?;
    Some((message.parse().ok()?, rest.split(':').next()?.parse().ok()?))
}

/// What clients know.
#[derive(Default)]
pub(crate) struct Expected {
    /// Forms that got 201, with their references.
    pub(crate) forms: BTreeMap<u32, String>,
    /// Messages that got 200, with their forms.
    pub(crate) messages: BTreeMap<u32, u32>,
    /// Messages that became unmatched because their ticket was not certain.
    pub(crate) kept: BTreeSet<u32>,
    /// The longest wait for a complete response or a failure, and for which request.
    pub(crate) slowest: (Duration, String),
    /// Requests without a response.
    waiting: usize,
    /// The most requests that ever waited at once.
    pub(crate) in_flight: usize,
    /// How many responses said that the store is not available.
    pub(crate) refused: usize,
    /// What must never happen.
    pub(crate) anomalies: Vec<String>,
}

impl Expected {
    /// A request is sent.
    pub(crate) fn begin(&mut self) {
        self.waiting += 1;
        self.in_flight = self.in_flight.max(self.waiting);
    }

    /// A request ended with this response after this time.
    pub(crate) fn waited(&mut self, time: Duration, answer: String) {
        self.waiting = self.waiting.saturating_sub(1);
        if time > self.slowest.0 {
            self.slowest = (time, answer);
        }
    }

    /// Records what must never happen; the first few say enough.
    pub(crate) fn note_anomaly(&mut self, what: String) {
        if self.anomalies.len() < 5 {
            self.anomalies.push(what);
        }
    }
}
