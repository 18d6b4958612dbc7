//! What calls are given, as cases mostly need it.

use ticket_domain::{
    DeliveryRoute, ExternalId, Fallback, Message, Payload, Question, Ticket, Timestamp,
    ports::{Append, AttemptOutcome, NewQuestion, StoreUnmatched},
};

/// `message`, to be added to `ticket` without a notification.
pub(crate) fn append_to(ticket: &Ticket, message: Message) -> Append {
    Append {
        to: ticket.id,
        message,
        attachments: Vec::new(),
        notifications: Vec::new(),
        reopen: false,
        idempotency: None,
        note: None,
        max_of_sender: None,
    }
}

/// Asks this question, without a notification.
#[expect(clippy::unnecessary_wraps, reason = "as calls take it")]
pub(crate) fn asking(question: &Question) -> Option<NewQuestion> {
    Some(NewQuestion {
        question: question.clone(),
        notification: None,
        restated: None,
    })
}

/// `message`, to be kept without a question.
pub(crate) fn keep_silently(message: Message) -> StoreUnmatched {
    StoreUnmatched { message, asking: None }
}

pub(crate) fn delivered(at: Timestamp, external_id: Option<&ExternalId>) -> AttemptOutcome {
    AttemptOutcome::Delivered {
        at,
        external_id: external_id.cloned(),
    }
}

pub(crate) fn retry_at(due: Timestamp) -> AttemptOutcome {
    AttemptOutcome::RetryAt {
        due,
        reason: "503 Service Unavailable".into(),
    }
}

pub(crate) fn dead(at: Timestamp) -> AttemptOutcome {
    AttemptOutcome::Dead {
        at,
        reason: "410 Gone".into(),
    }
}

pub(crate) fn returned(due: Timestamp) -> AttemptOutcome {
    AttemptOutcome::Returned { due, reason: None }
}

/// Refused for good on its way; `route` is the other one.
pub(crate) fn diverted(at: Timestamp, route: &'static str) -> AttemptOutcome {
    AttemptOutcome::Rerouted {
        at,
        fallback: fallback(route),
        reason: "410 Gone".into(),
    }
}

/// Another way, and words of its own.
pub(crate) fn fallback(route: &'static str) -> Fallback {
    let payload = format!("{{\"by\": \"{route}\"}}");
    Fallback {
        route: DeliveryRoute::new(route),
        payload: Payload(payload.into_bytes().into()),
    }
}
