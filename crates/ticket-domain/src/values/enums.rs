//! Enums with one word per variant. Each list of variants and words is written here once.

use super::ValidationError;

/// A word that names no variant of an enum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be one of: {}", .allowed.join(", "))]
pub struct UnknownWord {
    /// The words that are valid.
    pub allowed: &'static [&'static str],
}

impl ValidationError for UnknownWord {
    fn code(&self) -> &'static str {
        "not_allowed"
    }
}

/// Declares an enum whose variants each have one word, the same in JSON, in the store and in `OpenAPI`.
///
/// The enum gets `ALL`, `words`, `as_str`, `FromStr` and `Display`. Whatever needs every variant iterates over `ALL`, so
/// that a new variant is one line here and one arm of each exhaustive `match`.
macro_rules! string_enum {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $type {
            $($(#[$variant_doc])* $variant),+
        }

        impl $type {
            /// Every variant, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The words of [`ALL`](Self::ALL), in its order.
            pub fn words() -> impl Iterator<Item = &'static str> + Clone {
                Self::ALL.iter().map(|variant| variant.as_str())
            }

            /// The variant's word.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::UnknownWord;

            fn from_str(raw: &str) -> Result<Self, $crate::UnknownWord> {
                match raw {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::UnknownWord { allowed: &[$($word),+] }),
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

pub(crate) use string_enum;

string_enum! {
    /// How urgent the ticket is for the customer.
    #[derive(Default)]
    Priority {
        /// It can wait.
        Low = "low",
        /// The default.
        #[default]
        Medium = "medium",
        /// It should be answered today.
        High = "high",
        /// It should be answered now.
        Urgent = "urgent",
    }
}

impl Priority {
    /// Whether lists should highlight it.
    pub fn is_pressing(self) -> bool {
        matches!(self, Self::High | Self::Urgent)
    }
}

string_enum! {
    /// The status of a ticket.
    Status {
        /// The team still has to do something.
        Open = "open",
        /// The team considers it answered.
        Resolved = "resolved",
        /// Nothing more will happen.
        Closed = "closed",
    }
}

string_enum! {
    /// Who wrote a message.
    Sender {
        /// The person who opened the ticket.
        Customer = "customer",
        /// A manager, recognised by their number.
        Manager = "manager",
        /// Anyone else that n8n passes on.
        Agent = "agent",
    }
}

string_enum! {
    /// Who sees a message of a thread.
    Visibility {
        /// Everyone who may read the ticket.
        Public = "public",
        /// Operators only: an internal note.
        Internal = "internal",
        /// Operators only. Others see that there was a message.
        Removed = "removed",
    }
}

string_enum! {
    /// Who has to answer next.
    Awaiting {
        /// The team, because the customer wrote last.
        Manager = "manager",
        /// The customer, because the team wrote last.
        Customer = "customer",
    }
}

impl Awaiting {
    /// Returns who has to answer after a message from `last`; `None` if the ticket is resolved or closed.
    pub fn after(last: Sender, status: Status) -> Option<Self> {
        match (status, last) {
            (Status::Resolved | Status::Closed, _) => None,
            (Status::Open, Sender::Customer) => Some(Self::Manager),
            (Status::Open, Sender::Manager | Sender::Agent) => Some(Self::Customer),
        }
    }
}

string_enum! {
    /// The channel that a message came through.
    Channel {
        /// A form or page of the website.
        Web = "web",
        /// WhatsApp.
        Whatsapp = "whatsapp",
        /// E-mail.
        Email = "email",
    }
}

string_enum! {
    /// The event that a notification reports.
    EventKind {
        /// A ticket was opened.
        Created = "ticket.created",
        /// The customer wrote another message.
        Updated = "ticket.updated",
        /// A message names no ticket, and its writer is asked which one it is for.
        Question = "question",
        /// The team answered.
        Answered = "ticket.answered",
        /// The team resolved the ticket, and perhaps answered before.
        Resolved = "ticket.resolved",
        /// A customer asks for the links to their tickets.
        Links = "ticket.links",
        /// A message has a file.
        Attachment = "ticket.attachment",
    }
}

impl EventKind {
    /// Whether a recipient is notified of such an event of a ticket.
    pub fn concerns(self, recipient: Recipient) -> bool {
        match self {
            Self::Created => true,
            Self::Updated | Self::Question | Self::Attachment => recipient == Recipient::Manager,
            Self::Answered | Self::Resolved | Self::Links => recipient == Recipient::Customer,
        }
    }

    /// Whether a notification of it reports what is news when it is sent, and so takes in everything that happens before.
    pub fn is_digest(self) -> bool {
        matches!(self, Self::Answered | Self::Resolved)
    }
}

string_enum! {
    /// What became of a file.
    FileState {
        /// Its content is being stored.
        Receiving = "receiving",
        /// Its content is stored.
        Stored = "stored",
        /// Its content is to be deleted.
        Deleted = "deleted",
    }
}

string_enum! {
    /// How a clarifying question is answered.
    QuestionKind {
        /// By a number of its list. Further messages that name no ticket may join it.
        Batch = "batch",
        /// By a number of its list. It is about one message alone, or about all that earlier questions left.
        Single = "single",
        /// By a name or a reference, since a number could be meant for an earlier question. It covers the messages of
        /// those.
        Names = "names",
        /// By a number of its list, by a customer. Whatever they write until they answer joins it.
        Customer = "customer",
    }
}

string_enum! {
    /// What a control message did.
    ControlKind {
        /// It answered no question, and was answered with what would.
        Unclear = "unclear",
        /// It was carried out, or answered with why not.
        Command = "command",
    }
}

string_enum! {
    /// The delivery state of a notification, as the customer sees it.
    DeliveryState {
        /// Not accepted yet.
        Waiting = "waiting",
        /// Passed on to WhatsApp.
        Sent = "sent",
        /// On the manager's phone.
        Delivered = "delivered",
        /// Read by the manager.
        Read = "read",
        /// Dead: given up, or refused by WhatsApp.
        Failed = "failed",
    }
}

string_enum! {
    /// The progress of an accepted notification. Later variants are further.
    #[derive(Default, PartialOrd, Ord)]
    Progress {
        /// Accepted, without a receipt since.
        #[default]
        Sent = "sent",
        /// On the manager's phone.
        Delivered = "delivered",
        /// Read by the manager.
        Read = "read",
    }
}

string_enum! {
    /// The state of a notification.
    Stage {
        /// Another attempt is due.
        Waiting = "waiting",
        /// The notifier accepted it.
        Delivered = "delivered",
        /// No further attempt will be made.
        Dead = "dead",
        /// It waits until an operator releases it.
        Held = "held",
    }
}

string_enum! {
    /// What an [`Actor`](crate::Actor) is.
    ActorKind {
        /// A ticket's customer.
        Customer = "customer",
        /// A manager who replied from their phone.
        Manager = "manager",
        /// Someone with an operator token, or at the command line.
        Operator = "operator",
        /// The server itself, such as its retention job.
        Program = "program",
    }
}

string_enum! {
    /// What kind of change an entry of the audit log records.
    AuditKind {
        /// A ticket's status changed.
        Status = "status",
        /// A ticket's priority changed.
        Priority = "priority",
        /// An operator answered the customer.
        Reply = "reply",
        /// Someone wrote an internal note.
        Note = "note",
        /// Someone removed a message from the customer's view.
        Remove = "remove",
        /// An operator attached an unmatched message to a ticket.
        Attach = "attach",
        /// An operator had one notification sent again.
        Redeliver = "redeliver",
        /// An operator had every dead notification sent again.
        RedeliverDead = "redeliver_dead",
        /// Personal data was erased.
        Erase = "erase",
    }
}

string_enum! {
    /// WhatsApp's status of a message, in Twilio's words.
    MessageStatus {
        /// Twilio accepted it.
        Queued = "queued",
        /// WhatsApp accepted it.
        Sent = "sent",
        /// It is on the phone.
        Delivered = "delivered",
        /// It was read.
        Read = "read",
        /// WhatsApp refused it.
        Failed = "failed",
        /// It did not reach the phone.
        Undelivered = "undelivered",
    }
}

string_enum! {
    /// Who is notified.
    #[derive(PartialOrd, Ord)]
    Recipient {
        /// The manager, about what customers write.
        Manager = "manager",
        /// The customer, about what the team writes.
        Customer = "customer",
    }
}

#[cfg(test)]
#[expect(unreachable_pub, reason = "the macro makes public items")]
mod tests {
    use std::{fmt::Debug, str::FromStr};

    use super::*;

    string_enum! {
        /// An enum that only these tests know.
        Weather {
            /// Sun.
            Fine = "fine",
            /// Rain.
            Wet = "wet",
        }
    }

    fn every_word_parses_back<T: Copy + Debug + PartialEq + FromStr<Err = UnknownWord> + ToString>(all: &[T]) {
        let words: Vec<String> = all.iter().map(ToString::to_string).collect();
        for (variant, word) in all.iter().zip(&words) {
            assert_eq!(word.parse().as_ref(), Ok(variant), "{word}");
            assert!(word.to_uppercase().parse::<T>().is_err(), "{word}");
        }
        let UnknownWord { allowed } = "".parse::<T>().unwrap_err();
        assert_eq!(allowed, words);
    }

    #[test]
    fn every_variant_is_listed_parsed_and_shown() {
        every_word_parses_back(Weather::ALL);
        assert_eq!(Weather::ALL, [Weather::Fine, Weather::Wet]);
        every_word_parses_back(Priority::ALL);
        every_word_parses_back(Status::ALL);
        every_word_parses_back(Sender::ALL);
        every_word_parses_back(Visibility::ALL);
        every_word_parses_back(Awaiting::ALL);
        every_word_parses_back(Channel::ALL);
        every_word_parses_back(EventKind::ALL);
        every_word_parses_back(FileState::ALL);
        every_word_parses_back(QuestionKind::ALL);
        every_word_parses_back(ControlKind::ALL);
        every_word_parses_back(DeliveryState::ALL);
        every_word_parses_back(Progress::ALL);
        every_word_parses_back(Stage::ALL);
        every_word_parses_back(ActorKind::ALL);
        every_word_parses_back(AuditKind::ALL);
        every_word_parses_back(MessageStatus::ALL);
        every_word_parses_back(Recipient::ALL);
    }

    #[test]
    fn an_unknown_word_is_told_which_would_be_right() {
        let error = "HIGH".parse::<Priority>().unwrap_err();
        assert_eq!(error.to_string(), "must be one of: low, medium, high, urgent");
        assert_eq!(Weather::words().collect::<Vec<_>>(), ["fine", "wet"]);
        assert_eq!(Priority::default(), Priority::Medium);
    }
}
