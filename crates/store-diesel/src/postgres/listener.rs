//! The thread that sends changes to other processes and receives theirs, by LISTEN and NOTIFY.

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
    connect::{Address, ConnectError},
    db::LIMITS,
    publisher::{Exchange, Next},
};

/// How often the thread looks for notifications.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// How long events are gathered into one notification.
const GATHERING: Duration = Duration::from_millis(20);
/// After so long without sending, an empty notification tests whether the connection still receives.
const SILENCE: Duration = Duration::from_secs(30);
/// A notification of our own comes back within this time, or the connection does not receive.
const ECHO: Duration = Duration::from_secs(5);
/// How long the thread waits before it connects again: at first, and at most.
const RETRY_PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_mins(1)];

/// How many events one notification holds: it may have 8,000 bytes, and an event takes at most 33 with its blank.
const MAX_EVENTS: usize = 200;
const UNMATCHED: &str = "unmatched";
const RESYNC: &str = "missed";

/// The channel of this schema: several stores may share a database. A channel's name has at most 63 bytes.
const NAMES: &str = "SELECT 'tickets_' || md5(coalesce(current_schema(), '')) AS channel, pg_backend_pid() AS process";

/// Why the connection is given up.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the connection broke")]
    Query(#[from] QueryError),
    #[error("what is sent does not come back; a pooler that shares connections between transactions keeps it")]
    NoEcho,
}

/// Sends and receives until the exchange is closed.
pub(crate) fn run(exchange: &Exchange, address: &Address) {
    let [first, longest] = RETRY_PAUSES;
    let mut pause = first;
    let mut was_disconnected = false;
    loop {
        match Listener::open(address) {
            Ok(mut listener) => {
                if was_disconnected {
                    exchange.receive(ChangeEvent::Resync);
                }
                match listener.run(exchange) {
                    Ok(()) => return,
                    Err(lost) => tracing::warn!(%lost, "changes by other processes are not heard for now"),
                }
                if listener.had_echo {
                    pause = first;
                }
            }
            Err(lost) => tracing::warn!(%lost, "changes by other processes are not heard"),
        }
        was_disconnected = true;
        if exchange.is_closed_within(pause) {
            return;
        }
        pause = longest.min(pause * 2);
    }
}

/// A connection that listens.
struct Listener {
    connection: PgConnection,
    channel: String,
    /// The server's process behind it, which marks our own notifications.
    process: i32,
    sent_at: Instant,
    /// Since when a notification of ours has not come back.
    no_echo_since: Option<Instant>,
    /// Whether any of them came back.
    had_echo: bool,
}

#[derive(QueryableByName)]
struct Names {
    #[diesel(sql_type = sql_types::Text)]
    channel: String,
    #[diesel(sql_type = sql_types::Integer)]
    process: i32,
}

impl Listener {
    fn open(address: &Address) -> Result<Self, Lost> {
        let mut connection = address.connect()?;
        connection.batch_execute(LIMITS)?;
        let Names { channel, process } = sql_query(NAMES).get_result(&mut connection)?;
        connection.batch_execute(&format!("LISTEN {channel}"))?;
        let mut listener = Self {
            connection,
            channel,
            process,
            sent_at: Instant::now(),
            no_echo_since: None,
            had_echo: false,
        };
        listener.send(vec![String::new()])?;
        Ok(listener)
    }

    /// Sends and receives until the exchange is closed. Events that could not be sent are sent next time.
    fn run(&mut self, exchange: &Exchange) -> Result<(), Lost> {
        loop {
            let events = match exchange.next(POLL_INTERVAL, GATHERING) {
                Next::Send(events) => events,
                Next::Close => return Ok(()),
            };
            if !events.is_empty() {
                if let Err(lost) = self.send(payloads_of(&events)) {
                    exchange.enqueue(events);
                    return Err(lost);
                }
            } else if self.sent_at.elapsed() > SILENCE {
                self.send(vec![String::new()])?;
            }
            self.receive(exchange)?;
            if self.no_echo_since.is_some_and(|since| since.elapsed() > ECHO) {
                return Err(Lost::NoEcho);
            }
        }
    }

    fn send(&mut self, payloads: Vec<String>) -> Result<(), Lost> {
        sql_query("SELECT pg_notify($1, payload) FROM unnest($2) AS payload")
            .bind::<sql_types::Text, _>(&self.channel)
            .bind::<sql_types::Array<sql_types::Text>, _>(payloads)
            .execute(&mut self.connection)?;
        self.sent_at = Instant::now();
        self.no_echo_since.get_or_insert(self.sent_at);
        Ok(())
    }

    /// Passes on what other processes sent.
    fn receive(&mut self, exchange: &Exchange) -> Result<(), Lost> {
        for notification in self.connection.notifications_iter() {
            let notification = notification?;
            if notification.process_id == self.process {
                self.no_echo_since = None;
                self.had_echo = true;
            } else {
                notification
                    .payload
                    .split_whitespace()
                    .map(parse)
                    .for_each(|event| exchange.receive(event));
            }
        }
        Ok(())
    }
}

/// Events as payloads of notifications.
fn payloads_of(events: &HashSet<ChangeEvent>) -> Vec<String> {
    let words: Vec<String> = events
        .iter()
        .map(|event| match event {
            ChangeEvent::Ticket(id) => id.0.simple().to_string(),
            ChangeEvent::Unmatched => UNMATCHED.to_owned(),
            ChangeEvent::Resync => RESYNC.to_owned(),
        })
        .collect();
    words.chunks(MAX_EVENTS).map(|words| words.join(" ")).collect()
}

/// The event that a word of a payload stands for. A later version may send what we can't read.
fn parse(word: &str) -> ChangeEvent {
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
    fn events_are_written_in_payloads_that_fit_and_read_back() {
        let tickets = (0..1_000).map(|number| ChangeEvent::Ticket(TicketId(Uuid::from_u128(number))));
        let events: HashSet<ChangeEvent> = tickets.chain([ChangeEvent::Unmatched, ChangeEvent::Resync]).collect();
        let payloads = payloads_of(&events);
        assert!(payloads.iter().all(|payload| payload.len() < 8_000));
        let words = payloads.iter().flat_map(|payload| payload.split_whitespace());
        assert_eq!(words.map(parse).collect::<HashSet<_>>(), events);
        assert_eq!(parse("something-else"), ChangeEvent::Resync);
    }
}
