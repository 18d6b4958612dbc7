//! What a table holds, in a few bytes: how many rows, and a sum by which two tables are told apart.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    EarlierId, Rows, StoredEntry, StoredKey, StoredMessage, StoredNotification, StoredQuestion, StoredTicket, Table,
};
use crate::{ExternalId, MediaUrl, Phone, Receipt, Timestamp};

/// The tally of one table: its rows, and the sum of their SHA-256 digests, each taken as four numbers of 64 bits.
///
/// A sum does not ask in which order the rows come, which every store has its own of. A row that changed by one bit, is
/// missing or is there twice changes it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TableTally {
    /// How many rows.
    pub rows: u64,
    sum: [u64; 4],
}

/// The tallies of all tables.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    tables: [TableTally; Table::ALL.len()],
}

impl Tally {
    /// The tally of one table.
    pub fn of(&self, table: Table) -> TableTally {
        self.tables[table as usize]
    }

    /// The tables of which `other` holds something else.
    pub fn differences(&self, other: &Self) -> Vec<Table> {
        let differs = |table: &Table| self.of(*table) != other.of(*table);
        Table::ALL.into_iter().filter(differs).collect()
    }

    /// All of it in 31 bits of SHA-256, and never 0: to be kept beside the rows, and to find out later whether they changed.
    pub fn seal(&self) -> i32 {
        let mut hash = Sha256::new();
        for table in self.tables {
            hash.update(table.rows.to_be_bytes());
            table.sum.iter().for_each(|sum| hash.update(sum.to_be_bytes()));
        }
        let digest: [u8; 32] = hash.finalize().into();
        let [a, b, c, d, ..] = digest;
        (i32::from_be_bytes([a, b, c, d]) & i32::MAX).max(1)
    }

    /// Counts rows in.
    pub fn add(&mut self, rows: &Rows) {
        let table = rows.table();
        match rows {
            Rows::TicketPage(rows) => self.add_all(table, rows, ticket),
            Rows::Questions(rows) => self.add_all(table, rows, question),
            Rows::Messages(rows) => self.add_all(table, rows, message),
            Rows::Notifications(rows) => self.add_all(table, rows, notification),
            Rows::EarlierIds(rows) => self.add_all(table, rows, earlier_id),
            Rows::IdempotencyKeys(rows) => self.add_all(table, rows, key),
            Rows::Receipts(rows) => self.add_all(table, rows, receipt),
            Rows::Trail(rows) => self.add_all(table, rows, entry),
        }
    }

    fn add_all<T>(&mut self, table: Table, rows: &[T], write: fn(&mut Columns, &T)) {
        let tally = &mut self.tables[table as usize];
        let mut columns = Columns(Vec::new());
        for row in rows {
            columns.0.clear();
            write(&mut columns, row);
            tally.rows += 1;
            let digest = Sha256::digest(&columns.0);
            for (sum, bytes) in tally.sum.iter_mut().zip(digest.chunks_exact(8)) {
                let number = bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
                *sum = sum.wrapping_add(number);
            }
        }
    }
}

/// Writes the columns of a row so that no two different rows come out alike: whatever has no fixed length has its length
/// before it, and what may be missing says whether it is there.
struct Columns(Vec<u8>);

impl Columns {
    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn id(&mut self, id: Uuid) {
        self.0.extend_from_slice(id.as_bytes());
    }

    fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_be_bytes());
    }

    fn moment(&mut self, moment: Timestamp) {
        self.0.extend_from_slice(&moment.unix_micros().to_be_bytes());
    }

    fn truth(&mut self, truth: bool) {
        self.0.push(u8::from(truth));
    }

    fn maybe<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.truth(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
    }

    fn maybe_text<T: AsRef<str>>(&mut self, value: Option<T>) {
        self.maybe(value, |columns, text| columns.text(text.as_ref()));
    }

    fn maybe_id(&mut self, id: Option<Uuid>) {
        self.maybe(id, Self::id);
    }

    fn maybe_moment(&mut self, moment: Option<Timestamp>) {
        self.maybe(moment, Self::moment);
    }
}

