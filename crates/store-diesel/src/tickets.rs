//! Opening tickets, and finding them.

use async_trait::async_trait;
use diesel::{QueryableByName, prelude::*, sql_query, sql_types};
use ticket_domain::{
    ExternalId, Message, Thread, Ticket, TicketRef, Timestamp,
    ports::{Append, Appended, Keep, Kept, LookUp, News, Opened, Opening, StoreError, TicketStore},
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    PostgresStore,
    db::Failure,
    messages,
    rows::{MessageRow, StateRow, TicketRow},
    schema::{earlier_ids, messages as messages_table, notifications, tickets},
};

/// The numbers that tickets got since the first one opened at or after `$1`. A number is drawn a moment before or after
/// others whose time is close, so the first is sought among those that were opened next, as many as may well be under
/// way at once.
const OPENED_SINCE: &str = "
    SELECT (SELECT last_value FROM tickets_number_seq) - min(number) + 1 AS opened
    FROM (SELECT number FROM tickets WHERE created_at >= $1 ORDER BY created_at LIMIT 256) AS first";

#[async_trait]
impl TicketStore for PostgresStore {
    async fn open(&self, opening: Opening) -> Result<Opened, StoreError> {
        self.db.open(opening).await
    }

    async fn opened_since(&self, since: Timestamp) -> Result<u64, StoreError> {
        self.db.read(move |connection| opened_since(connection, since)).await
    }

    async fn find(&self, look_up: LookUp) -> Result<Option<Ticket>, StoreError> {
        self.db.read(move |connection| find(connection, &look_up)).await
    }

    async fn thread(&self, reference: TicketRef) -> Result<Option<Thread>, StoreError> {
        self.db.read(move |connection| thread(connection, reference)).await
    }

    async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        let ticket = News::Ticket(append.to);
        self.db
            .write_and_tell(
                move |connection| messages::append(connection, &append),
                move |appended| match appended {
                    Appended::Added => vec![ticket],
                    Appended::Joined(_) => vec![ticket, News::Unmatched],
                    Appended::Before { .. } | Appended::Answer(_) | Appended::Repeated { .. } => Vec::new(),
                },
            )
            .await
    }

    async fn kept(&self, external_id: ExternalId) -> Result<Option<Message>, StoreError> {
        self.db
            .read(move |connection| messages::kept(connection, &external_id))
            .await
    }

    async fn keep_unmatched(&self, keep: Keep) -> Result<Kept, StoreError> {
        self.db
            .write_and_tell(
                move |connection| messages::keep(connection, &keep),
                |kept| match kept {
                    Kept::Now => vec![News::Unmatched],
                    Kept::Before(_) | Kept::QuestionMoved => Vec::new(),
                },
            )
            .await
    }
}

/// The numbers that tickets got since the first one opened at or after `since`.
fn opened_since(connection: &mut PgConnection, since: Timestamp) -> Result<u64, Failure> {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
        opened: Option<i64>,
    }
    let count: Count = sql_query(OPENED_SINCE)
        .bind::<sql_types::Timestamptz, _>(OffsetDateTime::from(since))
        .get_result(connection)?;
    Ok(count.opened.unwrap_or_default().unsigned_abs())
}

fn find(connection: &mut PgConnection, look_up: &LookUp) -> Result<Option<Ticket>, Failure> {
    let id = match look_up {
        LookUp::Reference(reference) => return by_reference(connection, *reference),
        LookUp::Quoted(external_id) => {
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
            let ids: Vec<Uuid> = of_messages
                .union(of_notifications)
                .union(of_earlier_ones)
                .load(connection)?;
            match ids.as_slice() {
                [id] => *id,
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

fn by_reference(connection: &mut PgConnection, reference: TicketRef) -> Result<Option<Ticket>, Failure> {
    let row = tickets::table
        .filter(tickets::reference.eq(reference.to_string()))
        .select(TicketRow::as_select())
        .first(connection)
        .optional()?;
    Ok(row.map(Ticket::try_from).transpose()?)
}

/// Reads the ticket first, and of the rest only what its version knows: so the three queries agree without a
/// transaction.
fn thread(connection: &mut PgConnection, reference: TicketRef) -> Result<Option<Thread>, Failure> {
    let Some(ticket) = by_reference(connection, reference)? else {
        return Ok(None);
    };
    let version = i32::try_from(ticket.version).unwrap_or(i32::MAX);
    let messages = messages_table::table
        .filter(messages_table::ticket_id.eq(ticket.id.0))
        .filter(messages_table::seq.le(version))
        .order(messages_table::seq)
        .select(MessageRow::as_select())
        .load(connection)?;
    let newest: StateRow = notifications::table
        .filter(notifications::ticket_id.eq(ticket.id.0))
        .filter(notifications::seq.le(version))
        .order(notifications::seq.desc())
        .select(StateRow::as_select())
        .first(connection)?;
    Ok(Some(Thread {
        ticket,
        messages: messages.into_iter().map(Message::try_from).collect::<Result<_, _>>()?,
        delivery: newest.try_into()?,
    }))
}
