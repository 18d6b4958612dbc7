//! A store in memory: the contract at its plainest. It keeps nothing beyond its own life, and looks through everything
//! at every call. Use cases are tested with it, and who writes a store of their own reads it first.

mod customer_data;
mod desk;
mod entry;
mod health;
mod housekeeping;
mod outbox;
mod questions;
mod receipts;
mod search;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use ticket_domain::{
    AuditAction, AuditStamp, Delivery, ExternalId, IdempotencyKey, Message, MessageId, Notification,
    NotificationRecord, NotificationState, Receipt, Sender, Status, Thread, Ticket, TicketId, TicketRef, TicketSummary,
    Timestamp,
    ports::{
        Append, Appended, ChangeEvent, Existing, ExistingTicket, Idempotency, OpenResult, Opening, StoreError,
        StoreUnmatched, StoredUnmatched, Subscriber, TicketLookup, TicketStore,
    },
};

use entry::Entry;
use questions::Asked;

/// Tickets, messages and notifications, in memory. One lock makes each call happen wholly or not at all.
#[derive(Default)]
pub struct MemoryStore {
    state: Mutex<State>,
    subscribers: Mutex<Vec<Arc<dyn Subscriber>>>,
}

#[derive(Default)]
struct State {
    /// In the order in which they were opened.
    files: Vec<File>,
    unmatched: Vec<Message>,
    keys: BTreeMap<IdempotencyKey, Used>,
    /// In the order in which they were asked.
    questions: Vec<Asked>,
    /// Receipts whose message was not known.
    receipts: BTreeMap<ExternalId, Receipt>,
    /// What operators did, in the order in which they did it.
    trail: Vec<ticket_domain::AuditEntry>,
    /// What the call that has the lock is going to tell.
    events: Vec<ChangeEvent>,
}

/// What a key was used for.
struct Used {
    idempotency: Idempotency,
    ticket: TicketId,
    /// The message that it wrote, if it did not open the ticket.
    message: Option<(MessageId, Timestamp)>,
}

/// Everything of one ticket.
struct File {
    ticket: Ticket,
    messages: Vec<Message>,
    /// In the order in which they have to go out.
    entries: Vec<Entry>,
}

#[derive(Debug, thiserror::Error)]
#[error("there is no such ticket")]
struct NoSuchTicket;

impl MemoryStore {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one call that writes, and then tells the followers of it.
    fn write<T>(&self, call: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state();
        let outcome = call(&mut state);
        let events = std::mem::take(&mut state.events);
        drop(state);
        let subscribers = self.subscribers.lock().unwrap_or_else(PoisonError::into_inner);
        for events in events {
            subscribers.iter().for_each(|subscriber| subscriber.on_change(events));
        }
        outcome
    }
}

impl State {
    fn entries(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.files.iter_mut().flat_map(|file| &mut file.entries)
    }

    /// Of each ticket the first notification that waits or is held: the only one that may go out, if it waits.
    fn first_waiting(&mut self) -> impl Iterator<Item = (TicketId, &mut Entry)> {
        self.files.iter_mut().filter_map(|file| {
            let mut entries = file.entries.iter_mut();
            let first = entries.find(|entry| entry.due().is_some() || entry.state == NotificationState::Held);
            first.map(|entry| (file.ticket.id, entry))
        })
    }

    fn records(&self) -> impl Iterator<Item = NotificationRecord> {
        self.files
            .iter()
            .flat_map(|file| file.entries.iter().map(|entry| entry.record(file.ticket.reference)))
    }

    /// Those of which something can still be sent.
    fn open_records(&self) -> impl Iterator<Item = NotificationRecord> {
        self.files.iter().flat_map(|file| {
            let entries = file.entries.iter().filter(|entry| !entry.is_erased());
            entries.map(|entry| entry.record(file.ticket.reference))
        })
    }

    /// The message of this outside id, wherever it is.
    fn before(&self, external_id: Option<&ExternalId>) -> Option<Appended> {
        external_id?;
        let is_it = |message: &&Message| message.external_id.as_ref() == external_id;
        let in_thread = self.files.iter().find_map(|file| {
            let message = file.messages.iter().find(is_it)?;
            Some((message.id, Some(file.ticket.reference)))
        });
        let kept = || self.unmatched.iter().find(is_it).map(|message| (message.id, None));
        in_thread
            .or_else(kept)
            .map(|(id, of)| Appended::AlreadyStored { id, of })
    }

