//! Clarifying questions, what is said of answers that are none, and confirmations.

use std::fmt::Write as _;

use crate::{
    Choice, Content, CustomerName, Question, QuestionKind, Reason, Timestamp, Typed, question::is_name, sanitize,
};

/// The most characters of a subject that a question shows.
const SUBJECT_SHOWN: usize = 60;

/// The most characters of a name, or of a message that a question is about.
pub const EXCERPT: usize = 40;

/// The most messages that a question lists.
const LISTED: usize = 10;

/// A list of tickets to choose from by number. `about` are the messages in question; `waiting` are earlier ones, which other
/// questions are about.
pub fn by_number(reason: Reason, about: &[String], choices: &[Choice], waiting: &[String], now: Timestamp) -> String {
    let mut text = String::new();
    match reason {
        Reason::NoHint => {}
        Reason::Contradicting => text.push_str("You named more than one ticket. "),
        Reason::NoSuchTicket => text.push_str("I can't find that ticket. "),
    }
    // Writing to a text does not fail.
    let _ = match about.len() {
        0 | 1 => write!(text, "Which ticket is {} for?", first_and_more(about)),
        _ => write!(text, "Which ticket are these for? {}.", first_and_more(about)),
    };
    if choices.is_empty() {
        text.push_str(" None is open.\n\nReply with its reference (T-…), or 0 for none.");
    } else {
        text.push('\n');
        for (number, choice) in (1..).zip(choices) {
            let _ = write!(text, "\n{number}. {}", row(choice, now));
        }
        text.push_str("\n\nReply with a number or a reference (T-…), or 0 for none of them.");
    }
    text.push_str(&not_sent(waiting));
    text
}

/// A list to choose from by name, about messages that several questions were about.
pub fn by_name(about: &[String], choices: &[Choice]) -> String {
    let mut text = String::from("I asked you more than once, so I can't tell which list you mean. Not sent yet:\n");
    for message in about.iter().take(LISTED) {
        let _ = write!(text, "\n• {}", quoted(message));
    }
    if let Some(more) = about.len().checked_sub(LISTED).filter(|more| *more > 0) {
        let _ = write!(text, "\n• and {more} more");
    }
    let _ = write!(
        text,
        "\n\nAll for one ticket? Reply {}, or 0 for none. Otherwise swipe each list and answer it there.",
        one_of(choices)
    );
    text
}

/// How a question shows a message.
pub fn preview(content: &Content) -> String {
    match (content.media(), content.body().as_str()) {
        (None, text) => text.into(),
        (Some(_), "") => "📎 attachment".into(),
        (Some(_), text) => format!("📎 {text}"),
    }
}

/// One line of a list: who, what, and for how long it has been open.
pub fn row(choice: &Choice, now: Timestamp) -> String {
    format!("{} – {}", name(&choice.name), detail(choice, now))
}

/// What a ticket is about, and for how long it has been open.
pub fn detail(choice: &Choice, now: Timestamp) -> String {
    format!("{} ({})", subject(choice), age(choice.created_at, now))
}

/// A customer's name as it may stand in a message of ours.
pub fn name(name: &CustomerName) -> String {
    sanitize::cut(sanitize::line(name.as_str(), None), EXCERPT)
}

/// What a text is told that selects nothing: `typed` is what it was, `choices` the tickets to choose from.
pub fn no_selection(question: &Question, typed: Option<Typed>, choices: &[Choice]) -> String {
    let missed = match typed {
        Some(Typed::Number(number)) if question.kind != QuestionKind::Names => format!("I don't see a {number}."),
        Some(Typed::Reference(reference)) => format!("I can't find ticket {reference}."),
        _ => "I can't tell which ticket you mean.".into(),
    };
    let how = match (question.kind, question.choices.len()) {
        (_, 0) => "Reply with a ticket's reference (T-…), or 0 for none.".into(),
        (QuestionKind::Names, _) => format!("Reply {}, or 0 for none.", one_of(choices)),
        (_, 1) => "Reply 1, or 0.".into(),
        (_, several) => format!("Reply 1–{several}, or 0."),
    };
    format!("{missed} {how}")
}

/// What an answer is told where nothing was asked.
pub fn nothing_asked() -> String {
    "No question of mine is open. Swipe a ticket's message to answer it.".into()
}

/// What the second of two answers is told.
pub fn answered_before() -> String {
    "That question is answered already.".into()
}

/// What another message of a batch is told, once its question is sent.
pub fn joins_batch() -> String {
    "That goes with your last message: one answer sends them all.".into()
}

/// The confirmation of an answer: `attached` messages joined `to`, or are left to an operator. `waiting` is what other
/// questions are about.
pub fn notice(to: Option<&Choice>, attached: u32, waiting: &[String]) -> String {
    let Some(to) = to else {
        return "OK, nothing was sent. Your team can see what you wrote in the inbox.".into();
    };
    let ticket = || format!("{} – {} ({})", name(&to.name), subject(to), to.reference);
    let sent = match attached {
        0 => format!("There was nothing left to send to {}.", name(&to.name)),
        1 => format!("Sent to {}. /undo takes it back.", ticket()),
        several => format!("{several} messages sent to {}. /undo takes them back.", ticket()),
    };
    sent + &not_sent(waiting)
}

/// What still waits for an answer, as the end of a text; nothing if nothing does.
fn not_sent(waiting: &[String]) -> String {
    if waiting.is_empty() {
        return String::new();
    }
    let question = if waiting.len() > 1 {
        "a question about them"
    } else {
        "the question about it"
    };
    format!(
        "\n\nNot sent yet: {}. Swipe {question} to answer.",
        first_and_more(waiting)
    )
}

/// The first of several messages, and how many more there are.
fn first_and_more(messages: &[String]) -> String {
    let first = messages.first().map_or("", String::as_str);
    match messages.len() {
        0 | 1 => quoted(first),
        more => format!("{} and {} more", quoted(first), more - 1),
    }
}

fn age(since: Timestamp, now: Timestamp) -> String {
    let minutes = now.since(since).as_secs() / 60;
    match minutes {
        0 => "now".into(),
        1..60 => format!("{minutes} min"),
        60..1_440 => format!("{} h", minutes / 60),
        _ => format!("{} d", minutes / 1_440),
    }
}

/// How tickets are called where one is to be named: by the customer's name, or by the reference where that name, as it is
/// shown, would not select the ticket.
fn one_of(choices: &[Choice]) -> String {
    let selects = |shown: &str| {
        let named = choices.iter().filter(|choice| is_name(shown, &choice.name));
        Typed::parse(shown).is_none() && named.count() == 1
    };
    let shown: Vec<String> = choices
        .iter()
        .map(|choice| {
            let shown = name(&choice.name);
            if selects(&shown) {
                format!("“{shown}”")
            } else {
                format!("“{}” ({})", choice.reference, subject(choice))
            }
        })
        .collect();
    match shown.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        Some((only, _)) => only.clone(),
        None => "a reference (T-…)".into(),
    }
}

fn quoted(text: &str) -> String {
    format!("“{}”", sanitize::cut(sanitize::line(text, None), EXCERPT))
}

/// A customer's subject: not too long, without formatting, and without the references of other tickets.
pub(super) fn subject(choice: &Choice) -> String {
    sanitize::cut(
        sanitize::line(choice.subject.as_str(), Some(choice.reference)),
        SUBJECT_SHOWN,
    )
}
