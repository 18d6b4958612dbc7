//! Threads in memory: one copy of each, shared by everybody who reads it.
//!
//! Copies live as long as somebody reads them: a response that is being written, or subscribers to the ticket. Their bytes
//! are limited in all, so that neither long threads nor slow readers fill the memory.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use ticket_domain::{
    AccessLevel, Message, Thread, TicketRef,
    use_cases::{Admitted, Credentials, ViewError, ViewTicket},
};
use tokio::sync::Mutex as AsyncMutex;

use crate::access::{
    TooMany,
    byte_budget::{ByteBudget, BytePermit},
};

/// Bytes of all copies, in KiB. Three threads that customers filled up ([`Settings::max_customer_messages`] of 5,000
/// characters of up to four bytes) fit.
///
/// [`Settings::max_customer_messages`]: crate::Settings::max_customer_messages
const TOTAL_KIB: u32 = 32 * 1024;
/// Threads of up to this many bytes don't count: about fifty usual messages.
const SMALL: usize = 16 * 1024;
/// What a message takes beside its texts, in bytes.
const AROUND: usize = 256;
/// From this many entries on, those that nobody uses are removed.
const TIDY_FROM: usize = 1_024;

/// A thread, and what customers see of it.
#[derive(Debug)]
pub(crate) struct ThreadCopy {
    full: Thread,
    /// None if they see all of it.
    public: Option<Thread>,
    _permit: BytePermit,
    /// Kept, so that others find this copy.
    _place: Arc<Place>,
}

impl PartialEq for ThreadCopy {
    fn eq(&self, other: &Self) -> bool {
        self.full == other.full
    }
}

/// Where the copy of a ticket is. The lock is held while it is read.
#[derive(Debug, Default)]
struct Place(AsyncMutex<Weak<ThreadCopy>>);

/// A reader's view of a shared copy.
#[derive(Debug, Clone)]
pub(crate) struct SharedView {
    copy: Arc<ThreadCopy>,
    pub(crate) access_level: AccessLevel,
}

/// Why a thread is not read.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// It is not shown.
    View(ViewError),
    /// Too many bytes wait for their readers.
    TooMany(TooMany),
}

impl From<ViewError> for ReadError {
    fn from(error: ViewError) -> Self {
        Self::View(error)
    }
}

impl SharedView {
    /// The thread as the reader may see it.
    pub(crate) fn thread(&self) -> &Thread {
        self.copy.shown_to(self.access_level)
    }

    /// The same reader's view of another copy.
    pub(crate) fn of(&self, copy: Arc<ThreadCopy>) -> Self {
        Self {
            copy,
            access_level: self.access_level,
        }
    }
}

impl ThreadCopy {
    /// Makes a copy of the newest state. `permit` is asked for its bytes.
    fn new<E>(full: Thread, place: Arc<Place>, permit: impl FnOnce(usize) -> Result<BytePermit, E>) -> Result<Self, E> {
        let public = match full.shown_to(AccessLevel::Customer) {
            Cow::Borrowed(_) => None,
            Cow::Owned(public) => Some(public),
        };
        let bytes = bytes_of(&full) + public.as_ref().map_or(0, bytes_of);
        Ok(Self {
            full,
            public,
            _permit: permit(bytes)?,
            _place: place,
        })
    }

    /// A copy that is shared with nobody.
    #[cfg(test)]
    pub(crate) fn alone(full: Thread) -> Arc<Self> {
        let copy: Result<_, std::convert::Infallible> = Self::new(full, Arc::default(), |_| Ok(BytePermit::default()));
        Arc::new(copy.unwrap_or_else(|never| match never {}))
    }

    /// The thread as readers of this access level see it.
    pub(crate) fn shown_to(&self, level: AccessLevel) -> &Thread {
        match &self.public {
            Some(public) if level != AccessLevel::Operator => public,
            _ => &self.full,
        }
    }
}

