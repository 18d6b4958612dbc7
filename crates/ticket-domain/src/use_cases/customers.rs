//! What is kept of a person is given back, or erased.

use std::{collections::BTreeSet, sync::Arc};

use super::new_id;
use crate::{
    Contact, EntryId, Listing, Message, MessageId, Phone, Place, SearchText, Thread, Ticket, TicketId, TicketRef,
    Timestamp,
    ports::{Clock, Erasure, Random, Removed, Stale, Store, StoreError},
};

/// Tickets of one page that are looked through.
const PAGE: u16 = 100;

/// Tickets that are erased in one act, so that nobody waits for it.
const TOGETHER: usize = 20;

/// Everything that is kept of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Records {
    /// Their tickets, the newest first.
    pub threads: Vec<Thread>,
    /// Messages of their numbers elsewhere: kept without a ticket, or in somebody else's.
    pub messages: Vec<(Message, Option<TicketRef>)>,
}

/// Gives back and erases.
pub struct Customers {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl Customers {
    /// Works on `store`.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { store, clock, random }
    }

    /// Everything that is kept of a person.
    pub async fn records(&self, contact: &Contact) -> Result<Records, StoreError> {
        let tickets = self.tickets_of(contact).await?;
        let mut threads = Vec::with_capacity(tickets.len());
        for ticket in &tickets {
            threads.extend(self.store.thread(ticket.reference).await?);
        }
        let messages = self.messages_elsewhere(contact, &tickets).await?;
        Ok(Records { threads, messages })
    }

    /// Erases what [`records`](Self::records) gives. If it breaks off, doing it again does the rest.
    pub async fn erase(&self, contact: &Contact) -> Result<Removed, StoreError> {
        let mut removed = Removed::default();
        loop {
            let tickets = self.tickets_of(contact).await?;
            let messages = self.messages_elsewhere(contact, &tickets).await?;
            if tickets.is_empty() && messages.is_empty() {
                return Ok(removed);
            }
            // First what is found by the tickets' numbers, which are gone afterwards.
            let messages = messages.into_iter().map(|(message, _)| message.id).collect();
            removed += self.store.erase(self.erasure(&[], messages)).await?;
            let ids: Vec<TicketId> = tickets.iter().map(|ticket| ticket.id).collect();
            for some in ids.chunks(TOGETHER) {
                removed += self.store.erase(self.erasure(some, Vec::new())).await?;
            }
            // Once more: others may have come meanwhile.
        }
    }

    /// Erases tickets to which nothing happened since `unchanged_since`, among the next few after `after`. What went, and
    /// where to go on; nowhere if all that is old was looked at.
    pub async fn erase_stale(
        &self,
        after: i64,
        unchanged_since: Timestamp,
        limit: u16,
    ) -> Result<(Removed, Option<i64>), StoreError> {
        let stale = Stale {
            after,
            unchanged_since,
            limit,
        };
        let found = self.store.stale(stale).await?;
        let mut removed = Removed::default();
        for some in found.tickets.chunks(TOGETHER) {
            removed += self.store.erase(self.erasure(some, Vec::new())).await?;
        }
        Ok((removed, found.next))
    }

    /// Erases messages that were kept before `kept_before` and never got a ticket; at most `limit`. How many.
    pub async fn erase_unmatched(&self, kept_before: Timestamp, limit: u16) -> Result<u64, StoreError> {
        let kept = self.store.unmatched(None, limit).await?;
        let old = kept.iter().filter(|message| message.created_at < kept_before);
        let old: Vec<MessageId> = old.map(|message| message.id).collect();
        if old.is_empty() {
            return Ok(0);
        }
        Ok(self.store.erase(self.erasure(&[], old)).await?.messages)
    }

    /// Their tickets that are not erased yet, the newest first. Found by their words, and then looked at closely.
    async fn tickets_of(&self, contact: &Contact) -> Result<Vec<Ticket>, StoreError> {
        let mut tickets = Vec::new();
        let text = words(contact);
        let mut after: Option<Place> = None;
        while text.is_some() {
            let listing = Listing {
                status: None,
                priority: None,
                awaiting: None,
                text: text.clone(),
                after,
                limit: PAGE,
            };
            let page = self.store.list(listing).await?;
            let listed = page.tickets.into_iter().map(|listed| listed.ticket);
            tickets.extend(listed.filter(|ticket| contact.is_of(&ticket.customer) && !ticket.is_erased()));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok(tickets)
    }

    /// Messages of a person's numbers outside of these tickets, which are theirs.
    async fn messages_elsewhere(
        &self,
        contact: &Contact,
        tickets: &[Ticket],
    ) -> Result<Vec<(Message, Option<TicketRef>)>, StoreError> {
        let own: BTreeSet<TicketRef> = tickets.iter().map(|ticket| ticket.reference).collect();
        let mut phones: Vec<&Phone> = match contact {
            Contact::Phone(phone) => vec![phone],
            Contact::Email(_) => Vec::new(),
        };
        for ticket in tickets {
            let phone = &ticket.customer.phone;
            if phone.is_international() && !phones.iter().any(|known| known.is_called_as(phone)) {
                phones.push(phone);
            }
        }
        let mut messages = Vec::new();
        for phone in phones {
            let found = self.store.messages_from(phone.clone()).await?;
            messages.extend(
                found
                    .into_iter()
                    .filter(|(_, of)| of.is_none_or(|of| !own.contains(&of))),
            );
        }
        Ok(messages)
    }

    fn erasure(&self, tickets: &[TicketId], messages: Vec<MessageId>) -> Erasure {
        let at = self.clock.now();
        let entry = || EntryId(new_id(at, &*self.random));
        Erasure {
            tickets: tickets.iter().map(|ticket| (*ticket, entry())).collect(),
            messages,
            entry: entry(),
            at,
        }
    }
}

/// What finds every ticket of a contact, and perhaps others.
fn words(contact: &Contact) -> Option<SearchText> {
    match contact {
        Contact::Phone(phone) => phone.as_str().trim_start_matches('+').parse().ok(),
        Contact::Email(email) => {
            // One that is too long to be looked for is found by what stands before its @, at most 64 characters.
            let (before, _) = email.as_str().rsplit_once('@')?;
            email.as_str().parse().or_else(|_| before.parse()).ok()
        }
    }
}
