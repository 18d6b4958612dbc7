//! What customers are mailed, and what not.

use async_trait::async_trait;

use super::StoreError;
use crate::{MessageId, Notification, TicketId, Timestamp};

/// What customers are mailed, and what not.
///
/// # Errors
///
/// Every call fails if the store is unavailable or a row is corrupt; nothing was written then.
#[async_trait]
pub trait CustomerMail: Send + Sync {
    /// Leaves what the customer has seen out of the mail that waits: every message of the ticket's thread up to this one.
    /// Returns whether that changed anything.
    async fn seen(&self, ticket: TicketId, up_to: MessageId) -> Result<bool, StoreError>;

    /// Stops the mails about a ticket, or sends them again. Nothing changes for mails that the customer asks for.
    async fn set_unsubscribed(&self, ticket: TicketId, unsubscribed: bool) -> Result<(), StoreError>;

    /// Stores [`Links`](crate::EventKind::Links) that a customer asked for, unless the e-mail address of the ticket `about`
    /// got some at or after `since`. Returns whether they were stored.
    async fn request(&self, about: TicketId, notification: Notification, since: Timestamp) -> Result<bool, StoreError>;
}
