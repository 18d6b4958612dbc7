//! Notifying recipients.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{
    Address, AttachmentLink, DeliveryRoute, Email, EventKind, ExternalId, Fallback, Message, NotificationId, Payload,
    Recipient, Ticket, TicketRef, values::partly_redacted_debug,
};

/// An event of a ticket that recipients may be notified of.
#[derive(Clone, Copy)]
pub struct Event<'a> {
    /// What happened.
    pub kind: EventKind,
    /// The ticket after the event.
    pub ticket: &'a Ticket,
    /// What the customer or the team wrote; empty if nobody did.
    pub message: &'a str,
    /// The files of the message, or the one that this event is about.
    pub attachments: &'a [AttachmentLink],
    /// The recipient's link to the ticket.
    pub ticket_url: &'a str,
}

partly_redacted_debug!(Event<'_>, shows kind, ticket; hides message, attachments, ticket_url);

/// A clarifying question as a message.
#[derive(Clone, Copy)]
pub struct QuestionMessage<'a> {
    /// Who is asked.
    pub to: &'a Address,
    /// The question, whole.
    pub text: &'a str,
    /// The same tickets to choose from as a list to tap; empty if there is none.
    pub rows: &'a [ListRow],
}

partly_redacted_debug!(QuestionMessage<'_>, shows to; hides text, rows);

/// A row of a list to tap.
#[derive(Clone, PartialEq, Eq)]
pub struct ListRow {
    /// Its title: the customer's name.
    pub title: String,
    /// What stands below: the subject.
    pub description: String,
    /// What comes back when it is tapped.
    pub payload: String,
}

/// How a message was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// The receiver refused it for good: [`FailureKind::Permanent`].
    Final,
    /// A receipt reports that it failed, with the other system's error code if there is one.
    Reported(Option<u32>),
}

/// What follows a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextStep {
    /// The same message goes out again on the same route, on the retry schedule.
    Retry {
        /// What the owner must repair before it can succeed, for the log; `None` if the failure passes by itself.
        to_repair: Option<&'static str>,
    },
    /// Another message goes out on another route.
    Fallback(Fallback),
    /// There is nothing else to try: the notification is dead.
    GiveUp,
}

/// Writes the messages of a notifier, for one recipient. A composer is pure: its bytes are stored with the event and sent
/// unchanged on every attempt.
pub trait Composer: Send + Sync {
    /// Returns the bytes to send; `None` if the recipient is not notified of such an event. The manager must be notified of
    /// every new ticket: a ticket's delivery state is that of the manager's newest notification.
    fn compose(&self, event: Event<'_>) -> Option<Payload>;

    /// How long such an event waits for more before the recipient is notified.
    fn hold(&self, kind: EventKind) -> Duration {
        let _ = kind;
        Duration::ZERO
    }

    /// Returns the bytes of a clarifying question; `None` if the recipient can't be asked this way.
    fn compose_question(&self, question: QuestionMessage<'_>) -> Option<Payload> {
        let _ = question;
        None
    }

    /// Returns the bytes of a mail to `to` with the links to a customer's tickets; `None` if this is no way to send them.
    fn compose_links(&self, to: &Email, links: &[(TicketRef, String)]) -> Option<Payload> {
        let _ = (to, links);
        None
    }

    /// Decides what follows after `payload` was refused on `route`. No fallback may lead back to an earlier route, so that
    /// every notification ends.
    fn after_refusal(&self, route: &DeliveryRoute, payload: &Payload, refusal: Rejection) -> NextStep {
        let _ = (route, payload, refusal);
        NextStep::GiveUp
    }

    /// Returns the message of a fallback as it is on [`DeliveryRoute::FIRST`]; `None` if it can't be told.
    fn on_first_route(&self, payload: &Payload) -> Option<Payload> {
        let _ = payload;
        None
    }

    /// Returns the message for its current address; `None` if the address has not changed since it was composed.
    fn retarget(&self, route: &DeliveryRoute, payload: &Payload) -> Option<Payload> {
        let _ = (route, payload);
        None
    }
}

/// Who is notified, and the composer of each.
#[derive(Clone, Default)]
pub struct Composers(BTreeMap<Recipient, (Arc<dyn Composer>, bool)>);

impl Composers {
    /// Adds a recipient. `has_notifier` says whether what is composed can be sent at present; it is stored in any case.
    #[must_use]
    pub fn with(mut self, recipient: Recipient, composer: Arc<dyn Composer>, has_notifier: bool) -> Self {
        self.0.insert(recipient, (composer, has_notifier));
        self
    }

    /// Returns the recipient's composer.
    pub fn get(&self, recipient: Recipient) -> Option<&dyn Composer> {
        self.0.get(&recipient).map(|(composer, _)| &**composer)
    }

    /// Whether what is composed for the recipient can be sent at present.
    pub fn has_notifier(&self, recipient: Recipient) -> bool {
        self.0.get(&recipient).is_some_and(|(_, has_notifier)| *has_notifier)
    }

    /// Returns every recipient and its composer.
    pub fn iter(&self) -> impl Iterator<Item = (Recipient, &dyn Composer)> {
        self.0
            .iter()
            .map(|(recipient, (composer, _))| (*recipient, &**composer))
    }
}

/// What a customer has not been told of a ticket, as it is when they are told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct News {
    /// The public messages of the team that the customer has not seen, oldest first.
    pub answers: Vec<Message>,
    /// Whether the team resolved the ticket, and it still is.
    pub is_resolved: bool,
}

impl News {
    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty() && !self.is_resolved
    }
}

/// One attempt.
#[derive(Debug, Clone, Copy)]
pub struct Delivering<'a> {
    /// The notification.
    pub id: NotificationId,
    /// Which message of the notification this is: 0 for the first, one more after each fallback or failed receipt. With
    /// `id` it is the same on every attempt of a message, so that the receiver recognises a repetition.
    pub round: u16,
    /// The kind of event.
    pub event: EventKind,
    /// The bytes to send.
    pub payload: &'a Payload,
    /// What to tell beside them, if the event [is a digest](EventKind::is_digest).
    pub news: Option<&'a News>,
}

/// The result of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryResult {
    /// The receiver accepted the notification.
    Accepted {
        /// The external id of the message, if the receiver returned one.
        external_id: Option<ExternalId>,
    },
    /// The attempt failed.
    Failed(Failure),
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// For people, without secrets or personal data.
    pub reason: Box<str>,
    /// What follows from the failure.
    pub kind: FailureKind,
    /// How long the receiver asks to wait (`Retry-After`).
    pub retry_after: Option<Duration>,
}

/// What follows from a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// Another attempt may succeed.
    Temporary,
    /// The receiver is overloaded: the whole queue has to wait.
    Throttled,
    /// No further attempt can succeed.
    Permanent,
}

/// Sends notifications. A call returns within the notifier's own time limit, at most 15 seconds, whatever the receiver
/// does.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// Makes one attempt.
    async fn deliver(&self, delivering: Delivering<'_>) -> DeliveryResult;
}
