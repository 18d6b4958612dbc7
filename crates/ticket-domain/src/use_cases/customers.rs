//! What is kept of a person is given back, or erased.

use std::{collections::BTreeSet, sync::Arc};

use super::new_id;
use crate::{
    AuditEntryId, Contact, Cursor, Message, MessageId, Phone, SearchText, Thread, Ticket, TicketId, TicketQuery,
    TicketRef, Timestamp,
    ports::{Clock, EraseStats, EraseTarget, Erasure, InactiveQuery, Random, Store, StoreError},
};

/// Tickets of one page that are looked through.
const PAGE: u16 = 100;

/// Messages that are erased in one act, so that nobody waits for it.
const TOGETHER: u16 = 300;

/// Everything that is kept of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Records {
    /// Their tickets, the newest first.
    pub threads: Vec<Thread>,
    /// Messages of their number elsewhere: kept without a ticket, or in somebody else's.
    pub messages: Vec<(Message, Option<TicketRef>)>,
    /// For an address: the numbers in its tickets from which other messages came, and how many. Nobody has proved that
    /// they are the same person's.
    pub other_numbers: Vec<(Phone, usize)>,
}

/// What was erased of a person, and where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EraseReport {
    /// How much.
    pub removed: EraseStats,
    /// The tickets.
    pub tickets: Vec<TicketId>,
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

    /// Everything that is kept of a person. An address has its tickets; a number has its tickets, and what it sent
    /// elsewhere.
    pub async fn records(&self, contact: &Contact) -> Result<Records, StoreError> {
        let tickets = self.tickets_of(contact).await?;
        let mut threads = Vec::with_capacity(tickets.len());
        for ticket in &tickets {
            threads.extend(self.store.thread(ticket.reference).await?);
        }
        Ok(Records {
            threads,
            messages: self.messages_elsewhere(contact, &tickets).await?,
            other_numbers: self.other_numbers(contact, &tickets).await?,
        })
    }

    /// Erases what [`records`](Self::records) gives. If it breaks off, doing it again does the rest.
    ///
    /// What was decided before and is written just now, as a notification that names the customer, may come after it. Every
    /// call ends within seconds: [`erase_tickets`](Self::erase_tickets) after them erases that too.
    pub async fn erase(&self, contact: &Contact) -> Result<EraseReport, StoreError> {
        let mut gone = EraseReport::default();
        loop {
            let tickets = self.tickets_of(contact).await?;
            let messages = self.messages_elsewhere(contact, &tickets).await?;
            if tickets.is_empty() && messages.is_empty() {
                return Ok(gone);
            }
            let messages: Vec<MessageId> = messages.into_iter().map(|(message, _)| message.id).collect();
            gone.removed += self.erase_messages(&messages).await?;
            let tickets: Vec<TicketId> = tickets.iter().map(|ticket| ticket.id).collect();
            gone.removed += self.erase_tickets(&tickets).await?;
            gone.tickets.extend(tickets);
            // Once more: others may have come meanwhile.
        }
    }

    /// Everything of one ticket, whosever it is or was; nothing if there is none.
    pub async fn records_of(&self, reference: TicketRef) -> Result<Records, StoreError> {
        Ok(Records {
            threads: self.store.thread(reference).await?.into_iter().collect(),
            messages: Vec::new(),
            other_numbers: Vec::new(),
        })
    }

    /// Erases tickets to which nothing happened since `unchanged_since`, among the next few after `after`. What went, and
    /// where to go on; nowhere if all that is old was looked at.
    pub async fn erase_stale(
        &self,
        after: i64,
        unchanged_since: Timestamp,
        limit: u16,
    ) -> Result<(EraseStats, Option<i64>), StoreError> {
        let stale = InactiveQuery {
            after,
            unchanged_since,
            limit,
        };
        let found = self.store.stale(stale).await?;
        Ok((self.erase_tickets(&found.tickets).await?, found.next))
    }

    /// Erases messages that were kept before `kept_before` and never got a ticket; at most `limit`. How many.
    pub async fn erase_unmatched(&self, kept_before: Timestamp, limit: u16) -> Result<u64, StoreError> {
        let kept = self.store.unmatched(None, limit).await?;
        let old = kept.iter().filter(|message| message.created_at < kept_before);
        let old: Vec<MessageId> = old.map(|message| message.id).collect();
        if old.is_empty() {
            return Ok(0);
        }
        Ok(self.erase_messages(&old).await?.messages)
    }

    /// Their tickets that are not erased yet, the newest first. Found by their words, and then looked at closely.
    async fn tickets_of(&self, contact: &Contact) -> Result<Vec<Ticket>, StoreError> {
        let mut tickets = Vec::new();
        let text = words(contact);
        let mut after: Option<Cursor> = None;
        while text.is_some() {
            let query = TicketQuery {
                status: None,
                priority: None,
                awaiting: None,
                text: text.clone(),
                after,
                limit: PAGE,
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

    /// Messages of a person's number outside of these tickets, which are theirs.
    async fn messages_elsewhere(
        &self,
        contact: &Contact,
        tickets: &[Ticket],
    ) -> Result<Vec<(Message, Option<TicketRef>)>, StoreError> {
        match contact {
            Contact::Phone(phone) => self.messages_outside(phone, tickets).await,
            // Anybody can write anybody's number into a form.
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

    async fn erase_messages(&self, messages: &[MessageId]) -> Result<EraseStats, StoreError> {
        let mut removed = EraseStats::default();
        for some in messages.chunks(TOGETHER.into()) {
            removed += self.act(EraseTarget::Messages(some.to_vec())).await?;
        }
        Ok(removed)
    }

    /// Erases these tickets, or what was written into them since they were erased.
    pub async fn erase_tickets(&self, tickets: &[TicketId]) -> Result<EraseStats, StoreError> {
        let mut removed = EraseStats::default();
        for id in tickets {
            let mut next = Some(0);
            while let Some(after) = next {
                let step = EraseTarget::Ticket {
                    id: *id,
                    after,
                    limit: TOGETHER,
                };
                removed += self.act(step).await?;
                next = removed.next;
            }
        }
        Ok(removed)
    }

    async fn act(&self, what: EraseTarget) -> Result<EraseStats, StoreError> {
        let at = self.clock.now();
        let entry = AuditEntryId(new_id(at, &*self.random));
        self.store.erase(Erasure { what, entry, at }).await
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
