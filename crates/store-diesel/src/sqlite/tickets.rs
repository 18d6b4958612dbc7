//! Opening tickets, and finding them.

use async_trait::async_trait;
use diesel::{
    dsl::max,
    insert_into,
    prelude::*,
    sql_query,
    sql_types::{BigInt, Nullable, Text},
};
use ticket_domain::{
    ExternalId, Message, Thread, Ticket, TicketRef, TicketSummary, Timestamp,
    ports::{
        Append, Appended, ChangeEvent, OpenResult, Opening, StoreError, StoreUnmatched, StoredUnmatched, TicketLookup,
        TicketStore,
    },
};

use crate::sqlite::{
    SqliteStore,
    db::Failure,
    keys, messages,
    prepared::{Columns, typed},
    rows::{FIRST_VERSION, HeadRow, MessageRow, NewNotificationRow, StateRow, TicketRow, bytes, delivery},
    schema::{earlier_ids, messages as messages_table, notifications, tickets},
};

/// Tickets are written a moment before or after others whose time is close, so the first number is sought among those
/// that were opened next, as many as may well be under way at once.
const UNDER_WAY: i64 = 256;

/// The ticket `t`, and where its newest notification stands, in the order of [`StateRow`].
macro_rules! with_newest {
    ($columns:literal) => {
        concat!(
            "SELECT ",
            $columns,
            ", n.state, n.due_at, n.external_id, n.settled_at, n.progress, n.created_at
            FROM tickets t LEFT JOIN notifications n ON n.ticket_id = t.id
                AND n.seq = (SELECT max(seq) FROM notifications WHERE ticket_id = t.id)
            WHERE t.reference = ?1"
        )
    };
}

/// In the order of [`HeadRow`].
const HEAD: &str = with_newest!("t.customer_key, t.reader_key, t.version");

/// In the order of [`TicketRow`].
const WITH_NEWEST: &str = with_newest!(
    "t.id, t.reference, t.customer_name, t.customer_phone, t.customer_email, t.subject, t.priority, t.status,
    t.customer_key, t.reader_key, t.version, t.created_at, t.updated_at"
);

#[async_trait]
impl TicketStore for SqliteStore {
    async fn open(&self, opening: Opening) -> Result<OpenResult, StoreError> {
        let ticket = ChangeEvent::Ticket(opening.ticket.id);
        self.db
            .write_and_publish(
                move |connection| open(connection, &opening),
                move |opened| Vec::from_iter((*opened == OpenResult::Opened).then_some(ticket)),
            )
            .await
    }

    async fn opened_since(&self, since: Timestamp) -> Result<u64, StoreError> {
        self.db.read(move |connection| opened_since(connection, since)).await
    }

    async fn find(&self, look_up: TicketLookup) -> Result<Option<Ticket>, StoreError> {
        self.db.read(move |connection| find(connection, &look_up)).await
    }

    async fn head(&self, reference: TicketRef) -> Result<Option<TicketSummary>, StoreError> {
        self.db.read(move |connection| head(connection, reference)).await
    }

    async fn thread(&self, reference: TicketRef) -> Result<Option<Thread>, StoreError> {
        self.db.read(move |connection| thread(connection, reference)).await
    }

    async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        let ticket = ChangeEvent::Ticket(append.to);
        self.db
            .write_and_publish(
                move |connection| messages::append(connection, &append),
                move |appended| match appended {
                    Appended::Added => vec![ticket],
                    Appended::Joined(_) => vec![ticket, ChangeEvent::Unmatched],
                    Appended::AlreadyStored { .. } | Appended::Answer(_) | Appended::Repeated { .. } => Vec::new(),
                },
            )
            .await
    }

    async fn kept(&self, external_id: ExternalId) -> Result<Option<Message>, StoreError> {
        self.db
            .read(move |connection| messages::kept(connection, &external_id))
            .await
    }

    async fn store_unmatched(&self, keep: StoreUnmatched) -> Result<StoredUnmatched, StoreError> {
        self.db
            .write_and_publish(
                move |connection| messages::keep(connection, &keep),
                |kept| match kept {
                    StoredUnmatched::Stored => vec![ChangeEvent::Unmatched],
                    StoredUnmatched::AlreadyKnown(_) | StoredUnmatched::QuestionChanged => Vec::new(),
                },
            )
            .await
    }
}

