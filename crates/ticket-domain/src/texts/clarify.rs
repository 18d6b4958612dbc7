//! Clarifying questions, and the confirmations of their answers.

use std::fmt::Write as _;

use crate::{Choice, Reason, sanitize};

/// The most characters of a subject that a question shows.
const SUBJECT_SHOWN: usize = 60;

/// The question which of `choices` a message is for.
pub fn question(reason: Reason, choices: &[Choice]) -> String {
    let mut text = String::new();
    match reason {
        Reason::NoHint => {}
        Reason::Contradicting => text.push_str("More than one ticket is named. "),
        Reason::NoSuchTicket => text.push_str("There is no ticket of that number. "),
    }
    if choices.is_empty() {
        text.push_str(
            "Which ticket is this for? None is open.\n\nAnswer with its reference (T-…), or with 0 to leave it for your team.",
        );
        return text;
    }
    text.push_str("Which ticket is this for?\n");
    for (number, choice) in (1..).zip(choices) {
        // Writing to a text does not fail.
        let _ = write!(text, "\n{number}. {} – {}", choice.reference, shown(choice));
    }
    text.push_str("\n\nAnswer with the number alone, or a reference. 0 leaves it for your team.");
    text
}

/// The confirmation of an answer: `attached` messages joined `to`, or are left to an operator.
pub fn notice(to: Option<&Choice>, attached: u32) -> String {
    match (to, attached) {
        (None, _) => "Kept aside. Your team will see to it.".into(),
        (Some(to), 0) => format!("Nothing was left to add to {}.", to.reference),
        (Some(to), 1) => format!("Added to {} – {}", to.reference, shown(to)),
        (Some(to), several) => format!("{several} messages added to {} – {}", to.reference, shown(to)),
    }
}

/// A customer's subject as it may stand in a message of ours: not too long, without formatting, and without the
/// references of other tickets.
fn shown(choice: &Choice) -> String {
    sanitize::cut(
        sanitize::line(choice.subject.as_str(), Some(choice.reference)),
        SUBJECT_SHOWN,
    )
}
