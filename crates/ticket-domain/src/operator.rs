//! What operators see and do: lists of tickets, what needs attention, and the trail of who changed what.

use crate::{
    AuditEntryId, AuditKind, Awaiting, Cursor, Message, MessageId, NotificationId, Priority, SearchText, Sender,
    Status, Ticket, TicketRef, Timestamp, values::partly_redacted_debug,
};

/// Which tickets an operator wants to see. Every condition that is given must hold.
#[derive(Debug, Clone)]
pub struct TicketQuery {
    /// Where they stand.
    pub status: Option<Status>,
    /// How pressing they are.
    pub priority: Option<Priority>,
    /// Whom they await; only an open ticket awaits anybody.
    pub awaiting: Option<Awaiting>,
    /// What they hold.
    pub text: Option<SearchText>,
    /// Where the page before ended.
    pub after: Option<Cursor>,
    /// The most tickets of one page, at least 1.
    pub limit: u16,
}

impl TicketQuery {
    /// Whether a ticket in which `last` spoke last meets every condition but the text.
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
    /// Whom it awaits.
    pub fn awaiting(&self) -> Option<Awaiting> {
        Awaiting::after(self.last.sender, self.ticket.status)
    }
}

/// One page of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TicketPage {
    /// The tickets.
    pub tickets: Vec<TicketListItem>,
    /// Where the next page begins; none on the last one.
    pub next: Option<Cursor>,
}

/// What of the tickets needs an operator. Notifications and unmatched messages are told by
/// [`Vitals`](crate::ports::Vitals).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attention {
    /// Open tickets whose customer spoke last, counted up to [`Attention::COUNTED`].
    pub awaiting_manager: u32,
    /// The one of them that has been still for the longest time.
    pub oldest: Option<Oldest>,
}

impl Attention {
    /// So far tickets are counted; more are just many.
    pub const COUNTED: u32 = 1_000;
}

/// The ticket that has waited for the longest time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oldest {
    /// The ticket.
    pub reference: TicketRef,
    /// Since when nothing happened to it.
    pub since: Timestamp,
}

/// What an operator wants a ticket to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TicketPatch {
    /// Where it should stand.
    pub status: Option<Status>,
    /// How pressing it should be.
    pub priority: Option<Priority>,
}

impl TicketPatch {
    /// The change of status that it takes; none if it stands there already.
    pub fn of_status(&self, ticket: &Ticket) -> Option<AuditAction> {
        let from = ticket.status;
        let to = self.status.filter(|to| *to != from)?;
        Some(AuditAction::Status { from, to })
    }

    /// The change of priority that it takes; none if it has that already.
    pub fn of_priority(&self, ticket: &Ticket) -> Option<AuditAction> {
        let from = ticket.details.priority;
        let to = self.priority.filter(|to| *to != from)?;
        Some(AuditAction::Priority { from, to })
    }
}

/// What an operator did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditAction {
    /// Moved a ticket.
    Status {
        /// Where it stood.
        from: Status,
        /// Where it stands.
        to: Status,
    },
    /// Gave a ticket another priority.
    Priority {
        /// What it had.
        from: Priority,
        /// What it has.
        to: Priority,
    },
    /// Answered.
    Reply(MessageId),
    /// Said which ticket a message belongs to.
    Attach(MessageId),
    /// Had one notification sent again.
    Redeliver(NotificationId),
    /// Had so many that were given up sent again at once.
    RedeliverDead(u64),
    /// Had everything erased that says who the customer is and what was written: so many messages.
    Erase(u64),
}

impl AuditAction {
    /// Its kind, without what it was done to.
    pub fn kind(&self) -> AuditKind {
        match self {
            Self::Status { .. } => AuditKind::Status,
            Self::Priority { .. } => AuditKind::Priority,
            Self::Reply(_) => AuditKind::Reply,
            Self::Attach(_) => AuditKind::Attach,
            Self::Redeliver(_) => AuditKind::Redeliver,
            Self::RedeliverDead(_) => AuditKind::RedeliverDead,
            Self::Erase(_) => AuditKind::Erase,
        }
    }
}

/// An entry of the trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub id: AuditEntryId,
    /// When.
    pub at: Timestamp,
    /// The ticket that it was done to; none if it was done to several.
    pub reference: Option<TicketRef>,
    /// What.
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
