//! What operators ask of the store.

use async_trait::async_trait;

use super::StoreError;
use crate::{
    Actor, Attention, AuditAction, AuditEntry, AuditEntryId, AuditStamp, Message, MessageId, Notification, Sender,
    Ticket, TicketId, TicketPage, TicketPatch, TicketQuery, TicketRef, Timestamp,
};

/// An operator's wish for a ticket.
#[derive(Debug, Clone, Copy)]
pub struct UpdateTicket {
    /// The ticket.
    pub ticket: TicketId,
    /// What it should be.
    pub patch: TicketPatch,
    /// When.
    pub at: Timestamp,
    /// Who asks for it.
    pub by: Actor,
    /// The names of the entries in the trail: of the change of its status, and of its priority.
    pub entries: [AuditEntryId; 2],
}

impl UpdateTicket {
    /// What has to be done to a ticket that stands so, each with its entry in the trail; nothing if it is so already.
    pub fn acts(&self, ticket: &Ticket) -> Vec<(AuditStamp, AuditAction)> {
        let [of_status, of_priority] = self.entries.map(|id| AuditStamp {
            id,
            at: self.at,
            by: self.by,
        });
        let status = self.patch.of_status(ticket).map(|act| (of_status, act));
        let priority = self.patch.of_priority(ticket).map(|act| (of_priority, act));
        status.into_iter().chain(priority).collect()
    }
}

/// An operator's word on which ticket a kept message belongs to.
#[derive(Debug, Clone)]
pub struct Attach {
    /// The message.
    pub message: MessageId,
    /// The ticket.
    pub to: TicketId,
    /// What its writer is to the ticket.
    pub sender: Sender,
    /// What the manager is told of it, if anything.
    pub notification: Option<Notification>,
    /// Whether the ticket becomes open again.
    pub reopen: bool,
    /// What goes into the trail.
    pub note: AuditStamp,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttachResult {
    /// It is part of the ticket.
    Attached,
    /// Nothing written: it is in this ticket's thread already.
    AlreadyAttached(TicketRef),
    /// Nothing written: there is no such message.
    NoSuchMessage,
}

/// What operators see and do. Each change writes its entry of the trail in the same act.
#[async_trait]
pub trait OperatorQueries: Send + Sync {
    /// One page of tickets. Without a text the last changed come first. With one, the newest come first: tickets with a
    /// message that, taken together with the ticket's reference, subject and its customer's name, number and address,
    /// has every word of the text, the last one perhaps only begun. Neither case nor accents nor punctuation count;
    /// a text without any word matches nothing. A page may hold fewer than `limit` and still have a next one. Answers in
    /// about the same time however many tickets there are.
    async fn list(&self, query: TicketQuery) -> Result<TicketPage, StoreError>;

    /// What of the tickets needs an operator.
    async fn attention(&self) -> Result<Attention, StoreError>;

    /// Makes a ticket (which must exist) what it should be: [`UpdateTicket::acts`], an entry of the trail for each, and a
    /// version more if there is any. The ticket as it stands then.
    async fn change(&self, update: UpdateTicket) -> Result<Ticket, StoreError>;

    /// Messages whose ticket is not known, the one kept first first, at most `limit`, after `after` if it is still
    /// among them or not.
    async fn unmatched(&self, after: Option<MessageId>, limit: u16) -> Result<Vec<Message>, StoreError>;

    /// A message, and the ticket in whose thread it is, if it is in one.
    async fn message(&self, id: MessageId) -> Result<Option<(Message, Option<TicketRef>)>, StoreError>;

    /// Has a kept message join a ticket (which must exist), as [`append`](super::TicketStore::append) does.
    async fn attach(&self, attach: Attach) -> Result<AttachResult, StoreError>;

    /// The trail, of one ticket or of all, the newest entry first, at most `limit`, older than `before`.
    async fn trail(
        &self,
        of: Option<TicketId>,
        before: Option<AuditEntryId>,
        limit: u16,
    ) -> Result<Vec<AuditEntry>, StoreError>;
}
