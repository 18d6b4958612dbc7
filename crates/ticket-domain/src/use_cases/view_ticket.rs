//! Shows tickets.

use std::{borrow::Cow, sync::Arc};

use crate::{
    Access, AccessKeys, AccessLevel, Thread, TicketRef, TicketVersion,
    ports::{StoreError, TicketStore},
    values::partly_redacted_debug,
};

/// Shows tickets to readers with access.
pub struct ViewTicket {
    store: Arc<dyn TicketStore>,
    access: Access,
}

/// A reader's credentials.
#[derive(Clone, Copy, Default)]
pub struct Credentials<'a> {
    /// A key, valid or not.
    pub key: Option<&'a str>,
    /// Whether the reader is an operator.
    pub is_operator: bool,
}

partly_redacted_debug!(Credentials<'_>, shows is_operator; hides key);

impl Credentials<'_> {
    /// Returns the access level to a ticket with these keys.
    pub(super) fn access_level(&self, keys: &AccessKeys) -> AccessLevel {
        let by_key = self.key.map_or(AccessLevel::Anyone, |key| keys.access_level(key));
        if self.is_operator {
            AccessLevel::Operator
        } else {
            by_key
        }
    }
}

/// A ticket as its reader may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The ticket with its messages.
    pub thread: Thread,
    /// The reader's access level.
    pub access_level: AccessLevel,
}

impl View {
    fn new(thread: Thread, access_level: AccessLevel) -> Self {
        let shown = match thread.shown_to(access_level) {
            Cow::Borrowed(_) => None,
            Cow::Owned(shown) => Some(shown),
        };
        Self {
            thread: shown.unwrap_or(thread),
            access_level,
        }
    }
}

/// A reader with access to a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admitted {
    reference: TicketRef,
    access_level: AccessLevel,
    state: Option<TicketVersion>,
}

impl Admitted {
    /// The ticket.
    pub fn reference(&self) -> TicketRef {
        self.reference
    }

    /// The reader's access level.
    pub fn access_level(&self) -> AccessLevel {
        self.access_level
    }

    /// The ticket's version, if it was read.
    pub fn state(&self) -> Option<TicketVersion> {
        self.state
    }
}

/// Why a ticket is not shown.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// There is no such ticket, or the reader may not know of it.
    #[error("there is no such ticket")]
    NotFound,
    /// The store failed.
    #[error("the ticket could not be read")]
    Store(#[from] StoreError),
}

impl ViewTicket {
    /// Shows the tickets of `store`.
    pub fn new(store: Arc<dyn TicketStore>, access: Access) -> Self {
        Self { store, access }
    }

    /// Checks a reader's access. Only the ticket's summary is read, so that guessing costs little and the duration reveals
    /// nothing. With `looks`, the summary is read even if there is no key to compare; if it was not read, there may be no
    /// such ticket.
    ///
    /// # Errors
    ///
    /// [`ViewError::NotFound`] without such a ticket, or without access to it.
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
        let head = self.store.summary(reference).await?.ok_or(ViewError::NotFound)?;
        match (self.access, credentials.access_level(&head.keys)) {
            (Access::Private, AccessLevel::Anyone) => Err(ViewError::NotFound),
            (Access::Private | Access::Open, access_level) => Ok(Admitted {
                reference,
                access_level,
                state: Some(head.state_for(access_level)),
            }),
        }
    }

    /// Returns the ticket with its messages.
    ///
    /// # Errors
    ///
    /// [`ViewError::NotFound`] without such a ticket.
    pub async fn read(&self, admitted: Admitted) -> Result<View, ViewError> {
        let thread = self.store.thread(admitted.reference).await?;
        Ok(View::new(thread.ok_or(ViewError::NotFound)?, admitted.access_level))
    }

    /// Returns the ticket with its messages. Where tickets are open, the key only decides the access level, and one read is
    /// enough. Where they are private, access is checked first, so that a wrong key takes no longer than a missing ticket.
    ///
    /// # Errors
    ///
    /// [`ViewError::NotFound`] without such a ticket, or without access to it.
    pub async fn view(&self, reference: TicketRef, credentials: Credentials<'_>) -> Result<View, ViewError> {
        if self.access == Access::Private && !credentials.is_operator {
            let admitted = self.admit(reference, credentials, false).await?;
            return self.read(admitted).await;
        }
        let thread = self.store.thread(reference).await?.ok_or(ViewError::NotFound)?;
        let access_level = credentials.access_level(&thread.ticket.keys);
        Ok(View::new(thread, access_level))
    }
}
