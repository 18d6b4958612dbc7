//! Opening and reading tickets.

use diesel::{
    insert_into,
    prelude::*,
    sql_query,
    sql_types::{BigInt, Nullable, Text},
};
use ticket_domain::{
    Message, Recipient, Thread, Ticket, TicketRef, TicketSummary,
    ports::{ChangeEvent, ExistingTicket, Idempotency, OpenResult, Opening, StoreError},
};

use super::{db::Db, statements::keys};
use crate::{
    failure::Failure,
    prepared::{Columns, typed},
    rows::{
        ExistingTicketRow, FIRST_VERSION, MessageRow, NewNotificationRow, StateRow, SummaryRow, TicketRow, delivery,
        ticket_columns,
    },
    schema::{idempotency_keys, messages, notifications, tickets},
    types::Stored,
};

/// The ticket `t`, and where its newest notification to `?2` stands, in the order of [`StateRow`].
macro_rules! with_newest {
    ($columns:expr) => {
        concat!(
            "SELECT ",
            $columns,
            ", n.state, n.due_at, n.external_id, n.settled_at, n.progress, n.created_at
            FROM tickets t LEFT JOIN notifications n ON n.ticket_id = t.id
                AND n.recipient = ?2
                AND n.seq = (SELECT max(seq) FROM notifications WHERE ticket_id = t.id AND recipient = ?2)
            WHERE t.reference = ?1"
        )
    };
}

/// In the order of [`SummaryRow`].
const SUMMARY: &str = with_newest!("t.reference, t.customer_key, t.reader_key, t.version, t.notes");

/// In the order of [`TicketRow`].
const WITH_NEWEST: &str = with_newest!(ticket_columns!());

impl Db {
    pub(crate) async fn open(&self, opening: Opening) -> Result<OpenResult, StoreError> {
        let ticket = opening.ticket.id;
        self.write_and_publish(
            move |connection| open(connection, &opening),
            move |opened| (*opened == OpenResult::Opened).then_some(ChangeEvent::Ticket(ticket)),
        )
        .await
    }

    pub(crate) async fn summary(&self, reference: TicketRef) -> Result<Option<TicketSummary>, StoreError> {
        self.read(move |connection| summary(connection, reference)).await
    }

    pub(crate) async fn thread(&self, reference: TicketRef) -> Result<Option<Thread>, StoreError> {
        self.read(move |connection| thread(connection, reference)).await
    }
}

/// Opens a ticket, unless its key was used or its reference is taken.
pub(crate) fn open(connection: &mut SqliteConnection, opening: &Opening) -> Result<OpenResult, Failure> {
    let Opening {
        ticket,
        message,
        notifications: outgoing,
        idempotency,
        ..
    } = opening;
    if let Some(existing) = existing_ticket(connection, opening)? {
        return Ok(OpenResult::AlreadyOpened(existing));
    }
    let written = insert_into(tickets::table)
        .values(TicketRow::new(ticket))
        .on_conflict(tickets::reference)
        .do_nothing()
        .execute(connection)?;
    if written == 0 {
        return Ok(OpenResult::ReferenceTaken);
    }
    insert_into(messages::table)
        .values((
            MessageRow::new(message),
            messages::ticket_id.eq(Stored(ticket.id)),
            messages::seq.eq(FIRST_VERSION),
        ))
        .execute(connection)?;
    for notification in outgoing {
        insert_into(notifications::table)
            .values(NewNotificationRow::new(notification, ticket.id, FIRST_VERSION))
            .execute(connection)?;
    }
    if let Some(idempotency) = idempotency {
        keys::remember(connection, idempotency, ticket.id, None, ticket.created_at)?;
    }
    Ok(OpenResult::Opened)
}

/// The ticket that an opening's key opened, or to which it wrote, unless the key has expired.
pub(crate) fn existing_ticket(
    connection: &mut SqliteConnection,
    opening: &Opening,
) -> Result<Option<ExistingTicket>, Failure> {
    let Some(Idempotency { key, .. }) = &opening.idempotency else {
        return Ok(None);
    };
    let row = idempotency_keys::table
        .inner_join(tickets::table)
        .filter(idempotency_keys::key.eq(key.as_str()))
        .filter(idempotency_keys::expires_at.gt(Stored(opening.ticket.created_at)))
        .select((
            idempotency_keys::digest,
            tickets::id,
            tickets::reference,
            tickets::customer_key,
        ))
        .first::<ExistingTicketRow>(connection)
        .optional()?;
    Ok(row.map(ExistingTicket::try_from).transpose()?)
}

/// Reads who may see a ticket and how it stands.
pub(crate) fn summary(
    connection: &mut SqliteConnection,
    reference: TicketRef,
) -> Result<Option<TicketSummary>, Failure> {
    type SqlRow = (Text, Text, Text, BigInt, BigInt, Nullable<Columns<StateRow>>);
    let summary = sql_query(SUMMARY)
        .bind::<Text, _>(reference.to_string())
        .bind::<Text, _>(Recipient::Manager.as_str());
    let row: Option<SummaryRow> = typed::<SqlRow, _>(summary).get_result(connection).optional()?;
    Ok(row.map(TicketSummary::try_from).transpose()?)
}

pub(crate) fn thread(connection: &mut SqliteConnection, reference: TicketRef) -> Result<Option<Thread>, Failure> {
    type SqlRow = (Columns<TicketRow>, Nullable<Columns<StateRow>>);
    let with_newest = sql_query(WITH_NEWEST)
        .bind::<Text, _>(reference.to_string())
        .bind::<Text, _>(Recipient::Manager.as_str());
    let found: Option<(TicketRow, Option<StateRow>)> =
        typed::<SqlRow, _>(with_newest).get_result(connection).optional()?;
    let Some((ticket, newest)) = found else {
        return Ok(None);
    };
    let ticket = Ticket::try_from(ticket)?;
    let messages = messages::table
        .filter(messages::ticket_id.eq(Stored(ticket.id)))
        .order(messages::seq)
        .select(MessageRow::as_select())
        .load(connection)?;
    Ok(Some(Thread {
        ticket,
        messages: messages.into_iter().map(Message::try_from).collect::<Result<_, _>>()?,
        delivery: delivery(newest)?,
    }))
}
