//! Clarifying questions to managers: which ticket is this for?

use std::{fmt::Write as _, time::Duration};

use crate::{Address, QuestionId, Subject, TicketRef, Timestamp, sanitize, values::partly_redacted_debug};

/// How many open tickets a question lists: as many as a phone shows without scrolling.
pub const CHOICES: u8 = 5;

/// How long a question can be answered.
const OPEN_FOR: Duration = Duration::from_mins(15);

/// Messages that name no ticket and follow each other within this time are one batch, such as an album.
const RUN_LASTS: Duration = Duration::from_mins(2);

/// The most characters of a subject that a question shows.
const SUBJECT_SHOWN: usize = 60;

/// A ticket that a question offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The ticket.
    pub reference: TicketRef,
    /// Its subject.
    pub subject: Subject,
}

/// A question to a manager, who has at most one open question.
#[derive(Clone, PartialEq, Eq)]
pub struct Question {
    /// Its id.
    pub id: QuestionId,
    /// The manager who was asked, by [`Person::key`](crate::Person::key).
    pub of: Address,
    /// The tickets to choose from; the answer `1` means the first.
    pub choices: Vec<TicketRef>,
    /// The text of the question.
    pub text: Box<str>,
    /// Whether the question covers a batch of messages that name no ticket, so that more may join. Otherwise it covers one
    /// message.
    pub is_batch: bool,
    /// When it was first asked.
    pub begun_at: Timestamp,
    /// When it was last asked.
    pub asked_at: Timestamp,
}

partly_redacted_debug!(Question, shows id, of, choices, is_batch, begun_at, asked_at; hides text);

/// Why the manager is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The message names no ticket.
    NoHint,
    /// The message names several tickets.
    Contradicting,
    /// The message names a ticket that does not exist.
    NoSuchTicket,
}

/// A manager's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// A ticket.
    Ticket(TicketRef),
    /// None of them: the messages are left to an operator.
    NoneOfThem,
}

impl Question {
    /// Asks which of `choices` a message is for.
    pub fn new(id: QuestionId, of: Address, reason: Reason, choices: &[Choice], now: Timestamp) -> Self {
        Self {
            id,
            of,
            choices: choices.iter().map(|choice| choice.reference).collect(),
            text: words(reason, choices).into(),
            is_batch: reason == Reason::NoHint,
            begun_at: now,
            asked_at: now,
        }
    }

    /// Whether the time for an answer has not ended at `now`.
    pub fn is_in_time(&self, now: Timestamp) -> bool {
        now.since(self.asked_at) <= OPEN_FOR
    }

    /// Whether a message that names no ticket and arrives at `now` joins the batch of this question.
    pub fn accepts_more(&self, now: Timestamp) -> bool {
        self.is_batch && now.since(self.begun_at) <= RUN_LASTS
    }

    /// Returns what `text` selects, if the question can still be answered and the text is nothing but an answer.
    pub fn choice_in(&self, text: &str, now: Timestamp) -> Option<Selection> {
        if !self.is_in_time(now) {
            return None;
        }
        match Typed::parse(text)? {
            Typed::Number(0) => Some(Selection::NoneOfThem),
            Typed::Number(number) => self
                .choices
                .get(usize::from(number) - 1)
                .copied()
                .map(Selection::Ticket),
            Typed::Reference(reference) => Some(Selection::Ticket(reference)),
        }
    }
}

/// Whether a text is nothing but an answer to a question, open or not.
pub fn looks_like_a_choice(text: &str) -> bool {
    Typed::parse(text).is_some()
}

enum Typed {
    Number(u8),
    Reference(TicketRef),
}

impl Typed {
    /// Reads a text that is only one digit or only one reference, as people type them: `2`, `2.`, `#2`, `2️⃣`, `"2"`,
    /// `*T-20250115-1234*`.
    fn parse(text: &str) -> Option<Self> {
        let is_decoration = |c: char| {
            c.is_whitespace()
                || sanitize::is_invisible(c)
                || matches!(c, '\u{fe0f}' | '\u{20e3}')
                || "#*_~`.,:;!()[]<>\"'“”".contains(c)
        };
        let text = text.trim_matches(is_decoration);
        if let Ok(reference) = text.parse() {
            return Some(Self::Reference(reference));
        }
        let mut chars = text.chars();
        let digit = chars.next()?.to_digit(10)?;
        let is_alone = chars.next().is_none();
        u8::try_from(digit).ok().filter(|_| is_alone).map(Self::Number)
    }
}

