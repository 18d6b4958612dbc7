//! Builders of entities for tests. Each entity is complete and valid as it comes; a test sets what it is about.

#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a test that gives an invalid value fails"
)]

use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

use crate::{
    AccessKey, AccessKeys, Actor, ActorKind, Address, Channel, Content, Customer, EventKind, Message, MessageBody,
    MessageId, Notification, NotificationId, Payload, Priority, Recipient, Sender, Status, Ticket, TicketDetails,
    TicketId, TicketRef, TicketRequest, Timestamp, Visibility, ports::Random,
};

/// The moment at which most tests begin.
pub fn moment() -> Timestamp {
    Timestamp::from_unix_micros(1_736_937_000_000_001).expect("a valid moment")
}

/// Draws the same in every run (splitmix64).
#[derive(Debug, Default)]
pub struct SeededRandom(AtomicU64);

impl SeededRandom {
    /// The next bits.
    pub fn bits(&self) -> u64 {
        let mut z = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub fn below(&self, end: usize) -> usize {
        usize::try_from(self.bits() % end as u64).expect("less than a usize")
    }
}

impl Random for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.bits().to_be_bytes()[..chunk.len()]);
        }
    }
}

/// What John Doe gives about his ticket, which has the default priority.
pub fn details() -> TicketDetails {
    TicketDetails {
        customer: Customer {
            name: "John Doe".parse().expect("a valid name"),
            phone: "+1234567890".parse().expect("a valid number"),
            email: "john@example.com".parse().expect("a valid address"),
        },
        subject: "Product Quality Issue".parse().expect("a valid subject"),
        priority: Priority::default(),
    }
}

/// A request of John Doe's with this first message.
pub fn request(message: &str) -> TicketRequest {
    TicketRequest {
        details: details(),
        message: message.parse().expect("a valid message"),
        attachments: Vec::new(),
    }
}

/// Builds a ticket: an open one of John Doe's, opened at [`moment`], unless told otherwise.
#[derive(Debug, Clone)]
pub struct TicketBuilder(Ticket);

impl TicketBuilder {
    /// A ticket of this reference.
    pub fn new(reference: &str) -> Self {
        Self::with_id(
            TicketId(Uuid::from_bytes([1; 16])),
            reference.parse().expect("a reference"),
        )
    }

    /// A ticket of this id and reference, whose keys are made of the id.
    pub fn with_id(id: TicketId, reference: TicketRef) -> Self {
        let key = |last: u8| {
            let mut bytes = id.0.into_bytes();
            bytes[0] = last;
            AccessKey::from_random(bytes)
        };
        Self(Ticket {
            id,
            reference,
            details: details(),
            status: Status::Open,
            keys: AccessKeys {
                customer: key(0xc0),
                reader: key(0xd0),
            },
            version: 1,
            notes: 0,
            created_at: moment(),
            updated_at: moment(),
        })
    }

    /// What its customer gave.
    #[must_use]
    pub fn details(mut self, details: TicketDetails) -> Self {
        self.0.details = details;
        self
    }

    /// Its customer's name.
    #[must_use]
    pub fn customer_name(mut self, name: &str) -> Self {
        self.0.details.customer.name = name.parse().expect("a name");
        self
    }

    /// Its customer's number.
    #[must_use]
    pub fn customer_phone(mut self, phone: &str) -> Self {
        self.0.details.customer.phone = phone.parse().expect("a number");
        self
    }

    /// Its customer's address.
    #[must_use]
    pub fn customer_email(mut self, email: &str) -> Self {
        self.0.details.customer.email = email.parse().expect("an address");
        self
    }

    /// What it is about.
    #[must_use]
    pub fn subject(mut self, subject: &str) -> Self {
        self.0.details.subject = subject.parse().expect("a subject");
        self
    }

    /// Its priority.
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> Self {
        self.0.details.priority = priority;
        self
    }

    /// Its status.
    #[must_use]
    pub fn status(mut self, status: Status) -> Self {
        self.0.status = status;
        self
    }

    /// When it was opened, and last changed.
    #[must_use]
    pub fn created_at(mut self, at: Timestamp) -> Self {
        self.0.created_at = at;
        self.0.updated_at = at;
        self
    }

    /// The ticket.
    pub fn build(self) -> Ticket {
        self.0
    }
}

/// Builds a message: one that the customer wrote on the web at [`moment`], unless told otherwise.
#[derive(Debug, Clone)]
pub struct MessageBuilder(Message);

impl MessageBuilder {
    /// A message of this id and text.
    pub fn new(id: MessageId, text: &str) -> Self {
        Self(Message {
            id,
            sender: Sender::Customer,
            channel: Channel::Web,
            from: None,
            content: Content::new(MessageBody::lenient(text), None).expect("a text"),
            attachments: Vec::new(),
            visibility: Visibility::Public,
            external_id: None,
            created_at: moment(),
        })
    }

    /// Who wrote it.
    #[must_use]
    pub fn sender(mut self, sender: Sender) -> Self {
        self.0.sender = sender;
        self
    }

    /// It came over WhatsApp from this address.
    #[must_use]
    pub fn over_whatsapp(mut self, from: Address) -> Self {
        self.0.channel = Channel::Whatsapp;
        self.0.from = Some(from);
        self
    }

    /// When it was received.
    #[must_use]
    pub fn created_at(mut self, at: Timestamp) -> Self {
        self.0.created_at = at;
        self
    }

    /// The message.
    pub fn build(self) -> Message {
        self.0
    }
}

/// An actor of every kind, and an operator who has a name.
pub fn actors() -> Vec<Actor> {
    let named = Actor::Operator(Some("Zoë".parse().expect("a name")));
    let kinds = ActorKind::ALL.iter().copied();
    kinds.map(Actor::from).chain([named]).collect()
}

/// A notification to the manager, of a ticket that was opened at `created_at`, due at once.
pub fn notification(id: NotificationId, payload: &[u8], created_at: Timestamp) -> Notification {
    Notification {
        id,
        recipient: Recipient::Manager,
        event: EventKind::Created,
        payload: Payload(payload.into()),
        addressed: true,
        created_at,
        due_at: created_at,
    }
}
