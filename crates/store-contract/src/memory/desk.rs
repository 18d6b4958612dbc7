//! What operators see and do.

use std::{
    cmp::Reverse,
    sync::{Arc, PoisonError},
};

use async_trait::async_trait;
use ticket_domain::{
    Attention, AuditAction, AuditEntryId, Awaiting, Cursor, Entry, Excerpt, Message, MessageId, Oldest, Ticket,
    TicketDetails, TicketId, TicketListItem, TicketPage, TicketQuery, TicketRef,
    ports::{Attach, AttachResult, ChangeEvent, ChangeFeed, OperatorQueries, StoreError, Subscriber, UpdateTicket},
};

use super::{File, MemoryStore, NoSuchTicket, State, search::Words};

impl ChangeFeed for MemoryStore {
    fn follow(&self, subscriber: Arc<dyn Subscriber>) {
        let mut subscribers = self.subscribers.lock().unwrap_or_else(PoisonError::into_inner);
        subscribers.push(subscriber);
    }
}

impl File {
    /// As it stands in a list. Opening a ticket writes its first message, so there is a last one.
    fn listed(&self) -> Option<TicketListItem> {
        Some(TicketListItem {
            ticket: self.ticket.clone(),
            last: Excerpt::of(self.messages.last()?),
        })
    }

    /// Whether one of the messages has every word, together with what the ticket is called and whose it is.
    fn has(&self, words: &Words) -> bool {
        let Ticket {
            reference,
            details: TicketDetails { subject, customer, .. },
            ..
        } = &self.ticket;
        let (name, phone, email) = (&customer.name, &customer.phone, &customer.email);
        let about = format!("{reference} {subject} {name} {phone} {email}");
        let mut texts = self.messages.iter().map(|message| message.content.body());
        texts.any(|body| words.are_in(&format!("{about} {body}")))
    }
}

impl State {
    fn list(&self, listing: &TicketQuery) -> TicketPage {
        let words = listing.text.as_ref().map(Words::of);
        // With a text, tickets come in the order of their numbers alone.
        let rank = |place: &Cursor| (words.is_none().then_some(place.at), place.number);
        let mut found: Vec<(Cursor, TicketListItem)> = (1..)
            .zip(&self.files)
            .filter(|(_, file)| words.as_ref().is_none_or(|words| file.has(words)))
            .filter_map(|(number, file)| {
                let at = file.ticket.updated_at;
                Some((Cursor { at, number }, file.listed()?))
            })
            .filter(|(_, listed)| listing.admits(&listed.ticket, listed.last.sender))
            .filter(|(place, _)| listing.after.is_none_or(|after| rank(place) < rank(&after)))
            .collect();
        found.sort_by_key(|(place, _)| Reverse(rank(place)));
        let limit = usize::from(listing.limit);
        let is_last = found.len() <= limit;
        found.truncate(limit);
        TicketPage {
            next: found.last().filter(|_| !is_last).map(|(place, _)| *place),
            tickets: found.into_iter().map(|(_, listed)| listed).collect(),
        }
    }

    fn attach(&mut self, attach: Attach) -> Result<AttachResult, StoreError> {
        let id = attach.message;
        if let Some(of) = self
            .files
            .iter()
            .find(|file| file.messages.iter().any(|message| message.id == id))
        {
            return Ok(AttachResult::AlreadyAttached(of.ticket.reference));
        }
        if !self.unmatched.iter().any(|kept| kept.id == id) {
            return Ok(AttachResult::NoSuchMessage);
        }
        if !self.join(id, attach.to, attach.sender, attach.note.at) {
            return Err(StoreError::Failed(Arc::new(NoSuchTicket)));
        }
        self.follow_up(attach.to, attach.notification, attach.reopen);
        self.note(attach.note, Some(attach.to), AuditAction::Attach(id));
        self.events.push(ChangeEvent::Unmatched);
        Ok(AttachResult::Attached)
    }

    fn change(&mut self, update: UpdateTicket) -> Result<Ticket, StoreError> {
        let UpdateTicket {
            ticket: id, patch, at, ..
        } = update;
        let Some(file) = self.file(id) else {
            return Err(StoreError::Failed(Arc::new(NoSuchTicket)));
        };
        let acts = update.acts(&file.ticket);
        if !acts.is_empty() {
            file.ticket.status = patch.status.unwrap_or(file.ticket.status);
            file.ticket.details.priority = patch.priority.unwrap_or(file.ticket.details.priority);
            file.ticket.version += 1;
            file.ticket.updated_at = at;
        }
        let ticket = file.ticket.clone();
        for (note, act) in acts {
            self.note(note, Some(id), act);
            self.events.push(ChangeEvent::Ticket(id));
        }
        Ok(ticket)
    }
}

#[async_trait]
impl OperatorQueries for MemoryStore {
    async fn list(&self, listing: TicketQuery) -> Result<TicketPage, StoreError> {
        Ok(self.state().list(&listing))
    }

    async fn attention(&self) -> Result<Attention, StoreError> {
        let state = self.state();
        let listed = state.files.iter().filter_map(File::listed);
        let awaiting: Vec<_> = listed
            .filter(|listed| listed.awaiting() == Some(Awaiting::Manager))
            .collect();
        let oldest = awaiting.iter().min_by_key(|listed| listed.ticket.updated_at);
        let count = u32::try_from(awaiting.len()).unwrap_or(u32::MAX);
        Ok(Attention {
            awaiting_manager: count.min(Attention::COUNTED),
            oldest: oldest.map(|listed| Oldest {
                reference: listed.ticket.reference,
                since: listed.ticket.updated_at,
            }),
        })
    }

    async fn change(&self, update: UpdateTicket) -> Result<Ticket, StoreError> {
        self.write(|state| state.change(update))
    }

    async fn unmatched(&self, after: Option<MessageId>, limit: u16) -> Result<Vec<Message>, StoreError> {
        let mut kept = self.state().unmatched.clone();
        kept.retain(|message| !message.is_erased() && after.is_none_or(|after| message.id > after));
        kept.sort_by_key(|message| message.id);
        kept.truncate(limit.into());
        Ok(kept)
    }

    async fn message(&self, id: MessageId) -> Result<Option<(Message, Option<TicketRef>)>, StoreError> {
        let state = self.state();
        let in_threads = state.files.iter().flat_map(|file| {
            let reference = Some(file.ticket.reference);
            file.messages.iter().map(move |message| (message, reference))
        });
        let kept = state.unmatched.iter().map(|message| (message, None));
        let mut all = in_threads.chain(kept);
        let found = all.find(|(message, _)| message.id == id);
        Ok(found.map(|(message, of)| (message.clone(), of)))
    }

    async fn attach(&self, attach: Attach) -> Result<AttachResult, StoreError> {
        self.write(|state| state.attach(attach))
    }

    async fn trail(
        &self,
        of: Option<TicketId>,
        before: Option<AuditEntryId>,
        limit: u16,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut state = self.state();
        let reference = of.map(|ticket| state.file(ticket).map(|file| file.ticket.reference));
        let mut entries = state.trail.clone();
        entries.retain(|entry| {
            reference.is_none_or(|of| entry.reference == of) && before.is_none_or(|before| entry.id < before)
        });
        entries.sort_by_key(|entry| Reverse(entry.id));
        entries.truncate(limit.into());
        Ok(entries)
    }
}
