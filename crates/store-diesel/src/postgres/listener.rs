//! The thread that tells other processes of changes and hears of theirs, by LISTEN and NOTIFY.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use diesel::{
    PgConnection, QueryableByName, RunQueryDsl, connection::SimpleConnection, result::Error as QueryError, sql_query,
    sql_types,
};
use ticket_domain::{TicketId, ports::ChangeEvent};
use uuid::Uuid;

use crate::postgres::{
    announcements::{Exchange, Next},
    connect::{Address, ConnectError},
    db::LIMITS,
};

/// How often is looked whether others told anything.
const LOOK: Duration = Duration::from_millis(50);
/// So long is gathered what is told as one.
const GATHERING: Duration = Duration::from_millis(20);
/// After so long a silence something is said, to see whether it comes back.
const SILENCE: Duration = Duration::from_secs(30);
/// What was said comes back within this time, or the connection does not hear.
const ECHO: Duration = Duration::from_secs(5);
/// How long is waited before a connection is tried again: at first, and at most.
const PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_mins(1)];

/// How many words one notification holds: it may have 8,000 bytes, and a word has at most 33 with its blank.
const WORDS: usize = 200;
const UNMATCHED: &str = "unmatched";
const MISSED: &str = "missed";

/// The channel of this schema: several stores may share a database. A channel's name has at most 63 bytes.
const NAMES: &str = "SELECT 'tickets_' || md5(coalesce(current_schema(), '')) AS channel, pg_backend_pid() AS process";

/// Why the connection is given up.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the connection broke")]
    Query(#[from] QueryError),
    #[error("what is told does not come back; a pooler that shares connections between transactions keeps it")]
    Deaf,
}

/// Tells and hears until the exchange is closed.
pub(crate) fn run(exchange: &Exchange, address: &Address) {
    let [first, longest] = PAUSES;
    let mut pause = first;
    let mut has_missed = false;
    loop {
        match Line::open(address) {
            Ok(mut line) => {
                if has_missed {
                    exchange.on_change(ChangeEvent::Resync);
                }
                match line.attend(exchange) {
                    Ok(()) => return,
                    Err(lost) => tracing::warn!(%lost, "changes by other processes are not heard for now"),
                }
                if line.was_heard {
                    pause = first;
                }
            }
            Err(lost) => tracing::warn!(%lost, "changes by other processes are not heard"),
        }
        has_missed = true;
        if exchange.is_closed_within(pause) {
            return;
        }
        pause = longest.min(pause * 2);
    }
}

/// A connection that listens.
struct Line {
    connection: PgConnection,
    channel: String,
    /// The server's process behind it, which what we say is marked with.
    process: i32,
    spoke_at: Instant,
    /// Since when something we said has not come back.
    unheard_since: Option<Instant>,
    /// Whether anything we said came back.
    was_heard: bool,
}

#[derive(QueryableByName)]
struct Names {
    #[diesel(sql_type = sql_types::Text)]
    channel: String,
    #[diesel(sql_type = sql_types::Integer)]
    process: i32,
}

impl Line {
    fn open(address: &Address) -> Result<Self, Lost> {
        let mut connection = address.connect()?;
        connection.batch_execute(LIMITS)?;
        let Names { channel, process } = sql_query(NAMES).get_result(&mut connection)?;
        connection.batch_execute(&format!("LISTEN {channel}"))?;
        let mut line = Self {
            connection,
            channel,
            process,
            spoke_at: Instant::now(),
            unheard_since: None,
            was_heard: false,
        };
        line.say(vec![String::new()])?;
        Ok(line)
    }

    /// Tells and hears until the exchange is closed. What could not be told is told next time.
    fn attend(&mut self, exchange: &Exchange) -> Result<(), Lost> {
        loop {
            let events = match exchange.next(LOOK, GATHERING) {
                Next::Tell(events) => events,
                Next::Close => return Ok(()),
            };
            if !events.is_empty() {
                if let Err(lost) = self.say(written(&events)) {
                    exchange.remember(events);
                    return Err(lost);
                }
            } else if self.spoke_at.elapsed() > SILENCE {
                self.say(vec![String::new()])?;
            }
            self.on_change(exchange)?;
            if self.unheard_since.is_some_and(|since| since.elapsed() > ECHO) {
                return Err(Lost::Deaf);
            }
        }
    }

    fn say(&mut self, payloads: Vec<String>) -> Result<(), Lost> {
        sql_query("SELECT pg_notify($1, payload) FROM unnest($2) AS payload")
            .bind::<sql_types::Text, _>(&self.channel)
            .bind::<sql_types::Array<sql_types::Text>, _>(payloads)
            .execute(&mut self.connection)?;
        self.spoke_at = Instant::now();
        self.unheard_since.get_or_insert(self.spoke_at);
        Ok(())
    }

    /// Passes on what others told.
    fn on_change(&mut self, exchange: &Exchange) -> Result<(), Lost> {
        for notification in self.connection.notifications_iter() {
            let notification = notification?;
            if notification.process_id == self.process {
                self.unheard_since = None;
                self.was_heard = true;
            } else {
                notification
                    .payload
                    .split_whitespace()
                    .map(read)
                    .for_each(|events| exchange.on_change(events));
            }
        }
        Ok(())
    }
}

/// News as payloads.
fn written(events: &HashSet<ChangeEvent>) -> Vec<String> {
    let words: Vec<String> = events
        .iter()
        .map(|events| match events {
            ChangeEvent::Ticket(id) => id.0.simple().to_string(),
            ChangeEvent::Unmatched => UNMATCHED.to_owned(),
            ChangeEvent::Resync => MISSED.to_owned(),
        })
        .collect();
    words.chunks(WORDS).map(|words| words.join(" ")).collect()
}

/// What a word of a payload says. A later version may say what we can't read.
fn read(word: &str) -> ChangeEvent {
    match (word, Uuid::try_parse(word)) {
        (UNMATCHED, _) => ChangeEvent::Unmatched,
        (_, Ok(id)) => ChangeEvent::Ticket(TicketId(id)),
        _ => ChangeEvent::Resync,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_is_written_in_payloads_that_fit_and_read_back() {
        let tickets = (0..1_000).map(|number| ChangeEvent::Ticket(TicketId(Uuid::from_u128(number))));
        let events: HashSet<ChangeEvent> = tickets.chain([ChangeEvent::Unmatched, ChangeEvent::Resync]).collect();
        let payloads = written(&events);
        assert!(payloads.iter().all(|payload| payload.len() < 8_000));
        let words = payloads.iter().flat_map(|payload| payload.split_whitespace());
        assert_eq!(words.map(read).collect::<HashSet<_>>(), events);
        assert_eq!(read("something-else"), ChangeEvent::Resync);
    }
}
