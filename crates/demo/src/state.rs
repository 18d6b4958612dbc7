//! The state that the page shows: phones, calls on the wire, and simulated failures.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};
use server::SystemClock;
use ticket_domain::ports::Clock;
use tokio::sync::Notify;

use crate::demo::random_hex;

/// The phones, each with its owner: the manager's, and who stands in. The numbers belong to nobody.
pub(crate) const PHONES: [(&str, &str); 2] = [("+15550100001", "Manager"), ("+15550100002", "Stand-in")];

/// How much of the wire is kept.
const WIRE_LINES: usize = 80;

/// The pictures that can be attached, by the names of their files.
pub(crate) const PICTURES: [&str; 3] = ["bottles", "parcel", "label"];

/// Where WhatsApp would keep a picture: an address that exists nowhere, and that nobody fetches.
pub(crate) fn media_url(picture: &str) -> String {
    format!("https://media.example/{picture}.jpg")
}

/// How far a message got, as its ticks tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Ticks {
    /// It could not be handed on.
    Failed,
    /// On its way.
    Sent,
    /// It arrived.
    Delivered,
    /// Somebody looked at it.
    Read,
}

/// The author of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Author {
    /// The server: a notification.
    Server,
    /// The server, in response to a manager's message.
    Answer,
    /// Whoever holds the phone.
    Manager,
}

/// A button under a message, or a row of its list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Action {
    title: String,
    /// Only rows have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    payload: String,
}

/// A message of a chat.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ChatMessage {
    /// Twilio's id of the message.
    pub(crate) sid: String,
    pub(crate) author: Author,
    pub(crate) text: String,
    /// The name of an attached picture.
    pub(crate) picture: Option<String>,
    /// The id of the message that is quoted.
    pub(crate) quoting: Option<String>,
    /// What can be tapped.
    pub(crate) actions: Vec<Action>,
    /// What a tap carries, if it is one. Its text is what stood on the button.
    pub(crate) tapped: Option<String>,
    pub(crate) ticks: Ticks,
    /// Whether it came as an approved template.
    pub(crate) template: bool,
    pub(crate) at: String,
}

impl ChatMessage {
    /// Creates a text message, with an id like Twilio's.
    pub(crate) fn new(author: Author, text: String) -> Self {
        Self {
            sid: format!("SM{}", random_hex()),
            author,
            text,
            picture: None,
            quoting: None,
            actions: Vec::new(),
            tapped: None,
            ticks: Ticks::Sent,
            template: false,
            at: now(),
        }
    }
}

/// A phone with its one chat.
#[derive(Debug, Serialize)]
pub(crate) struct Phone {
    pub(crate) number: &'static str,
    owner: &'static str,
    pub(crate) bubbles: Vec<ChatMessage>,
}

/// One HTTP call, without keys and texts.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct WireCall {
    /// Who called whom.
    pub(crate) leg: &'static str,
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) status: u16,
    /// What it was about, in a few words.
    pub(crate) note: String,
    pub(crate) at: String,
}

/// The simulated failures.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of the page")]
pub(crate) struct Failures {
    /// n8n is not there.
    pub(crate) n8n_down: bool,
    /// n8n takes every call, and does not answer.
    pub(crate) n8n_silent: bool,
    /// n8n is there, and Twilio refuses what it sends.
    pub(crate) twilio_refuses: bool,
    /// The next message of a phone is handed on twice, at once.
    pub(crate) reply_twice: bool,
    /// The next notification is taken, and the answer is lost: the server sends it again.
    pub(crate) ticket_twice: bool,
    /// No phone is on: nothing arrives.
    pub(crate) phone_off: bool,
    /// The next notification is taken, and then reported as failed with this error of Twilio.
    pub(crate) next_fails: Option<u32>,
}

impl Failures {
    /// Whether no notification can get through.
    pub(crate) fn blocks(self) -> bool {
        self.n8n_down || self.n8n_silent || self.twilio_refuses
    }
}

/// A ticket as the website lists it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Listed {
    pub(crate) ticket_ref: String,
    pub(crate) subject: String,
}

/// Everything that the page shows.
#[derive(Debug, Serialize)]
pub(crate) struct State {
    /// Which start of the demo this is.
    pub(crate) run: String,
    /// Where the links in messages lead: the server's `BASE_URL`.
    pub(crate) base: String,
    /// Grows with every change.
    pub(crate) version: u64,
    pub(crate) phones: [Phone; 2],
    pub(crate) tickets: Vec<Listed>,
    pub(crate) wire: VecDeque<WireCall>,
    pub(crate) trouble: Failures,
    /// What n8n sent, by `webhook-id`: the same try again is answered, not sent again.
    #[serde(skip)]
    pub(crate) sent: HashMap<String, String>,
}

impl State {
    /// The phone of this number; of a number that nobody has, the manager's.
    pub(crate) fn phone(&mut self, number: &str) -> &mut Phone {
        let at = PHONES.iter().position(|(known, _)| *known == number).unwrap_or(0);
        &mut self.phones[at]
    }

    /// Returns the message of this id, and its phone's number.
    pub(crate) fn bubble(&mut self, sid: &str) -> Option<(&'static str, &mut ChatMessage)> {
        self.phones.iter_mut().find_map(|phone| {
            let number = phone.number;
            let bubble = phone.bubbles.iter_mut().find(|bubble| bubble.sid == sid)?;
            Some((number, bubble))
        })
    }
}

/// The state that all parts share.
pub(crate) struct SharedState {
    state: Mutex<State>,
    changed: Notify,
}

impl SharedState {
    /// Creates an empty state for a new start; links lead below `base`.
    pub(crate) fn new(base: String) -> Self {
        let phones = PHONES.map(|(number, owner)| Phone {
            number,
            owner,
            bubbles: Vec::new(),
        });
        let state = State {
            run: random_hex(),
            base,
            version: 1,
            phones,
            tickets: Vec::new(),
            wire: VecDeque::new(),
            trouble: Failures::default(),
            sent: HashMap::new(),
        };
        Self {
            state: Mutex::new(state),
            changed: Notify::new(),
        }
    }

    /// Locks the state for reading.
    pub(crate) fn look(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.look();
        state.version += 1;
        let changed = change(&mut state);
        self.changed.notify_waiters();
        changed
    }

    /// Waits until the trouble is over that `is_over` looks for.
    pub(crate) async fn until(&self, is_over: impl Fn(Failures) -> bool) {
        loop {
            // Before the look: no change goes unseen.
            let changed = self.changed.notified();
            if is_over(self.look().trouble) {
                return;
            }
            changed.await;
        }
    }

    /// Says how far a message got. It never goes back, and what arrived has not failed.
    pub(crate) fn tick(&self, sid: &str, ticks: Ticks) {
        self.change(|state| {
            if let Some((_, bubble)) = state.bubble(sid) {
                let is_news = ticks > bubble.ticks || bubble.ticks == Ticks::Sent;
                if is_news {
                    bubble.ticks = ticks;
                }
            }
        });
    }

    /// Writes a line of the log.
    pub(crate) fn log(&self, leg: &'static str, method: &'static str, path: &str, status: u16, note: String) {
        self.change(|state| {
            state.wire.truncate(WIRE_LINES - 1);
            state.wire.push_front(WireCall {
                leg,
                method,
                path: path.into(),
                status,
                note,
                at: now(),
            });
        });
    }
}

fn now() -> String {
    SystemClock.now().to_string()
}
