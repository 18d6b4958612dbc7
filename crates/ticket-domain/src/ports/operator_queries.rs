//! What operators read and change.

use async_trait::async_trait;

use super::{ControlMessage, Existing, StoreError};
use crate::{
    Actor, Attention, AuditAction, AuditEntry, AuditEntryId, AuditStamp, Message, MessageId, Notification, Sender,
    Ticket, TicketId, TicketPage, TicketPatch, TicketQuery, TicketRef, Timestamp,
};

/// A change of a ticket's status or priority.
#[derive(Debug, Clone)]
pub struct UpdateTicket {
    /// The ticket.
    pub ticket: TicketId,
    /// The new values.
    pub patch: TicketPatch,
    /// When.
    pub at: Timestamp,
    /// Who asks for it.
    pub by: Actor,
    /// The ids of the entries in the audit log: of the change of status, and of priority.
    pub entries: [AuditEntryId; 2],
    /// The notifications to send if the status changes, at most one for each recipient.
    pub notifications: Vec<Notification>,
}

impl UpdateTicket {
    /// Returns the changes to make to `ticket`, each with its entry in the audit log; none if it has these values already.
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

/// Attaches an unmatched message to a ticket.
#[derive(Debug, Clone)]
pub struct Attach {
    /// The message.
    pub message: MessageId,
    /// The ticket.
    pub to: TicketId,
    /// As whose message it joins the thread.
    pub sender: Sender,
    /// The notifications to send, at most one for each recipient.
    pub notifications: Vec<Notification>,
    /// Whether to reopen the ticket.
    pub reopen: bool,
    /// The entry of the audit log.
    pub note: AuditStamp,
}

/// The result of attaching a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttachResult {
    /// The message has joined the thread.
    Attached,
    /// Nothing was written: the message is in this ticket's thread already.
    AlreadyAttached(TicketRef),
    /// Nothing was written: there is no such message.
    NoSuchMessage,
}

/// Removes messages of a ticket from everyone's view but the operators'.
#[derive(Debug, Clone)]
pub struct Remove {
    /// The ticket.
    pub ticket: TicketId,
    /// The messages, each with its entry of the audit log. All of them are written at the time of the first entry.
    pub messages: Vec<(MessageId, AuditStamp)>,
    /// The control message that asks for it, if it is one, to record in the same transaction.
    pub because: Option<ControlMessage>,
}

/// The result of removing messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoveResult {
    /// So many of the messages were public, and are removed now.
    Removed(usize),
    /// Nothing was written: the external id of the control message is known already.
    AlreadyKnown(Existing),
    /// Nothing was written: one of the messages is not in the ticket's thread.
    NoSuchMessage,
}

/// What operators read and change. Each change writes its entry of the audit log in the same transaction.
///
/// # Errors
///
/// Every call fails if the store is unavailable or a row is corrupt; nothing was written then.
#[async_trait]
pub trait OperatorQueries: Send + Sync {
    /// Returns one page of tickets.
    ///
    /// Without a text, the most recently changed come first. With a text, the newest come first. A ticket matches if one of
    /// its messages, together with its reference, subject and customer's details, contains every word of the text; the last
    /// word may be a prefix. Case, accents and punctuation do not matter, and a text without words matches nothing.
    ///
    /// A page may have fewer than `limit` tickets and still be followed by another. The duration does not depend on the
    /// number of tickets.
    async fn list(&self, query: TicketQuery) -> Result<TicketPage, StoreError>;

    /// Counts the tickets that wait for the team.
    async fn attention(&self) -> Result<Attention, StoreError>;

    /// Changes a ticket, which must exist, as [`UpdateTicket::acts`] says, and returns it. Each change writes an entry of
    /// the audit log; any change raises the version by one.
    async fn change(&self, update: UpdateTicket) -> Result<Ticket, StoreError>;

    /// Returns up to `limit` unmatched messages, oldest first, starting after `after`, which may refer to a message that
    /// has since been attached.
    async fn unmatched(&self, after: Option<MessageId>, limit: u16) -> Result<Vec<Message>, StoreError>;

    /// Returns a message, and its ticket if it is in a thread.
    async fn message(&self, id: MessageId) -> Result<Option<(Message, Option<TicketRef>)>, StoreError>;

    /// Attaches an unmatched message to a ticket, which must exist, as [`append`](super::TicketStore::append) does.
    async fn attach(&self, attach: Attach) -> Result<AttachResult, StoreError>;

    /// Removes those of the messages that are public, and raises the ticket's version. Their rows keep what they say.
    async fn remove(&self, remove: Remove) -> Result<RemoveResult, StoreError>;

    /// Returns up to `limit` entries of the audit log, of one ticket or of all, newest first, older than `before`.
    async fn audit_log(
        &self,
        of: Option<TicketId>,
        before: Option<AuditEntryId>,
        limit: u16,
    ) -> Result<Vec<AuditEntry>, StoreError>;
}
