//! What is kept of a person, and its end.

use async_trait::async_trait;
use ticket_domain::{
    Act, EntryId, Erased, Message, MessageId, NotificationState, Payload, Phone, Sender, TicketId, TicketRef,
    Timestamp,
    ports::{CustomerData, Erasure, News, Note, Removed, Stale, StaleTickets, StoreError},
};

use super::{MemoryStore, State};

impl State {
    /// None if there is no such ticket, or nobody in it.
    fn erase_ticket(&mut self, ticket: TicketId, entry: EntryId, at: Timestamp) -> Option<Removed> {
        let file = self.file(ticket).filter(|file| !file.ticket.is_erased())?;
        Erased::ticket(&mut file.ticket);
        file.messages.iter_mut().for_each(Erased::message);
        let mut cancelled = 0;
        for entry in &mut file.entries {
            entry.notification.payload = Payload([].into());
            entry.last_error = None;
            if let NotificationState::Waiting { .. } | NotificationState::Held = entry.state {
                entry.state = NotificationState::Dead { at };
                entry.lease = None;
                cancelled += 1;
            }
        }
        let messages = file.messages.len() as u64;
        let reference = file.ticket.reference;
        self.keys.retain(|_, used| used.ticket != ticket);
        for asked in &mut self.questions {
            asked.forget(reference);
        }
        self.note(Note { id: entry, at }, Some(ticket), Act::Erase(messages));
        self.news.push(News::Ticket(ticket));
        Some(Removed {
            tickets: 1,
            messages,
            cancelled,
        })
    }

    fn erase_message(&mut self, id: MessageId) -> Option<()> {
        if let Some(kept) = self.unmatched.iter_mut().find(|kept| kept.id == id) {
            Erased::message(kept);
            kept.from = None;
            self.news.push(News::Unmatched);
            return Some(());
        }
        for file in &mut self.files {
            if let Some(message) = file.messages.iter_mut().find(|message| message.id == id) {
                Erased::message(message);
                file.ticket.version += 1;
                self.news.push(News::Ticket(file.ticket.id));
                return Some(());
            }
        }
        None
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

    async fn stale(&self, step: Stale) -> Result<StaleTickets, StoreError> {
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
            .map(|(_, file)| &file.ticket)
            .filter(|ticket| ticket.updated_at < step.unchanged_since && !ticket.is_erased());
        Ok(StaleTickets {
            tickets: old.map(|ticket| ticket.id).collect(),
            next,
        })
    }

    async fn erase(&self, erasure: Erasure) -> Result<Removed, StoreError> {
        Ok(self.write(|state| {
            let mut removed = Removed::default();
            for (ticket, entry) in erasure.tickets {
                removed += state.erase_ticket(ticket, entry, erasure.at).unwrap_or_default();
            }
            let count = erasure
                .messages
                .iter()
                .filter_map(|id| state.erase_message(*id))
                .count() as u64;
            if count > 0 {
                let note = Note {
                    id: erasure.entry,
                    at: erasure.at,
                };
                state.note(note, None, Act::Erase(count));
                removed.messages += count;
            }
            removed
        }))
    }
}
