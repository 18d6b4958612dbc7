//! A store in memory: the contract at its plainest. It keeps nothing beyond its own life, and looks through everything
//! at every call. Use cases are tested with it, and who writes a store of their own reads it first.

mod entry;
mod health;
mod questions;
mod receipts;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use ticket_domain::{
    Delivery, Detour, ExternalId, IdempotencyKey, LeaseToken, Message, MessageId, NotificationId, NotificationRecord,
    NotificationState, Receipt, Sender, Status, Thread, Ticket, TicketId, TicketRef, Timestamp,
    ports::{
        Append, Appended, Claim, Claimed, Idempotency, Keep, Kept, Known, LookUp, Opened, Opening, Outbox, Precedent,
        Redelivered, Settled, StoreError, TicketStore, Verdict,
    },
};

use entry::Entry;
use questions::Asked;

/// Tickets, messages and notifications, in memory. One lock makes each call happen wholly or not at all.
#[derive(Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// In the order in which they were opened.
    files: Vec<File>,
    unmatched: Vec<Message>,
    keys: BTreeMap<IdempotencyKey, (Idempotency, TicketId)>,
    /// In the order in which they were asked.
    questions: Vec<Asked>,
    /// Receipts whose message was not known.
    receipts: BTreeMap<ExternalId, Receipt>,
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

    /// The message of this outside id, wherever it is.
    fn before(&self, external_id: Option<&ExternalId>) -> Option<Appended> {
        external_id?;
        let is_it = |message: &&Message| message.external_id.as_ref() == external_id;
        let in_thread = self.files.iter().find_map(|file| {
            let message = file.messages.iter().find(is_it)?;
            Some((message.id, Some(file.ticket.reference)))
        });
        let kept = || self.unmatched.iter().find(is_it).map(|message| (message.id, None));
        in_thread.or_else(kept).map(|(id, of)| Appended::Before { id, of })
    }

    /// What this outside id is.
    fn known(&self, external_id: Option<&ExternalId>) -> Option<Known> {
        if let Some(picked) = self.picked_by(external_id?) {
            return Some(Known::Answer(picked));
        }
        match self.before(external_id)? {
            Appended::Before { id, of: Some(of) } => Some(Known::InThread { id, of }),
            Appended::Before { id, of: None } => {
                let asked = self.questions.iter().find(|asked| asked.is_about(id));
                Some(Known::Kept(asked.map(|asked| asked.question.clone())))
            }
            Appended::Added | Appended::Joined(_) | Appended::Answer(_) => None,
        }
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
    async fn open(&self, opening: Opening) -> Result<Opened, StoreError> {
        let mut state = self.state();
        let State { files, keys, .. } = &mut *state;
        let ticket = opening.ticket;
        if let Some(idempotency) = &opening.idempotency
            && let Some((used, id)) = keys.get(&idempotency.key)
            && used.expires_at > ticket.created_at
            && let Some(file) = files.iter().find(|file| file.ticket.id == *id)
        {
            return Ok(Opened::Before(Precedent {
                digest: used.digest,
                id: *id,
                reference: file.ticket.reference,
                access_key: file.ticket.keys.customer.clone(),
            }));
        }
        if files.iter().any(|file| file.ticket.reference == ticket.reference) {
            return Ok(Opened::ReferenceTaken);
        }
        if let Some(idempotency) = opening.idempotency {
            keys.insert(idempotency.key.clone(), (idempotency, ticket.id));
        }
        files.push(File {
            ticket,
            messages: vec![opening.message],
            entries: vec![Entry::new(opening.notification)],
        });
        Ok(Opened::Now)
    }

    async fn opened_since(&self, since: Timestamp) -> Result<u64, StoreError> {
        let state = self.state();
        let opened = state.files.iter().filter(|file| file.ticket.created_at >= since);
        Ok(opened.count() as u64)
    }

    async fn find(&self, look_up: LookUp) -> Result<Option<Ticket>, StoreError> {
        let state = self.state();
        let mut found = state.files.iter().filter(|file| match &look_up {
            LookUp::Reference(reference) => file.ticket.reference == *reference,
            LookUp::Quoted(id) => file.has_outside_id(id),
        });
        match (found.next(), found.next()) {
            (Some(file), None) => Ok(Some(file.ticket.clone())),
            _ => Ok(None),
        }
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
        let mut state = self.state();
        if !state.files.iter().any(|file| file.ticket.id == append.to) {
            return Err(StoreError::Failed(Arc::new(NoSuchTicket)));
        }
        if let Some(picked) = append.message.external_id.as_ref().and_then(|id| state.picked_by(id)) {
            return Ok(Appended::Answer(picked));
        }
        let Message { sender, created_at, .. } = append.message;
        let appended = match state.before(append.message.external_id.as_ref()) {
            Some(Appended::Before { id, of: None }) => {
                state.join(id, append.to, sender, created_at);
                Appended::Joined(id)
            }
            Some(in_a_thread) => return Ok(in_a_thread),
            None => {
                // As a kept message that joins at once.
                let id = append.message.id;
                state.unmatched.push(append.message);
                state.join(id, append.to, sender, created_at);
                Appended::Added
            }
        };
        for file in state.files.iter_mut().filter(|file| file.ticket.id == append.to) {
            file.entries.extend(append.notification.clone().map(Entry::new));
            if append.reopen {
                file.ticket.status = Status::Open;
            }
        }
        if let (Some(of), Appended::Added) = (append.ends_question_of, &appended) {
            state.close_question_of(&of);
        }
        Ok(appended)
    }

    async fn kept(&self, external_id: ExternalId) -> Result<Option<Message>, StoreError> {
        let state = self.state();
        let mut kept = state.unmatched.iter();
        Ok(kept
            .find(|message| message.external_id.as_ref() == Some(&external_id))
            .cloned())
    }

    async fn keep_unmatched(&self, keep: Keep) -> Result<Kept, StoreError> {
        let mut state = self.state();
        if let Some(known) = state.known(keep.message.external_id.as_ref()) {
            return Ok(Kept::Before(known));
        }
        if !state.ask(keep.asking, &keep.message) {
            return Ok(Kept::QuestionMoved);
        }
        state.unmatched.push(keep.message);
        Ok(Kept::Now)
    }
}