fn ticket(columns: &mut Columns, row: &StoredTicket) {
    let ticket = &row.ticket;
    columns.number(row.number.cast_unsigned());
    columns.id(ticket.id.0);
    columns.text(&ticket.reference.to_string());
    columns.text(ticket.customer.name.as_str());
    columns.text(ticket.customer.phone.as_str());
    columns.text(ticket.customer.email.as_str());
    columns.text(ticket.subject.as_str());
    columns.text(ticket.priority.as_str());
    columns.text(ticket.status.as_str());
    columns.text(ticket.keys.customer.as_str());
    columns.text(ticket.keys.reader.as_str());
    columns.number(ticket.version.into());
    columns.moment(ticket.created_at);
    columns.moment(ticket.updated_at);
    columns.text(row.last_sender.as_str());
}

fn question(columns: &mut Columns, row: &StoredQuestion) {
    let question = &row.question;
    columns.id(question.id.0);
    columns.text(question.of.as_str());
    columns.number(question.choices.len() as u64);
    for choice in &question.choices {
        columns.text(&choice.to_string());
    }
    columns.text(&question.text);
    columns.truth(question.is_run);
    columns.moment(question.begun_at);
    columns.moment(question.asked_at);
    columns.maybe_moment(row.closed_at);
    columns.maybe_text(row.answered_by.as_ref().map(ExternalId::as_str));
    columns.maybe_id(row.answered_with.map(|ticket| ticket.0));
    columns.maybe(row.attached, Columns::number);
}

fn message(columns: &mut Columns, row: &StoredMessage) {
    let message = &row.message;
    columns.id(message.id.0);
    columns.maybe(row.seat, |columns, seat| {
        columns.id(seat.ticket.0);
        columns.number(seat.seq.into());
    });
    columns.text(message.sender.as_str());
    columns.text(message.channel.as_str());
    columns.maybe_text(message.from.as_ref().map(Phone::as_str));
    columns.text(message.content.body().as_str());
    columns.maybe_text(message.content.media().map(MediaUrl::as_str));
    columns.maybe_text(message.external_id.as_ref().map(ExternalId::as_str));
    columns.moment(message.created_at);
    columns.maybe_id(row.question.map(|question| question.0));
}

fn notification(columns: &mut Columns, row: &StoredNotification) {
    columns.id(row.id.0);
    columns.id(row.ticket.0);
    columns.number(row.seq.into());
    columns.text(row.event.as_str());
    columns.bytes(&row.payload.0);
    columns.truth(row.addressed);
    columns.text(row.state.as_str());
    columns.maybe_moment(row.due_at);
    columns.moment(row.scheduled_at);
    columns.number(row.failures.into());
    columns.maybe_moment(row.tried_at);
    columns.maybe_moment(row.probed_at);
    columns.truth(row.released);
    columns.maybe_text(row.last_error.as_ref());
    columns.maybe_text(row.external_id.as_ref().map(ExternalId::as_str));
    columns.maybe_moment(row.settled_at);
    columns.moment(row.created_at);
    columns.text(row.progress.as_str());
    columns.text(row.route.as_str());
    columns.number(row.round.into());
}

fn earlier_id(columns: &mut Columns, row: &EarlierId) {
    columns.text(row.external_id.as_str());
    columns.id(row.notification.0);
}

fn key(columns: &mut Columns, row: &StoredKey) {
    columns.text(row.idempotency.key.as_str());
    columns.bytes(&row.idempotency.digest);
    columns.id(row.ticket.0);
    columns.moment(row.idempotency.expires_at);
    columns.maybe_id(row.message.map(|message| message.0));
}

fn receipt(columns: &mut Columns, row: &Receipt) {
    columns.text(row.external_id.as_str());
    columns.text(row.status.as_str());
    columns.maybe(row.error_code, |columns, code| columns.number(code.into()));
    columns.moment(row.at);
}

fn entry(columns: &mut Columns, row: &StoredEntry) {
    let act = row.columns();
    columns.id(row.id.0);
    columns.moment(row.at);
    columns.maybe_id(row.ticket.map(|ticket| ticket.0));
    columns.text(act.act);
    columns.maybe_text(act.was);
    columns.maybe_text(act.became);
    columns.maybe_id(act.subject);
    columns.maybe(act.amount, Columns::number);
}