pub(crate) fn open(connection: &mut SqliteConnection, opening: &Opening) -> Result<OpenResult, Failure> {
    let Opening {
        ticket,
        message,
        notification,
        idempotency,
    } = opening;
    if let Some(idempotency) = idempotency
        && let Some(precedent) = keys::opened(connection, idempotency, ticket.created_at)?
    {
        return Ok(OpenResult::AlreadyOpened(precedent));
    }
    let written = insert_into(tickets::table)
        .values(TicketRow::new(ticket))
        .on_conflict(tickets::reference)
        .do_nothing()
        .execute(connection)?;
    if written == 0 {
        return Ok(OpenResult::ReferenceTaken);
    }
    messages::write(connection, message, ticket.id, FIRST_VERSION)?;
    insert_into(notifications::table)
        .values(NewNotificationRow::new(notification, ticket.id, FIRST_VERSION))
        .execute(connection)?;
    if let Some(idempotency) = idempotency {
        keys::remember(connection, idempotency, ticket.id, None)?;
    }
    Ok(OpenResult::Opened)
}

/// The numbers that tickets got since the first one opened at or after `since`.
pub(crate) fn opened_since(connection: &mut SqliteConnection, since: Timestamp) -> Result<u64, Failure> {
    let next: Vec<i64> = tickets::table
        .filter(tickets::created_at.ge(since.unix_micros()))
        .order(tickets::created_at)
        .limit(UNDER_WAY)
        .select(tickets::number)
        .load(connection)?;
    let last: Option<i64> = tickets::table.select(max(tickets::number)).first(connection)?;
    Ok(match (next.into_iter().min(), last) {
        (Some(first), Some(last)) => (last - first + 1).unsigned_abs(),
        _ => 0,
    })
}

pub(crate) fn find(connection: &mut SqliteConnection, look_up: &TicketLookup) -> Result<Option<Ticket>, Failure> {
    let id = match look_up {
        TicketLookup::Reference(reference) => return by_reference(connection, *reference),
        TicketLookup::Quoted(external_id) => {
            let of_messages = messages_table::table
                .filter(messages_table::external_id.eq(external_id.as_str()))
                .filter(messages_table::ticket_id.is_not_null())
                .select(messages_table::ticket_id.assume_not_null());
            let of_notifications = notifications::table
                .filter(notifications::external_id.eq(external_id.as_str()))
                .select(notifications::ticket_id);
            let of_earlier_ones = earlier_ids::table
                .inner_join(notifications::table)
                .filter(earlier_ids::external_id.eq(external_id.as_str()))
                .select(notifications::ticket_id);
            let mut ids: Vec<Vec<u8>> = of_messages
                .union(of_notifications)
                .union(of_earlier_ones)
                .load(connection)?;
            match (ids.pop(), ids.pop()) {
                (Some(id), None) => id,
                // Nobody's, or of two tickets, and then not certain.
                _ => return Ok(None),
            }
        }
    };
    let row = tickets::table
        .find(id)
        .select(TicketRow::as_select())
        .first(connection)
        .optional()?;
    Ok(row.map(Ticket::try_from).transpose()?)
}

fn by_reference(connection: &mut SqliteConnection, reference: TicketRef) -> Result<Option<Ticket>, Failure> {
    let row = tickets::table
        .filter(tickets::reference.eq(reference.to_string()))
        .select(TicketRow::as_select())
        .first(connection)
        .optional()?;
    Ok(row.map(Ticket::try_from).transpose()?)
}

pub(crate) fn head(connection: &mut SqliteConnection, reference: TicketRef) -> Result<Option<TicketSummary>, Failure> {
    type Answer = (Text, Text, BigInt, Nullable<Columns<StateRow>>);
    let row: Option<HeadRow> = typed::<Answer, _>(sql_query(HEAD).bind::<Text, _>(reference.to_string()))
        .get_result(connection)
        .optional()?;
    Ok(row.map(TicketSummary::try_from).transpose()?)
}

pub(crate) fn thread(connection: &mut SqliteConnection, reference: TicketRef) -> Result<Option<Thread>, Failure> {
    type Answer = (Columns<TicketRow>, Nullable<Columns<StateRow>>);
    let found: Option<(TicketRow, Option<StateRow>)> =
        typed::<Answer, _>(sql_query(WITH_NEWEST).bind::<Text, _>(reference.to_string()))
            .get_result(connection)
            .optional()?;
    let Some((ticket, newest)) = found else {
        return Ok(None);
    };
    let ticket = Ticket::try_from(ticket)?;
    let messages = messages_table::table
        .filter(messages_table::ticket_id.eq(bytes(ticket.id.0)))
        .order(messages_table::seq)
        .select(MessageRow::as_select())
        .load(connection)?;
    Ok(Some(Thread {
        ticket,
        messages: messages.into_iter().map(Message::try_from).collect::<Result<_, _>>()?,
        delivery: delivery(newest)?,
    }))
}
