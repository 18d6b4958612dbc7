//! Callers who read a ticket or write to it, and what the rate limits count of them.

use std::time::Duration;

use actix_web::{HttpRequest, web::Data};
use ticket_domain::{
    AccessLevel, IdempotencyKey, MessageText, TicketRef,
    use_cases::{AddError, AddMessage, Added, Admitted, Credentials, ViewError},
};

use crate::access::{AccessControl, Kind, Limited, ReadError, SharedThreads, SharedView, TooMany, bearer};

/// A caller who asks for a ticket, and the credentials that they show.
pub(crate) struct Visitor {
    access: Data<AccessControl>,
    request: HttpRequest,
    key: Option<String>,
    is_operator: bool,
    shows_wrong_token: bool,
}

/// Why a visitor does not get what they ask for.
#[derive(Debug)]
pub(crate) enum VisitError {
    /// They used up a rate limit.
    TooMany(TooMany),
    /// The use case refused it.
    Refused(AddError),
}

impl From<TooMany> for VisitError {
    fn from(error: TooMany) -> Self {
        Self::TooMany(error)
    }
}

impl From<AddError> for VisitError {
    fn from(error: AddError) -> Self {
        match error {
            AddError::Full => Self::TooMany(TooMany::after(A_DAY, Limited::Ticket)),
            error => Self::Refused(error),
        }
    }
}

/// When to look again whether a full ticket takes more: it may be configured to.
const A_DAY: Duration = Duration::from_hours(24);

impl From<ReadError> for VisitError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::View(error) => error.into(),
            ReadError::TooMany(error) => Self::TooMany(error),
        }
    }
}

impl From<ViewError> for VisitError {
    fn from(error: ViewError) -> Self {
        Self::Refused(match error {
            ViewError::NotFound => AddError::NotFound,
            ViewError::Store(error) => AddError::Store(error),
        })
    }
}

impl Visitor {
    /// A visitor who may show a ticket key; an empty one is none. A request without one can't turn out to be allowed, so it
    /// counts as a read, and whoever has guessed too many references is refused before the store is asked.
    ///
    /// # Errors
    /// [`TooMany`] if they show no key and have used up a limit.
    pub(crate) fn with_key(
        access: &Data<AccessControl>,
        request: &HttpRequest,
        key: Option<String>,
    ) -> Result<Self, TooMany> {
        let key = key.filter(|key| !key.is_empty());
        if key.is_none() {
            access.may_guess(request)?;
            access.limit(Kind::Read, request)?;
        }
        Ok(Self {
            access: access.clone(),
            request: request.clone(),
            key,
            is_operator: false,
            shows_wrong_token: false,
        })
    }

    /// A visitor who may show a ticket key, or an operator token.
    ///
    /// # Errors
    /// [`TooMany`] if they show neither a key nor the right token, and have used up a limit.
    pub(crate) fn with_key_or_token(
        access: &Data<AccessControl>,
        request: &HttpRequest,
        key: Option<String>,
    ) -> Result<Self, TooMany> {
        let token = bearer(request);
        if token.is_some_and(|token| access.knows_operator(token)) {
            return Ok(Self {
                access: access.clone(),
                request: request.clone(),
                key,
                is_operator: true,
                shows_wrong_token: false,
            });
        }
        let shows_wrong_token = token.is_some();
        if shows_wrong_token && key.as_deref().is_none_or(str::is_empty) {
            access.limit(Kind::WrongKey, request)?;
        }
        Ok(Self {
            shows_wrong_token,
            ..Self::with_key(access, request, key)?
        })
    }

