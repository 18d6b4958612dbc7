//! Adds a customer's or an operator's message on the web.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::{Context, Credentials, KEY_LIFE, news_of};
use crate::{
    Access, AccessLevel, Actor, Channel, Content, IdempotencyKey, Message, MessageId, MessageText, Sender, Ticket,
    TicketId, TicketRef, Timestamp, Visibility,
    ports::{Append, Appended, Idempotency, StoreError, TicketLookup, TicketStore, Upload},
};

/// Adds messages that people write on the web.
pub struct AddMessage {
    store: Arc<dyn TicketStore>,
    context: Context,
    access: Access,
    max_of_customer: u32,
}

/// A ticket whose customer showed their key.
#[derive(Debug)]
pub struct CustomerTicket(Ticket);

impl CustomerTicket {
    /// The ticket's id.
    pub fn id(&self) -> TicketId {
        self.0.id
    }
}

/// A message that was added, by this request or an identical one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    /// The ticket.
    pub reference: TicketRef,
    /// The message.
    pub message: MessageId,
    /// When it was received.
    pub at: Timestamp,
    /// Whether an identical request had added it before.
    pub replayed: bool,
}

/// Why a message was not added.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// There is no such ticket, or the sender may not know of it.
    #[error("there is no such ticket")]
    NotFound,
    /// The sender may read the ticket but not write into it.
    #[error("only the customer's key lets its holder write")]
    NotAllowed,
    /// The key was used for another request.
    #[error("this idempotency key was used for another request")]
    KeyReused,
    /// The customer wrote as many messages into the ticket as it takes.
    #[error("the ticket takes no more messages from its page")]
    Full,
    /// A file joined another message, or was cleared away.
    #[error("an upload is gone")]
    UploadGone,
    /// The store failed.
    #[error("the message could not be stored")]
    Store(#[from] StoreError),
}

impl AddMessage {
    /// Adds messages to tickets in `store`. Each takes at most `max_of_customer` messages that its customer writes on the
    /// web.
    pub fn new(store: Arc<dyn TicketStore>, context: Context, access: Access, max_of_customer: u32) -> Self {
        Self {
            store,
            context,
            access,
            max_of_customer,
        }
    }

    /// Returns the ticket if `access_key` is its customer's.
    ///
    /// # Errors
    ///
    /// [`AddError::NotFound`] without such a ticket, or without a valid key where tickets are private;
    /// [`AddError::NotAllowed`] if the key does not permit to write, or the customer was erased.
    pub async fn customer(&self, reference: TicketRef, access_key: Option<&str>) -> Result<CustomerTicket, AddError> {
        let ticket = self.ticket(reference).await?;
        let credentials = Credentials {
            key: access_key,
            is_operator: false,
        };
        match (credentials.access_level(&ticket.keys), self.access) {
            // Where the customer was erased, nobody is left who could be answered.
            (AccessLevel::Customer, _) if ticket.is_erased() => Err(AddError::NotAllowed),
            (AccessLevel::Customer, _) => Ok(CustomerTicket(ticket)),
            (AccessLevel::Anyone, Access::Private) => Err(AddError::NotFound),
            _ => Err(AddError::NotAllowed),
        }
    }

    /// Adds a message of the customer, reopens the ticket and notifies the manager. The same `key` with the same text
    /// returns the same message for 24 hours.
    ///
    /// # Errors
    ///
    /// [`AddError::KeyReused`] if `key` belongs to another request; [`AddError::Full`] if the customer wrote too many
    /// messages.
    pub async fn as_customer(
        &self,
        CustomerTicket(ticket): CustomerTicket,
        (text, attachments): (MessageText, Vec<Upload>),
        key: Option<IdempotencyKey>,
    ) -> Result<Added, AddError> {
        let written = (text, attachments, Visibility::Public);
        self.add(ticket, Sender::Customer, written, key, Actor::Customer).await
    }

