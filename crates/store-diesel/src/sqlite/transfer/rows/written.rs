//! Records as the rows that are written of them.

use ticket_domain::{
    Receipt, Timestamp,
    ports::transfer::{
        EarlierId, StoredEntry, StoredKey, StoredMessage, StoredNotification, StoredQuestion, StoredTicket,
    },
};

use super::{EarlierIdRow, EntryRow, KeyRow, MessageRow, NotificationRow, QuestionRow, ReceiptRow, TicketRow};
use crate::sqlite::rows::bytes;

fn micros(moment: Option<Timestamp>) -> Option<i64> {
    moment.map(Timestamp::unix_micros)
}

fn text(value: Option<impl ToString>) -> Option<String> {
    value.map(|value| value.to_string())
}

/// A count. There are never as many as an `i64` can't hold.
fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl From<StoredTicket> for TicketRow {
    fn from(stored: StoredTicket) -> Self {
        let ticket = stored.ticket;
        Self {
            number: stored.number,
            id: bytes(ticket.id.0),
            reference: ticket.reference.to_string(),
            customer_name: ticket.customer.name.to_string(),
            customer_phone: ticket.customer.phone.to_string(),
            customer_email: ticket.customer.email.to_string(),
            subject: ticket.subject.to_string(),
            priority: ticket.priority.to_string(),
            status: ticket.status.to_string(),
            customer_key: ticket.keys.customer.to_string(),
            reader_key: ticket.keys.reader.to_string(),
            version: ticket.version.into(),
            created_at: ticket.created_at.unix_micros(),
            updated_at: ticket.updated_at.unix_micros(),
            last_sender: stored.last_sender.to_string(),
        }
    }
}

impl From<StoredQuestion> for QuestionRow {
    fn from(stored: StoredQuestion) -> Self {
        let question = stored.question;
        let choices: Vec<String> = question.choices.iter().map(ToString::to_string).collect();
        Self {
            id: bytes(question.id.0),
            of_phone: question.of.to_string(),
            choices: choices.join(" "),
            text: question.text.into(),
            is_run: question.is_run,
            begun_at: question.begun_at.unix_micros(),
            asked_at: question.asked_at.unix_micros(),
            closed_at: micros(stored.closed_at),
            answered_by: text(stored.answered_by),
            answered_with: stored.answered_with.map(|ticket| bytes(ticket.0)),
            attached: stored.attached.map(number),
        }
    }
}

impl From<StoredMessage> for MessageRow {
    fn from(stored: StoredMessage) -> Self {
        let message = stored.message;
        Self {
            id: bytes(message.id.0),
            ticket_id: stored.seat.map(|seat| bytes(seat.ticket.0)),
            seq: stored.seat.map(|seat| seat.seq.into()),
            sender: message.sender.to_string(),
            channel: message.channel.to_string(),
            from_phone: text(message.from),
            body: message.content.body().to_string(),
            media_url: text(message.content.media()),
            external_id: text(message.external_id),
            created_at: message.created_at.unix_micros(),
            question_id: stored.question.map(|question| bytes(question.0)),
        }
    }
}

impl From<StoredNotification> for NotificationRow {
    fn from(stored: StoredNotification) -> Self {
        Self {
            id: bytes(stored.id.0),
            ticket_id: bytes(stored.ticket.0),
            seq: stored.seq.into(),
            event: stored.event.to_string(),
            payload: stored.payload.0.into(),
            addressed: stored.addressed,
            state: stored.state.to_string(),
            due_at: micros(stored.due_at),
            scheduled_at: stored.scheduled_at.unix_micros(),
            // Nobody holds it.
            lease: None,
            failures: stored.failures.into(),
            tried_at: micros(stored.tried_at),
            probed_at: micros(stored.probed_at),
            released: stored.released,
            last_error: stored.last_error.map(Into::into),
            external_id: text(stored.external_id),
            settled_at: micros(stored.settled_at),
            created_at: stored.created_at.unix_micros(),
            progress: stored.progress.to_string(),
            route: stored.route.to_string(),
            round: stored.round.into(),
        }
    }
}

impl From<EarlierId> for EarlierIdRow {
    fn from(stored: EarlierId) -> Self {
        Self {
            external_id: stored.external_id.to_string(),
            notification_id: bytes(stored.notification.0),
        }
    }
}

impl From<StoredKey> for KeyRow {
    fn from(stored: StoredKey) -> Self {
        Self {
            key: stored.idempotency.key.as_str().to_owned(),
            digest: stored.idempotency.digest.to_vec(),
            ticket_id: bytes(stored.ticket.0),
            expires_at: stored.idempotency.expires_at.unix_micros(),
            message_id: stored.message.map(|message| bytes(message.0)),
        }
    }
}

impl From<Receipt> for ReceiptRow {
    fn from(receipt: Receipt) -> Self {
        Self {
            external_id: receipt.external_id.to_string(),
            status: receipt.status.to_string(),
            error_code: receipt.error_code.map(i64::from),
            at: receipt.at.unix_micros(),
        }
    }
}

impl From<StoredEntry> for EntryRow {
    fn from(stored: StoredEntry) -> Self {
        let act = stored.columns();
        Self {
            id: bytes(stored.id.0),
            at: stored.at.unix_micros(),
            ticket_id: stored.ticket.map(|ticket| bytes(ticket.0)),
            act: act.act.to_owned(),
            was: act.was.map(str::to_owned),
            became: act.became.map(str::to_owned),
            subject: act.subject.map(bytes),
            amount: act.amount.map(number),
        }
    }
}
