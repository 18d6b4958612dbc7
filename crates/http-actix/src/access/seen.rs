//! Versions of a ticket as texts, for `ETag` and `Last-Event-ID`.

use std::{fmt, str::FromStr};

use ticket_domain::{Delivery, Thread, TicketVersion, Timestamp};

/// The `ETag` of a version.
pub fn state_tag(TicketVersion { version, delivery }: TicketVersion) -> String {
    format!("{version}-{}-{}", delivery.state, delivery.at.unix_micros())
}

/// The version of an `ETag`. None if the text is not one.
pub fn state_of_tag(tag: &str) -> Option<TicketVersion> {
    let mut parts = tag.splitn(3, '-');
    let (version, state, at) = (parts.next()?, parts.next()?, parts.next()?);
    let state = TicketVersion {
        version: version.parse().ok()?,
        delivery: Delivery {
            state: state.parse().ok()?,
            at: Timestamp::from_unix_micros(at.parse().ok()?).ok()?,
        },
    };
    // A number can be written in several ways, but a tag only in one.
    (state_tag(state) == tag).then_some(state)
}

/// How much of a ticket a reader has seen. Its text is the `id` of an event: a client that sends it again gets what came
/// after.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LastEventId {
    /// The number of messages.
    pub messages: usize,
    /// The [`state_tag`].
    pub state: String,
}

/// The text is not the id of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not the id of an event")]
pub struct InvalidEventId;

impl LastEventId {
    /// A reader that has seen the whole ticket.
    pub fn all(thread: &Thread) -> Self {
        Self {
            messages: thread.messages.len(),
            state: state_tag(thread.state()),
        }
    }
}

impl fmt::Display for LastEventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.messages, self.state)
    }
}

impl FromStr for LastEventId {
    type Err = InvalidEventId;

    fn from_str(raw: &str) -> Result<Self, InvalidEventId> {
        let (messages, state) = raw.split_once('.').ok_or(InvalidEventId)?;
        let is_number = messages.bytes().all(|byte| byte.is_ascii_digit());
        let messages = messages.parse().ok().filter(|_| is_number);
        Ok(Self {
            messages: messages.ok_or(InvalidEventId)?,
            state: state.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use ticket_domain::DeliveryState;

    use super::*;

    #[test]
    fn only_a_tag_is_read_as_a_version() {
        for micros in [1_736_937_000_000_000, 0, -1] {
            let state = TicketVersion {
                version: 3,
                delivery: Delivery {
                    state: DeliveryState::Sent,
                    at: Timestamp::from_unix_micros(micros).unwrap(),
                },
            };
            assert_eq!(state_of_tag(&state_tag(state)), Some(state));
        }
        for wrong in [
            "",
            "3-sent",
            "3-sent-",
            "3-gone-0",
            "03-sent-0",
            "+3-sent-0",
            "3-sent-00",
            "3-sent-+1",
            "3-sent-0-",
            "-1-sent-0",
            "4294967296-sent-0",
            "3-sent-9223372036854775807",
        ] {
            assert_eq!(state_of_tag(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_event_id_is_written_and_read_back() {
        let seen = LastEventId {
            messages: 2,
            state: "3-sent-1736937000000000".into(),
        };
        assert_eq!(seen.to_string(), "2.3-sent-1736937000000000");
        assert_eq!(seen.to_string().parse(), Ok(seen));
        for wrong in ["", ".", "x.1", "1", "-1.x", "+1.x", " 1.x", "99999999999999999999999.x"] {
            assert_eq!(wrong.parse::<LastEventId>(), Err(InvalidEventId), "{wrong}");
        }
    }
}
