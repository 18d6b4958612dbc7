//! Lists of tickets, what needs attention, and the audit log.

use crate::{
    Actor, AuditEntryId, AuditKind, Awaiting, Cursor, Message, MessageId, NotificationId, Priority, SearchText, Sender,
    Status, Ticket, TicketRef, Timestamp, values::partly_redacted_debug,
};

/// A query for tickets. A ticket matches if every given condition holds.
#[derive(Debug, Clone)]
pub struct TicketQuery {
    /// The status.
    pub status: Option<Status>,
    /// The priority.
    pub priority: Option<Priority>,
    /// Who has to answer; applies to open tickets only.
    pub awaiting: Option<Awaiting>,
    /// Words to search for.
    pub text: Option<SearchText>,
    /// The `next` of the previous page.
    pub after: Option<Cursor>,
    /// Page size, at least 1.
    pub limit: u16,
}

impl TicketQuery {
    /// Every ticket, from the first page on, with `limit` tickets to a page.
    pub fn all(limit: u16) -> Self {
        Self {
            status: None,
            priority: None,
            awaiting: None,
            text: None,
            after: None,
            limit,
        }
    }

    /// Whether a ticket whose last message is from `last` meets every condition except the text.
    pub fn admits(&self, ticket: &Ticket, last: Sender) -> bool {
        self.status.is_none_or(|status| status == ticket.status)
            && self.priority.is_none_or(|priority| priority == ticket.details.priority)
            && self
                .awaiting
                .is_none_or(|awaiting| Awaiting::after(last, ticket.status) == Some(awaiting))
    }
}

/// The beginning of a ticket's newest message.
#[derive(Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// Who wrote it.
    pub sender: Sender,
    /// At most [`Excerpt::MAX`] characters on one line; empty if only a medium came.
    pub text: Box<str>,
    /// Whether it has a medium.
    pub has_medium: bool,
    /// When it was received.
    pub at: Timestamp,
}

partly_redacted_debug!(Excerpt, shows sender, has_medium, at; hides text);

impl Excerpt {
    /// The most characters.
    pub const MAX: usize = 160;

    /// The beginning of a message.
    pub fn of(message: &Message) -> Self {
        let line = message.content.body().as_str().split_whitespace();
        let line = line.collect::<Vec<_>>().join(" ");
        let text = match line.char_indices().nth(Self::MAX) {
            None => line.into(),
            Some(_) => line.chars().take(Self::MAX - 1).chain(['…']).collect(),
        };
        Self {
            sender: message.sender,
            text,
            has_medium: message.content.media().is_some(),
            at: message.created_at,
        }
    }
}

/// A ticket in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketListItem {
    /// The ticket.
    pub ticket: Ticket,
    /// Its newest message.
    pub last: Excerpt,
}

impl TicketListItem {
    /// Who has to answer.
    pub fn awaiting(&self) -> Option<Awaiting> {
        Awaiting::after(self.last.sender, self.ticket.status)
    }
}

/// One page of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TicketPage {
    /// The tickets.
    pub tickets: Vec<TicketListItem>,
    /// Where the next page begins; `None` on the last one.
    pub next: Option<Cursor>,
}

/// Tickets that wait for the team. Notifications and unmatched messages are counted in
/// [`Vitals`](crate::ports::Vitals).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attention {
    /// Open tickets whose customer wrote last, counted up to [`Attention::COUNTED`].
    pub awaiting_manager: u32,
    /// The one of them that has been unchanged for the longest time.
    pub oldest: Option<Oldest>,
}

impl Attention {
    /// The limit of counting.
    pub const COUNTED: u32 = 1_000;
}

/// The ticket that has waited for the longest time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oldest {
    /// The ticket.
    pub reference: TicketRef,
    /// Its last change.
    pub since: Timestamp,
}

/// New values for a ticket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TicketPatch {
    /// The new status.
    pub status: Option<Status>,
    /// The new priority.
    pub priority: Option<Priority>,
}

impl TicketPatch {
    /// Returns the change of status; `None` if the ticket has that status already.
    pub fn of_status(&self, ticket: &Ticket) -> Option<AuditAction> {
        let from = ticket.status;
        let to = self.status.filter(|to| *to != from)?;
        Some(AuditAction::Status { from, to })
    }

    /// Returns the change of priority; `None` if the ticket has that priority already.
    pub fn of_priority(&self, ticket: &Ticket) -> Option<AuditAction> {
        let from = ticket.details.priority;
        let to = self.priority.filter(|to| *to != from)?;
        Some(AuditAction::Priority { from, to })
    }
}

/// A change that the audit log records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditAction {
    /// Changed a ticket's status.
    Status {
        /// The old status.
        from: Status,
        /// The new status.
        to: Status,
    },
    /// Changed a ticket's priority.
    Priority {
        /// The old priority.
        from: Priority,
        /// The new priority.
        to: Priority,
    },
    /// Answered with this message.
    Reply(MessageId),
    /// Wrote this internal note.
    Note(MessageId),
    /// Removed this message from the customer's view.
    Remove(MessageId),
    /// Attached this unmatched message to a ticket.
    Attach(MessageId),
    /// Sent this notification again.
    Redeliver(NotificationId),
    /// Sent this many dead notifications again at once.
    RedeliverDead(u64),
    /// Erased personal data, including this many messages.
    Erase(u64),
}

impl AuditAction {
    /// Its kind, without what it was done to.
    pub fn kind(&self) -> AuditKind {
        match self {
            Self::Status { .. } => AuditKind::Status,
            Self::Priority { .. } => AuditKind::Priority,
            Self::Reply(_) => AuditKind::Reply,
            Self::Note(_) => AuditKind::Note,
            Self::Remove(_) => AuditKind::Remove,
            Self::Attach(_) => AuditKind::Attach,
            Self::Redeliver(_) => AuditKind::Redeliver,
            Self::RedeliverDead(_) => AuditKind::RedeliverDead,
            Self::Erase(_) => AuditKind::Erase,
        }
    }
}

/// What identifies a change in the audit log: the entry, when the change was made, and by whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditStamp {
    /// The entry's id.
    pub id: AuditEntryId,
    /// When the change was made.
    pub at: Timestamp,
    /// Who made it.
    pub by: Actor,
}

/// An entry of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// The entry's id, when the change was made, and by whom.
    pub stamp: AuditStamp,
    /// The ticket that was changed; none if the change was made to several.
    pub reference: Option<TicketRef>,
    /// What was changed.
    pub act: AuditAction,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::MessageBuilder;

    #[test]
    fn an_excerpt_is_one_short_line() {
        let excerpt = |text: &str| {
            let message = MessageBuilder::new(MessageId(uuid::Uuid::nil()), text).build();
            Excerpt::of(&message).text
        };
        assert_eq!(&*excerpt("two\nlines\t here"), "two lines here");
        assert_eq!(excerpt(&"ü".repeat(160)).chars().count(), 160);
        let cut = excerpt(&"ü".repeat(161));
        assert_eq!((cut.chars().count(), cut.ends_with("ü…")), (160, true));
    }
}
