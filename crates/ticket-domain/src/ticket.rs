//! Tickets, who may read them, and their links.

use std::{borrow::Cow, time::Duration};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{
    AccessKey, Awaiting, CustomerName, Delivery, Email, FileId, Message, MessageText, Phone, Priority, Status, Subject,
    TicketId, TicketRef, Timestamp, Visibility, ports::Upload, values::Redacted,
};

/// The person who opened a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Customer {
    /// The name that they gave.
    pub name: CustomerName,
    /// Their phone number, which also identifies their messages.
    pub phone: Phone,
    /// Their e-mail address.
    pub email: Email,
}

/// What a customer enters about a ticket, besides the first message.
///
/// A field is declared here once. [`fields`](Self::fields) and [`redacted`](Self::redacted) name every field, so that the
/// compiler asks for a new one; a request's digest, the export and erasure follow from these two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketDetails {
    /// Who asks.
    pub customer: Customer,
    /// What the ticket is about.
    pub subject: Subject,
    /// How urgent it is.
    pub priority: Priority,
}

impl TicketDetails {
    /// The name of [`priority`](Self::priority) among the [`fields`](Self::fields).
    const PRIORITY: &str = "priority";

    /// The text of every field, by the field's name in the API.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let Self {
            customer: Customer { name, phone, email },
            subject,
            priority,
        } = self;
        [
            ("customerName", name.as_str()),
            ("customerPhone", phone.as_str()),
            ("customerEmail", email.as_str()),
            ("subject", subject.as_str()),
            (Self::PRIORITY, priority.as_str()),
        ]
        .into_iter()
    }

    /// The same without personal data: every field that may hold some has its [`Redaction`](crate::Redaction).
    #[must_use]
    pub fn redacted(&self) -> Self {
        Self {
            customer: Customer {
                name: Redacted::redacted(),
                phone: Redacted::redacted(),
                email: Redacted::redacted(),
            },
            subject: Redacted::redacted(),
            priority: self.priority,
        }
    }
}

/// What a customer sends in to open a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketRequest {
    /// What the ticket is about, and who asks.
    pub details: TicketDetails,
    /// The first message of the thread.
    pub message: MessageText,
    /// The files of that message, in order.
    pub attachments: Vec<Upload>,
}

impl TicketRequest {
    /// SHA-256 of everything in the request: two requests are the same if their digests are equal.
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut add = |text: &str| {
            hash.update(text);
            // No field can contain a NUL, so it separates them unambiguously.
            hash.update([0]);
        };
        for (name, text) in self.details.fields() {
            // Stored digests have the message before the priority.
            if name == TicketDetails::PRIORITY {
                add(self.message.as_str());
            }
            add(text);
        }
        // What the files are, not which upload: whoever sends the form again uploads them again.
        for upload in &self.attachments {
            hash.update(upload.digest);
        }
        hash.finalize().into()
    }
}

/// The secrets that give access to one ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessKeys {
    /// The customer's key: reads, and writes as the customer.
    pub customer: AccessKey,
    /// The key in the manager's link: only reads.
    pub reader: AccessKey,
}

/// How long a link to a file is valid, from the beginning of the day on which it was made.
const FILE_LINK_LIFE: Duration = Duration::from_hours(8 * 24);

/// Access level to a ticket. Later ones may do more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccessLevel {
    /// Anyone.
    Anyone,
    /// Whoever has the manager's link: reads.
    Reader,
    /// Whoever has the customer's key: reads, and writes as the customer.
    Customer,
    /// An operator: reads and acts.
    Operator,
}

impl AccessKeys {
    /// Returns the access level that the key `given` grants.
    pub fn access_level(&self, given: &str) -> AccessLevel {
        // Always compares both, so that timing reveals nothing.
        match (self.customer.matches(given), self.reader.matches(given)) {
            (true, _) => AccessLevel::Customer,
            (false, true) => AccessLevel::Reader,
            (false, false) => AccessLevel::Anyone,
        }
    }

