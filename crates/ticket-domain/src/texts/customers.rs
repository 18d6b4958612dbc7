//! What customers who write on WhatsApp are told. A subject is shown to whoever has the number that was typed into the
//! form, so nothing else of the ticket is.

use std::fmt::Write as _;

use super::clarify::subject;
use crate::Choice;

/// Which of their tickets a message is about. `form` is where a new one is opened.
pub fn which_of_yours(choices: &[Choice], form: &str) -> String {
    match choices {
        [] => format!(
            "Thanks for your message. We can't tell which request it is about. Please open one at {form}, or, if you have \
             opened one, write again with its reference (T-…)."
        ),
        [one] => format!(
            "Is this about {}? Reply 1, and it reaches the team. If not, reply 0.",
            ticket(one)
        ),
        several => {
            let mut text = String::from("Which of your requests is this about?\n");
            for (number, choice) in (1..).zip(several) {
                // Writing to a text does not fail.
                let _ = write!(text, "\n{number}. {}", ticket(choice));
            }
            text + "\n\nReply with a number, and it reaches the team. If it is about none of them, reply 0."
        }
    }
}

/// What a number is told that is not in the list of `choices` tickets.
pub fn none_of_yours(number: u64, choices: usize) -> String {
    let numbers = match choices {
        1 => "1".into(),
        several => format!("1–{several}"),
    };
    format!("I don't see a {number}. Reply {numbers}, or 0 if it is about something else.")
}

/// The confirmation: what they wrote joined `to`, or is about something new.
pub fn confirmed(to: Option<&Choice>, form: &str) -> String {
    match to {
        Some(to) => format!(
            "Thanks! The team has your message. Whatever you write here within the next day goes to {}, too.",
            ticket(to)
        ),
        None => format!("OK. Please open a new request at {form}, so that the team can answer you."),
    }
}

fn ticket(choice: &Choice) -> String {
    format!("{}, *{}*", choice.reference, subject(choice))
}
