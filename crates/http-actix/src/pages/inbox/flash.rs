//! Flash messages: what an action did, shown once on the page that follows. The address carries one word of a fixed list,
//! never the text itself.

use maud::{Markup, html};
use ticket_domain::{Status, TicketRef, ports::RedeliverResult};

use super::filter::Query;
use crate::pages::{Site, form_data::FormData};

/// What an action did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FlashMessage {
    Replied,
    Noted,
    Removed,
    StatusChanged(Status),
    PriorityChanged,
    Attached(TicketRef),
    AlreadyAttached(TicketRef),
    Redelivered(RedeliverResult),
    RedeliveredAll(u64),
}

impl FlashMessage {
    /// The word in the address.
    fn word(self) -> &'static str {
        match self {
            Self::Replied => "sent",
            Self::Noted => "noted",
            Self::Removed => "removed",
            Self::StatusChanged(Status::Open) => "reopened",
            Self::StatusChanged(Status::Resolved) => "resolved",
            Self::StatusChanged(Status::Closed) => "closed",
            Self::PriorityChanged => "priority",
            Self::Attached(_) => "attached",
            Self::AlreadyAttached(_) => "attached-before",
            Self::Redelivered(RedeliverResult::Queued) => "queued",
            Self::Redelivered(RedeliverResult::AlreadyDelivered) => "delivered-before",
            Self::Redelivered(RedeliverResult::InProgress) => "under-way",
            Self::Redelivered(RedeliverResult::NotFound) => "no-notification",
            Self::RedeliveredAll(_) => "queued-all",
        }
    }

    /// Every message that an address with this ticket and this count may name.
    fn all(ticket: Option<TicketRef>, count: Option<u64>) -> impl Iterator<Item = Self> {
        let results = [
            RedeliverResult::Queued,
            RedeliverResult::AlreadyDelivered,
            RedeliverResult::InProgress,
            RedeliverResult::NotFound,
        ];
        let redelivered = results.into_iter().map(Self::Redelivered);
        let changed = Status::ALL.iter().copied().map(Self::StatusChanged);
        [Self::Replied, Self::Noted, Self::Removed, Self::PriorityChanged]
            .into_iter()
            .chain(changed)
            .chain(redelivered)
            .chain(ticket.map(Self::Attached))
            .chain(ticket.map(Self::AlreadyAttached))
            .chain(count.map(Self::RedeliveredAll))
    }

    pub(super) fn written_to(self, query: Query) -> Query {
        let query = query.with("done", self.word());
        match self {
            Self::Attached(reference) | Self::AlreadyAttached(reference) => query.with("ticket", reference),
            Self::RedeliveredAll(count) => query.with("count", count),
            _ => query,
        }
    }

    fn of(query: &FormData) -> Option<Self> {
        let done = query.get("done");
        let mut all = Self::all(query.get("ticket").parse().ok(), query.get("count").parse().ok());
        all.find(|flash| flash.word() == done)
    }

    fn text(self, site: &Site) -> Markup {
        let ticket = |reference: TicketRef| {
            html! { a.ref href=(site.at(&format!("/inbox/ticket/{reference}"))) { (reference) } }
        };
        html! {
            @match self {
                Self::Replied => "Your answer is in the thread.",
                Self::Noted => "Note saved. Only your team sees it.",
                Self::Removed => "Removed. The customer no longer sees this message.",
                Self::StatusChanged(Status::Open) => "The ticket is open again.",
                Self::StatusChanged(Status::Resolved) => "The ticket is resolved. It opens again when the customer writes.",
                Self::StatusChanged(Status::Closed) => "The ticket is closed. It opens again when the customer writes.",
                Self::PriorityChanged => "The priority is changed.",
                Self::Attached(reference) => { "The message is now in " (ticket(reference)) "." },
                Self::AlreadyAttached(reference) => { "The message was in " (ticket(reference)) " already." },
                Self::Redelivered(RedeliverResult::Queued) if !site.has_receiver => "It goes out once a webhook is set.",
                Self::Redelivered(RedeliverResult::Queued) => "The notification is on its way again.",
                Self::Redelivered(RedeliverResult::AlreadyDelivered) => "Nothing to do: the notification has been delivered.",
                Self::Redelivered(RedeliverResult::InProgress) => "The notification is being sent at this moment.",
                Self::Redelivered(RedeliverResult::NotFound) => "That notification is not there any more.",
                Self::RedeliveredAll(0) => "Nothing to send again: no notification had failed.",
                Self::RedeliveredAll(1) => "One notification is on its way again.",
                Self::RedeliveredAll(count) => { (count) " notifications are on their way again." },
            }
        }
    }
}

/// The flash message that the address names, if any.
pub(super) fn notice(site: &Site, query: &FormData) -> Markup {
    html! {
        @if let Some(flash) = FlashMessage::of(query) {
            p.notice role="status" data-done { (flash.text(site)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_is_read_as_it_is_written() {
        let reference = "T-20250115-1234".parse().unwrap();
        for flash in FlashMessage::all(Some(reference), Some(7)) {
            let address = flash.written_to(Query::default()).after("");
            let query = FormData::parse(&address.as_bytes()[1..]);
            assert_eq!(FlashMessage::of(&query), Some(flash), "{address}");
        }
    }

    #[test]
    fn unknown_words_are_ignored() {
        for query in ["", "done=hello", "done=attached&ticket=<b>", "done=queued-all&count=-1"] {
            assert_eq!(FlashMessage::of(&FormData::parse(query.as_bytes())), None, "{query}");
        }
    }
}