    /// What this outside id is.
    fn known(&self, external_id: Option<&ExternalId>) -> Option<Existing> {
        if let Some(picked) = self.choice_in(external_id?) {
            return Some(Existing::Answer(picked));
        }
        match self.before(external_id)? {
            Appended::AlreadyStored { id, of: Some(of) } => Some(Existing::InThread { id, of }),
            Appended::AlreadyStored { id, of: None } => {
                let asked = self.questions.iter().find(|asked| asked.is_about(id));
                Some(Existing::Unmatched(asked.map(|asked| asked.question.clone())))
            }
            Appended::Added | Appended::Joined(_) | Appended::Answer(_) | Appended::Repeated { .. } => None,
        }
    }

    fn file(&mut self, ticket: TicketId) -> Option<&mut File> {
        self.files.iter_mut().find(|file| file.ticket.id == ticket)
    }

    /// What a key was used for, unless its time has ended.
    fn used(&self, idempotency: Option<&Idempotency>, now: Timestamp) -> Option<&Used> {
        let used = self.keys.get(&idempotency?.key)?;
        (used.idempotency.expires_at > now).then_some(used)
    }

    fn remember(
        &mut self,
        idempotency: Option<Idempotency>,
        ticket: TicketId,
        message: Option<(MessageId, Timestamp)>,
    ) {
        if let Some(idempotency) = idempotency {
            let used = Used {
                idempotency: idempotency.clone(),
                ticket,
                message,
            };
            self.keys.insert(idempotency.key, used);
        }
    }

    /// Notes an act in the trail; `ticket` is the one that it was done to.
    fn note(&mut self, note: AuditStamp, ticket: Option<TicketId>, act: AuditAction) {
        let reference = ticket
            .and_then(|ticket| self.file(ticket))
            .map(|file| file.ticket.reference);
        self.trail.push(ticket_domain::AuditEntry {
            stamp: note,
            reference,
            act,
        });
    }

    /// Moves a message that is kept to the end of a ticket's thread.
    fn join(&mut self, message: MessageId, to: TicketId, sender: Sender, at: Timestamp) -> bool {
        let kept = self.unmatched.iter().position(|kept| kept.id == message);
        let file = self.files.iter_mut().find(|file| file.ticket.id == to);
        let (Some(kept), Some(file)) = (kept, file) else {
            return false;
        };
        let message = self.unmatched.remove(kept);
        file.add(Message { sender, ..message }, at);
        true
    }

    /// Writes what goes along with a message that has joined a ticket.
    fn follow_up(&mut self, ticket: TicketId, notification: Option<Notification>, reopen: bool) {
        if let Some(file) = self.file(ticket) {
            // The message is the last one.
            let entry = file.messages.last().zip(notification);
            file.entries
                .extend(entry.map(|(message, notification)| Entry::new(notification, message.id)));
            if reopen {
                file.ticket.status = Status::Open;
            }
        }
        self.events.push(ChangeEvent::Ticket(ticket));
    }

    fn open(&mut self, opening: Opening) -> OpenResult {
        let ticket = opening.ticket;
        if let Some(used) = self.used(opening.idempotency.as_ref(), ticket.created_at)
            && let Some(file) = self.files.iter().find(|file| file.ticket.id == used.ticket)
        {
            return OpenResult::AlreadyOpened(ExistingTicket {
                digest: used.idempotency.digest,
                id: used.ticket,
                reference: file.ticket.reference,
                access_key: file.ticket.keys.customer.clone(),
            });
        }
        if self.files.iter().any(|file| file.ticket.reference == ticket.reference) {
            return OpenResult::ReferenceTaken;
        }
        self.remember(opening.idempotency, ticket.id, None);
        self.events.push(ChangeEvent::Ticket(ticket.id));
        self.files.push(File {
            ticket,
            entries: vec![Entry::new(opening.notification, opening.message.id)],
            messages: vec![opening.message],
        });
        OpenResult::Opened
    }

