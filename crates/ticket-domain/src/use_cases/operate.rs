//! An operator looks through the tickets and sets them right.

use std::sync::Arc;

use super::Context;
use crate::{
    Actor, Attention, AuditEntry, AuditEntryId, EventKind, Managers, Message, MessageId, Sender, Ticket, TicketPage,
    TicketPatch, TicketQuery, TicketRef,
    ports::{Attach, AttachResult, OperatorQueries, StoreError, TicketLookup, TicketStore, UpdateTicket},
};

/// What operators do at their desk.
pub struct Operate {
    tickets: Arc<dyn TicketStore>,
    desk: Arc<dyn OperatorQueries>,
    context: Context,
    managers: Managers,
}

/// A message that an operator attached, now or before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttachedMessage {
    /// The ticket in whose thread it is.
    pub reference: TicketRef,
    /// The message.
    pub message: MessageId,
    /// Whether it was there before.
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
    /// The store did not do it.
    #[error("the store did not do it")]
    Store(#[from] StoreError),
}

impl Operate {
    /// Works on the tickets of a store. `managers` says whose a message is that is attached.
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

    /// One page of tickets.
    pub async fn list(&self, query: TicketQuery) -> Result<TicketPage, StoreError> {
        self.desk.list(query).await
    }

    /// What of the tickets needs an operator.
    pub async fn attention(&self) -> Result<Attention, StoreError> {
        self.desk.attention().await
    }

    /// Gives a ticket another status, another priority, or both; the ticket as it stands then.
    pub async fn change(&self, reference: TicketRef, patch: TicketPatch, by: Actor) -> Result<Ticket, OperateError> {
        let ticket = self.ticket(reference).await?;
        let at = self.context.clock.now();
        let update = UpdateTicket {
            ticket: ticket.id,
            patch,
            at,
            by,
            entries: [(); 2].map(|()| self.context.stamp_at(at, by).id),
        };
        Ok(self.desk.change(update).await?)
    }

    /// Messages whose ticket is not known, the oldest first.
    pub async fn unmatched(&self, after: Option<MessageId>, limit: u16) -> Result<Vec<Message>, StoreError> {
        self.desk.unmatched(after, limit).await
    }

    /// Has a message whose ticket was not known join a ticket, as its `writer`'s word. Where the operator does not say
    /// who that is, a manager's number speaks as the manager and everybody else as the customer, who may well write from
    /// another telephone. A customer's message opens the ticket again, and the manager is told.
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
        let is_customer = sender == Sender::Customer;
        let note = self.context.stamp(by);
        let text = kept.content.as_text();
        let attach = Attach {
            message,
            to: ticket.id,
            sender,
            notification: is_customer.then(|| self.context.notification(EventKind::Updated, &ticket, &text, note.at)),
            reopen: is_customer,
            note,
        };
        match self.desk.attach(attach).await? {
            AttachResult::Attached => {
                if is_customer {
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

    /// What operators did, to one ticket or to all, the newest first.
    pub async fn trail(
        &self,
        of: Option<TicketRef>,
        before: Option<AuditEntryId>,
        limit: u16,
    ) -> Result<Vec<AuditEntry>, OperateError> {
        let of = match of {
            Some(reference) => Some(self.ticket(reference).await?.id),
            None => None,
        };
        Ok(self.desk.trail(of, before, limit).await?)
    }

    async fn ticket(&self, reference: TicketRef) -> Result<Ticket, OperateError> {
        let found = self.tickets.find(TicketLookup::Reference(reference)).await?;
        found.ok_or(OperateError::NoSuchTicket)
    }

    /// Who wrote a kept message, as far as its number tells.
    fn writer(&self, message: &Message) -> Sender {
        match &message.from {
            Some(from) if self.managers.include(from) => Sender::Manager,
            _ => Sender::Customer,
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
