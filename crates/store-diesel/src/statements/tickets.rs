//! Finding tickets, and the port by which they are opened and read.

use std::time::Duration;

use async_trait::async_trait;
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{BigInt, Nullable},
};
use ticket_domain::{
    ExternalId, Message, MessageId, Thread, Ticket, TicketId, TicketRef, TicketSummary, Timestamp,
    ports::{
        Append, Appended, ChangeEvent, OpenResult, Opening, StoreError, StoreUnmatched, StoredUnmatched, TicketLookup,
        TicketStore,
    },
};
use uuid::Builder;

use super::{
    super::engine::{Connection, Store},
    attachments, messages,
};
use crate::{
    failure::Failure,
    prepared::typed,
    rows::TicketRow,
    schema::{messages as messages_table, notifications, previous_external_ids, tickets},
    types::{Id, Moment, Stored},
};

/// The numbers that tickets got since the first one opened at or after `$1`. A ticket gets its number a moment before or
/// after others whose time is close, so the first is sought among those that were opened next, as many as may well be under
/// way at once.
const OPENED_SINCE: &str = "
    SELECT (SELECT max(number) FROM tickets) - min(number) + 1 AS opened
    FROM (SELECT number FROM tickets WHERE created_at >= $1 ORDER BY created_at LIMIT 256) AS next";

/// When tickets were first answered and opened, of the answers among the newest messages with an id from `$1` on.
const FIRST_ANSWERS: &str = "
    SELECT page.created_at, tickets.created_at
    FROM (SELECT ticket_id, seq, sender, visibility, created_at FROM messages
        WHERE id >= $1 ORDER BY id DESC LIMIT 1000) AS page
    JOIN tickets ON tickets.id = page.ticket_id
    WHERE page.sender <> 'customer' AND page.visibility = 'public' AND NOT EXISTS (
        SELECT 1 FROM messages AS earlier WHERE earlier.ticket_id = page.ticket_id AND earlier.seq < page.seq
            AND earlier.sender <> 'customer' AND earlier.visibility = 'public')";

#[async_trait]
impl TicketStore for Store {
    async fn open(&self, opening: Opening) -> Result<OpenResult, StoreError> {
        if opening.attachments.is_empty() {
            return self.db.open(opening).await;
        }
        let ticket = ChangeEvent::Ticket(opening.ticket.id);
        self.db
            .write_and_publish(
                move |connection| attachments::open(connection, &opening),
                move |opened| (*opened == OpenResult::Opened).then_some(ticket),
            )
            .await
    }

    async fn opened_since(&self, since: Timestamp) -> Result<u64, StoreError> {
        self.db.read(move |connection| opened_since(connection, since)).await
    }

    async fn first_answers(&self, since: Timestamp) -> Result<Vec<Duration>, StoreError> {
        self.db.read(move |connection| first_answers(connection, since)).await
    }

    async fn find(&self, look_up: TicketLookup) -> Result<Option<Ticket>, StoreError> {
        self.db.read(move |connection| find(connection, &look_up)).await
    }

    async fn summary(&self, reference: TicketRef) -> Result<Option<TicketSummary>, StoreError> {
        self.db.summary(reference).await
    }

    async fn thread(&self, reference: TicketRef) -> Result<Option<Thread>, StoreError> {
        self.db.thread(reference).await
    }

    async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        let ticket = ChangeEvent::Ticket(append.to);
        self.db
            .write_and_publish(
                move |connection| messages::append(connection, &append),
                move |appended| match appended {
                    Appended::Added => vec![ticket],
                    Appended::Joined(_) => vec![ticket, ChangeEvent::Unmatched],
                    Appended::AlreadyStored { .. }
                    | Appended::NoMessage(_)
                    | Appended::Repeated { .. }
                    | Appended::Full
                    | Appended::UploadGone => Vec::new(),
                },
            )
            .await
    }

    async fn unmatched_message(&self, external_id: ExternalId) -> Result<Option<Message>, StoreError> {
        self.db
            .read(move |connection| messages::unmatched_message(connection, &external_id))
            .await
    }

    async fn store_unmatched(&self, keep: StoreUnmatched) -> Result<StoredUnmatched, StoreError> {
        self.db
            .write_and_publish(
                move |connection| messages::keep(connection, &keep),
                |stored| {
                    let is_stored = !matches!(stored, StoredUnmatched::AlreadyKnown(_));
                    is_stored.then_some(ChangeEvent::Unmatched)
                },
            )
            .await
    }
}

/// Counts the numbers that tickets got since the first one opened at or after `since`.
pub(crate) fn opened_since(connection: &mut Connection, since: Timestamp) -> Result<u64, Failure> {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = Nullable<BigInt>)]
        opened: Option<i64>,
    }
    // Planned each time. A plan that is kept from when there were few would read all that there are by now.
    let count: Count = sql_query(OPENED_SINCE)
        .bind::<Moment, _>(Stored(since))
        .get_result(connection)?;
    Ok(count.opened.unwrap_or_default().unsigned_abs())
}

/// Returns how long tickets waited for their first answer.
fn first_answers(connection: &mut Connection, since: Timestamp) -> Result<Vec<Duration>, Failure> {
    let millis = u64::try_from(since.unix_micros() / 1_000).unwrap_or_default();
    let first = Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid();
    let query = sql_query(FIRST_ANSWERS).bind::<Id, _>(Stored(MessageId(first)));
    let rows = typed::<(Moment, Moment), _>(query).load::<(Timestamp, Timestamp)>(connection)?;
    Ok(rows
        .into_iter()
        .map(|(answered, opened)| answered.since(opened))
        .collect())
}

pub(crate) fn find(connection: &mut Connection, look_up: &TicketLookup) -> Result<Option<Ticket>, Failure> {
    let id = match look_up {
        TicketLookup::Reference(reference) => return by_reference(connection, *reference),
        TicketLookup::Id(id) => *id,
        TicketLookup::Quoted(external_id) => {
            let of_messages = messages_table::table
                .filter(messages_table::external_id.eq(external_id.as_str()))
                .filter(messages_table::ticket_id.is_not_null())
                .select(messages_table::ticket_id.assume_not_null());
            let of_notifications = notifications::table
                .filter(notifications::external_id.eq(external_id.as_str()))
                .filter(notifications::ticket_id.is_not_null())
                .select(notifications::ticket_id.assume_not_null());
            let of_previous_ids = previous_external_ids::table
                .inner_join(notifications::table)
                .filter(previous_external_ids::external_id.eq(external_id.as_str()))
                .filter(notifications::ticket_id.is_not_null())
                .select(notifications::ticket_id.assume_not_null());
            let ids: Vec<TicketId> = of_messages
                .union(of_notifications)
                .union(of_previous_ids)
                .load(connection)?;
            match ids.as_slice() {
                [id] => *id,
                // Nobody's, or of two tickets, and then not certain.
                _ => return Ok(None),
            }
        }
    };
    let row = tickets::table
        .find(Stored(id))
        .select(TicketRow::as_select())
        .first(connection)
        .optional()?;
    Ok(row.map(Ticket::try_from).transpose()?)
}

fn by_reference(connection: &mut Connection, reference: TicketRef) -> Result<Option<Ticket>, Failure> {
    let row = tickets::table
        .filter(tickets::reference.eq(reference.to_string()))
        .select(TicketRow::as_select())
        .first(connection)
        .optional()?;
    Ok(row.map(Ticket::try_from).transpose()?)
}
