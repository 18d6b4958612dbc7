//! What operators see and do.

use std::{
    cmp::Reverse,
    sync::{Arc, PoisonError},
};

use async_trait::async_trait;
use ticket_domain::{
    Act, Attention, Awaiting, Entry, EntryId, Excerpt, Listed, Listing, Message, MessageId, Oldest, Place, Ticket,
    TicketId, TicketRef, Tickets,
    ports::{Announcements, Attach, Attached, Changing, Desk, Follower, News, StoreError},
};

use super::{File, MemoryStore, NoSuchTicket, State, search::Words};

impl Announcements for MemoryStore {
    fn follow(&self, follower: Arc<dyn Follower>) {
        let mut followers = self.followers.lock().unwrap_or_else(PoisonError::into_inner);
        followers.push(follower);
    }
}

impl File {
    /// As it stands in a list. Opening a ticket writes its first message, so there is a last one.
    fn listed(&self) -> Option<Listed> {
        Some(Listed {
            ticket: self.ticket.clone(),
            last: Excerpt::of(self.messages.last()?),
        })
    }

    /// Whether one of the messages has every word, together with what the ticket is called and whose it is.
    fn has(&self, words: &Words) -> bool {
        let Ticket {
            reference,
            subject,
            customer,
            ..
        } = &self.ticket;
        let (name, phone, email) = (&customer.name, &customer.phone, &customer.email);
        let about = format!("{reference} {subject} {name} {phone} {email}");
        let mut texts = self.messages.iter().map(|message| message.content.body());
        texts.any(|body| words.are_in(&format!("{about} {body}")))
    }
}

impl State {
    fn list(&self, listing: &Listing) -> Tickets {
        let words = listing.text.as_ref().map(Words::of);
        // With a text, tickets come in the order of their numbers alone.
        let rank = |place: &Place| (words.is_none().then_some(place.at), place.number);
        let mut found: Vec<(Place, Listed)> = (1..)
            .zip(&self.files)
            .filter(|(_, file)| words.as_ref().is_none_or(|words| file.has(words)))
            .filter_map(|(number, file)| {
                let at = file.ticket.updated_at;
                Some((Place { at, number }, file.listed()?))
            })
            .filter(|(_, listed)| listing.admits(&listed.ticket, listed.last.sender))
            .filter(|(place, _)| listing.after.is_none_or(|after| rank(place) < rank(&after)))
            .collect();
        found.sort_by_key(|(place, _)| Reverse(rank(place)));
        let limit = usize::from(listing.limit);
        let is_last = found.len() <= limit;
        found.truncate(limit);
        Tickets {
            next: found.last().filter(|_| !is_last).map(|(place, _)| *place),
            tickets: found.into_iter().map(|(_, listed)| listed).collect(),
        }
    }

    fn attach(&mut self, attach: Attach) -> Result<Attached, StoreError> {
        let id = attach.message;
        if let Some(of) = self
            .files
            .iter()
            .find(|file| file.messages.iter().any(|message| message.id == id))
        {
            return Ok(Attached::Before(of.ticket.reference));
        }
        if !self.unmatched.iter().any(|kept| kept.id == id) {
            return Ok(Attached::NoSuchMessage);
        }
        if !self.join(id, attach.to, attach.sender, attach.note.at) {
            return Err(StoreError::Failed(Arc::new(NoSuchTicket)));
        }
        self.follow_up(attach.to, attach.notification, attach.reopen);
        self.note(attach.note, Some(attach.to), Act::Attach(id));
        self.news.push(News::Unmatched);
        Ok(Attached::Now)
    }

    fn change(&mut self, changing: Changing) -> Result<Ticket, StoreError> {
        let Changing {
            ticket: id, wish, at, ..
        } = changing;
        let Some(file) = self.file(id) else {
            return Err(StoreError::Failed(Arc::new(NoSuchTicket)));
        };
        let acts = changing.acts(&file.ticket);
        if !acts.is_empty() {
            file.ticket.status = wish.status.unwrap_or(file.ticket.status);
            file.ticket.priority = wish.priority.unwrap_or(file.ticket.priority);
            file.ticket.version += 1;
            file.ticket.updated_at = at;
        }
        let ticket = file.ticket.clone();
        for (note, act) in acts {
            self.note(note, Some(id), act);
            self.news.push(News::Ticket(id));
        }
        Ok(ticket)
    }
}

#[async_trait]
impl Desk for MemoryStore {
    async fn list(&self, listing: Listing) -> Result<Tickets, StoreError> {
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

    async fn change(&self, changing: Changing) -> Result<Ticket, StoreError> {
        self.write(|state| state.change(changing))
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

    async fn attach(&self, attach: Attach) -> Result<Attached, StoreError> {
        self.write(|state| state.attach(attach))
    }

    async fn trail(&self, of: Option<TicketId>, before: Option<EntryId>, limit: u16) -> Result<Vec<Entry>, StoreError> {
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