    /// Adds an answer of the team or an internal note, and leaves the ticket's status as it is. `visibility` says which.
    ///
    /// # Errors
    ///
    /// [`AddError::NotFound`] without such a ticket; [`AddError::KeyReused`] if `key` belongs to another request.
    pub async fn as_operator(
        &self,
        reference: TicketRef,
        written: (MessageText, Vec<Upload>, Visibility),
        key: Option<IdempotencyKey>,
        by: Actor,
    ) -> Result<Added, AddError> {
        let ticket = self.ticket(reference).await?;
        self.add(ticket, Sender::Manager, written, key, by).await
    }

    async fn ticket(&self, reference: TicketRef) -> Result<Ticket, AddError> {
        let found = self.store.find(TicketLookup::Reference(reference)).await?;
        found.ok_or(AddError::NotFound)
    }

    async fn add(
        &self,
        ticket: Ticket,
        sender: Sender,
        (text, uploads, visibility): (MessageText, Vec<Upload>, Visibility),
        key: Option<IdempotencyKey>,
        by: Actor,
    ) -> Result<Added, AddError> {
        let context = &self.context;
        let now = context.clock.now();
        let digest = digest(&ticket, sender, &text, &uploads, visibility);
        let is_customer = sender == Sender::Customer;
        let id = MessageId(context.new_id(now));
        let links = context.attachment_links(&ticket, &uploads, now);
        let mut attachments = context.new_attachments(&ticket, &links, now);
        if !is_customer {
            // Whoever sends a file for the team need not get it.
            for attachment in &mut attachments {
                attachment.notification = None;
            }
        }
        let append = Append {
            to: ticket.id,
            attachments,
            notifications: if visibility == Visibility::Public {
                context.notifications_with(news_of(sender), &ticket, text.as_str(), &links, now)
            } else {
                Vec::new()
            },
            message: Message {
                id,
                sender,
                channel: Channel::Web,
                from: None,
                content: Content::from(text),
                attachments: uploads.into_iter().map(|upload| upload.attachment).collect(),
                visibility,
                external_id: None,
                created_at: now,
            },
            reopen: is_customer,
            idempotency: key.map(|key| Idempotency {
                key,
                digest,
                expires_at: now.plus(KEY_LIFE),
            }),
            note: (!is_customer).then(|| context.stamp_at(now, by)),
            max_of_sender: is_customer.then_some(self.max_of_customer),
        };
        let (message, at, replayed) = match self.store.append(append).await? {
            Appended::Repeated {
                digest: first,
                message: Some((message, at)),
            } if first == digest => (message, at, true),
            Appended::Repeated { .. } => return Err(AddError::KeyReused),
            Appended::Full => return Err(AddError::Full),
            Appended::UploadGone => return Err(AddError::UploadGone),
            // It has no outside id by which it could be known.
            Appended::Added | Appended::Joined(_) | Appended::AlreadyStored { .. } | Appended::NoMessage(_) => {
                (id, now, false)
            }
        };
        if is_customer && !replayed {
            context.wake.wake();
        }
        Ok(Added {
            reference: ticket.reference,
            message,
            at,
            replayed,
        })
    }
}

/// SHA-256 of the request: two are the same if theirs are equal.
fn digest(ticket: &Ticket, sender: Sender, text: &MessageText, uploads: &[Upload], visibility: Visibility) -> [u8; 32] {
    let mut hash = Sha256::new();
    // No ticket's digest begins so: a name has no NUL.
    hash.update(b"\0message\0");
    hash.update(ticket.id.0.as_bytes());
    hash.update(sender.as_str());
    hash.update([0]);
    hash.update(text.as_str());
    // Stored digests of public messages end here.
    if visibility != Visibility::Public {
        hash.update([0]);
        hash.update(visibility.as_str());
    }
    for upload in uploads {
        hash.update(upload.digest);
    }
    hash.finalize().into()
}
