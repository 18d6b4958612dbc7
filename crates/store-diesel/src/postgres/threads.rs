//! Reading tickets, many by one statement.

use std::collections::HashMap;

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Array, BigInt, Nullable, Text},
};
use ticket_domain::{
    Message, Recipient, Thread, TicketRef, TicketSummary,
    ports::{StoreError, parse},
};

use super::batches::Found;
use crate::{
    failure::Failure,
    prepared::{Columns, typed},
    rows::{MessageRow, StateRow, SummaryRow, TicketRow, delivery, message_columns, ticket_columns},
};

/// Where the newest notification of the ticket `t` to `$2` stands, in the order of [`StateRow`].
macro_rules! newest {
    () => {
        "LEFT JOIN LATERAL (
            SELECT state, due_at, external_id, settled_at, progress, created_at FROM notifications
            WHERE ticket_id = t.id AND recipient = $2 ORDER BY seq DESC LIMIT 1) AS n ON true"
    };
}

/// The tickets `t` that are asked for. The sub-select keeps from the planner how many they are: it would plan the statement again each time.
macro_rules! these {
    () => {
        " WHERE t.reference = ANY (ARRAY(SELECT unnest($1)))"
    };
}

/// Of many tickets, in the order of [`SummaryRow`].
const SUMMARIES: &str = concat!(
    "SELECT t.reference, t.customer_key, t.reader_key, t.version, t.notes,
        n.state, n.due_at, n.external_id, n.settled_at, n.progress, n.created_at
    FROM tickets t ",
    newest!(),
    these!()
);

/// Of many tickets, a row for each message, in the orders of [`TicketRow`], [`StateRow`] and [`MessageRow`]; the ticket and
/// its newest notification stand beside its first message only. One statement, so that all of it is of one moment.
const THREADS: &str = concat!(
    "WITH opened AS MATERIALIZED (
        SELECT ",
    ticket_columns!(),
    ", n.state, n.due_at, n.external_id, n.settled_at, n.progress, n.created_at AS notified_at
        FROM tickets t ",
    newest!(),
    these!(),
    ")
    SELECT w.reference, o.*, ",
    message_columns!(),
    "
    FROM opened w
    LEFT JOIN messages m ON m.ticket_id = w.id
    LEFT JOIN opened o ON o.id = w.id AND (m.seq = 1 OR m.seq IS NULL)
    ORDER BY w.reference, m.seq"
);

/// Reads the summaries of those tickets that exist.
pub(crate) fn heads(connection: &mut PgConnection, references: &[TicketRef]) -> Result<Found<TicketSummary>, Failure> {
    type SqlRow = (Text, Text, Text, BigInt, BigInt, Nullable<Columns<StateRow>>);
    let rows: Vec<SummaryRow> = typed::<SqlRow, _>(
        sql_query(SUMMARIES)
            .bind::<Texts, _>(words(references))
            .bind::<Text, _>(Recipient::Manager.as_str()),
    )
    .load(connection)?;
    let heads = rows.into_iter().map(|row| {
        let reference = parse("tickets", "reference", &row.reference)?;
        Ok((reference, row.try_into()))
    });
    heads.collect()
}

/// Reads the threads of those tickets that exist.
pub(crate) fn threads(connection: &mut PgConnection, references: &[TicketRef]) -> Result<Found<Thread>, Failure> {
    type SqlRow = (
        Text,
        Nullable<Columns<TicketRow>>,
        Nullable<Columns<StateRow>>,
        Nullable<Columns<MessageRow>>,
    );
    type Row = (String, Option<TicketRow>, Option<StateRow>, Option<MessageRow>);
    let rows: Vec<Row> = typed::<SqlRow, _>(
        sql_query(THREADS)
            .bind::<Texts, _>(words(references))
            .bind::<Text, _>(Recipient::Manager.as_str()),
    )
    .load(connection)?;
    let mut threads = HashMap::new();
    let mut rows = rows.into_iter().peekable();
    while let Some((raw, ticket, newest, message)) = rows.next() {
        let mut messages: Vec<MessageRow> = message.into_iter().collect();
        while let Some((.., message)) = rows.next_if(|(next, ..)| *next == raw) {
            messages.extend(message);
        }
        // Without one, the first message is not the one that opened the ticket.
        if let Some(ticket) = ticket {
            threads.insert(parse("tickets", "reference", &raw)?, thread(ticket, newest, messages));
        }
    }
    Ok(threads)
}

fn thread(ticket: TicketRow, newest: Option<StateRow>, messages: Vec<MessageRow>) -> Result<Thread, StoreError> {
    Ok(Thread {
        ticket: ticket.try_into()?,
        messages: messages.into_iter().map(Message::try_from).collect::<Result<_, _>>()?,
        delivery: delivery(newest)?,
    })
}

type Texts = Array<Text>;

fn words(references: &[TicketRef]) -> Vec<String> {
    references.iter().map(ToString::to_string).collect()
}
