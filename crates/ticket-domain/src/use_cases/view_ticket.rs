//! Somebody reads a ticket.

use std::sync::Arc;

use crate::{
    Access, AccessKeys, AccessLevel, Thread, TicketRef, TicketVersion,
    ports::{StoreError, TicketStore},
    values::partly_redacted_debug,
};

/// Shows tickets to those who may see them.
pub struct ViewTicket {
    store: Arc<dyn TicketStore>,
    access: Access,
}

/// What a reader brings along.
#[derive(Clone, Copy, Default)]
pub struct Credentials<'a> {
    /// A key, right or wrong.
    pub key: Option<&'a str>,
    /// Whether they are an operator.
    pub is_operator: bool,
}

partly_redacted_debug!(Credentials<'_>, shows is_operator; hides key);

impl Credentials<'_> {
    /// What they make of a reader of the ticket with these keys.
    pub(super) fn access_level(&self, keys: &AccessKeys) -> AccessLevel {
        let by_key = self.key.map_or(AccessLevel::Anyone, |key| keys.access_level(key));
        if self.is_operator {
            AccessLevel::Operator
        } else {
            by_key
        }
    }
}

/// What a reader gets to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The ticket with its messages.
    pub thread: Thread,
    /// What the reader proved to be.
    pub access_level: AccessLevel,
}

/// A reader who may see a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admitted {
    reference: TicketRef,
    access_level: AccessLevel,
    state: Option<TicketVersion>,
}

impl Admitted {
    /// What the reader proved to be.
    pub fn access_level(&self) -> AccessLevel {
        self.access_level
    }

    /// How the ticket stands, if it was looked at.
    pub fn state(&self) -> Option<TicketVersion> {
        self.state
    }
}

/// Why a reader sees nothing.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// There is no such ticket, or the reader may not know that there is.
    #[error("there is no such ticket")]
    NotFound,
    /// The store did not answer.
    #[error("the ticket could not be read")]
    Store(#[from] StoreError),
}

impl ViewTicket {
    /// Shows the tickets of `store`.
    pub fn new(store: Arc<dyn TicketStore>, access: Access) -> Self {
        Self { store, access }
    }

    /// Lets a reader in who may see the ticket. What they show is compared before anything is read but the head of the
    /// ticket, so that somebody who guesses costs little, and the time that it takes tells nothing. With `looks`, the
    /// head is read also where there is nothing to compare.
    ///
    /// Where it was not read, there may be no such ticket.
    pub async fn admit(
        &self,
        reference: TicketRef,
        credentials: Credentials<'_>,
        looks: bool,
    ) -> Result<Admitted, ViewError> {
        let is_known = credentials.is_operator || (credentials.key.is_none() && self.access == Access::Open);
        if is_known && !looks {
            return Ok(Admitted {
                reference,
                access_level: if credentials.is_operator {
                    AccessLevel::Operator
                } else {
                    AccessLevel::Anyone
                },
                state: None,
            });
        }
        let head = self.store.head(reference).await?.ok_or(ViewError::NotFound)?;
        match (self.access, credentials.access_level(&head.keys)) {
            (Access::Private, AccessLevel::Anyone) => Err(ViewError::NotFound),
            (Access::Private | Access::Open, access_level) => Ok(Admitted {
                reference,
                access_level,
                state: Some(head.state),
            }),
        }
    }

    /// The ticket with its messages, for a reader who was let in.
    pub async fn read(&self, admitted: Admitted) -> Result<View, ViewError> {
        let thread = self.store.thread(admitted.reference).await?;
        Ok(View {
            thread: thread.ok_or(ViewError::NotFound)?,
            access_level: admitted.access_level,
        })
    }

    /// The ticket with its messages. Where everybody may read, a key only tells who reads, and one look into the store is
    /// enough. Elsewhere it is judged first, so that a ticket with another key takes no longer than one that is not there.
    pub async fn view(&self, reference: TicketRef, credentials: Credentials<'_>) -> Result<View, ViewError> {
        if self.access == Access::Private && !credentials.is_operator {
            let admitted = self.admit(reference, credentials, false).await?;
            return self.read(admitted).await;
        }
        let thread = self.store.thread(reference).await?.ok_or(ViewError::NotFound)?;
        let access_level = credentials.access_level(&thread.ticket.keys);
        Ok(View { thread, access_level })
    }
}
