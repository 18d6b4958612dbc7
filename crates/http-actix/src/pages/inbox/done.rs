//! What an act did, said once on the page that follows. The address carries a word of a fixed list, never the words
//! themselves.

use maud::{Markup, html};
use ticket_domain::{Status, TicketRef, ports::RedeliverResult};

use super::filter::Query;
use crate::pages::{Pages, form_data::FormData};

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    Replied,
    Stands(Status),
    Priority,
    AttachResult(TicketRef),
    AttachedBefore(TicketRef),
    RedeliverResult(RedeliverResult),
    RedeliveredAll(u64),
}

/// Each word and what it says. What a word says more is in a field of its own.
impl Done {
    pub(super) fn written_to(self, query: Query) -> Query {
        let word = match self {
            Self::Replied => "sent",
            Self::Stands(Status::Open) => "reopened",
            Self::Stands(Status::Resolved) => "resolved",
            Self::Stands(Status::Closed) => "closed",
            Self::Priority => "priority",
            Self::AttachResult(_) => "attached",
            Self::AttachedBefore(_) => "attached-before",
            Self::RedeliverResult(RedeliverResult::Queued) => "queued",
            Self::RedeliverResult(RedeliverResult::AlreadyDelivered) => "delivered-before",
            Self::RedeliverResult(RedeliverResult::InProgress) => "under-way",
            Self::RedeliverResult(RedeliverResult::NotFound) => "no-notification",
            Self::RedeliveredAll(_) => "queued-all",
        };
        let query = query.with("done", word);
        match self {
            Self::AttachResult(reference) | Self::AttachedBefore(reference) => query.with("ticket", reference),
            Self::RedeliveredAll(count) => query.with("count", count),
            _ => query,
        }
    }

    fn of(query: &FormData) -> Option<Self> {
        let ticket = || query.get("ticket").parse().ok();
        Some(match query.get("done") {
            "sent" => Self::Replied,
            "reopened" => Self::Stands(Status::Open),
            "resolved" => Self::Stands(Status::Resolved),
            "closed" => Self::Stands(Status::Closed),
            "priority" => Self::Priority,
            "attached" => Self::AttachResult(ticket()?),
            "attached-before" => Self::AttachedBefore(ticket()?),
            "queued" => Self::RedeliverResult(RedeliverResult::Queued),
            "delivered-before" => Self::RedeliverResult(RedeliverResult::AlreadyDelivered),
            "under-way" => Self::RedeliverResult(RedeliverResult::InProgress),
            "no-notification" => Self::RedeliverResult(RedeliverResult::NotFound),
            "queued-all" => Self::RedeliveredAll(query.get("count").parse().ok()?),
            _ => return None,
        })
    }

    fn words(self, pages: &Pages) -> Markup {
        let ticket = |reference: TicketRef| {
            html! { a.ref href=(pages.at(&format!("/inbox/ticket/{reference}"))) { (reference) } }
        };
        html! {
            @match self {
                Self::Replied => "Your answer is in the thread.",
                Self::Stands(Status::Open) => "The ticket is open again.",
                Self::Stands(Status::Resolved) => "The ticket is resolved. It opens again when the customer writes.",
                Self::Stands(Status::Closed) => "The ticket is closed. It opens again when the customer writes.",
                Self::Priority => "The priority is changed.",
                Self::AttachResult(reference) => { "The message is now in " (ticket(reference)) "." },
                Self::AttachedBefore(reference) => { "The message was in " (ticket(reference)) " already." },
                Self::RedeliverResult(RedeliverResult::Queued) if !pages.parts.settings.has_receiver => "It goes out once a webhook is set.",
                Self::RedeliverResult(RedeliverResult::Queued) => "The notification is on its way again.",
                Self::RedeliverResult(RedeliverResult::AlreadyDelivered) => "Nothing to do: the notification has been delivered.",
                Self::RedeliverResult(RedeliverResult::InProgress) => "The notification is being sent at this moment.",
                Self::RedeliverResult(RedeliverResult::NotFound) => "That notification is not there any more.",
                Self::RedeliveredAll(0) => "Nothing to send again: no notification had failed.",
                Self::RedeliveredAll(1) => "One notification is on its way again.",
                Self::RedeliveredAll(count) => { (count) " notifications are on their way again." },
            }
        }
    }
}

/// What the address says that was done, if anything.
pub(super) fn notice(pages: &Pages, query: &FormData) -> Markup {
    html! {
        @if let Some(done) = Done::of(query) {
            p.notice role="status" data-done { (done.words(pages)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_as_it_is_written() {
        let reference = "T-20250115-1234".parse().unwrap();
        for done in [
            Done::Replied,
            Done::Stands(Status::Open),
            Done::Stands(Status::Resolved),
            Done::Stands(Status::Closed),
            Done::Priority,
            Done::AttachResult(reference),
            Done::AttachedBefore(reference),
            Done::RedeliverResult(RedeliverResult::Queued),
            Done::RedeliverResult(RedeliverResult::AlreadyDelivered),
            Done::RedeliverResult(RedeliverResult::InProgress),
            Done::RedeliverResult(RedeliverResult::NotFound),
            Done::RedeliveredAll(7),
        ] {
            let address = done.written_to(Query::default()).after("");
            let query = FormData::parse(&address.as_bytes()[1..]);
            assert_eq!(Done::of(&query), Some(done), "{address}");
        }
    }

    #[test]
    fn other_words_say_nothing() {
        for query in ["", "done=hello", "done=attached&ticket=<b>", "done=queued-all&count=-1"] {
            assert_eq!(Done::of(&FormData::parse(query.as_bytes())), None, "{query}");
        }
    }
}
