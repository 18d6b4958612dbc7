//! Rows to values and back. A value that its own type refuses is a corrupt row.

use diesel::{Insertable, Queryable, Selectable, pg::Pg};
use ticket_domain::{
    AccessKeys, Body, Content, Customer, Delivery, EventKind, Message, MessageId, Notification, NotificationId,
    NotificationRecord, NotificationState, Payload, Ticket, TicketId, Timestamp, UnknownWord,
    ports::{Claim, Claimed, Precedent, StoreError, parse},
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::schema::{messages, notifications, tickets};

/// The words of `notifications.state`.
pub(crate) mod state {
    pub(crate) const WAITING: &str = "waiting";
    pub(crate) const DELIVERED: &str = "delivered";
    pub(crate) const DEAD: &str = "dead";
    pub(crate) const HELD: &str = "held";
    pub(crate) const ALL: &[&str] = &[WAITING, DELIVERED, DEAD, HELD];
}

/// A state that needs a time has none.
#[derive(Debug, thiserror::Error)]
#[error("must not be null in this state")]
struct MustNotBeNull;

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = tickets, check_for_backend(Pg))]
pub(crate) struct TicketRow {
    id: Uuid,
    reference: String,
    customer_name: String,
    customer_phone: String,
    customer_email: String,
    subject: String,
    priority: String,
    status: String,
    customer_key: String,
    reader_key: String,
    version: i32,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

impl TicketRow {
    /// A new ticket's.
    pub(crate) fn new(ticket: &Ticket) -> Self {
        Self {
            id: ticket.id.0,
            reference: ticket.reference.to_string(),
            customer_name: ticket.customer.name.to_string(),
            customer_phone: ticket.customer.phone.to_string(),
            customer_email: ticket.customer.email.to_string(),
            subject: ticket.subject.to_string(),
            priority: ticket.priority.to_string(),
            status: ticket.status.to_string(),
            customer_key: ticket.keys.customer.to_string(),
            reader_key: ticket.keys.reader.to_string(),
            version: FIRST_VERSION,
            created_at: ticket.created_at.into(),
            updated_at: ticket.updated_at.into(),
        }
    }
}

/// The version of a new ticket.
pub(crate) const FIRST_VERSION: i32 = 1;

impl TryFrom<TicketRow> for Ticket {
    type Error = StoreError;

    fn try_from(row: TicketRow) -> Result<Self, StoreError> {
        const TABLE: &str = "tickets";
        Ok(Self {
            id: TicketId(row.id),
            reference: parse(TABLE, "reference", &row.reference)?,
            customer: Customer {
                name: parse(TABLE, "customer_name", &row.customer_name)?,
                phone: parse(TABLE, "customer_phone", &row.customer_phone)?,
                email: parse(TABLE, "customer_email", &row.customer_email)?,
            },
            subject: parse(TABLE, "subject", &row.subject)?,
            priority: parse(TABLE, "priority", &row.priority)?,
            status: parse(TABLE, "status", &row.status)?,
            keys: AccessKeys {
                customer: parse(TABLE, "customer_key", &row.customer_key)?,
                reader: parse(TABLE, "reader_key", &row.reader_key)?,
            },
            version: row
                .version
                .try_into()
                .map_err(|error| StoreError::corrupt(TABLE, "version", error))?,
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
        })
    }
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = messages, check_for_backend(Pg))]
pub(crate) struct MessageRow {
    id: Uuid,
    sender: String,
    channel: String,
    from_phone: Option<String>,
    body: String,
    media_url: Option<String>,
    external_id: Option<String>,
    created_at: OffsetDateTime,
}

impl MessageRow {
    /// A message's, wherever it belongs.
    pub(crate) fn new(message: &Message) -> Self {
        Self {
            id: message.id.0,
            sender: message.sender.to_string(),
            channel: message.channel.to_string(),
            from_phone: message.from.as_ref().map(ToString::to_string),
            body: message.content.body().to_string(),
            media_url: message.content.media().map(ToString::to_string),
            external_id: message.external_id.as_ref().map(ToString::to_string),
            created_at: message.created_at.into(),
        }
    }
}

impl TryFrom<MessageRow> for Message {
    type Error = StoreError;

    fn try_from(row: MessageRow) -> Result<Self, StoreError> {
        const TABLE: &str = "messages";
        let body: Body = parse(TABLE, "body", &row.body)?;
        let media = row.media_url.map(|url| parse(TABLE, "media_url", &url)).transpose()?;
        Ok(Self {
            id: MessageId(row.id),
            sender: parse(TABLE, "sender", &row.sender)?,
            channel: parse(TABLE, "channel", &row.channel)?,
            from: row
                .from_phone
                .map(|phone| parse(TABLE, "from_phone", &phone))
                .transpose()?,
            content: Content::new(body, media).map_err(|error| StoreError::corrupt(TABLE, "body", error))?,
            external_id: row.external_id.map(|id| parse(TABLE, "external_id", &id)).transpose()?,
            created_at: row.created_at.into(),
        })
    }
}

