//! Somebody reads a ticket.

use std::sync::Arc;

use crate::{
    Access, AccessKeys, Standing, Thread, TicketRef,
    ports::{StoreError, TicketStore},
};

/// Shows tickets to those who may see them.
pub struct ViewTicket {
    store: Arc<dyn TicketStore>,
    access: Access,
}

/// What a reader brings along.
#[derive(Debug, Clone, Copy, Default)]
pub struct Credentials<'a> {
    /// A key, right or wrong.
    pub key: Option<&'a str>,
    /// Whether they are an operator.
    pub is_operator: bool,
}

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
        let standing = credentials.standing(&thread.ticket.keys);
        match self.access {
            Access::Private if standing == Standing::Anyone => Err(ViewError::NotFound),
            Access::Private | Access::Open => Ok(View { thread, standing }),
        }
    }
}
