//! Exports and erases personal data.

use std::{collections::BTreeSet, sync::Arc};

use super::new_id;
use crate::{
    AccessLevel, Actor, AuditEntryId, AuditStamp, Contact, Cursor, Message, MessageId, Phone, SearchText, Thread,
    Ticket, TicketId, TicketQuery, TicketRef, Timestamp,
    ports::{Clock, EraseStats, EraseTarget, Erasure, InactiveQuery, Random, Store, StoreError},
};

/// Page size when searching for a person's tickets.
const PAGE: u16 = 100;

/// Messages that are erased in one transaction, so that it blocks nobody for long.
const TOGETHER: u16 = 300;

/// All data of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Records {
    /// Their tickets, newest first.
    pub threads: Vec<Thread>,
    /// Messages from their number elsewhere: unmatched, or in other people's tickets.
    pub messages: Vec<(Message, Option<TicketRef>)>,
    /// For an e-mail address: other numbers in its tickets, and how many messages came from each. Whether they belong to
    /// the same person is not proven.
    pub other_numbers: Vec<(Phone, usize)>,
}

/// What was erased of a person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EraseReport {
    /// Counts.
    pub removed: EraseStats,
    /// The tickets.
    pub tickets: Vec<TicketId>,
}

/// Exports and erases personal data.
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

    /// Returns all data of a person: for an e-mail address its tickets, for a phone number its tickets and its messages
    /// elsewhere.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn records(&self, contact: &Contact) -> Result<Records, StoreError> {
        let tickets = self.tickets_of(contact).await?;
        let mut threads = Vec::with_capacity(tickets.len());
        for ticket in &tickets {
            threads.extend(self.thread(ticket.reference).await?);
        }
        Ok(Records {
            threads,
            messages: self.messages_elsewhere(contact, &tickets).await?,
            other_numbers: self.other_numbers(contact, &tickets).await?,
        })
    }

    /// Erases what [`records`](Self::records) returns. If it fails halfway, another call erases the rest.
    ///
    /// A request that is in progress may still write the customer's data afterwards, such as a notification. Every request
    /// ends within seconds; [`erase_tickets`](Self::erase_tickets) then erases that too.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn erase(&self, contact: &Contact, by: Actor) -> Result<EraseReport, StoreError> {
        let mut gone = EraseReport::default();
        loop {
            let tickets = self.tickets_of(contact).await?;
            let messages = self.messages_elsewhere(contact, &tickets).await?;
            if tickets.is_empty() && messages.is_empty() {
                return Ok(gone);
            }
            let messages: Vec<MessageId> = messages.into_iter().map(|(message, _)| message.id).collect();
            gone.removed += self.erase_messages(&messages, by).await?;
            let tickets: Vec<TicketId> = tickets.iter().map(|ticket| ticket.id).collect();
            gone.removed += self.erase_tickets(&tickets, by).await?;
            gone.tickets.extend(tickets);
            // Once more: others may have come meanwhile.
        }
    }

    /// Returns all data of one ticket; nothing if there is no such ticket.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn records_of(&self, reference: TicketRef) -> Result<Records, StoreError> {
        Ok(Records {
            threads: self.thread(reference).await?.into_iter().collect(),
            messages: Vec::new(),
            other_numbers: Vec::new(),
        })
    }

    /// A ticket as its customer sees it.
    async fn thread(&self, reference: TicketRef) -> Result<Option<Thread>, StoreError> {
        let thread = self.store.thread(reference).await?;
        Ok(thread.map(|thread| thread.shown_to(AccessLevel::Customer).into_owned()))
    }

    /// Erases tickets without changes since `unchanged_since`, among the next `limit` after `after`. Returns what was erased,
    /// and where to continue; `None` if no inactive ticket is left to examine.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn erase_stale(
        &self,
        after: i64,
        unchanged_since: Timestamp,
        limit: u16,
        by: Actor,
    ) -> Result<(EraseStats, Option<i64>), StoreError> {
        let stale = InactiveQuery {
            after,
            unchanged_since,
            limit,
        };
        let found = self.store.inactive_tickets(stale).await?;
        Ok((self.erase_tickets(&found.tickets, by).await?, found.next))
    }

    /// Erases up to `limit` messages that are unmatched since before `kept_before`, and returns how many.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn erase_unmatched(&self, kept_before: Timestamp, limit: u16, by: Actor) -> Result<u64, StoreError> {
        let kept = self.store.unmatched(None, limit).await?;
        let old = kept.iter().filter(|message| message.created_at < kept_before);
        let old: Vec<MessageId> = old.map(|message| message.id).collect();
        if old.is_empty() {
            return Ok(0);
        }
        Ok(self.erase_messages(&old, by).await?.messages)
    }

    /// Returns their tickets that are not erased yet, newest first: found by full-text search, then compared exactly.
    async fn tickets_of(&self, contact: &Contact) -> Result<Vec<Ticket>, StoreError> {
        let mut tickets = Vec::new();
        let text = words(contact);
        let mut after: Option<Cursor> = None;
        while text.is_some() {
            let query = TicketQuery {
                text: text.clone(),
                after,
                ..TicketQuery::all(PAGE)
            };
            let page = self.store.list(query).await?;
            let listed = page.tickets.into_iter().map(|listed| listed.ticket);
            tickets.extend(listed.filter(|ticket| contact.is_of(&ticket.details.customer) && !ticket.is_erased()));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok(tickets)
    }

    /// Returns messages from a person's number outside of `tickets`, which are theirs.
    async fn messages_elsewhere(
        &self,
        contact: &Contact,
        tickets: &[Ticket],
    ) -> Result<Vec<(Message, Option<TicketRef>)>, StoreError> {
        match contact {
            Contact::Phone(phone) => self.messages_outside(phone, tickets).await,
            // Anyone can enter any number into the form.
            Contact::Email(_) => Ok(Vec::new()),
        }
    }

    async fn other_numbers(&self, contact: &Contact, tickets: &[Ticket]) -> Result<Vec<(Phone, usize)>, StoreError> {
        let mut others: Vec<(Phone, usize)> = Vec::new();
        if let Contact::Phone(_) = contact {
            return Ok(others);
        }
        for ticket in tickets {
            let phone = &ticket.details.customer.phone;
            if others.iter().any(|(known, _)| known.is_called_as(phone)) {
                continue;
            }
            let count = self.messages_outside(phone, tickets).await?.len();
            others.push((phone.clone(), count));
        }
        others.retain(|(_, count)| *count > 0);
        Ok(others)
    }

    async fn messages_outside(
        &self,
        phone: &Phone,
        tickets: &[Ticket],
    ) -> Result<Vec<(Message, Option<TicketRef>)>, StoreError> {
        let own: BTreeSet<TicketRef> = tickets.iter().map(|ticket| ticket.reference).collect();
        let mut found = self.store.messages_from(phone.clone()).await?;
        found.retain(|(_, of)| of.is_none_or(|of| !own.contains(&of)));
        Ok(found)
    }

    async fn erase_messages(&self, messages: &[MessageId], by: Actor) -> Result<EraseStats, StoreError> {
        let mut removed = EraseStats::default();
        for some in messages.chunks(TOGETHER.into()) {
            removed += self.act(EraseTarget::Messages(some.to_vec()), by).await?;
        }
        Ok(removed)
    }

    /// Erases these tickets, or what was written into them since an erasure.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn erase_tickets(&self, tickets: &[TicketId], by: Actor) -> Result<EraseStats, StoreError> {
        let mut removed = EraseStats::default();
        for id in tickets {
            let mut next = Some(0);
            while let Some(after) = next {
                let step = EraseTarget::Ticket {
                    id: *id,
                    after,
                    limit: TOGETHER,
                };
                removed += self.act(step, by).await?;
                next = removed.next;
            }
        }
        Ok(removed)
    }

    async fn act(&self, what: EraseTarget, by: Actor) -> Result<EraseStats, StoreError> {
        let at = self.clock.now();
        let id = AuditEntryId(new_id(at, &*self.random));
        let stamp = AuditStamp { id, at, by };
        self.store.erase(Erasure { what, stamp }).await
    }
}

/// Search words that find every ticket of a contact, and perhaps others.
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
