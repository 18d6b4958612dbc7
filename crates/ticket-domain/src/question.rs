//! Clarifying questions: which ticket is this for?

use std::time::Duration;

use crate::{
    Address, CustomerName, QuestionId, QuestionKind, Subject, Ticket, TicketRef, Timestamp, sanitize,
    values::partly_redacted_debug,
};

/// How many open tickets a question lists: as many as a phone shows without scrolling.
pub const CHOICES: u8 = 5;

/// How long a question waits before it is sent, so that a burst of messages is one question.
pub const BURST: Duration = Duration::from_secs(2);

/// How long a question can be answered without quoting it.
pub const OPEN_FOR: Duration = Duration::from_mins(15);

/// How often a customer is asked at most, how long they may answer, and for how long the ticket that they confirm gets what
/// they write.
pub const ASKED_DAILY: Duration = Duration::from_hours(24);

/// How long messages may wait for an answer to be asked about again.
pub const WAITING_FOR: Duration = Duration::from_hours(24);

/// Messages that name no ticket and arrive within this time of the first are one batch, such as an album.
const BATCH_LASTS: Duration = Duration::from_mins(2);

/// A ticket that a question offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The ticket.
    pub reference: TicketRef,
    /// Its customer's name.
    pub name: CustomerName,
    /// Its subject.
    pub subject: Subject,
    /// When it was opened.
    pub created_at: Timestamp,
}

impl Choice {
    /// This ticket to choose.
    pub fn of(ticket: &Ticket) -> Self {
        Self {
            reference: ticket.reference,
            name: ticket.details.customer.name.clone(),
            subject: ticket.details.subject.clone(),
            created_at: ticket.created_at,
        }
    }
}

/// A question to a person about messages of theirs that name no ticket.
#[derive(Clone, PartialEq, Eq)]
pub struct Question {
    /// Its id.
    pub id: QuestionId,
    /// Who was asked.
    pub of: Address,
    /// How it is answered, and whether more messages may join it.
    pub kind: QuestionKind,
    /// The tickets to choose from; the answer `1` means the first.
    pub choices: Vec<TicketRef>,
    /// The text of the question.
    pub text: Box<str>,
    /// When it is sent: a batch's a moment after it was asked, so that a burst of messages is one question. At once if only the
    /// response asks it.
    pub sent_at: Timestamp,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// When it was answered, or merged into another. Until then it is open.
    pub closed_at: Option<Timestamp>,
}

partly_redacted_debug!(Question, shows id, of, kind, choices, sent_at, asked_at, closed_at; hides text);

/// Why a manager is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The message names no ticket.
    NoHint,
    /// The message names several tickets.
    Contradicting,
    /// The message names a ticket that does not exist.
    NoSuchTicket,
}

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// A ticket.
    Ticket(TicketRef),
    /// None of them: the messages are left to an operator.
    NoneOfThem,
}

/// A text that is only a number or only a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Typed {
    /// A number of the list; 0 for none of them.
    Number(u64),
    /// A reference.
    Reference(TicketRef),
}

impl Question {
    /// When a question of this kind must have been asked at the earliest for the message of this new one to join it; `None`
    /// if it joins none.
    pub fn joins_since(&self) -> Option<Timestamp> {
        match self.kind {
            QuestionKind::Batch => Some(self.asked_at.minus(BATCH_LASTS)),
            QuestionKind::Customer => Some(self.asked_at.minus(ASKED_DAILY)),
            QuestionKind::Single | QuestionKind::Names => None,
        }
    }

    /// Whether it is open and can be answered at `now` without being quoted.
    pub fn is_open(&self, now: Timestamp) -> bool {
        let open_for = match self.kind {
            QuestionKind::Batch | QuestionKind::Single | QuestionKind::Names => OPEN_FOR,
            QuestionKind::Customer => ASKED_DAILY,
        };
        self.closed_at.is_none() && now.since(self.asked_at) <= open_for
    }

    /// Whether a number that is meant for this question could be meant for one of `others`: one that was asked later, or that
    /// could still be answered when this one was asked.
    pub fn is_ambiguous(&self, others: &[Self]) -> bool {
        others.iter().any(|other| {
            let is_later = other.asked_at > self.asked_at;
            let was_open = self.asked_at.since(other.asked_at) <= OPEN_FOR
                && other.closed_at.is_none_or(|closed| closed > self.asked_at);
            other.id != self.id && (is_later || was_open)
        })
    }

    /// Returns what was selected; `None` if it is not among the choices.
    pub fn selection(&self, typed: Typed) -> Option<Selection> {
        match typed {
            Typed::Number(0) => Some(Selection::NoneOfThem),
            Typed::Number(number) if self.kind != QuestionKind::Names => {
                let place = usize::try_from(number - 1).ok()?;
                self.choices.get(place).copied().map(Selection::Ticket)
            }
            Typed::Number(_) => None,
            Typed::Reference(reference) => Some(Selection::Ticket(reference)),
        }
    }
}

impl Typed {
    /// Reads a text that is only one number or only one reference, as people type them: `2`, `2.`, `#2`, `2️⃣`, `٢`,
    /// `"2"`, `*T-20250115-1234*`.
    pub fn parse(text: &str) -> Option<Self> {
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
        // Longer ones, such as a phone number, are no place in a list.
        if text.is_empty() || text.chars().count() > 3 {
            return None;
        }
        let digits = text.chars().map(|c| sanitize::decimal_digit(c).map(u64::from));
        let number = digits.reduce(|number, digit| Some(number? * 10 + digit?));
        number.flatten().map(Self::Number)
    }
}

