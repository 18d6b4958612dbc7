//! What a message hints at, looked up.

use super::{Reply, TicketName};
use crate::{
    Clue, ExternalId, Managers, Reason, TextClue, TicketRef, Which,
    ports::{LookUp, StoreError, TicketStore},
    references_in, which_ticket,
};

/// Where a message belongs, and what of it bears on its writer's question.
pub(super) struct Hints {
    /// The ticket, as far as it is certain.
    pub(super) which: Which,
    /// Why its writer would be asked.
    pub(super) reason: Reason,
    /// Whether it could be an answer: nothing names a ticket but, perhaps, the text.
    pub(super) may_pick: bool,
}

impl Hints {
    /// Looks up everything that a message names, and weighs it.
    pub(super) async fn of(reply: &Reply, store: &dyn TicketStore, managers: &Managers) -> Result<Self, StoreError> {
        let named = match reply.ticket {
            TicketName::Absent => Clue::Silent,
            TicketName::Unreadable => Clue::NoSuchTicket,
            TicketName::Reference(reference) => by_reference(store, reference).await?,
        };
        let quoted = match &reply.replied_to {
            Some(id) => by_quote(store, id.clone()).await?,
            None => Clue::Silent,
        };
        let in_text = if reply.is_forwarded {
            TextClue::One(Clue::Silent)
        } else {
            by_text(store, reply.content.body().as_str()).await?
        };
        let has_medium = reply.content.media().is_some() || reply.lost_medium;
        let is_theirs_alone = (&named, &quoted) == (&Clue::Silent, &Clue::Silent) && !reply.is_forwarded;
        let may_pick = is_theirs_alone && !has_medium;
        let has_no_hint = (&named, &quoted, &in_text) == (&Clue::Silent, &Clue::Silent, &TextClue::One(Clue::Silent));
        let which = which_ticket(&reply.from, managers, named, quoted, in_text);
        let reason = match which {
            Which::NotFound => Reason::NoSuchTicket,
            _ if has_no_hint => Reason::NoHint,
            _ => Reason::AtOdds,
        };
        Ok(Self {
            which,
            reason,
            may_pick,
        })
    }
}

/// What a reference leads to.
pub(super) async fn by_reference(store: &dyn TicketStore, reference: TicketRef) -> Result<Clue, StoreError> {
    let ticket = store.find(LookUp::Reference(reference)).await?;
    Ok(ticket.map_or(Clue::NoSuchTicket, |ticket| Clue::Names(Box::new(ticket))))
}

async fn by_quote(store: &dyn TicketStore, id: ExternalId) -> Result<Clue, StoreError> {
    let ticket = store.find(LookUp::Quoted(id)).await?;
    Ok(ticket.map_or(Clue::Silent, |ticket| Clue::Names(Box::new(ticket))))
}

async fn by_text(store: &dyn TicketStore, text: &str) -> Result<TextClue, StoreError> {
    match references_in(text).as_slice() {
        [] => Ok(TextClue::One(Clue::Silent)),
        [one] => by_reference(store, *one).await.map(TextClue::One),
        _ => Ok(TextClue::Several),
    }
}
