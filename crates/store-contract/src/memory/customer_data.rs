//! What is kept of a person, and its end.

use async_trait::async_trait;
use ticket_domain::{
    AuditAction, AuditStamp, Message, MessageId, NotificationState, Payload, Phone, Redaction, Sender, TicketId,
    TicketRef, Timestamp,
    ports::{ChangeEvent, CustomerData, EraseStats, EraseTarget, Erasure, InactiveQuery, InactiveTickets, StoreError},
};

use super::{File, MemoryStore, State, entry::Entry};

impl Entry {
    /// Empties it; says whether it was still to be sent.
    fn erase(&mut self, at: Timestamp) -> bool {
        self.notification.payload = Payload([].into());
        self.last_error = None;
        let is_to_go = matches!(self.state, NotificationState::Waiting { .. } | NotificationState::Held);
        if is_to_go {
            self.state = NotificationState::Dead { at };
            self.lease = None;
        }
        is_to_go
    }
}

impl File {
    fn has_something(&self) -> bool {
        !self.ticket.is_erased()
            || !self.messages.iter().all(Message::says_nothing)
            || !self.entries.iter().all(Entry::is_erased)
    }

    /// Erases messages, as many as there are in this step, and what was told of them. Whether those were the last.
    fn erase_messages(&mut self, after: usize, limit: usize, at: Timestamp) -> (EraseStats, bool) {
        let mut removed = EraseStats::default();
        for message in self.messages.iter_mut().skip(after).take(limit) {
            removed.messages += u64::from(!message.says_nothing());
            Redaction::message(message);
            for entry in self.entries.iter_mut().filter(|entry| entry.message == message.id) {
                removed.cancelled += u64::from(entry.erase(at));
            }
        }
        (removed, self.messages.len() <= after + limit)
    }
}

impl State {
    /// None if there is no such ticket, or nothing in it.
    fn erase_ticket(&mut self, ticket: TicketId, after: u64, limit: u16, note: AuditStamp) -> Option<EraseStats> {
        let reference = self.file(ticket)?.ticket.reference;
        self.keys.retain(|_, used| used.ticket != ticket);
        for asked in &mut self.questions {
            asked.forget(reference);
        }
        let file = self.file(ticket).filter(|file| after > 0 || file.has_something())?;
        let done = usize::try_from(after).unwrap_or(usize::MAX);
        let (mut removed, is_last) = file.erase_messages(done, limit.into(), note.at);
        let version = file.ticket.version + 1;
        if is_last {
            removed.tickets = u64::from(!file.ticket.is_erased());
            Redaction::ticket(&mut file.ticket);
        } else {
            removed.next = Some(after + u64::from(limit));
        }
        file.ticket.version = version;
        self.note(note, Some(ticket), AuditAction::Erase(removed.messages));
        self.events.push(ChangeEvent::Ticket(ticket));
        Some(removed)
    }

    /// Whether its notification was still to be sent. None if there is no such message.
    fn erase_message(&mut self, id: MessageId, at: Timestamp) -> Option<bool> {
        if let Some(kept) = self.unmatched.iter_mut().find(|kept| kept.id == id) {
            Redaction::message(kept);
            kept.from = None;
            self.events.push(ChangeEvent::Unmatched);
            return Some(false);
        }
        for file in &mut self.files {
            if let Some(message) = file.messages.iter_mut().find(|message| message.id == id) {
                Redaction::message(message);
                let entry = file.entries.iter_mut().find(|entry| entry.message == id);
                file.ticket.version += 1;
                self.events.push(ChangeEvent::Ticket(file.ticket.id));
                return Some(entry.is_some_and(|entry| entry.erase(at)));
            }
        }
        None
    }

    fn erase_messages(&mut self, messages: &[MessageId], note: AuditStamp) -> EraseStats {
        let erased = messages.iter().filter_map(|id| self.erase_message(*id, note.at));
        let cancelled: Vec<bool> = erased.collect();
        let messages = cancelled.len() as u64;
        if messages > 0 {
            self.note(note, None, AuditAction::Erase(messages));
        }
        EraseStats {
            messages,
            cancelled: cancelled.into_iter().filter(|was_to_go| *was_to_go).count() as u64,
            ..EraseStats::default()
        }
    }
}

#[async_trait]
impl CustomerData for MemoryStore {
    async fn messages_from(&self, phone: Phone) -> Result<Vec<(Message, Option<TicketRef>)>, StoreError> {
        let state = self.state();
        let in_threads = state.files.iter().flat_map(|file| {
            let reference = Some(file.ticket.reference);
            file.messages.iter().map(move |message| (message, reference))
        });
        let all = in_threads.chain(state.unmatched.iter().map(|message| (message, None)));
        let mut found: Vec<_> = all
            .filter(|(message, _)| message.sender != Sender::Manager)
            .filter(|(message, _)| message.from.as_ref().is_some_and(|from| from.is_called_as(&phone)))
            .map(|(message, of)| (message.clone(), of))
            .collect();
        found.sort_by_key(|(message, _)| message.id);
        Ok(found)
    }

    async fn stale(&self, step: InactiveQuery) -> Result<InactiveTickets, StoreError> {
        let state = self.state();
        let looked_at: Vec<_> = (1_i64..)
            .zip(&state.files)
            .filter(|(number, _)| *number > step.after)
            .take(step.limit.into())
            .collect();
        let is_more = looked_at.len() == usize::from(step.limit);
        let last = looked_at
            .last()
            .filter(|(_, file)| is_more && file.ticket.created_at < step.unchanged_since);
        let next = last.map(|(number, _)| *number);
        let old = looked_at
            .into_iter()
            .map(|(_, file)| file)
            .filter(|file| file.ticket.updated_at < step.unchanged_since && file.has_something());
        Ok(InactiveTickets {
            tickets: old.map(|file| file.ticket.id).collect(),
            next,
        })
    }

    async fn erase(&self, erasure: Erasure) -> Result<EraseStats, StoreError> {
        let note = erasure.stamp;
        Ok(self.write(|state| match erasure.what {
            EraseTarget::Ticket { id, after, limit } => state.erase_ticket(id, after, limit, note).unwrap_or_default(),
            EraseTarget::Messages(messages) => state.erase_messages(&messages, note),
        }))
    }
}
