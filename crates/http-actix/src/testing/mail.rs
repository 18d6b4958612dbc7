//! Mails to customers.

use std::time::Duration;

use serde_json::json;
use ticket_domain::{
    Email, EventKind, LeaseToken, Payload, Recipient, TicketRef,
    ports::{AttemptOutcome, Claim, Composer, Event, Outbox},
};

use super::{Request, TestApp, wait};

/// Composes mails of their links alone. Answers wait for a minute.
pub(super) struct Links;

impl Composer for Links {
    fn compose(&self, event: Event<'_>) -> Option<Payload> {
        Some(Payload(event.ticket_url.as_bytes().into()))
    }

    fn compose_links(&self, to: &Email, links: &[(TicketRef, String)]) -> Option<Payload> {
        let all: Vec<&str> = links.iter().map(|(_, link)| link.as_str()).collect();
        Some(Payload(format!("{to}\n{}", all.join("\n")).into_bytes().into()))
    }

    fn hold(&self, kind: EventKind) -> Duration {
        Duration::from_secs(if kind.is_digest() { 60 } else { 0 })
    }
}

/// A mail that was delivered.
pub(crate) struct Mail {
    pub(crate) event: EventKind,
    pub(crate) payload: String,
    /// The texts of the answers that it tells.
    pub(crate) answers: Vec<String>,
    pub(crate) message_id: String,
}

impl TestApp {
    /// Delivers the mails that are due.
    pub(crate) fn mails(&self) -> Vec<Mail> {
        let now = self.state.clock.now();
        let claim = Claim {
            recipient: Recipient::Customer,
            now,
            lease: LeaseToken(uuid::Uuid::from_u128(1)),
            until: now.plus(Duration::from_secs(30)),
            first_tries_only: false,
        };
        wait(async {
            let mut mails = Vec::new();
            // One of each ticket at a time.
            while let Some(claimed) = self.store.claim(claim, 1).await.unwrap().pop() {
                let news = self.store.news(claimed.id).await.unwrap();
                let message_id = format!("{}@desk.example", claimed.id);
                if !claimed.event.is_digest() || !news.is_empty() {
                    mails.push(Mail {
                        event: claimed.event,
                        payload: String::from_utf8(claimed.payload.0.to_vec()).unwrap(),
                        answers: news.answers.iter().map(|answer| answer.content.as_text()).collect(),
                        message_id: message_id.clone(),
                    });
                }
                let delivered = AttemptOutcome::Delivered {
                    at: now,
                    external_id: Some(message_id.parse().unwrap()),
                };
                let record = self.store.record_attempt(claimed.id, claim.lease, delivered);
                record.await.unwrap();
            }
            mails
        })
    }

    /// Answers a ticket as an operator.
    pub(crate) fn reply(&self, reference: &str, text: &str) {
        let target = format!("/api/ticket/{reference}/replies");
        let answer = self.as_operator(Request::post(&target, &json!({ "message": text })));
        assert_eq!(answer.status, 201, "{answer:?}");
    }
}