#[async_trait]
impl Outbox for MemoryStore {
    async fn claim(&self, claim: Claim, limit: u16) -> Result<Vec<Claimed>, StoreError> {
        let mut state = self.state();
        let mut due: Vec<_> = state
            .first_waiting()
            .filter(|(_, entry)| entry.due().is_some_and(|due| due <= claim.now))
            .filter(|(_, entry)| !(claim.first_tries_only && entry.was_tried))
            .collect();
        due.sort_by_key(|(_, entry)| entry.due());
        let claimed = due.into_iter().take(limit.into());
        Ok(claimed.map(|(ticket, entry)| entry.lease(ticket, claim)).collect())
    }

    async fn claim_probe(&self, claim: Claim, unless_after: Timestamp) -> Result<Option<Claimed>, StoreError> {
        let mut state = self.state();
        if state
            .entries()
            .any(|entry| entry.due().is_some() && entry.probed_at > Some(unless_after))
        {
            return Ok(None);
        }
        let longest_ago = state
            .first_waiting()
            .filter(|(_, entry)| entry.lease.is_none() && entry.due() > Some(claim.until))
            .min_by_key(|(_, entry)| entry.probed_at);
        Ok(longest_ago.map(|(ticket, entry)| {
            entry.probed_at = Some(claim.now);
            entry.lease(ticket, claim)
        }))
    }

    async fn settle(&self, id: NotificationId, lease: LeaseToken, verdict: Verdict) -> Result<Settled, StoreError> {
        let mut state = self.state();
        let mut entries = state.entries();
        let held = entries.find(|entry| entry.notification.id == id && entry.lease == Some(lease));
        Ok(held.map_or(Settled::LeaseLost, |entry| {
            entry.settle(verdict);
            Settled::Yes
        }))
    }

    async fn release_waiting(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut state = self.state();
        let waiting = state
            .entries()
            .filter(|entry| entry.lease.is_none() && entry.due() > Some(now) && !entry.was_released);
        Ok(waiting
            .map(|entry| {
                entry.was_released = true;
                entry.state = NotificationState::Waiting { due: now };
            })
            .count() as u64)
    }

    async fn postpone(&self, until: Timestamp) -> Result<u64, StoreError> {
        let mut state = self.state();
        let earlier = state
            .entries()
            .filter(|entry| entry.lease.is_none() && entry.due().is_some_and(|due| due < until));
        Ok(earlier
            .map(|entry| entry.state = NotificationState::Waiting { due: until })
            .count() as u64)
    }

    async fn hold_unaddressed(&self, made_before: Timestamp) -> Result<u64, StoreError> {
        let mut state = self.state();
        let untried = state.entries().filter(|entry| {
            let is_untried = entry.due().is_some() && !entry.was_tried;
            is_untried && !entry.notification.addressed && entry.notification.created_at < made_before
        });
        Ok(untried.map(|entry| entry.state = NotificationState::Held).count() as u64)
    }

    async fn redeliver(
        &self,
        id: NotificationId,
        now: Timestamp,
        anew: Option<Detour>,
    ) -> Result<Redelivered, StoreError> {
        let mut state = self.state();
        let Some(entry) = state.entries().find(|entry| entry.notification.id == id) else {
            return Ok(Redelivered::NotFound);
        };
        match entry.state {
            NotificationState::Delivered { .. } => return Ok(Redelivered::DeliveredBefore),
            NotificationState::Waiting { .. } if entry.is_leased(now) => return Ok(Redelivered::UnderWay),
            NotificationState::Waiting { .. } | NotificationState::Held => {}
            NotificationState::Dead { .. } => {
                entry.failures = 0;
                entry.scheduled_at = now;
                if let Some(way) = anew {
                    entry.go(way);
                }
            }
        }
        entry.state = NotificationState::Waiting { due: now };
        // The operator's word for it was given, so it must not be held again.
        entry.notification.addressed = true;
        Ok(Redelivered::Queued)
    }

    async fn way(&self, id: NotificationId) -> Result<Option<Detour>, StoreError> {
        let mut state = self.state();
        let entry = state.entries().find(|entry| entry.notification.id == id);
        Ok(entry.map(|entry| Detour {
            route: entry.route,
            payload: entry.notification.payload.clone(),
        }))
    }

    async fn undelivered(&self, limit: u16) -> Result<Vec<NotificationRecord>, StoreError> {
        let state = self.state();
        let mut records: Vec<_> = state
            .records()
            .filter(|record| !matches!(record.state, NotificationState::Delivered { .. }))
            .collect();
        records.sort_by_key(|record| std::cmp::Reverse(record.created_at));
        records.truncate(limit.into());
        Ok(records)
    }

    async fn notification(&self, id: NotificationId) -> Result<Option<NotificationRecord>, StoreError> {
        Ok(self.state().records().find(|record| record.id == id))
    }
}
