//! Values that are one word out of a few. Each list of variants and words is written here once.

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

/// Declares an enum whose variants each have one word, the same in JSON, in the store and in the API's description.
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

string_enum! {
    /// How pressing the customer finds it.
    #[derive(Default)]
    Priority {
        /// It can wait.
        Low = "low",
        /// What a ticket has if nobody says otherwise.
        #[default]
        Medium = "medium",
        /// Today, please.
        High = "high",
        /// Now.
        Urgent = "urgent",
    }
}

impl Priority {
    /// Whether it should catch the eye.
    pub fn is_pressing(self) -> bool {
        matches!(self, Self::High | Self::Urgent)
    }
}

string_enum! {
    /// Where a ticket stands.
    Status {
        /// Somebody has to act.
        Open = "open",
        /// Answered for good, as far as the team knows.
        Resolved = "resolved",
        /// Done with.
        Closed = "closed",
    }
}

string_enum! {
    /// Who wrote a message.
    Sender {
        /// The person who opened the ticket.
        Customer = "customer",
        /// One of the managers' own numbers.
        Manager = "manager",
        /// Anybody else whom the caller vouches for.
        Agent = "agent",
    }
}

string_enum! {
    /// Who has to say something next.
    Awaiting {
        /// The team: the customer spoke last.
        Manager = "manager",
        /// The customer: the team spoke last.
        Customer = "customer",
    }
}

impl Awaiting {
    /// The party a ticket awaits after `last` wrote. A ticket that is resolved or closed awaits nobody.
    pub fn after(last: Sender, status: Status) -> Option<Self> {
        match (status, last) {
            (Status::Resolved | Status::Closed, _) => None,
            (Status::Open, Sender::Customer) => Some(Self::Manager),
            (Status::Open, Sender::Manager | Sender::Agent) => Some(Self::Customer),
        }
    }
}

string_enum! {
    /// The way a message came.
    Channel {
        /// A form or a page.
        Web = "web",
        /// WhatsApp.
        Whatsapp = "whatsapp",
    }
}

string_enum! {
    /// What a notification tells.
    EventKind {
        /// A ticket was opened.
        Created = "ticket.created",
        /// The customer added to a ticket.
        Updated = "ticket.updated",
    }
}

string_enum! {
    /// How far a notification got, as the customer is told.
    DeliveryState {
        /// Not yet taken.
        Waiting = "waiting",
        /// Handed to the manager's side.
        Sent = "sent",
        /// On the manager's telephone.
        Delivered = "delivered",
        /// Seen by the manager.
        Read = "read",
        /// Given up, or refused on its way.
        Failed = "failed",
    }
}

string_enum! {
    /// How far a notification got that the notifier took. Later words are further.
    #[derive(Default, PartialOrd, Ord)]
    Progress {
        /// Handed over, and nothing heard since.
        #[default]
        Sent = "sent",
        /// On the manager's telephone.
        Delivered = "delivered",
        /// Seen by the manager.
        Read = "read",
    }
}

string_enum! {
    /// Where a notification stands, in one word.
    Stage {
        /// It will be tried.
        Waiting = "waiting",
        /// The notifier took it.
        Delivered = "delivered",
        /// It was given up.
        Dead = "dead",
        /// It waits for an operator's word.
        Held = "held",
    }
}

string_enum! {
    /// What an [`Actor`](crate::Actor) is.
    ActorKind {
        /// A ticket's customer.
        Customer = "customer",
        /// A manager, by a reply from their telephone.
        Manager = "manager",
        /// Somebody with an operator's token, or at the command line.
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
    /// What WhatsApp says of a message, as Twilio words it.
    MessageStatus {
        /// Twilio has it.
        Queued = "queued",
        /// WhatsApp has it.
        Sent = "sent",
        /// The telephone has it.
        Delivered = "delivered",
        /// It was seen.
        Read = "read",
        /// It was refused.
        Failed = "failed",
        /// It could not be brought to the telephone.
        Undelivered = "undelivered",
    }
}

string_enum! {
    /// Who is notified.
    #[derive(PartialOrd, Ord)]
    Recipient {
        /// The manager, of what customers write.
        Manager = "manager",
        /// The customer, of what the team writes.
        Customer = "customer",
    }
}

#[cfg(test)]
#[expect(unreachable_pub, reason = "the macro makes public items")]
mod tests {
    use std::{fmt::Debug, str::FromStr};

    use super::*;

    string_enum! {
        /// What the macro makes of a list, with one variant more than anything else knows.
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
        every_word_parses_back(Awaiting::ALL);
        every_word_parses_back(Channel::ALL);
        every_word_parses_back(EventKind::ALL);
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