    /// The key that they show, right or wrong.
    pub(crate) fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    fn credentials(&self) -> Credentials<'_> {
        Credentials {
            key: self.key(),
            is_operator: self.is_operator,
        }
    }

    /// Reads a ticket. None as a reference stands for a text that is none: no ticket has it.
    ///
    /// # Errors
    /// [`VisitError`] if there is no such ticket for them, a limit is used up, or the store failed.
    pub(crate) async fn view(
        &self,
        threads: &SharedThreads,
        reference: Option<TicketRef>,
    ) -> Result<SharedView, VisitError> {
        // Should the key be wrong, what was read is within what they may read. Others have their key checked first.
        let may_try_key = || {
            let kinds = [Kind::WrongKey, Kind::Read];
            let has_left = |kind: &Kind| self.access.has_left(*kind, &self.request).is_ok();
            self.access.may_guess(&self.request).is_ok() && kinds.iter().all(has_left)
        };
        if let Some(reference) = reference
            && self.key.is_some()
            && may_try_key()
        {
            let view = threads.view(reference, self.credentials()).await;
            return self.counted(view, |view| Some(view.access_level));
        }
        let admitted = self.admit(threads, reference, false).await?;
        self.read(threads, admitted).await
    }

    /// Checks whether they may see a ticket, and reads its version if it is wanted.
    ///
    /// # Errors
    /// As those of [`view`](Self::view).
    pub(crate) async fn admit(
        &self,
        threads: &SharedThreads,
        reference: Option<TicketRef>,
        wants_version: bool,
    ) -> Result<Admitted, VisitError> {
        let admitted = match reference {
            Some(reference) => threads.admit(reference, self.credentials(), wants_version).await,
            None => Err(ViewError::NotFound),
        };
        self.counted(admitted, |admitted| Some(admitted.access_level()))
    }

    /// Reads the ticket that they were admitted to.
    ///
    /// # Errors
    /// As those of [`view`](Self::view).
    pub(crate) async fn read(&self, threads: &SharedThreads, admitted: Admitted) -> Result<SharedView, VisitError> {
        let read = threads.read(admitted).await;
        self.counted(read, |_| None)
    }

    /// Adds a customer's message to a ticket. `once` makes it safe to repeat.
    ///
    /// # Errors
    /// As those of [`view`](Self::view), if they are not the ticket's customer or `once` was used for another message, and if
    /// the ticket has too many messages of theirs.
    pub(crate) async fn add(
        &self,
        messages: &AddMessage,
        reference: Option<TicketRef>,
        text: MessageText,
        once: Option<IdempotencyKey>,
    ) -> Result<Added, VisitError> {
        let ticket = match reference {
            Some(reference) => messages.customer(reference, self.key()).await,
            None => Err(AddError::NotFound),
        };
        let ticket = self.counted(ticket, |_| Some(AccessLevel::Customer))?;
        self.access.limit_messages(ticket.id())?;
        Ok(messages.as_customer(ticket, (text, Vec::new()), once).await?)
    }

    /// Counts a visitor who proved nothing. `access_level` is none if they were counted before. While the store is down a key
    /// can't be checked, so it doesn't count as wrong.
    fn counted<T, E: Into<VisitError>>(
        &self,
        result: Result<T, E>,
        access_level: impl FnOnce(&T) -> Option<AccessLevel>,
    ) -> Result<T, VisitError> {
        let result = result.map_err(E::into);
        match result.as_ref().map(access_level) {
            Ok(Some(AccessLevel::Anyone)) | Err(VisitError::Refused(AddError::NotAllowed)) => self.count(false)?,
            // A valid key is enough, whatever token comes with it.
            Ok(Some(_)) if self.shows_wrong_token => drop(self.access.limit(Kind::WrongKey, &self.request)),
            Err(VisitError::Refused(AddError::NotFound)) => self.count(true)?,
            Ok(_) | Err(_) => {}
        }
        result
    }

    /// A wrong key is a read and a guess as well: it buys nothing beyond what they have without it. What is missing may have
    /// been guessed.
    fn count(&self, is_missing: bool) -> Result<(), TooMany> {
        if self.is_operator {
            return Ok(());
        }
        if self.key.is_some() {
            self.access.may_guess(&self.request)?;
        }
        let by_key = [Kind::WrongKey, Kind::Read].into_iter().filter(|_| self.key.is_some());
        let mut kinds = by_key.chain(is_missing.then_some(Kind::Miss));
        kinds.try_for_each(|kind| self.access.limit(kind, &self.request))
    }
}
