//! Rows as every column of a table has them, in the order of `schema.rs`.

use std::io::BufRead;

use ticket_domain::{
    AccessKeys, AuditEntryId, Content, Customer, ExternalId, MediaUrl, Message, MessageBody, MessageId, NotificationId,
    Payload, Phone, Question, QuestionId, Receipt, Ticket, TicketId, TicketRef,
    ports::{
        Idempotency, StoreError,
        transfer::{
            ActColumns, EarlierId, Seat, StoredEntry, StoredKey, StoredMessage, StoredNotification, StoredQuestion,
            StoredTicket, WrittenOtherwise, handed_back, parse_exactly,
        },
    },
};
use uuid::Uuid;

use super::binary::{Reader, Sheet, TooLarge};

/// A row of a table.
pub(super) trait Row: Sized {
    /// How many columns the table has.
    const COLUMNS: i16;

    fn write(&self, sheet: &mut Sheet) -> Result<(), TooLarge>;

    fn read<R: BufRead>(reader: &mut Reader<R>) -> Result<Self, StoreError>;
}

impl Row for StoredTicket {
    const COLUMNS: i16 = 15;

    fn write(&self, sheet: &mut Sheet) -> Result<(), TooLarge> {
        let ticket = &self.ticket;
        sheet.big(self.number);
        sheet.id(ticket.id.0);
        sheet.text(&ticket.reference.to_string())?;
        sheet.text(ticket.customer.name.as_str())?;
        sheet.text(ticket.customer.phone.as_str())?;
        sheet.text(ticket.customer.email.as_str())?;
        sheet.text(ticket.subject.as_str())?;
        sheet.text(ticket.priority.as_str())?;
        sheet.text(ticket.status.as_str())?;
        sheet.text(ticket.keys.customer.as_str())?;
        sheet.text(ticket.keys.reader.as_str())?;
        sheet.integer(ticket.version)?;
        sheet.moment(ticket.created_at);
        sheet.moment(ticket.updated_at);
        sheet.text(self.last_sender.as_str())
    }

    fn read<R: BufRead>(reader: &mut Reader<R>) -> Result<Self, StoreError> {
        Ok(Self {
            number: reader.big("number")?,
            ticket: Ticket {
                id: TicketId(reader.id("id")?),
                reference: reader.text("reference")?,
                customer: Customer {
                    name: reader.text("customer_name")?,
                    phone: reader.text("customer_phone")?,
                    email: reader.text("customer_email")?,
                },
                subject: reader.text("subject")?,
                priority: reader.text("priority")?,
                status: reader.text("status")?,
                keys: AccessKeys {
                    customer: reader.text("customer_key")?,
                    reader: reader.text("reader_key")?,
                },
                version: reader.integer("version")?,
                created_at: reader.moment("created_at")?,
                updated_at: reader.moment("updated_at")?,
            },
            last_sender: reader.text("last_sender")?,
        })
    }
}

impl Row for StoredQuestion {
    const COLUMNS: i16 = 11;

    fn write(&self, sheet: &mut Sheet) -> Result<(), TooLarge> {
        let question = &self.question;
        let choices: Vec<String> = question.choices.iter().map(ToString::to_string).collect();
        sheet.id(question.id.0);
        sheet.text(question.of.as_str())?;
        sheet.text(&choices.join(" "))?;
        sheet.text(&question.text)?;
        sheet.truth(question.is_run);
        sheet.moment(question.begun_at);
        sheet.moment(question.asked_at);
        sheet.maybe_moment(self.closed_at);
        sheet.maybe_text(self.answered_by.as_ref().map(ExternalId::as_str))?;
        sheet.maybe_id(self.answered_with.map(|ticket| ticket.0));
        sheet.maybe_big(self.attached)
    }

    fn read<R: BufRead>(reader: &mut Reader<R>) -> Result<Self, StoreError> {
        Ok(Self {
            question: Question {
                id: QuestionId(reader.id("id")?),
                of: reader.text("of_phone")?,
                choices: choices(&reader.free_text("choices")?)?,
                text: reader.free_text("text")?,
                is_run: reader.truth("is_run")?,
                begun_at: reader.moment("begun_at")?,
                asked_at: reader.moment("asked_at")?,
            },
            closed_at: reader.maybe_moment("closed_at")?,
            answered_by: reader.maybe_text("answered_by")?,
            answered_with: reader.maybe_id("answered_with")?.map(TicketId),
            attached: reader.maybe_big("attached")?,
        })
    }
}