/// About how many bytes a thread takes.
fn bytes_of(thread: &Thread) -> usize {
    let size = |message: &Message| {
        let media = message.content.media().map_or(0, |media| media.as_str().len());
        AROUND + message.content.body().as_str().len() + media
    };
    thread.messages.iter().map(size).sum()
}

/// The copies: one collection per process.
pub(crate) struct SharedThreads {
    view: ViewTicket,
    places: Mutex<HashMap<TicketRef, Weak<Place>>>,
    budget: ByteBudget,
}

impl SharedThreads {
    /// Creates an empty collection. `view` reads the tickets.
    pub(crate) fn new(view: ViewTicket) -> Self {
        Self {
            view,
            places: Mutex::default(),
            budget: ByteBudget::new(TOTAL_KIB, SMALL),
        }
    }

    /// Shows a ticket to a reader. Access is checked first.
    ///
    /// # Errors
    /// [`ReadError`] without such a ticket or access to it, if the store fails, and if too many bytes wait for their readers.
    pub(crate) async fn view(
        &self,
        reference: TicketRef,
        credentials: Credentials<'_>,
    ) -> Result<SharedView, ReadError> {
        let admitted = self.view.admit(reference, credentials, false).await?;
        self.read(admitted).await
    }

    /// Checks a reader's access, as [`ViewTicket::admit`] does.
    ///
    /// # Errors
    /// Those of [`ViewTicket::admit`].
    pub(crate) async fn admit(
        &self,
        reference: TicketRef,
        credentials: Credentials<'_>,
        wants_version: bool,
    ) -> Result<Admitted, ViewError> {
        self.view.admit(reference, credentials, wants_version).await
    }

    /// Shows the ticket that a reader was admitted to: the copy that others read if it is as new as the ticket was then.
    ///
    /// # Errors
    /// As those of [`view`](Self::view).
    pub(crate) async fn read(&self, admitted: Admitted) -> Result<SharedView, ReadError> {
        let (reference, access_level) = (admitted.reference(), admitted.access_level());
        let place = self.place(reference);
        // Whoever else wants this ticket waits, and then shares it.
        let mut newest = place.0.lock().await;
        if let Some(copy) = newest.upgrade() {
            let state = match admitted.state() {
                None => self
                    .view
                    .admit(reference, credentials_of(access_level), true)
                    .await?
                    .state(),
                state => state,
            };
            let have = copy.shown_to(access_level).state();
            if state.is_some_and(|state| have == state || have.version > state.version) {
                return Ok(SharedView { copy, access_level });
            }
        }
        let as_operator = credentials_of(AccessLevel::Operator);
        let all = self.view.admit(reference, as_operator, false).await?;
        let thread = self.view.read(all).await?.thread;
        let copy = ThreadCopy::new(thread, place.clone(), |bytes| self.budget.take(bytes));
        let copy = Arc::new(copy.map_err(ReadError::TooMany)?);
        *newest = Arc::downgrade(&copy);
        Ok(SharedView { copy, access_level })
    }

    /// The newest state of a ticket, for who passes it on to readers.
    ///
    /// # Errors
    /// As those of [`view`](Self::view).
    pub(crate) async fn copy(&self, reference: TicketRef) -> Result<Arc<ThreadCopy>, ReadError> {
        Ok(self.view(reference, credentials_of(AccessLevel::Operator)).await?.copy)
    }

    fn place(&self, reference: TicketRef) -> Arc<Place> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = places.get(&reference).and_then(Weak::upgrade) {
            return place;
        }
        if places.len() >= TIDY_FROM && places.len() == places.capacity() {
            places.retain(|_, place| place.strong_count() > 0);
        }
        let place = Arc::default();
        places.insert(reference, Arc::downgrade(&place));
        place
    }
}

/// Credentials that need no key: an operator's, or none.
fn credentials_of(level: AccessLevel) -> Credentials<'static> {
    Credentials {
        key: None,
        is_operator: level == AccessLevel::Operator,
    }
}

#[cfg(test)]
mod tests;
