//! What a message hints at, looked up.

use super::{Ask, ReceiveError, Reply, TicketName};
use crate::{
    Managers, Match, Person, Reason, TextMatch, TicketMatch, TicketRef,
    ports::{StoreError, TicketLookup, TicketStore},
    references_in, resolve_ticket,
};

/// Where a message belongs, and what of it bears on its writer's question.
pub(super) struct Hints {
    /// The ticket, as far as it is certain.
    pub(super) which: TicketMatch,
    /// Why its writer would be asked.
    pub(super) reason: Reason,
    /// Whether it could be an answer: nothing names a ticket but, perhaps, the text.
    pub(super) may_pick: bool,
}

impl Hints {
    /// Looks up everything that a message names, and weighs it.
    pub(super) async fn of(
        reply: &Reply,
        from: &Person,
        store: &dyn TicketStore,
        managers: &Managers,
    ) -> Result<Self, StoreError> {
        let named = match reply.ticket {
            TicketName::Absent => Match::None,
            TicketName::Unreadable => Match::NoSuchTicket,
            TicketName::Reference(reference) => by_reference(store, reference).await?,
        };
        let quote = reply.replied_to.clone().map(TicketLookup::Quoted);
        let thread = reply.thread.map(TicketLookup::Id);
        let mut quoted = Match::None;
        for look_up in [quote, thread].into_iter().flatten() {
            if quoted == Match::None {
                quoted = by_quote(store, look_up).await?;
            }
        }
        let in_text = if reply.is_forwarded {
            TextMatch::One(Match::None)
        } else {
            by_text(store, reply.content.body().as_str()).await?
        };
        let has_medium = reply.content.media().is_some() || reply.lost_medium;
        let is_theirs_alone = (&named, &quoted) == (&Match::None, &Match::None) && !reply.is_forwarded;
        let may_pick = is_theirs_alone && !has_medium;
        let has_no_hint = (&named, &quoted, &in_text) == (&Match::None, &Match::None, &TextMatch::One(Match::None));
        let which = resolve_ticket(from, managers, named, quoted, in_text);
        let reason = match which {
            TicketMatch::NotFound => Reason::NoSuchTicket,
            _ if has_no_hint => Reason::NoHint,
            _ => Reason::Contradicting,
        };
        Ok(Self {
            which,
            reason,
            may_pick,
        })
    }

    /// The error for a message that is unmatched.
    pub(super) fn refusal(&self, ask: Option<Ask>) -> ReceiveError {
        match self.which {
            TicketMatch::NotFound => ReceiveError::NotFound { ask },
            TicketMatch::Uncertain | TicketMatch::Certain(..) => ReceiveError::NotNamed { ask },
        }
    }
}

/// What a reference leads to.
pub(super) async fn by_reference(store: &dyn TicketStore, reference: TicketRef) -> Result<Match, StoreError> {
    let ticket = store.find(TicketLookup::Reference(reference)).await?;
    Ok(ticket.map_or(Match::NoSuchTicket, |ticket| Match::Ticket(Box::new(ticket))))
}

async fn by_quote(store: &dyn TicketStore, look_up: TicketLookup) -> Result<Match, StoreError> {
    let ticket = store.find(look_up).await?;
    Ok(ticket.map_or(Match::None, |ticket| Match::Ticket(Box::new(ticket))))
}

async fn by_text(store: &dyn TicketStore, text: &str) -> Result<TextMatch, StoreError> {
    match references_in(text).as_slice() {
        [] => Ok(TextMatch::One(Match::None)),
        [one] => by_reference(store, *one).await.map(TextMatch::One),
        _ => Ok(TextMatch::Several),
    }
}
