//! Clarifying questions to managers: which ticket is this for?

use std::time::Duration;

use crate::{Address, QuestionId, Subject, TicketRef, Timestamp, sanitize, texts, values::partly_redacted_debug};

/// How many open tickets a question lists: as many as a phone shows without scrolling.
pub const CHOICES: u8 = 5;

/// How long a question can be answered.
const OPEN_FOR: Duration = Duration::from_mins(15);

/// Messages that name no ticket and follow each other within this time are one batch, such as an album.
const RUN_LASTS: Duration = Duration::from_mins(2);

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
            text: texts::question(reason, choices).into(),
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
}
