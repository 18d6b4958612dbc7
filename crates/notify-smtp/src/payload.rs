//! What a mail is about, as it is stored with its event.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use ticket_domain::{
    Email, EventKind, Payload, TicketRef,
    ports::{Composer, Event},
};
use uuid::Uuid;

/// What the outbox holds of a mail. What the team wrote is added when the mail goes out: by then the customer may have read
/// it, and the manager may have taken it back.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MailPayload {
    /// The customer's address.
    pub(crate) to: String,
    /// The ticket that the mail is about; none if it is about several.
    pub(crate) ticket: Option<Uuid>,
    /// The references and the customer's links.
    pub(crate) links: Vec<TicketLink>,
}

/// A ticket and the customer's link to it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TicketLink {
    pub(crate) reference: String,
    pub(crate) url: String,
}

impl TicketLink {
    fn new(reference: TicketRef, url: &str) -> Self {
        Self {
            reference: reference.to_string(),
            url: url.to_owned(),
        }
    }

    /// Where the customer stops the mails about the ticket: a page beside it, with the same key.
    pub(crate) fn unsubscribe(&self) -> String {
        match self.url.split_once('?') {
            Some((page, key)) => format!("{page}/mail?{key}"),
            None => format!("{}/mail", self.url),
        }
    }
}

/// Writes what mails are about.
#[derive(Debug, Clone, Copy)]
pub struct MailComposer {
    /// How long an answer waits for more before it is mailed, and for the customer's open page to show it.
    pub hold: Duration,
}

impl MailPayload {
    fn bytes(&self) -> Option<Payload> {
        // Never fails: it consists of texts.
        Some(Payload(serde_json::to_vec(self).ok()?.into()))
    }
}

impl Composer for MailComposer {
    fn compose(&self, event: Event<'_>) -> Option<Payload> {
        let ticket = event.ticket;
        MailPayload {
            to: ticket.details.customer.email.to_string(),
            ticket: Some(ticket.id.0),
            links: vec![TicketLink::new(ticket.reference, event.ticket_url)],
        }
        .bytes()
    }

    fn compose_links(&self, to: &Email, links: &[(TicketRef, String)]) -> Option<Payload> {
        MailPayload {
            to: to.to_string(),
            ticket: None,
            links: links
                .iter()
                .map(|(reference, url)| TicketLink::new(*reference, url))
                .collect(),
        }
        .bytes()
    }

    fn hold(&self, kind: EventKind) -> Duration {
        if kind.is_digest() { self.hold } else { Duration::ZERO }
    }
}
