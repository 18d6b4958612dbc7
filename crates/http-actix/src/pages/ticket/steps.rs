//! The progress of the customer's last message. It shows only steps that were observed.

use maud::{Markup, html};
use ticket_domain::{Delivery, DeliveryState, Thread};

use crate::pages::labels;

/// A step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step {
    label: &'static str,
    reached: Reached,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reached {
    Done,
    Now,
    Failed,
    Ahead,
}

impl Reached {
    fn class(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Now => "now",
            Self::Failed => "trouble",
            Self::Ahead => "ahead",
        }
    }

    /// The colour in words, for screen readers.
    fn heard(self) -> &'static str {
        match self {
            Self::Done | Self::Now => ", done",
            Self::Failed => "",
            Self::Ahead => ", not yet",
        }
    }
}

/// The steps of a message without an answer.
fn on_its_way(state: DeliveryState) -> Vec<Step> {
    let reached = match state {
        DeliveryState::Waiting | DeliveryState::Failed => 0,
        DeliveryState::Sent => 1,
        DeliveryState::Delivered => 2,
        DeliveryState::Read => 3,
    };
    let labels = ["Received", "Sent", "Delivered", "Read", "Answered"];
    let step = |(at, label)| {
        let reached = match reached {
            now if at < now => Reached::Done,
            now if at == now => Reached::Now,
            _ => Reached::Ahead,
        };
        Step { label, reached }
    };
    let mut steps: Vec<Step> = labels.into_iter().enumerate().map(step).collect();
    if state == DeliveryState::Failed {
        steps[0].reached = Reached::Done;
        steps[1] = Step {
            label: "Not delivered",
            reached: Reached::Failed,
        };
    }
    steps
}

/// The steps of an answered message: only those that were observed.
fn answered(state: DeliveryState) -> Vec<Step> {
    on_its_way(state)
        .into_iter()
        .filter(|step| matches!(step.reached, Reached::Done | Reached::Now))
        .map(|step| Step {
            reached: Reached::Done,
            ..step
        })
        .chain([Step {
            label: "Answered",
            reached: Reached::Now,
        }])
        .collect()
}

/// The state of a message without an answer. A waiting one may wait for long, without a receiver for ever, so nothing is
/// promised.
fn stand(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Waiting => "Received",
        _ => labels::delivery(state),
    }
}

/// The steps, and the current state in a sentence.
pub(super) fn progress(thread: &Thread) -> Markup {
    let Delivery { state, at } = thread.delivery;
    let answer = thread.answered_at();
    let steps = if answer.is_some() {
        answered(state)
    } else {
        on_its_way(state)
    };
    let (sentence, more, since) = match answer {
        Some(at) => ("The team answered", None, at),
        None => (stand(state), Some(labels::delivery_means(state)), at),
    };
    html! {
        ol.steps {
            @for step in &steps {
                li class=(step.reached.class()) aria-current=[matches!(step.reached, Reached::Now | Reached::Failed).then_some("step")] {
                    (step.label) span.sr { (step.reached.heard()) }
                }
            }
        }
        p.stand { strong { (sentence) } " " span.quiet { (labels::moment(since)) } }
        @if let Some(more) = more { p.quiet { (more) } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(steps: &[Step]) -> String {
        let step = |Step { label, reached }: &Step| format!("{label}: {}", reached.class());
        steps.iter().map(step).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn each_state_marks_the_steps_that_were_reached() {
        for (state, expected) in [
            (
                DeliveryState::Waiting,
                "Received: now, Sent: ahead, Delivered: ahead, Read: ahead, Answered: ahead",
            ),
            (
                DeliveryState::Sent,
                "Received: done, Sent: now, Delivered: ahead, Read: ahead, Answered: ahead",
            ),
            (
                DeliveryState::Delivered,
                "Received: done, Sent: done, Delivered: now, Read: ahead, Answered: ahead",
            ),
            (
                DeliveryState::Read,
                "Received: done, Sent: done, Delivered: done, Read: now, Answered: ahead",
            ),
            (
                DeliveryState::Failed,
                "Received: done, Not delivered: trouble, Delivered: ahead, Read: ahead, Answered: ahead",
            ),
        ] {
            assert_eq!(told(&on_its_way(state)), expected);
        }
    }

    #[test]
    fn an_answer_claims_no_step_that_was_not_observed() {
        for (state, expected) in [
            (DeliveryState::Waiting, "Received: done, Answered: now"),
            (DeliveryState::Failed, "Received: done, Answered: now"),
            (DeliveryState::Sent, "Received: done, Sent: done, Answered: now"),
            (
                DeliveryState::Read,
                "Received: done, Sent: done, Delivered: done, Read: done, Answered: now",
            ),
        ] {
            assert_eq!(told(&answered(state)), expected);
        }
    }
}