    fn append(&mut self, append: Append) -> Result<Appended, StoreError> {
        let Message { sender, created_at, .. } = append.message;
        if let Some(used) = self.used(append.idempotency.as_ref(), created_at) {
            return Ok(Appended::Repeated {
                digest: used.idempotency.digest,
                message: used.message,
            });
        }
        if self.file(append.to).is_none() {
            return Err(StoreError::Failed(Arc::new(NoSuchTicket)));
        }
        if let Some(picked) = append.message.external_id.as_ref().and_then(|id| self.choice_in(id)) {
            return Ok(Appended::Answer(picked));
        }
        let (appended, id) = match self.before(append.message.external_id.as_ref()) {
            Some(Appended::AlreadyStored { id, of: None }) => {
                self.events.push(ChangeEvent::Unmatched);
                (Appended::Joined(id), id)
            }
            Some(in_a_thread) => return Ok(in_a_thread),
            None => {
                // As a kept message that joins at once.
                let id = append.message.id;
                self.unmatched.push(append.message);
                (Appended::Added, id)
            }
        };
        let came = self
            .unmatched
            .iter()
            .find(|kept| kept.id == id)
            .map(|kept| (id, kept.created_at));
        self.join(id, append.to, sender, created_at);
        self.follow_up(append.to, append.notification, append.reopen);
        if let (Some(of), Appended::Added) = (append.ends_question_of, &appended) {
            self.close_question_of(&of);
        }
        self.remember(append.idempotency, append.to, came);
        if let Some(note) = append.note {
            self.note(note, Some(append.to), AuditAction::Reply(id));
        }
        Ok(appended)
    }
}

impl File {
    fn add(&mut self, message: Message, at: Timestamp) {
        self.messages.push(message);
        self.ticket.version += 1;
        self.ticket.updated_at = at;
    }

    fn has_outside_id(&self, id: &ExternalId) -> bool {
        let of_a_message = || {
            self.messages
                .iter()
                .any(|message| message.external_id.as_ref() == Some(id))
        };
        self.entries.iter().any(|entry| entry.has_outside_id(id)) || of_a_message()
    }
}

#[async_trait]
impl TicketStore for MemoryStore {
    async fn open(&self, opening: Opening) -> Result<OpenResult, StoreError> {
        Ok(self.write(|state| state.open(opening)))
    }

    async fn opened_since(&self, since: Timestamp) -> Result<u64, StoreError> {
        let state = self.state();
        let opened = state.files.iter().filter(|file| file.ticket.created_at >= since);
        Ok(opened.count() as u64)
    }

    async fn find(&self, look_up: TicketLookup) -> Result<Option<Ticket>, StoreError> {
        let state = self.state();
        let mut found = state.files.iter().filter(|file| match &look_up {
            TicketLookup::Reference(reference) => file.ticket.reference == *reference,
            TicketLookup::Quoted(id) => file.has_outside_id(id),
        });
        match (found.next(), found.next()) {
            (Some(file), None) => Ok(Some(file.ticket.clone())),
            _ => Ok(None),
        }
    }

    async fn head(&self, reference: TicketRef) -> Result<Option<TicketSummary>, StoreError> {
        let thread = self.thread(reference).await?;
        Ok(thread.map(|thread| TicketSummary {
            state: thread.state(),
            keys: thread.ticket.keys,
        }))
    }

    async fn thread(&self, reference: TicketRef) -> Result<Option<Thread>, StoreError> {
        let state = self.state();
        let Some(file) = state.files.iter().find(|file| file.ticket.reference == reference) else {
            return Ok(None);
        };
        // Opening a ticket writes its first notification, so there is a last one.
        Ok(file.entries.last().map(|newest| Thread {
            ticket: file.ticket.clone(),
            messages: file.messages.clone(),
            delivery: Delivery::of(&newest.state, newest.notification.created_at),
        }))
    }

    async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        self.write(|state| state.append(append))
    }

    async fn kept(&self, external_id: ExternalId) -> Result<Option<Message>, StoreError> {
        let state = self.state();
        let mut kept = state.unmatched.iter();
        Ok(kept
            .find(|message| message.external_id.as_ref() == Some(&external_id))
            .cloned())
    }

    async fn store_unmatched(&self, keep: StoreUnmatched) -> Result<StoredUnmatched, StoreError> {
        Ok(self.write(|state| {
            if let Some(known) = state.known(keep.message.external_id.as_ref()) {
                return StoredUnmatched::AlreadyKnown(known);
            }
            if !state.ask(keep.asking, &keep.message) {
                return StoredUnmatched::QuestionChanged;
            }
            state.unmatched.push(keep.message);
            state.events.push(ChangeEvent::Unmatched);
            StoredUnmatched::Stored
        }))
    }
}
