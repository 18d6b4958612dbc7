//! Somebody reads a ticket.

use std::sync::Arc;

use crate::{
    Access, Thread, TicketRef,
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

/// What a reader gets to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The ticket with its messages.
    pub thread: Thread,
    /// Whether the reader proved to be somebody who may see it, with a key or as an operator.
    pub proven: bool,
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
        let has_key = credentials.key.is_some_and(|key| thread.ticket.keys.may_read(key));
        let proven = credentials.is_operator || has_key;
        match self.access {
            Access::Private if !proven => Err(ViewError::NotFound),
            Access::Private | Access::Open => Ok(View { thread, proven }),
        }
    }
}
