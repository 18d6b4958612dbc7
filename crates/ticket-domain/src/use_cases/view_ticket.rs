//! Somebody reads a ticket.

use std::sync::Arc;

use crate::{
    Access, AccessKeys, Standing, Thread, ThreadState, TicketRef,
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
    pub(super) fn standing(&self, keys: &AccessKeys) -> Standing {
        let by_key = self.key.map_or(Standing::Anyone, |key| keys.standing(key));
        if self.is_operator { Standing::Operator } else { by_key }
    }
}

/// What a reader gets to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The ticket with its messages.
    pub thread: Thread,
    /// What the reader proved to be.
    pub standing: Standing,
}

/// What a reader gets to see who knows how the ticket stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// Nothing new: it stands so still.
    Unchanged(ThreadState),
    /// All of it.
    Changed(Thread),
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

    /// The ticket with its messages.
    pub async fn view(&self, reference: TicketRef, credentials: Credentials<'_>) -> Result<View, ViewError> {
        let thread = self.store.thread(reference).await?.ok_or(ViewError::NotFound)?;
        let standing = self.admit(&thread.ticket.keys, credentials)?;
        Ok(View { thread, standing })
    }

    /// The same, unless it stands as the reader knows: then the messages are not even read. And what the reader proved
    /// to be.
    pub async fn view_unless(
        &self,
        known: Option<ThreadState>,
        reference: TicketRef,
        credentials: Credentials<'_>,
    ) -> Result<(Look, Standing), ViewError> {
        if let Some(known) = known {
            let head = self.store.head(reference).await?.ok_or(ViewError::NotFound)?;
            let standing = self.admit(&head.keys, credentials)?;
            if head.state == known {
                return Ok((Look::Unchanged(known), standing));
            }
        }
        let View { thread, standing } = self.view(reference, credentials).await?;
        Ok((Look::Changed(thread), standing))
    }

    /// What the reader is to the ticket with these keys, if that is enough to see it.
    fn admit(&self, keys: &AccessKeys, credentials: Credentials<'_>) -> Result<Standing, ViewError> {
        let standing = credentials.standing(keys);
        match self.access {
            Access::Private if standing == Standing::Anyone => Err(ViewError::NotFound),
            Access::Private | Access::Open => Ok(standing),
        }
    }
}