/// A notification that was never tried, due at once.
#[derive(Insertable)]
#[diesel(table_name = notifications, check_for_backend(Pg))]
pub(crate) struct NewNotificationRow {
    id: Uuid,
    ticket_id: Uuid,
    seq: i32,
    event: String,
    payload: Vec<u8>,
    addressed: bool,
    state: &'static str,
    due_at: OffsetDateTime,
    scheduled_at: OffsetDateTime,
    failures: i32,
    created_at: OffsetDateTime,
}

impl NewNotificationRow {
    /// It tells of the ticket's version `seq`.
    pub(crate) fn new(notification: &Notification, ticket: TicketId, seq: i32) -> Self {
        Self {
            id: notification.id.0,
            ticket_id: ticket.0,
            seq,
            event: notification.event.to_string(),
            payload: notification.payload.0.to_vec(),
            addressed: notification.addressed,
            state: state::WAITING,
            due_at: notification.created_at.into(),
            scheduled_at: notification.created_at.into(),
            failures: 0,
            created_at: notification.created_at.into(),
        }
    }
}

/// Where a notification stands.
#[derive(Queryable, Selectable)]
#[diesel(table_name = notifications, check_for_backend(Pg))]
pub(crate) struct StateRow {
    state: String,
    due_at: Option<OffsetDateTime>,
    external_id: Option<String>,
    settled_at: Option<OffsetDateTime>,
    created_at: OffsetDateTime,
}

impl StateRow {
    fn parsed(self) -> Result<NotificationState, StoreError> {
        const TABLE: &str = "notifications";
        let at = |column, moment: Option<OffsetDateTime>| {
            moment
                .map(Timestamp::from)
                .ok_or_else(|| StoreError::corrupt(TABLE, column, MustNotBeNull))
        };
        match self.state.as_str() {
            state::WAITING => Ok(NotificationState::Waiting {
                due: at("due_at", self.due_at)?,
            }),
            state::DELIVERED => Ok(NotificationState::Delivered {
                at: at("settled_at", self.settled_at)?,
                external_id: self
                    .external_id
                    .map(|id| parse(TABLE, "external_id", &id))
                    .transpose()?,
            }),
            state::DEAD => Ok(NotificationState::Dead {
                at: at("settled_at", self.settled_at)?,
            }),
            state::HELD => Ok(NotificationState::Held),
            _ => Err(StoreError::corrupt(TABLE, "state", UnknownWord { allowed: state::ALL })),
        }
    }
}

impl TryFrom<StateRow> for Delivery {
    type Error = StoreError;

    fn try_from(row: StateRow) -> Result<Self, StoreError> {
        let created_at = row.created_at.into();
        Ok(Self::of(&row.parsed()?, created_at))
    }
}

/// A notification as an operator sees it, but for its ticket's reference.
#[derive(Queryable, Selectable)]
#[diesel(table_name = notifications, check_for_backend(Pg))]
pub(crate) struct RecordRow {
    pub(crate) id: Uuid,
    event: String,
    failures: i32,
    last_error: Option<String>,
    #[diesel(embed)]
    state: StateRow,
}

impl RecordRow {
    pub(crate) fn parsed(self, reference: &str) -> Result<NotificationRecord, StoreError> {
        const TABLE: &str = "notifications";
        Ok(NotificationRecord {
            id: NotificationId(self.id),
            reference: parse("tickets", "reference", reference)?,
            event: parse(TABLE, "event", &self.event)?,
            failures: self
                .failures
                .try_into()
                .map_err(|error| StoreError::corrupt(TABLE, "failures", error))?,
            last_error: self.last_error.map(String::into_boxed_str),
            created_at: self.state.created_at.into(),
            state: self.state.parsed()?,
        })
    }
}

/// What a worker gets.
#[derive(diesel::QueryableByName)]
#[diesel(table_name = notifications, check_for_backend(Pg))]
pub(crate) struct ClaimedRow {
    pub(crate) id: Uuid,
    ticket_id: Uuid,
    event: String,
    payload: Vec<u8>,
    failures: i32,
    scheduled_at: OffsetDateTime,
}

impl ClaimedRow {
    pub(crate) fn parsed(self, claim: Claim) -> Result<Claimed, StoreError> {
        const TABLE: &str = "notifications";
        let event: EventKind = parse(TABLE, "event", &self.event)?;
        Ok(Claimed {
            id: NotificationId(self.id),
            lease: claim.lease,
            ticket: TicketId(self.ticket_id),
            event,
            payload: Payload(self.payload.into()),
            failures: self
                .failures
                .try_into()
                .map_err(|error| StoreError::corrupt(TABLE, "failures", error))?,
            scheduled_at: self.scheduled_at.into(),
        })
    }
}

/// The record of an idempotency key, with what is told of its ticket.
#[derive(Queryable)]
pub(crate) struct PrecedentRow {
    digest: Vec<u8>,
    id: Uuid,
    reference: String,
    access_key: String,
}

impl TryFrom<PrecedentRow> for Precedent {
    type Error = StoreError;

    fn try_from(row: PrecedentRow) -> Result<Self, StoreError> {
        let digest = row.digest.as_slice().try_into();
        Ok(Self {
            digest: digest.map_err(|error| StoreError::corrupt("idempotency_keys", "digest", error))?,
            id: TicketId(row.id),
            reference: parse("tickets", "reference", &row.reference)?,
            access_key: parse("tickets", "customer_key", &row.access_key)?,
        })
    }
}