fn choices(raw: &str) -> Result<Vec<TicketRef>, StoreError> {
    const TABLE: &str = "questions";
    let choices: Vec<TicketRef> = raw
        .split_whitespace()
        .map(|reference| parse_exactly(TABLE, "choices", reference))
        .collect::<Result<_, _>>()?;
    let rewritten: Vec<String> = choices.iter().map(ToString::to_string).collect();
    if rewritten.join(" ") == raw {
        Ok(choices)
    } else {
        Err(StoreError::corrupt(TABLE, "choices", WrittenOtherwise))
    }
}

impl Row for StoredMessage {
    const COLUMNS: i16 = 11;

    fn write(&self, sheet: &mut Sheet) -> Result<(), TooLarge> {
        let message = &self.message;
        sheet.id(message.id.0);
        sheet.maybe_id(self.seat.map(|seat| seat.ticket.0));
        sheet.maybe_integer(self.seat.map(|seat| seat.seq))?;
        sheet.text(message.sender.as_str())?;
        sheet.text(message.channel.as_str())?;
        sheet.maybe_text(message.from.as_ref().map(Phone::as_str))?;
        sheet.text(message.content.body().as_str())?;
        sheet.maybe_text(message.content.media().map(MediaUrl::as_str))?;
        sheet.maybe_text(message.external_id.as_ref().map(ExternalId::as_str))?;
        sheet.moment(message.created_at);
        sheet.maybe_id(self.question.map(|question| question.0));
        Ok(())
    }

    fn read<R: BufRead>(reader: &mut Reader<R>) -> Result<Self, StoreError> {
        let id = MessageId(reader.id("id")?);
        let ticket: Option<Uuid> = reader.maybe_id("ticket_id")?;
        let seq: Option<u32> = reader.maybe_integer("seq")?;
        let sender = reader.text("sender")?;
        let channel = reader.text("channel")?;
        let from = reader.maybe_text("from_phone")?;
        let body: MessageBody = reader.text("body")?;
        let media = reader.maybe_text("media_url")?;
        Ok(Self {
            message: Message {
                id,
                sender,
                channel,
                from,
                content: Content::new(body, media).map_err(|error| StoreError::corrupt("messages", "body", error))?,
                external_id: reader.maybe_text("external_id")?,
                created_at: reader.moment("created_at")?,
            },
            // The table itself sees to it that there are both or neither.
            seat: ticket.zip(seq).map(|(ticket, seq)| Seat {
                ticket: TicketId(ticket),
                seq,
            }),
            question: reader.maybe_id("question_id")?.map(QuestionId),
        })
    }
}

impl Row for StoredNotification {
    const COLUMNS: i16 = 21;

    fn write(&self, sheet: &mut Sheet) -> Result<(), TooLarge> {
        sheet.id(self.id.0);
        sheet.id(self.ticket.0);
        sheet.integer(self.seq)?;
        sheet.text(self.event.as_str())?;
        sheet.bytes(&self.payload.0)?;
        sheet.truth(self.addressed);
        sheet.text(self.state.as_str())?;
        sheet.maybe_moment(self.due_at);
        sheet.moment(self.scheduled_at);
        // Nobody holds it.
        sheet.maybe_id(None);
        sheet.integer(self.failures.into())?;
        sheet.maybe_moment(self.tried_at);
        sheet.maybe_moment(self.probed_at);
        sheet.truth(self.released);
        sheet.maybe_text(self.last_error.as_deref())?;
        sheet.maybe_text(self.external_id.as_ref().map(ExternalId::as_str))?;
        sheet.maybe_moment(self.settled_at);
        sheet.moment(self.created_at);
        sheet.text(self.progress.as_str())?;
        sheet.text(self.route.as_str())?;
        sheet.integer(self.round)
    }

