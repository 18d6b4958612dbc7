//! A message comes in from WhatsApp, and joins the thread that it belongs to.

use std::sync::Arc;

use super::Surroundings;
use crate::{
    Channel, Clue, Content, EventKind, ExternalId, Managers, Message, MessageId, Notification, Phone, Sender, TextClue,
    Ticket, TicketRef, Which,
    ports::{Append, Appended, LookUp, StoreError, TicketStore},
    references_in, which_ticket,
};

/// How the caller names the ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TicketName {
    /// Not at all.
    Absent,
    /// By a reference.
    Reference(TicketRef),
    /// By a text that no reference looks like: no ticket has it.
    Unreadable,
}

/// A message as the caller handed it over.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The ticket, as the caller names it.
    pub ticket: TicketName,
    /// What it says.
    pub content: Content,
    /// The number that it came from.
    pub from: Phone,
    /// The way it came.
    pub channel: Channel,
    /// The id that the outside world gave it.
    pub external_id: Option<ExternalId>,
    /// The outside id of the message that it quotes.
    pub replied_to: Option<ExternalId>,
}

/// Where a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// The ticket whose thread it is in.
    pub reference: TicketRef,
    /// The message.
    pub message: MessageId,
    /// Whether it was there before.
    pub duplicate: bool,
}

/// Why a message joined no thread.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// Nothing names a ticket for certain. The message is kept for an operator.
    #[error("the message names no ticket for certain; it is kept until its ticket is known")]
    NotNamed,
    /// It names a ticket that does not exist. The message is kept for an operator.
    #[error("there is no ticket of this reference; the message is kept until its ticket is known")]
    NotFound,
    /// The store did not take it.
    #[error("the message could not be stored")]
    Store(#[from] StoreError),
}

/// Receives messages from outside.
pub struct ReceiveReply {
    store: Arc<dyn TicketStore>,
    around: Surroundings,
    managers: Managers,
}

impl ReceiveReply {
    /// Receives messages into `store`.
    pub fn new(store: Arc<dyn TicketStore>, around: Surroundings, managers: Managers) -> Self {
        Self {
            store,
            around,
            managers,
        }
    }

    /// Adds a message to the thread that it certainly belongs to, or keeps it aside.
    pub async fn receive(&self, reply: Reply) -> Result<Received, ReceiveError> {
        let named = match reply.ticket {
            TicketName::Absent => Clue::Silent,
            TicketName::Unreadable => Clue::NoSuchTicket,
            TicketName::Reference(reference) => self.by_reference(reference).await?,
        };
        let quoted = match &reply.replied_to {
            Some(id) => self.by_quote(id.clone()).await?,
            None => Clue::Silent,
        };
        let in_text = self.by_text(reply.content.body().as_str()).await?;
        match which_ticket(&reply.from, &self.managers, named, quoted, in_text) {
            Which::Certain(ticket, sender) => self.append(reply, *ticket, sender).await,
            Which::NotNamed => self.keep(reply, ReceiveError::NotNamed).await,
            Which::NotFound => self.keep(reply, ReceiveError::NotFound).await,
        }
    }

    async fn by_reference(&self, reference: TicketRef) -> Result<Clue, StoreError> {
        let ticket = self.store.find(LookUp::Reference(reference)).await?;
        Ok(ticket.map_or(Clue::NoSuchTicket, |ticket| Clue::Names(Box::new(ticket))))
    }

    async fn by_quote(&self, id: ExternalId) -> Result<Clue, StoreError> {
        let ticket = self.store.find(LookUp::Quoted(id)).await?;
        Ok(ticket.map_or(Clue::Silent, |ticket| Clue::Names(Box::new(ticket))))
    }

    async fn by_text(&self, text: &str) -> Result<TextClue, StoreError> {
        match references_in(text).as_slice() {
            [] => Ok(TextClue::One(Clue::Silent)),
            [one] => self.by_reference(*one).await.map(TextClue::One),
            _ => Ok(TextClue::Several),
        }
    }

    async fn append(&self, reply: Reply, ticket: Ticket, sender: Sender) -> Result<Received, ReceiveError> {
        let reference = ticket.reference;
        let message = self.message(reply, sender);
        let id = message.id;
        let notification = match sender {
            Sender::Customer => Some(self.told_of(&message, &ticket).await?),
            Sender::Manager | Sender::Agent => None,
        };
        let is_told = notification.is_some();
        let append = Append {
            to: ticket.id,
            message,
            notification,
            reopen: sender == Sender::Customer,
        };
        let received = match self.store.append(append).await? {
            Appended::Added => Received {
                reference,
                message: id,
                duplicate: false,
            },
            Appended::Joined(message) => Received {
                reference,
                message,
                duplicate: false,
            },
            Appended::Before { id, of } => {
                return Ok(Received {
                    reference: of.unwrap_or(reference),
                    message: id,
                    duplicate: true,
                });
            }
        };
        if is_told {
            self.around.wake.wake();
        }
        Ok(received)
    }

    /// What the manager is told of a customer's message. If it was kept as unmatched before, its first words are the
    /// ones that join the thread, and so the ones to tell.
    async fn told_of(&self, message: &Message, ticket: &Ticket) -> Result<Notification, StoreError> {
        let kept = match &message.external_id {
            Some(id) => self.store.kept(id.clone()).await?,
            None => None,
        };
        let text = kept.as_ref().unwrap_or(message).content.as_text();
        Ok(self
            .around
            .notification(EventKind::Updated, ticket, &text, message.created_at))
    }

    async fn keep(&self, reply: Reply, why: ReceiveError) -> Result<Received, ReceiveError> {
        let sender = if self.managers.include(&reply.from) {
            Sender::Manager
        } else {
            Sender::Agent
        };
        match self.store.keep_unmatched(self.message(reply, sender)).await? {
            // It joined a thread before, so it is a repetition, whatever it names now.
            Appended::Before {
                id,
                of: Some(reference),
            } => Ok(Received {
                reference,
                message: id,
                duplicate: true,
            }),
            _ => Err(why),
        }
    }

    fn message(&self, reply: Reply, sender: Sender) -> Message {
        let now = self.around.clock.now();
        Message {
            id: MessageId(self.around.new_id(now)),
            sender,
            channel: reply.channel,
            from: Some(reply.from),
            content: reply.content,
            external_id: reply.external_id,
            created_at: now,
        }
    }
}
