//! The use cases.

mod add_message;
mod answer_question;
mod answer_time;
mod ask_customer;
mod clarify;
mod commands;
mod customer_mail;
mod customers;
mod deliver;
mod hints;
mod open_ticket;
mod operate;
mod receive_reply;
mod redeliver;
mod report_receipt;
mod sender;
mod uploads;
mod view_ticket;

use std::{sync::Arc, time::Duration};

use uuid::{Builder, Uuid};

pub use add_message::{AddError, AddMessage, Added, CustomerTicket};
pub use answer_time::AnswerTime;
pub use customer_mail::CustomerMails;
pub use customers::{Customers, EraseReport, Records};
pub use deliver::{Capacity, Claims, Deliver, LEASE};
pub use open_ticket::{OpenError, OpenTicket, OpenedTicket};
pub use operate::{AttachedMessage, Operate, OperateError};
pub use receive_reply::{Ask, ReceiveError, ReceiveReply, Received, Reply, TicketName};
pub use redeliver::Redeliver;
pub use report_receipt::{ReportReceipt, Reported};
pub use uploads::{FileLimits, FindUploadsError, UploadError, Uploads};
pub use view_ticket::{Admitted, Credentials, View, ViewError, ViewTicket};

use crate::{
    Actor, AttachmentLink, AuditEntryId, AuditStamp, EventKind, Message, Notification, NotificationId, Recipient,
    Sender, Status, Ticket, TicketLinks, TicketPatch, Timestamp,
    ports::{Attach, Clock, Composers, Event, NewAttachment, Random, UpdateTicket, Upload, WakeSignal},
};

/// How long an idempotency key is valid.
const KEY_LIFE: Duration = Duration::from_hours(24);

/// Makes an id that sorts by time (UUID version 7), so that an index grows at its end.
fn new_id(now: Timestamp, random: &dyn Random) -> Uuid {
    let millis = u64::try_from(now.unix_micros() / 1_000).unwrap_or_default();
    Builder::from_unix_timestamp_millis(millis, &random.bytes()).into_uuid()
}

/// What every use case that changes a ticket needs.
#[derive(Clone)]
pub struct Context {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The source of ids, keys and references.
    pub random: Arc<dyn Random>,
    /// Who is notified, and who writes their notifications.
    pub composers: Composers,
    /// Wakes the delivery loop.
    pub wake: Arc<dyn WakeSignal>,
    /// Builds links to tickets.
    pub links: TicketLinks,
}

impl Context {
    fn new_id(&self, now: Timestamp) -> Uuid {
        new_id(now, &*self.random)
    }

    /// A new entry of the audit log for what `by` does now.
    fn stamp(&self, by: Actor) -> AuditStamp {
        self.stamp_at(self.clock.now(), by)
    }

    fn stamp_at(&self, at: Timestamp, by: Actor) -> AuditStamp {
        AuditStamp {
            id: AuditEntryId(self.new_id(at)),
            at,
            by,
        }
    }

    /// An unmatched message that joins a ticket as a message of `sender`. A customer's reopens the ticket and notifies the
    /// manager; any other is an answer.
    fn attach(&self, message: &Message, ticket: &Ticket, sender: Sender, by: Actor, at: Timestamp) -> Attach {
        let is_customer = sender == Sender::Customer;
        Attach {
            message: message.id,
            to: ticket.id,
            sender,
            notifications: self.notifications(news_of(sender), ticket, &message.content.as_text(), at),
            reopen: is_customer,
            note: self.stamp_at(at, by),
        }
    }

    /// The notifications of an event, one for each recipient that is told of it.
    fn notifications(&self, kind: EventKind, ticket: &Ticket, message: &str, now: Timestamp) -> Vec<Notification> {
        self.notifications_with(kind, ticket, message, &[], now)
    }

    /// The same for an event with files.
    fn notifications_with(
        &self,
        kind: EventKind,
        ticket: &Ticket,
        message: &str,
        attachments: &[AttachmentLink],
        now: Timestamp,
    ) -> Vec<Notification> {
        // Nobody is left at the address of an erased customer.
        let is_there = |recipient| recipient != Recipient::Customer || !ticket.is_erased();
        let concerned = self.composers.iter();
        let concerned = concerned.filter(|(recipient, _)| kind.concerns(*recipient) && is_there(*recipient));
        let notifications = concerned.filter_map(|(recipient, composer)| {
            let ticket_url = match recipient {
                Recipient::Manager => self.links.for_manager(ticket.reference, &ticket.keys),
                Recipient::Customer => self.links.for_customer(ticket.reference, &ticket.keys.customer),
            };
            let event = Event {
                kind,
                ticket,
                message,
                attachments,
                ticket_url: &ticket_url,
            };
            Some(Notification {
                id: NotificationId(self.new_id(now)),
                recipient,
                event: kind,
                payload: composer.compose(event)?,
                addressed: self.composers.has_notifier(recipient),
                created_at: now,
                due_at: now.plus(composer.hold(kind)),
            })
        });
        notifications.collect()
    }

    /// Links to uploads, as messages of a ticket.
    fn attachment_links(&self, ticket: &Ticket, uploads: &[Upload], now: Timestamp) -> Vec<AttachmentLink> {
        let link = |Upload { attachment, .. }: &Upload| AttachmentLink {
            url: self.links.for_file(ticket.reference, &ticket.keys, attachment.id, now),
            attachment: attachment.clone(),
        };
        uploads.iter().map(link).collect()
    }

    /// Files that join a message; each is sent to the manager by a notification of its own.
    fn new_attachments(&self, ticket: &Ticket, links: &[AttachmentLink], now: Timestamp) -> Vec<NewAttachment> {
        let new = |link: &AttachmentLink| NewAttachment {
            file: link.attachment.id,
            notification: self
                .notifications_with(EventKind::Attachment, ticket, "", std::slice::from_ref(link), now)
                .pop(),
        };
        links.iter().map(new).collect()
    }

    /// A change of a ticket's status or priority by `by`. The customer is notified if it resolves the ticket.
    fn update(&self, ticket: &Ticket, patch: TicketPatch, by: Actor) -> UpdateTicket {
        let at = self.clock.now();
        UpdateTicket {
            ticket: ticket.id,
            patch,
            at,
            by,
            entries: [(); 2].map(|()| self.stamp_at(at, by).id),
            notifications: if patch.status == Some(Status::Resolved) {
                self.notifications(EventKind::Resolved, ticket, "", at)
            } else {
                Vec::new()
            },
        }
    }
}

/// What a message of `sender` in a thread is to its recipients.
fn news_of(sender: Sender) -> EventKind {
    match sender {
        Sender::Customer => EventKind::Updated,
        Sender::Manager | Sender::Agent => EventKind::Answered,
    }
}
