//! What operators do with tickets.

use std::sync::Arc;

use super::Context;
use crate::{
    Actor, Attention, AuditEntry, AuditEntryId, Managers, Message, MessageId, Person, Sender, Ticket, TicketPage,
    TicketPatch, TicketQuery, TicketRef,
    ports::{AttachResult, OperatorQueries, Remove, RemoveResult, StoreError, TicketLookup, TicketStore},
};

/// Lists and changes tickets for operators.
pub struct Operate {
    tickets: Arc<dyn TicketStore>,
    desk: Arc<dyn OperatorQueries>,
    context: Context,
    managers: Managers,
}

/// A message that was attached, now or before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttachedMessage {
    /// Its ticket.
    pub reference: TicketRef,
    /// The message.
    pub message: MessageId,
    /// Whether it was attached before.
    pub duplicate: bool,
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OperateError {
    /// There is no such ticket.
    #[error("there is no such ticket")]
    NoSuchTicket,
    /// There is no such message.
    #[error("there is no such message")]
    NoSuchMessage,
    /// The message is in the thread of another ticket.
    #[error("the message belongs to {0} already")]
    InAnotherThread(TicketRef),
    /// The store failed.
    #[error("the store did not do it")]
    Store(#[from] StoreError),
}

impl Operate {
    /// Works on a store's tickets. `managers` decides as whose message an attached one joins a thread.
    pub fn new(
        tickets: Arc<dyn TicketStore>,
        desk: Arc<dyn OperatorQueries>,
        context: Context,
        managers: Managers,
    ) -> Self {
        Self {
            tickets,
            desk,
            context,
            managers,
        }
    }

    /// Returns one page of tickets.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn list(&self, query: TicketQuery) -> Result<TicketPage, StoreError> {
        self.desk.list(query).await
    }

    /// Counts the tickets that wait for the team.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn attention(&self) -> Result<Attention, StoreError> {
        self.desk.attention().await
    }

    /// Changes a ticket's status, priority, or both, and returns it.
    ///
    /// # Errors
    ///
    /// [`OperateError::NoSuchTicket`] without such a ticket.
    pub async fn change(&self, reference: TicketRef, patch: TicketPatch, by: Actor) -> Result<Ticket, OperateError> {
        let ticket = self.ticket(reference).await?;
        Ok(self.desk.change(self.context.update(&ticket, patch, by)).await?)
    }

    /// Returns up to `limit` unmatched messages, oldest first.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn unmatched(&self, after: Option<MessageId>, limit: u16) -> Result<Vec<Message>, StoreError> {
        self.desk.unmatched(after, limit).await
    }

    /// Attaches an unmatched message to a ticket as a message of `writer`. Without a `writer`, a manager's number counts as
    /// the manager and any other as the customer, who may write from another phone. A customer's message reopens the
    /// ticket and notifies the manager.
    ///
    /// # Errors
    ///
    /// [`OperateError::NoSuchTicket`], [`OperateError::NoSuchMessage`], or [`OperateError::InAnotherThread`] if the message
    /// belongs to another ticket.
    pub async fn attach(
        &self,
        message: MessageId,
        reference: TicketRef,
        writer: Option<Sender>,
        by: Actor,
    ) -> Result<AttachedMessage, OperateError> {
        let ticket = self.ticket(reference).await?;
        let (kept, of) = self.desk.message(message).await?.ok_or(OperateError::NoSuchMessage)?;
        if let Some(of) = of {
            return attached_before(message, reference, of);
        }
        let sender = writer.unwrap_or_else(|| self.writer(&kept));
        let attach = self
            .context
            .attach(&kept, &ticket, sender, by, self.context.clock.now());
        match self.desk.attach(attach).await? {
            AttachResult::Attached => {
                if sender == Sender::Customer {
                    self.context.wake.wake();
                }
                Ok(AttachedMessage {
                    reference,
                    message,
                    duplicate: false,
                })
            }
            AttachResult::AlreadyAttached(of) => attached_before(message, reference, of),
            AttachResult::NoSuchMessage => Err(OperateError::NoSuchMessage),
        }
    }

    /// Removes a message from the customer's view, and returns whether it was public until now: internal notes and removed
    /// messages stay as they are.
    ///
    /// # Errors
    ///
    /// [`OperateError::NoSuchTicket`], or [`OperateError::NoSuchMessage`] if the ticket has no such message.
    pub async fn remove(&self, reference: TicketRef, message: MessageId, by: Actor) -> Result<bool, OperateError> {
        let ticket = self.ticket(reference).await?;
        let remove = Remove {
            ticket: ticket.id,
            messages: vec![(message, self.context.stamp(by))],
            because: None,
        };
        match self.desk.remove(remove).await? {
            RemoveResult::Removed(count) => Ok(count > 0),
            // Nothing but a control message has an external id here.
            RemoveResult::AlreadyKnown(_) => Ok(false),
            RemoveResult::NoSuchMessage => Err(OperateError::NoSuchMessage),
        }
    }

    /// Returns up to `limit` entries of the audit log, of one ticket or of all, newest first, older than `before`.
    ///
    /// # Errors
    ///
    /// [`OperateError::NoSuchTicket`] without such a ticket.
    pub async fn audit_log(
        &self,
        of: Option<TicketRef>,
        before: Option<AuditEntryId>,
        limit: u16,
    ) -> Result<Vec<AuditEntry>, OperateError> {
        let of = match of {
            Some(reference) => Some(self.ticket(reference).await?.id),
            None => None,
        };
        Ok(self.desk.audit_log(of, before, limit).await?)
    }

    async fn ticket(&self, reference: TicketRef) -> Result<Ticket, OperateError> {
        let found = self.tickets.find(TicketLookup::Reference(reference)).await?;
        found.ok_or(OperateError::NoSuchTicket)
    }

    /// Returns the sender of an unmatched message: a manager if they were one when it came, or are one now.
    fn writer(&self, message: &Message) -> Sender {
        let is_manager = self.managers.include(&Person::new(message.from.clone()));
        if is_manager || message.sender == Sender::Manager {
            Sender::Manager
        } else {
            Sender::Customer
        }
    }
}

fn attached_before(message: MessageId, wished: TicketRef, of: TicketRef) -> Result<AttachedMessage, OperateError> {
    if of != wished {
        return Err(OperateError::InAnotherThread(of));
    }
    Ok(AttachedMessage {
        reference: of,
        message,
        duplicate: true,
    })
}