    /// Signs a link to a file of the ticket, which expires so many seconds after 1970: 32 hexadecimal digits.
    fn file_signature(&self, file: FileId, expires: i64) -> String {
        let code = self.file_code(file, expires).finalize().into_bytes();
        code[..16]
            .iter()
            .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
    }

    /// Whether a link to a file was signed so, and has not expired.
    pub fn has_signed(&self, file: FileId, expires: i64, signature: &str, now: Timestamp) -> bool {
        let expected = self.file_signature(file, expires);
        let is_right = expected.as_bytes().ct_eq(signature.as_bytes());
        bool::from(is_right) && now.unix_micros() / 1_000_000 < expires
    }

    fn file_code(&self, file: FileId, expires: i64) -> Hmac<Sha256> {
        // The key is shorter than a block of the hash.
        let mut key = [0; 64];
        for (place, byte) in key.iter_mut().zip(self.reader.as_str().bytes()) {
            *place = byte;
        }
        let mut code = Hmac::<Sha256>::new(&key.into());
        code.update(b"file\0");
        code.update(file.0.as_bytes());
        code.update(&expires.to_be_bytes());
        code
    }
}

/// A ticket: one request for help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// Its id.
    pub id: TicketId,
    /// Its reference.
    pub reference: TicketRef,
    /// Its details.
    pub details: TicketDetails,
    /// Its status.
    pub status: Status,
    /// Its access keys.
    pub keys: AccessKeys,
    /// 1 when it is opened; the store raises it by one with every change.
    pub version: u32,
    /// How many of these changes were internal notes. Only operators may learn of them.
    pub notes: u32,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A ticket with its messages, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    /// The ticket.
    pub ticket: Ticket,
    /// Its messages, in the order in which the store received them.
    pub messages: Vec<Message>,
    /// The progress of the ticket's newest notification.
    pub delivery: Delivery,
}

/// Identifies what readers see of a ticket: it changes whenever that changes. Delivery is separate, because it does not
/// raise the version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TicketVersion {
    /// The ticket's version.
    pub version: u32,
    /// The progress of its newest notification.
    pub delivery: Delivery,
}

/// Access keys and version of a ticket: enough for readers who have the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketSummary {
    /// Its access keys.
    pub keys: AccessKeys,
    /// Its version.
    pub state: TicketVersion,
    /// How many internal notes are in that version.
    pub notes: u32,
}

impl TicketSummary {
    /// The version as readers of this access level know it: internal notes don't count for others than operators.
    pub fn state_for(&self, level: AccessLevel) -> TicketVersion {
        TicketVersion {
            version: version_for(level, self.state.version, self.notes),
            ..self.state
        }
    }
}

fn version_for(level: AccessLevel, version: u32, notes: u32) -> u32 {
    match level {
        AccessLevel::Operator => version,
        AccessLevel::Anyone | AccessLevel::Reader | AccessLevel::Customer => version.saturating_sub(notes),
    }
}

impl Thread {
    /// The ticket's version.
    pub fn state(&self) -> TicketVersion {
        TicketVersion {
            version: self.ticket.version,
            delivery: self.delivery,
        }
    }

    /// The thread as readers of this access level see it. For others than operators it has no internal notes, nothing that
    /// changes with them, and no content of removed messages.
    pub fn shown_to(&self, level: AccessLevel) -> Cow<'_, Self> {
        let is_public = |message: &Message| message.visibility == Visibility::Public;
        if level == AccessLevel::Operator || self.messages.iter().all(is_public) {
            return Cow::Borrowed(self);
        }
        Cow::Owned(Self {
            ticket: Ticket {
                version: version_for(level, self.ticket.version, self.ticket.notes),
                notes: 0,
                ..self.ticket.clone()
            },
            messages: self.messages.iter().filter_map(Message::public).collect(),
            delivery: self.delivery,
        })
    }

    /// When the team answered; `None` if the customer wrote last. Only what the customer can read is an answer.
    pub fn answered_at(&self) -> Option<Timestamp> {
        let mut newest = self.messages.iter().rev();
        let last = newest.find(|message| message.visibility == Visibility::Public)?;
        let is_answered = Awaiting::after(last.sender, Status::Open) == Some(Awaiting::Customer);
        is_answered.then_some(last.created_at)
    }
}

