//! The thread that sends changes to other processes and receives theirs, by LISTEN and NOTIFY.

use std::{
    collections::HashSet,
    convert::Infallible,
    sync::{
        Arc,
        mpsc::{self, Receiver, Sender, TryRecvError},
    },
    thread,
    time::{Duration, Instant},
};

use diesel::{
    PgConnection, QueryableByName, RunQueryDsl, connection::SimpleConnection, result::Error as QueryError, sql_query,
    sql_types,
};
use ticket_domain::{TicketId, ports::ChangeEvent};
use uuid::Uuid;

use crate::{
    postgres::{
        connect::{Address, ConnectError},
        db::LIMITS,
    },
    subscribers::Subscribers,
};

/// How long events are gathered into one notification, and how often the thread looks for those of others.
const GATHERING: Duration = Duration::from_millis(20);
/// How many events are kept for other processes while the database can't be reached. If there are more, they only get a
/// [`ChangeEvent::Resync`].
const MAX_OUTGOING: usize = 10_000;
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

/// Why a connection does not go on.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the store is closed")]
    Closed,
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the connection broke")]
    Query(#[from] QueryError),
    #[error("what is sent does not come back; a pooler that shares connections between transactions keeps it")]
    NoEcho,
}

/// Starts the thread, which publishes to `subscribers` what other processes send. Returns where it takes events to be sent
/// to them; it ends when that is dropped.
pub(crate) fn start(subscribers: Arc<Subscribers>, address: Address) -> Sender<ChangeEvent> {
    let (sender, committed) = mpsc::channel();
    let outgoing = Outgoing {
        committed,
        events: HashSet::new(),
    };
    let thread = thread::Builder::new().name("change-feed".to_owned());
    if let Err(error) = thread.spawn(move || run(outgoing, &subscribers, &address)) {
        tracing::error!(%error, "no thread listens for changes by other processes");
    }
    sender
}

/// Sends and receives until the store is closed.
fn run(mut outgoing: Outgoing, subscribers: &Subscribers, address: &Address) {
    let [first, longest] = RETRY_PAUSES;
    let mut pause = first;
    let mut was_disconnected = false;
    loop {
        let Err(ended) = Listener::open(address).and_then(|mut listener| {
            if was_disconnected {
                subscribers.publish(&[ChangeEvent::Resync]);
            }
            let ended = listener.run(&mut outgoing, subscribers);
            if listener.had_echo {
                pause = first;
            }
            ended
        });
        if matches!(ended, Ended::Closed) {
            return;
        }
        tracing::warn!(%ended, "changes by other processes are not heard for now");
        was_disconnected = true;
        let until = Instant::now() + pause;
        while Instant::now() < until {
            if outgoing.gather().is_err() {
                return;
            }
        }
        pause = longest.min(pause * 2);
    }
}

/// What was committed here and is not sent yet.
struct Outgoing {
    committed: Receiver<ChangeEvent>,
    events: HashSet<ChangeEvent>,
}

impl Outgoing {
    /// Gathers for a moment what is committed.
    #[allow(
        clippy::disallowed_methods,
        reason = "the thread is its own, and is not to be woken by each event"
    )]
    fn gather(&mut self) -> Result<(), Ended> {
        thread::sleep(GATHERING);
        loop {
            match self.committed.try_recv() {
                Ok(event) => self.add(event),
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => return Err(Ended::Closed),
            }
        }
    }

    fn add(&mut self, event: ChangeEvent) {
        self.events.insert(event);
        if self.events.len() > MAX_OUTGOING {
            self.events = HashSet::from([ChangeEvent::Resync]);
        }
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
    fn open(address: &Address) -> Result<Self, Ended> {
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

    /// Sends and receives until the store is closed or the connection is lost. Events that could not be sent are kept.
    fn run(&mut self, outgoing: &mut Outgoing, subscribers: &Subscribers) -> Result<Infallible, Ended> {
        loop {
            outgoing.gather()?;
            if !outgoing.events.is_empty() {
                self.send(payloads_of(&outgoing.events))?;
                outgoing.events.clear();
            } else if self.sent_at.elapsed() > SILENCE {
                self.send(vec![String::new()])?;
            }
            self.receive(subscribers)?;
            if self.no_echo_since.is_some_and(|since| since.elapsed() > ECHO) {
                return Err(Ended::NoEcho);
            }
        }
    }

    fn send(&mut self, payloads: Vec<String>) -> Result<(), Ended> {
        sql_query("SELECT pg_notify($1, payload) FROM unnest($2) AS payload")
            .bind::<sql_types::Text, _>(&self.channel)
            .bind::<sql_types::Array<sql_types::Text>, _>(payloads)
            .execute(&mut self.connection)?;
        self.sent_at = Instant::now();
        self.no_echo_since.get_or_insert(self.sent_at);
        Ok(())
    }

    /// Passes on what other processes sent.
    fn receive(&mut self, subscribers: &Subscribers) -> Result<(), Ended> {
        for notification in self.connection.notifications_iter() {
            let notification = notification?;
            if notification.process_id == self.process {
                self.no_echo_since = None;
                self.had_echo = true;
            } else {
                let events: Vec<ChangeEvent> = notification.payload.split_whitespace().map(parse).collect();
                subscribers.publish(&events);
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

    #[test]
    fn too_many_outgoing_events_become_a_resync() {
        let mut outgoing = Outgoing {
            committed: mpsc::channel().1,
            events: HashSet::new(),
        };
        let ticket = |number| ChangeEvent::Ticket(TicketId(Uuid::from_u128(number)));
        (0..10_000)
            .chain(0..10_000)
            .map(ticket)
            .for_each(|event| outgoing.add(event));
        assert_eq!(outgoing.events.len(), 10_000);
        outgoing.add(ticket(10_000));
        assert_eq!(outgoing.events, HashSet::from([ChangeEvent::Resync]));
    }
}