/// Whether a text is too short to be meant for a customer while its writer is asked something: at most two words, or three
/// with a number.
pub(crate) fn is_short(text: &str) -> bool {
    let words = text.split_whitespace().count();
    let has_number = text.chars().any(|c| sanitize::decimal_digit(c).is_some());
    text.chars().count() <= 24 && (words <= 2 || words == 3 && has_number)
}

/// Whether a text is somebody's whole name.
pub(crate) fn is_name(text: &str, name: &CustomerName) -> bool {
    let fold = |text: &str| text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
    let text = text.trim_matches(|c: char| !c.is_alphanumeric());
    !text.is_empty() && fold(text) == fold(name.as_str().trim_matches(|c: char| !c.is_alphanumeric()))
}

/// Reads "yes" as 1 and "no" as 0.
pub(crate) fn yes_or_no(text: &str) -> Option<u64> {
    let text = text.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    match text.as_str() {
        "yes" | "y" | "yes please" | "yep" | "yeah" => Some(1),
        "no" | "n" | "no thanks" | "nope" => Some(0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_micros(seconds * 1_000_000).unwrap()
    }

    fn question(number: u8, asked_at: i64, closed_at: Option<i64>) -> Question {
        let reference = |number: u32| format!("T-20250115-{number}").parse().unwrap();
        Question {
            id: QuestionId(Uuid::from_bytes([number; 16])),
            of: "+919655716000".parse().unwrap(),
            kind: QuestionKind::Batch,
            choices: [1111, 2222, 3333].map(reference).to_vec(),
            text: "Which ticket is this for?".into(),
            sent_at: at(asked_at),
            asked_at: at(asked_at),
            closed_at: closed_at.map(at),
        }
    }

    #[test]
    fn only_an_answer_selects() {
        let ticket = |raw: &str| Some(Selection::Ticket(raw.parse().unwrap()));
        let (first, second, third) = (
            ticket("T-20250115-1111"),
            ticket("T-20250115-2222"),
            ticket("T-20250115-3333"),
        );
        for (text, expected) in [
            ("1", first),
            (" 2 ", second),
            ("2.", second),
            ("(2)", second),
            ("#2", second),
            ("2\u{fe0f}\u{20e3}", second),
            ("02", second),
            ("3\n", third),
            ("*3*", third),
            ("\"3\"!", third),
            ("\u{200e}3", third),
            ("٢", second),
            ("२", second),
            ("２", second),
            ("<t-20250115-2222>", second),
            ("0", Some(Selection::NoneOfThem)),
            ("*T-20250115-9999*", ticket("T-20250115-9999")),
        ] {
            let typed = Typed::parse(text);
            assert_eq!(
                typed.and_then(|typed| question(1, 0, None).selection(typed)),
                expected,
                "{text:?}"
            );
        }
        for (text, number) in [("4", 4), ("12", 12), ("999", 999)] {
            let typed = Typed::parse(text).unwrap();
            assert_eq!(typed, Typed::Number(number));
            assert_eq!(question(1, 0, None).selection(typed), None, "{text:?}");
        }
        for text in [
            "-1",
            "1 2",
            "2 please",
            "two",
            "²",
            "",
            "?",
            "T-20250115-1111 T-20250115-2222",
            "for T-20250115-1111",
            "1111",
        ] {
            assert_eq!(Typed::parse(text), None, "{text:?}");
        }
        let by_name = Question {
            kind: QuestionKind::Names,
            ..question(1, 0, None)
        };
        assert_eq!(by_name.selection(Typed::Number(1)), None);
        assert_eq!(by_name.selection(Typed::Number(0)), Some(Selection::NoneOfThem));
    }

    #[test]
    fn a_number_is_ambiguous_if_another_list_could_be_answered_when_the_newest_was_asked() {
        let newest = question(9, 1_000, None);
        let open = |asked_at, closed_at| newest.is_ambiguous(&[newest.clone(), question(1, asked_at, closed_at)]);
        assert!(!newest.is_ambiguous(std::slice::from_ref(&newest)));
        assert!(open(100, None) && open(1_000, None));
        assert!(!open(99, None), "its time was over");
        assert!(!open(900, Some(1_000)), "it was answered, or merged into this one");
        assert!(open(900, Some(1_001)));
    }

    #[test]
    fn a_question_is_open_for_fifteen_minutes() {
        assert!(question(1, 0, None).is_open(at(900)));
        assert!(!question(1, 0, None).is_open(at(901)));
        assert!(!question(1, 0, Some(5)).is_open(at(6)));
    }

    #[test]
    fn short_texts_are_no_messages_while_something_is_asked() {
        for text in [
            "9",
            "the second",
            "2 please",
            "No. 1",
            "one",
            "?",
            "number 2 please",
            "ok",
        ] {
            assert!(is_short(text), "{text:?}");
        }
        for text in [
            "We refund you.",
            "And the caps?",
            "Sorry, refund is 20 euros",
            "Rindfleischetikettierungsüberwachung",
        ] {
            assert!(!is_short(text), "{text:?}");
        }
    }

    #[test]
    fn a_name_is_a_whole_one() {
        let name: CustomerName = "Asha Rao".parse().unwrap();
        for text in ["Asha Rao", "asha rao", " ASHA  RAO! "] {
            assert!(is_name(text, &name), "{text:?}");
        }
        for text in ["Asha", "Rao", "Asha R", "", "!"] {
            assert!(!is_name(text, &name), "{text:?}");
        }
    }
}