fn words(reason: Reason, choices: &[Choice]) -> String {
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

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn choice(number: u32, subject: &str) -> Choice {
        Choice {
            reference: format!("T-20250115-{number:04}").parse().unwrap(),
            subject: subject.parse().unwrap(),
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_micros(seconds * 1_000_000).unwrap()
    }

    fn question(reason: Reason) -> Question {
        let choices = [choice(1111, "Bottles"), choice(2222, "Caps"), choice(3333, "Labels")];
        let id = QuestionId(Uuid::from_bytes([1; 16]));
        Question::new(id, "+919655716000".parse().unwrap(), reason, &choices, at(0))
    }

    #[test]
    fn only_an_answer_picks() {
        let reference = |raw: &str| Some(Selection::Ticket(raw.parse().unwrap()));
        let (first, second, third) = (
            reference("T-20250115-1111"),
            reference("T-20250115-2222"),
            reference("T-20250115-3333"),
        );
        let other = reference("T-20250115-9999");
        for (text, expected) in [
            ("1", first),
            (" 2 ", second),
            ("2.", second),
            ("2)", second),
            ("(2)", second),
            ("#2", second),
            ("2\u{fe0f}\u{20e3}", second),
            ("3\n", third),
            ("*3*", third),
            ("\"3\"!", third),
            ("[3],", third),
            ("\u{200e}3", third),
            ("<t-20250115-2222>", second),
            ("0", Some(Selection::NoneOfThem)),
            ("T-20250115-2222", second),
            ("t-20250115-2222.", second),
            ("*T-20250115-9999*", other),
            ("4", None),
            ("9", None),
            ("12", None),
            ("-1", None),
            ("1 2", None),
            ("2 please", None),
            ("two", None),
            ("٢", None),
            ("²", None),
            ("", None),
            ("?", None),
            ("T-20250115-1111 T-20250115-2222", None),
            ("for T-20250115-1111", None),
            ("1111", None),
        ] {
            assert_eq!(question(Reason::NoHint).choice_in(text, at(60)), expected, "{text:?}");
        }
    }

    #[test]
    fn a_question_is_open_for_fifteen_minutes_and_takes_more_for_two() {
        let asked = question(Reason::NoHint);
        assert!(asked.choice_in("1", at(15 * 60)).is_some());
        assert!(asked.choice_in("1", at(15 * 60 + 1)).is_none());
        assert!(asked.accepts_more(at(120)) && !asked.accepts_more(at(121)));
        let again = Question {
            asked_at: at(120),
            ..asked
        };
        assert!(again.choice_in("1", at(17 * 60)).is_some());
        assert!(!again.accepts_more(at(121)));
        assert!(!question(Reason::Contradicting).accepts_more(at(1)));
        assert!(!question(Reason::NoSuchTicket).accepts_more(at(1)));
    }

    #[test]
    fn the_words_list_tickets_by_number() {
        assert_eq!(
            &*question(Reason::NoHint).text,
            "Which ticket is this for?\n\n1. T-20250115-1111 – Bottles\n2. T-20250115-2222 – Caps\n\
             3. T-20250115-3333 – Labels\n\nAnswer with the number alone, or a reference. 0 leaves it for your team."
        );
        let wrong = question(Reason::NoSuchTicket);
        assert!(
            wrong
                .text
                .starts_with("There is no ticket of that number. Which ticket"),
            "{}",
            wrong.text
        );
        assert!(words(Reason::NoHint, &[]).contains("None is open"));
    }

    #[test]
    fn a_customers_subject_can_neither_format_nor_add_a_line() {
        let hostile = "*2. T-20250115-9999* _x_ ~y~ `z` 2. T-20250115-8888\u{202e}\u{61c}abc";
        let text = words(Reason::NoHint, &[choice(1111, hostile)]);
        let lines: Vec<&str> = text.lines().filter(|line| line.contains("T-")).collect();
        assert_eq!(lines.len(), 1, "{text}");
        assert!(!text.contains(['*', '_', '~', '`', '\u{202e}', '\u{61c}']), "{text}");
        let long = words(Reason::NoHint, &[choice(1111, &"ü".repeat(200))]);
        assert!(long.contains(&format!("{}…\n", "ü".repeat(59))), "{long}");
        let five: Vec<Choice> = (1..=5).map(|n| choice(n, &"🍾".repeat(200))).collect();
        // Twilio refuses a message of more than 1,600 characters, counted as UTF-16.
        assert!(words(Reason::NoSuchTicket, &five).encode_utf16().count() < 1_600);
    }

    #[test]
    fn the_notice_tells_where_it_went() {
        let to = choice(1111, "*Bottles*");
        assert_eq!(notice(Some(&to), 1), "Added to T-20250115-1111 – ∗Bottles∗");
        assert_eq!(notice(Some(&to), 3), "3 messages added to T-20250115-1111 – ∗Bottles∗");
        assert_eq!(notice(Some(&to), 0), "Nothing was left to add to T-20250115-1111.");
        assert_eq!(notice(None, 0), "Kept aside. Your team will see to it.");
    }
}