    fn read<R: BufRead>(reader: &mut Reader<R>) -> Result<Self, StoreError> {
        let id = NotificationId(reader.id("id")?);
        let ticket = TicketId(reader.id("ticket_id")?);
        let seq = reader.integer("seq")?;
        let event = reader.text("event")?;
        let payload = Payload(reader.bytes("payload")?);
        let addressed = reader.truth("addressed")?;
        let state = reader.text("state")?;
        let due_at = reader.maybe_moment("due_at")?;
        let scheduled_at = reader.moment("scheduled_at")?;
        let lease: Option<Uuid> = reader.maybe_id("lease")?;
        let failures = reader.integer("failures")?;
        let tried_at = reader.maybe_moment("tried_at")?;
        Ok(Self {
            id,
            ticket,
            seq,
            event,
            payload,
            addressed,
            state,
            due_at: handed_back(lease.is_some(), due_at, tried_at),
            scheduled_at,
            failures,
            tried_at,
            probed_at: reader.maybe_moment("probed_at")?,
            released: reader.truth("released")?,
            last_error: reader.maybe_free_text("last_error")?,
            external_id: reader.maybe_text("external_id")?,
            settled_at: reader.maybe_moment("settled_at")?,
            created_at: reader.moment("created_at")?,
            progress: reader.text("progress")?,
            route: reader.text("route")?,
            round: reader.integer("round")?,
        })
    }
}

impl Row for EarlierId {
    const COLUMNS: i16 = 2;

    fn write(&self, sheet: &mut Sheet) -> Result<(), TooLarge> {
        sheet.text(self.external_id.as_str())?;
        sheet.id(self.notification.0);
        Ok(())
    }

    fn read<R: BufRead>(reader: &mut Reader<R>) -> Result<Self, StoreError> {
        Ok(Self {
            external_id: reader.text("external_id")?,
            notification: NotificationId(reader.id("notification_id")?),
        })
    }
}

impl Row for StoredKey {
    const COLUMNS: i16 = 5;

    fn write(&self, sheet: &mut Sheet) -> Result<(), TooLarge> {
        sheet.text(self.idempotency.key.as_str())?;
        sheet.bytes(&self.idempotency.digest)?;
        sheet.id(self.ticket.0);
        sheet.moment(self.idempotency.expires_at);
        sheet.maybe_id(self.message.map(|message| message.0));
        Ok(())
    }

    fn read<R: BufRead>(reader: &mut Reader<R>) -> Result<Self, StoreError> {
        let key = reader.text("key")?;
        let digest = crate::postgres::rows::digest(&reader.bytes("digest")?)?;
        let ticket = TicketId(reader.id("ticket_id")?);
        Ok(Self {
            idempotency: Idempotency {
                key,
                digest,
                expires_at: reader.moment("expires_at")?,
            },
            ticket,
            message: reader.maybe_id("message_id")?.map(MessageId),
        })
    }
}

impl Row for Receipt {
    const COLUMNS: i16 = 4;

    fn write(&self, sheet: &mut Sheet) -> Result<(), TooLarge> {
        sheet.text(self.external_id.as_str())?;
        sheet.text(self.status.as_str())?;
        sheet.maybe_big(self.error_code.map(u64::from))?;
        sheet.moment(self.at);
        Ok(())
    }

    fn read<R: BufRead>(reader: &mut Reader<R>) -> Result<Self, StoreError> {
        Ok(Self {
            external_id: reader.text("external_id")?,
            status: reader.text("status")?,
            error_code: reader.maybe_big("error_code")?,
            at: reader.moment("at")?,
        })
    }
}

impl Row for StoredEntry {
    const COLUMNS: i16 = 8;

    fn write(&self, sheet: &mut Sheet) -> Result<(), TooLarge> {
        let act = self.columns();
        sheet.id(self.id.0);
        sheet.moment(self.at);
        sheet.maybe_id(self.ticket.map(|ticket| ticket.0));
        sheet.text(act.act)?;
        sheet.maybe_text(act.was)?;
        sheet.maybe_text(act.became)?;
        sheet.maybe_id(act.subject);
        sheet.maybe_big(act.amount)
    }

    fn read<R: BufRead>(reader: &mut Reader<R>) -> Result<Self, StoreError> {
        let id = AuditEntryId(reader.id("id")?);
        let at = reader.moment("at")?;
        let ticket = reader.maybe_id("ticket_id")?.map(TicketId);
        let act = reader.free_text("act")?;
        let was = reader.maybe_free_text("was")?;
        let became = reader.maybe_free_text("became")?;
        let columns = ActColumns {
            act: &act,
            was: was.as_deref(),
            became: became.as_deref(),
            subject: reader.maybe_id("subject")?,
            amount: reader.maybe_big("amount")?,
        };
        let act = columns.act()?;
        Ok(Self { id, at, ticket, act })
    }
}