/// Who may read a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anyone who knows its reference.
    Open,
    /// Whoever has one of its keys, and operators.
    Private,
}

/// Builds the links to tickets.
#[derive(Debug, Clone)]
pub struct TicketLinks {
    base_url: Box<str>,
    access: Access,
}

impl TicketLinks {
    /// Links below `base_url`, which may end with a slash.
    pub fn new(base_url: &str, access: Access) -> Self {
        Self {
            base_url: base_url.trim_end_matches('/').into(),
            access,
        }
    }

    /// Returns the address of the form that opens a ticket.
    pub fn form(&self) -> &str {
        &self.base_url
    }

    /// Returns the customer's link. It contains the key that proves that its holder opened the ticket.
    pub fn for_customer(&self, reference: TicketRef, key: &AccessKey) -> String {
        format!("{}/ticket/{reference}?key={key}", self.base_url)
    }

    /// Returns a link to a file that lets anyone fetch it for a week or a day more: the link of one day stays the same.
    pub fn for_file(&self, reference: TicketRef, keys: &AccessKeys, file: FileId, now: Timestamp) -> String {
        let expires = now.midnight().plus(FILE_LINK_LIFE);
        format!(
            "{}/api/ticket/{reference}/files/{file}?expires={}&signature={}",
            self.base_url,
            expires.unix_micros() / 1_000_000,
            keys.file_signature(file, expires.unix_micros() / 1_000_000),
        )
    }

    /// Returns the manager's link. It never contains the customer's key; where tickets are private, it contains the key
    /// that only reads.
    pub fn for_manager(&self, reference: TicketRef, keys: &AccessKeys) -> String {
        match self.access {
            Access::Open => format!("{}/ticket/{reference}", self.base_url),
            Access::Private => format!("{}/ticket/{reference}?key={}", self.base_url, keys.reader),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn requests_are_the_same_only_if_every_field_is() {
        let request = || testing::request("Broken");
        let same = request().digest();
        assert_eq!(request().digest(), same);
        // As stored since the first version.
        let stored = "John Doe\0+1234567890\0john@example.com\0Product Quality Issue\0Broken\0medium\0";
        assert_eq!(same, <[u8; 32]>::from(Sha256::digest(stored)));
        let changes: [fn(&mut TicketRequest); 6] = [
            |r| r.details.customer.name = "John  Doe".parse().unwrap(),
            |r| r.details.customer.phone = "1234567890".parse().unwrap(),
            |r| r.details.customer.email = "jon@example.com".parse().unwrap(),
            |r| r.details.subject = "Bottle".parse().unwrap(),
            |r| r.message = "sBroken".parse().unwrap(),
            |r| r.details.priority = Priority::Low,
        ];
        for change in changes {
            let mut other = request();
            change(&mut other);
            assert_ne!(other.digest(), same, "{:?}", other.details.priority);
        }
    }

    #[test]
    fn links_give_each_reader_what_they_need_and_no_more() {
        let keys = AccessKeys {
            customer: AccessKey::from_random([1; 16]),
            reader: AccessKey::from_random([2; 16]),
        };
        let reference = "T-20250115-1234".parse().unwrap();
        let open = TicketLinks::new("https://desk.example/", Access::Open);
        let private = TicketLinks::new("https://desk.example", Access::Private);
        let page = "https://desk.example/ticket/T-20250115-1234";
        assert_eq!(
            open.for_customer(reference, &keys.customer),
            format!("{page}?key={}", "01".repeat(16))
        );
        assert_eq!(open.for_manager(reference, &keys), page);
        assert_eq!(
            private.for_manager(reference, &keys),
            format!("{page}?key={}", "02".repeat(16))
        );
        assert_eq!(keys.access_level(keys.customer.as_str()), AccessLevel::Customer);
        assert_eq!(keys.access_level(keys.reader.as_str()), AccessLevel::Reader);
        assert_eq!(keys.access_level(""), AccessLevel::Anyone);
    }
}
