//! Which WhatsApp user id and which phone number are one person's.

use async_trait::async_trait;

use super::StoreError;
use crate::{Address, Phone, Timestamp};

/// A number and a user id that came with the same message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownContact {
    /// The user id.
    pub user_id: Address,
    /// The number, [canonical](Phone::canonical).
    pub phone: Phone,
    /// When they last came together.
    pub seen_at: Timestamp,
}

/// Remembers numbers and user ids, so that a person is recognised by either.
///
/// # Errors
///
/// Every call fails if the store is unavailable or a row is corrupt; nothing was written then.
#[async_trait]
pub trait Contacts: Send + Sync {
    /// Returns what is known of the person who has this user id or this canonical number, in the order of the user ids.
    async fn contacts_of(&self, address: Address) -> Result<Vec<KnownContact>, StoreError>;

    /// Stores a pair. A user id has one number, the one of the pair that was seen last; a number may have several user ids.
    async fn learn(&self, contact: KnownContact) -> Result<(), StoreError>;

    /// Forgets the pairs of a canonical number.
    async fn forget(&self, phone: Phone) -> Result<(), StoreError>;

    /// Forgets the pairs that were not seen since then, and returns how many.
    async fn forget_unseen(&self, since: Timestamp) -> Result<u64, StoreError>;
}
