//! How much of a ticket somebody has seen.

use std::{fmt, str::FromStr};

use ticket_domain::{Delivery, Thread};

/// Changes whenever what is shown of a ticket does: the version counts what happened to the ticket, and the delivery
/// goes its own way. It is the ticket's `ETag`.
pub fn state_tag(version: u32, Delivery { state, at }: Delivery) -> String {
    format!("{version}-{state}-{}", at.unix_micros())
}

/// How much of a ticket a reader has been told. As a text it is the `id` of an event: whoever shows it again is told
/// what came after.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// How many messages.
    pub messages: usize,
    /// The [`state_tag`].
    pub state: String,
}

/// A text that is no event's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not the id of an event")]
pub struct NotAnEvent;

impl Seen {
    /// All of it.
    pub fn all(thread: &Thread) -> Self {
        Self {
            messages: thread.messages.len(),
            state: state_tag(thread.ticket.version, thread.delivery),
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.messages, self.state)
    }
}

impl FromStr for Seen {
    type Err = NotAnEvent;

    fn from_str(raw: &str) -> Result<Self, NotAnEvent> {
        let (messages, state) = raw.split_once('.').ok_or(NotAnEvent)?;
        let is_number = messages.bytes().all(|byte| byte.is_ascii_digit());
        let messages = messages.parse().ok().filter(|_| is_number);
        Ok(Self {
            messages: messages.ok_or(NotAnEvent)?,
            state: state.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_is_written_and_read_back() {
        let seen = Seen {
            messages: 2,
            state: "3-sent-1736937000000000".into(),
        };
        assert_eq!(seen.to_string(), "2.3-sent-1736937000000000");
        assert_eq!(seen.to_string().parse(), Ok(seen));
        for wrong in ["", ".", "x.1", "1", "-1.x", "+1.x", " 1.x", "99999999999999999999999.x"] {
            assert_eq!(wrong.parse::<Seen>(), Err(NotAnEvent), "{wrong}");
        }
    }
}
