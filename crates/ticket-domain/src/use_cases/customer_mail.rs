//! What customers do about the mails that they get.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{Context, customers::tickets_of};
use crate::{
    AccessLevel, Contact, EventKind, MessageId, Notification, NotificationId, Recipient, Sender, Status, Thread,
    Ticket, TicketId, TicketRef, Visibility,
    ports::{CustomerMail, OperatorQueries, StoreError},
};

/// An address gets its links at most once in this time, however often somebody asks.
const LINKS_EVERY: Duration = Duration::from_hours(1);

/// The most tickets that one mail links to, the newest first.
const LINKS_MAX: usize = 20;

/// The most addresses that are mailed for one phone number: anybody may have opened tickets with it.
const ADDRESSES_MAX: usize = 5;

/// What customers do about their mails.
pub struct CustomerMails {
    mail: Arc<dyn CustomerMail>,
    desk: Arc<dyn OperatorQueries>,
    context: Context,
}

impl CustomerMails {
    /// Keeps what customers do in `mail`, and finds their tickets by `desk`.
    pub fn new(mail: Arc<dyn CustomerMail>, desk: Arc<dyn OperatorQueries>, context: Context) -> Self {
        Self { mail, desk, context }
    }

    /// Whether customers are mailed at all.
    pub fn are_sent(&self) -> bool {
        self.context.composers.get(Recipient::Customer).is_some()
    }

    /// Notes that the customer's page shows a ticket: what it shows is not mailed. Other readers change nothing.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn page_shown(&self, thread: &Thread, access_level: AccessLevel) -> Result<(), StoreError> {
        let is_answer = |sender| sender != Sender::Customer;
        let mut messages = thread.messages.iter().rev();
        let newest = messages.find(|message| is_answer(message.sender) && message.visibility == Visibility::Public);
        match newest {
            Some(newest) if access_level == AccessLevel::Customer => self.seen(thread.ticket.id, newest.id).await,
            _ => Ok(()),
        }
    }

    /// Notes that the customer has seen the messages of a ticket up to this one.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn seen(&self, ticket: TicketId, up_to: MessageId) -> Result<(), StoreError> {
        if self.are_sent() {
            self.mail.seen(ticket, up_to).await?;
        }
        Ok(())
    }

    /// Stops the mails about a ticket, or sends them again.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn set_unsubscribed(&self, ticket: TicketId, unsubscribed: bool) -> Result<(), StoreError> {
        self.mail.set_unsubscribed(ticket, unsubscribed).await
    }

    /// Mails the links to the open tickets of a customer, each to the address in it. Who asks learns nothing.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn send_links(&self, contact: &Contact) -> Result<(), StoreError> {
        let Some(composer) = self.context.composers.get(Recipient::Customer) else {
            return Ok(());
        };
        let mut by_address: BTreeMap<String, Vec<Ticket>> = BTreeMap::new();
        for ticket in tickets_of(&*self.desk, contact, Some(Status::Open)).await? {
            let address = ticket.details.customer.email.as_str().to_lowercase();
            by_address.entry(address).or_default().push(ticket);
        }
        let now = self.context.clock.now();
        let mut is_sent = false;
        for tickets in by_address.into_values().take(ADDRESSES_MAX) {
            let Some(newest) = tickets.first() else { continue };
            let links: Vec<(TicketRef, String)> = tickets
                .iter()
                .take(LINKS_MAX)
                .map(|ticket| {
                    let link = self.context.links.for_customer(ticket.reference, &ticket.keys.customer);
                    (ticket.reference, link)
                })
                .collect();
            let Some(payload) = composer.compose_links(&newest.details.customer.email, &links) else {
                continue;
            };
            let notification = Notification {
                id: NotificationId(self.context.new_id(now)),
                recipient: Recipient::Customer,
                event: EventKind::Links,
                payload,
                addressed: self.context.composers.has_notifier(Recipient::Customer),
                created_at: now,
                due_at: now,
            };
            is_sent |= self
                .mail
                .request(newest.id, notification, now.minus(LINKS_EVERY))
                .await?;
        }
        if is_sent {
            self.context.wake.wake();
        }
        Ok(())
    }
}
