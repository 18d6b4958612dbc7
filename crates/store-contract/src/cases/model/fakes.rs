//! What the model puts in the place of clock and notifier.

use std::sync::atomic::{AtomicI64, Ordering};

use ticket_domain::{
    Payload, Timestamp,
    ports::{Clock, Composer, Event, QuestionMessage, WakeSignal},
};

/// A clock that the conversation moves.
pub(super) struct Moving(pub(super) AtomicI64);

impl Clock for Moving {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_micros(self.0.load(Ordering::SeqCst)).expect("a time of the calendar")
    }
}

/// Sends the payloads of the rows, and wakes nobody.
pub(super) struct Rows;

impl Composer for Rows {
    fn compose(&self, _: Event<'_>) -> Option<Payload> {
        None
    }

    fn compose_question(&self, question: QuestionMessage<'_>) -> Option<Payload> {
        let rows: Vec<&str> = question.rows.iter().map(|row| row.payload.as_str()).collect();
        Some(Payload(rows.join("\n").into_bytes().into()))
    }
}

impl WakeSignal for Rows {
    fn wake(&self) {}
}
