//! Rows as they lie in the file, every column of them, and what they say. Whatever would not be written again to the
//! letter is corrupt.

mod written;

use diesel::{Insertable, Queryable};
use ticket_domain::{
    AccessKeys, AuditEntryId, Content, Customer, Message, MessageBody, MessageId, NotificationId, Payload, Question,
    QuestionId, Receipt, Ticket, TicketId, TicketRef, Timestamp,
    ports::{
        Idempotency, StoreError,
        transfer::{
            ActColumns, EarlierId, Seat, StoredEntry, StoredKey, StoredMessage, StoredNotification, StoredQuestion,
            StoredTicket, WrittenOtherwise, free_text, handed_back, parse_exactly,
        },
    },
};
use uuid::Uuid;

use crate::sqlite::{
    rows::{moment, uuid},
    schema::{earlier_ids, idempotency_keys, messages, notifications, questions, receipts, tickets, trail},
};

type Bytes = Vec<u8>;

/// How a table's columns become values.
#[derive(Clone, Copy)]
struct Reading(&'static str);

impl Reading {
    fn text<T>(self, column: &'static str, raw: &str) -> Result<T, StoreError>
    where
        T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static> + std::fmt::Display,
    {
        parse_exactly(self.0, column, raw)
    }

    fn maybe_text<T>(self, column: &'static str, raw: Option<String>) -> Result<Option<T>, StoreError>
    where
        T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static> + std::fmt::Display,
    {
        raw.map(|raw| self.text(column, &raw)).transpose()
    }

    fn id(self, column: &'static str, bytes: &[u8]) -> Result<Uuid, StoreError> {
        uuid(self.0, column, bytes)
    }

    fn maybe_id(self, column: &'static str, bytes: Option<Bytes>) -> Result<Option<Uuid>, StoreError> {
        bytes.map(|bytes| self.id(column, &bytes)).transpose()
    }

    fn moment(self, column: &'static str, micros: i64) -> Result<Timestamp, StoreError> {
        moment(self.0, column, micros)
    }

    fn maybe_moment(self, column: &'static str, micros: Option<i64>) -> Result<Option<Timestamp>, StoreError> {
        micros.map(|micros| self.moment(column, micros)).transpose()
    }

    fn number<T>(self, column: &'static str, number: i64) -> Result<T, StoreError>
    where
        T: TryFrom<i64, Error: std::error::Error + Send + Sync + 'static>,
    {
        T::try_from(number).map_err(|error| StoreError::corrupt(self.0, column, error))
    }

    fn maybe_number<T>(self, column: &'static str, number: Option<i64>) -> Result<Option<T>, StoreError>
    where
        T: TryFrom<i64, Error: std::error::Error + Send + Sync + 'static>,
    {
        number.map(|number| self.number(column, number)).transpose()
    }
}

#[derive(Queryable, Insertable)]
#[diesel(table_name = tickets, treat_none_as_default_value = false)]
pub(super) struct TicketRow {
    number: i64,
    id: Bytes,
    reference: String,
    customer_name: String,
    customer_phone: String,
    customer_email: String,
    subject: String,
    priority: String,
    status: String,
    customer_key: String,
    reader_key: String,
    version: i64,
    created_at: i64,
    updated_at: i64,
    last_sender: String,
}

impl TryFrom<TicketRow> for StoredTicket {
    type Error = StoreError;

    fn try_from(row: TicketRow) -> Result<Self, StoreError> {
        let of = Reading("tickets");
        Ok(Self {
            number: row.number,
            ticket: Ticket {
                id: TicketId(of.id("id", &row.id)?),
                reference: of.text("reference", &row.reference)?,
                customer: Customer {
                    name: of.text("customer_name", &row.customer_name)?,
                    phone: of.text("customer_phone", &row.customer_phone)?,
                    email: of.text("customer_email", &row.customer_email)?,
                },
                subject: of.text("subject", &row.subject)?,
                priority: of.text("priority", &row.priority)?,
                status: of.text("status", &row.status)?,
                keys: AccessKeys {
                    customer: of.text("customer_key", &row.customer_key)?,
                    reader: of.text("reader_key", &row.reader_key)?,
                },
                version: of.number("version", row.version)?,
                created_at: of.moment("created_at", row.created_at)?,
                updated_at: of.moment("updated_at", row.updated_at)?,
            },
            last_sender: of.text("last_sender", &row.last_sender)?,
        })
    }
}

#[derive(Queryable, Insertable)]
#[diesel(table_name = questions, treat_none_as_default_value = false)]
pub(super) struct QuestionRow {
    id: Bytes,
    of_phone: String,
    choices: String,
    text: String,
    is_run: bool,
    begun_at: i64,
    asked_at: i64,
    closed_at: Option<i64>,
    answered_by: Option<String>,
    answered_with: Option<Bytes>,
    attached: Option<i64>,
}

impl TryFrom<QuestionRow> for StoredQuestion {
    type Error = StoreError;

    fn try_from(row: QuestionRow) -> Result<Self, StoreError> {
        let of = Reading("questions");
        let choices: Vec<TicketRef> = row
            .choices
            .split_whitespace()
            .map(|reference| of.text("choices", reference))
            .collect::<Result<_, _>>()?;
        let rewritten: Vec<String> = choices.iter().map(ToString::to_string).collect();
        if rewritten.join(" ") != row.choices {
            return Err(StoreError::corrupt("questions", "choices", WrittenOtherwise));
        }
        Ok(Self {
            question: Question {
                id: QuestionId(of.id("id", &row.id)?),
                of: of.text("of_phone", &row.of_phone)?,
                choices,
                text: free_text("questions", "text", row.text)?,
                is_run: row.is_run,
                begun_at: of.moment("begun_at", row.begun_at)?,
                asked_at: of.moment("asked_at", row.asked_at)?,
            },
            closed_at: of.maybe_moment("closed_at", row.closed_at)?,
            answered_by: of.maybe_text("answered_by", row.answered_by)?,
            answered_with: of.maybe_id("answered_with", row.answered_with)?.map(TicketId),
            attached: of.maybe_number("attached", row.attached)?,
        })
    }
}

#[derive(Queryable, Insertable)]
#[diesel(table_name = messages, treat_none_as_default_value = false)]
pub(super) struct MessageRow {
    id: Bytes,
    ticket_id: Option<Bytes>,
    seq: Option<i64>,
    sender: String,
    channel: String,
    from_phone: Option<String>,
    body: String,
    media_url: Option<String>,
    external_id: Option<String>,
    created_at: i64,
    question_id: Option<Bytes>,
}

impl TryFrom<MessageRow> for StoredMessage {
    type Error = StoreError;

    fn try_from(row: MessageRow) -> Result<Self, StoreError> {
        let of = Reading("messages");
        let body: MessageBody = of.text("body", &row.body)?;
        let media = of.maybe_text("media_url", row.media_url)?;
        // The table itself sees to it that there are both or neither.
        let seat = match (of.maybe_id("ticket_id", row.ticket_id)?, row.seq) {
            (Some(ticket), Some(seq)) => Some(Seat {
                ticket: TicketId(ticket),
                seq: of.number("seq", seq)?,
            }),
            _ => None,
        };
        Ok(Self {
            message: Message {
                id: MessageId(of.id("id", &row.id)?),
                sender: of.text("sender", &row.sender)?,
                channel: of.text("channel", &row.channel)?,
                from: of.maybe_text("from_phone", row.from_phone)?,
                content: Content::new(body, media).map_err(|error| StoreError::corrupt("messages", "body", error))?,
                external_id: of.maybe_text("external_id", row.external_id)?,
                created_at: of.moment("created_at", row.created_at)?,
            },
            seat,
            question: of.maybe_id("question_id", row.question_id)?.map(QuestionId),
        })
    }
}

#[derive(Queryable, Insertable)]
#[diesel(table_name = notifications, treat_none_as_default_value = false)]
pub(super) struct NotificationRow {
    id: Bytes,
    ticket_id: Bytes,
    seq: i64,
    event: String,
    payload: Bytes,
    addressed: bool,
    state: String,
    due_at: Option<i64>,
    scheduled_at: i64,
    lease: Option<Bytes>,
    failures: i64,
    tried_at: Option<i64>,
    probed_at: Option<i64>,
    released: bool,
    last_error: Option<String>,
    external_id: Option<String>,
    settled_at: Option<i64>,
    created_at: i64,
    progress: String,
    route: String,
    round: i64,
}

impl TryFrom<NotificationRow> for StoredNotification {
    type Error = StoreError;

    fn try_from(row: NotificationRow) -> Result<Self, StoreError> {
        const TABLE: &str = "notifications";
        let of = Reading(TABLE);
        let due_at = of.maybe_moment("due_at", row.due_at)?;
        let tried_at = of.maybe_moment("tried_at", row.tried_at)?;
        Ok(Self {
            id: NotificationId(of.id("id", &row.id)?),
            ticket: TicketId(of.id("ticket_id", &row.ticket_id)?),
            seq: of.number("seq", row.seq)?,
            event: of.text("event", &row.event)?,
            payload: Payload(row.payload.into()),
            addressed: row.addressed,
            state: of.text("state", &row.state)?,
            due_at: handed_back(row.lease.is_some(), due_at, tried_at),
            scheduled_at: of.moment("scheduled_at", row.scheduled_at)?,
            failures: of.number("failures", row.failures)?,
            tried_at,
            probed_at: of.maybe_moment("probed_at", row.probed_at)?,
            released: row.released,
            last_error: row
                .last_error
                .map(|words| free_text(TABLE, "last_error", words))
                .transpose()?,
            external_id: of.maybe_text("external_id", row.external_id)?,
            settled_at: of.maybe_moment("settled_at", row.settled_at)?,
            created_at: of.moment("created_at", row.created_at)?,
            progress: of.text("progress", &row.progress)?,
            route: of.text("route", &row.route)?,
            round: of.number("round", row.round)?,
        })
    }
}

#[derive(Queryable, Insertable)]
#[diesel(table_name = earlier_ids, treat_none_as_default_value = false)]
pub(super) struct EarlierIdRow {
    external_id: String,
    notification_id: Bytes,
}

impl TryFrom<EarlierIdRow> for EarlierId {
    type Error = StoreError;

    fn try_from(row: EarlierIdRow) -> Result<Self, StoreError> {
        let of = Reading("earlier_ids");
        Ok(Self {
            external_id: of.text("external_id", &row.external_id)?,
            notification: NotificationId(of.id("notification_id", &row.notification_id)?),
        })
    }
}

#[derive(Queryable, Insertable)]
#[diesel(table_name = idempotency_keys, treat_none_as_default_value = false)]
pub(super) struct KeyRow {
    key: String,
    digest: Bytes,
    ticket_id: Bytes,
    expires_at: i64,
    message_id: Option<Bytes>,
}

impl TryFrom<KeyRow> for StoredKey {
    type Error = StoreError;

    fn try_from(row: KeyRow) -> Result<Self, StoreError> {
        const TABLE: &str = "idempotency_keys";
        let of = Reading(TABLE);
        let digest = row.digest.as_slice().try_into();
        Ok(Self {
            idempotency: Idempotency {
                key: of.text("key", &row.key)?,
                digest: digest.map_err(|error| StoreError::corrupt(TABLE, "digest", error))?,
                expires_at: of.moment("expires_at", row.expires_at)?,
            },
            ticket: TicketId(of.id("ticket_id", &row.ticket_id)?),
            message: of.maybe_id("message_id", row.message_id)?.map(MessageId),
        })
    }
}

#[derive(Queryable, Insertable)]
#[diesel(table_name = receipts, treat_none_as_default_value = false)]
pub(super) struct ReceiptRow {
    external_id: String,
    status: String,
    error_code: Option<i64>,
    at: i64,
}

impl TryFrom<ReceiptRow> for Receipt {
    type Error = StoreError;

    fn try_from(row: ReceiptRow) -> Result<Self, StoreError> {
        let of = Reading("receipts");
        Ok(Self {
            external_id: of.text("external_id", &row.external_id)?,
            status: of.text("status", &row.status)?,
            error_code: of.maybe_number("error_code", row.error_code)?,
            at: of.moment("at", row.at)?,
        })
    }
}

#[derive(Queryable, Insertable)]
#[diesel(table_name = trail, treat_none_as_default_value = false)]
pub(super) struct EntryRow {
    id: Bytes,
    at: i64,
    ticket_id: Option<Bytes>,
    act: String,
    was: Option<String>,
    became: Option<String>,
    subject: Option<Bytes>,
    amount: Option<i64>,
}

impl TryFrom<EntryRow> for StoredEntry {
    type Error = StoreError;

    fn try_from(row: EntryRow) -> Result<Self, StoreError> {
        let of = Reading("trail");
        let columns = ActColumns {
            act: &row.act,
            was: row.was.as_deref(),
            became: row.became.as_deref(),
            subject: of.maybe_id("subject", row.subject)?,
            amount: of.maybe_number("amount", row.amount)?,
        };
        Ok(Self {
            id: AuditEntryId(of.id("id", &row.id)?),
            at: of.moment("at", row.at)?,
            ticket: of.maybe_id("ticket_id", row.ticket_id)?.map(TicketId),
            act: columns.act()?,
        })
    }
}
