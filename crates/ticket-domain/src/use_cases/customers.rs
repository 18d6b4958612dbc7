//! Exports and erases personal data.

use std::{cmp::Reverse, collections::BTreeSet, sync::Arc};

use super::new_id;
use crate::{
    AccessLevel, Actor, Address, AuditEntryId, AuditStamp, Contact, Cursor, Email, Message, MessageId, Phone,
    SearchText, Status, Thread, Ticket, TicketId, TicketQuery, TicketRef, Timestamp,
    ports::{Clock, EraseStats, EraseTarget, Erasure, InactiveQuery, OperatorQueries, Random, Store, StoreError},
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
    /// Their WhatsApp user ids.
    pub user_ids: Vec<Address>,
    /// Messages from their addresses elsewhere: unmatched, or in other people's tickets.
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

    /// Returns all data of a person: the tickets of an e-mail address or a phone number, and its messages elsewhere.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn records(&self, contact: &Contact) -> Result<Records, StoreError> {
        let (contact, user_ids) = &self.person(contact).await?;
        let tickets = tickets_of(&*self.store, contact, None).await?;
        let mut threads = Vec::with_capacity(tickets.len());
        for ticket in &tickets {
            threads.extend(self.thread(ticket.reference).await?);
        }
        Ok(Records {
            threads,
            user_ids: user_ids.clone(),
            messages: self.messages_elsewhere(contact, user_ids, &tickets).await?,
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
        let (contact, user_ids) = &self.person(contact).await?;
        loop {
            let tickets = tickets_of(&*self.store, contact, None).await?;
            let messages = self.messages_elsewhere(contact, user_ids, &tickets).await?;
            if tickets.is_empty() && messages.is_empty() {
                // At last, since the messages are found by them.
                if let Some(phone) = number(contact) {
                    self.store.forget(phone).await?;
                }
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
            user_ids: Vec::new(),
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

    /// Forgets numbers and user ids that did not come together since then, and returns how many.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn forget_unseen(&self, since: Timestamp) -> Result<u64, StoreError> {
        self.store.forget_unseen(since).await
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

    /// Returns a person's number instead of their user id, if it is known, and their user ids.
    async fn person(&self, contact: &Contact) -> Result<(Contact, Vec<Address>), StoreError> {
        let known_by = match contact {
            Contact::Email(_) => return Ok((contact.clone(), Vec::new())),
            Contact::Phone(_) => number(contact).map(Address::from),
            Contact::UserId(id) => Some(id.clone()),
        };
        let known = match known_by {
            Some(address) => self.store.contacts_of(address).await?,
            None => Vec::new(),
        };
        let contact = match (contact, known.first()) {
            (Contact::UserId(_), Some(known)) => Contact::Phone(known.phone.clone()),
            _ => contact.clone(),
        };
        let mut user_ids: Vec<Address> = known.into_iter().map(|known| known.user_id).collect();
        if let Contact::UserId(id) = &contact {
            user_ids.push(id.clone());
        }
        Ok((contact, user_ids))
    }

    /// Returns messages from a person's addresses outside of `tickets`, which are theirs.
    async fn messages_elsewhere(
        &self,
        contact: &Contact,
        user_ids: &[Address],
        tickets: &[Ticket],
    ) -> Result<Vec<(Message, Option<TicketRef>)>, StoreError> {
        let mut from = match contact {
            Contact::Phone(phone) => spellings(phone),
            Contact::UserId(_) => Vec::new(),
            // Not the numbers in their tickets: anyone can enter any number into the form.
            Contact::Email(email) => {
                let lower = email.as_str().to_ascii_lowercase().parse::<Email>();
                lower.into_iter().chain([email.clone()]).map(Address::from).collect()
            }
        };
        from.extend_from_slice(user_ids);
        self.messages_outside(from, tickets).await
    }

    async fn other_numbers(&self, contact: &Contact, tickets: &[Ticket]) -> Result<Vec<(Phone, usize)>, StoreError> {
        let mut others: Vec<(Phone, usize)> = Vec::new();
        if !matches!(contact, Contact::Email(_)) {
            return Ok(others);
        }
        for ticket in tickets {
            let phone = &ticket.details.customer.phone;
            if others.iter().any(|(known, _)| known.is_called_as(phone)) {
                continue;
            }
            let count = self.messages_outside(spellings(phone), tickets).await?.len();
            others.push((phone.clone(), count));
        }
        others.retain(|(_, count)| *count > 0);
        Ok(others)
    }

    async fn messages_outside(
        &self,
        from: Vec<Address>,
        tickets: &[Ticket],
    ) -> Result<Vec<(Message, Option<TicketRef>)>, StoreError> {
        let own: BTreeSet<TicketRef> = tickets.iter().map(|ticket| ticket.reference).collect();
        let mut found = self.store.messages_from(from).await?;
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

/// Returns a person's tickets that are not erased yet, newest first: found by full-text search, then compared exactly.
pub(super) async fn tickets_of(
    desk: &dyn OperatorQueries,
    contact: &Contact,
    status: Option<Status>,
) -> Result<Vec<Ticket>, StoreError> {
    let mut tickets = Vec::new();
    for text in words(contact) {
        let mut after: Option<Cursor> = None;
        loop {
            let query = TicketQuery {
                status,
                text: Some(text.clone()),
                after,
                ..TicketQuery::all(PAGE)
            };
            let page = desk.list(query).await?;
            let listed = page.tickets.into_iter().map(|listed| listed.ticket);
            tickets.extend(listed.filter(|ticket| contact.is_of(&ticket.details.customer) && !ticket.is_erased()));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    tickets.sort_by_key(|ticket| Reverse((ticket.created_at, ticket.id)));
    tickets.dedup_by_key(|ticket| ticket.id);
    Ok(tickets)
}

/// The number under which a person's user ids are known.
fn number(contact: &Contact) -> Option<Phone> {
    let Contact::Phone(phone) = contact else {
        return None;
    };
    let international = phone.spellings().into_iter().find(Phone::is_international);
    international.map(|phone| phone.canonical())
}

/// The addresses of messages from a number.
fn spellings(phone: &Phone) -> Vec<Address> {
    phone.spellings().into_iter().map(Address::from).collect()
}

/// Search words of which each finds tickets of a contact, and perhaps others. Together they find all.
fn words(contact: &Contact) -> Vec<SearchText> {
    match contact {
        Contact::Phone(phone) => {
            let digits = phone
                .spellings()
                .into_iter()
                .filter(|spelling| !spelling.is_international());
            digits.filter_map(|digits| digits.as_str().parse().ok()).collect()
        }
        Contact::UserId(_) => Vec::new(),
        Contact::Email(email) => {
            // One that is too long to be looked for is found by what stands before its @, at most 64 characters.
            let before = email.as_str().rsplit_once('@').map_or("", |(before, _)| before);
            email.as_str().parse().or_else(|_| before.parse()).into_iter().collect()
        }
    }
}
