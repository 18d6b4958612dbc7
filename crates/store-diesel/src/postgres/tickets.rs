//! Opening tickets, and finding them.

use std::collections::HashMap;

use async_trait::async_trait;
use diesel::{QueryableByName, prelude::*, sql_query, sql_types};
use ticket_domain::{
    ExternalId, Message, Thread, Ticket, TicketRef, TicketSummary, Timestamp,
    ports::{
        Append, Appended, ChangeEvent, OpenResult, Opening, StoreError, StoreUnmatched, StoredUnmatched, TicketLookup,
        TicketStore, parse,
    },
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::postgres::{
    PostgresStore,
    batches::Found,
    db::Failure,
    messages,
    prepared::{Columns, typed},
    rows::{HeadRow, MessageRow, StateRow, TicketRow, delivery},
    schema::{earlier_ids, messages as messages_table, notifications, tickets},
};

/// The numbers that tickets got since the first one opened at or after `$1`. A number is drawn a moment before or after
/// others whose time is close, so the first is sought among those that were opened next, as many as may well be under
/// way at once.
const OPENED_SINCE: &str = "
    SELECT (SELECT last_value FROM tickets_number_seq) - min(number) + 1 AS opened
    FROM (SELECT number FROM tickets WHERE created_at >= $1 ORDER BY created_at LIMIT 256) AS first";

/// Where the newest notification of the ticket `t` stands, in the order of [`StateRow`].
macro_rules! newest {
    () => {
        "LEFT JOIN LATERAL (
            SELECT state, due_at, external_id, settled_at, progress, created_at FROM notifications
            WHERE ticket_id = t.id ORDER BY seq DESC LIMIT 1) AS n ON true"
    };
}

/// The tickets `t` that are asked for. The sub-select keeps from the planner how many they are: it would plan anew each time.
macro_rules! these {
    () => {
        " WHERE t.reference = ANY (ARRAY(SELECT unnest($1)))"
    };
}

/// Of many tickets, in the order of [`HeadRow`].
const HEADS: &str = concat!(
    "SELECT t.reference, t.customer_key, t.reader_key, t.version,
        n.state, n.due_at, n.external_id, n.settled_at, n.progress, n.created_at
    FROM tickets t ",
    newest!(),
    these!()
);

/// Of many tickets, a row for each message, in the orders of [`TicketRow`], [`StateRow`] and [`MessageRow`]; the ticket and
/// its newest notification stand beside its first message only. One statement, so that all of it is of one moment.
const THREADS: &str = concat!(
    "WITH opened AS MATERIALIZED (
        SELECT t.id, t.reference, t.customer_name, t.customer_phone, t.customer_email, t.subject, t.priority, t.status,
            t.customer_key, t.reader_key, t.version, t.created_at, t.updated_at,
            n.state, n.due_at, n.external_id, n.settled_at, n.progress, n.created_at AS notified_at
        FROM tickets t ",
    newest!(),
    these!(),
    ")
    SELECT w.reference, o.*, m.id, m.sender, m.channel, m.from_phone, m.body, m.media_url, m.external_id, m.created_at
    FROM opened w
    LEFT JOIN messages m ON m.ticket_id = w.id
    LEFT JOIN opened o ON o.id = w.id AND (m.seq = 1 OR m.seq IS NULL)
    ORDER BY w.reference, m.seq"
);

#[async_trait]
impl TicketStore for PostgresStore {
    async fn open(&self, opening: Opening) -> Result<OpenResult, StoreError> {
        self.db.open(opening).await
    }

    async fn opened_since(&self, since: Timestamp) -> Result<u64, StoreError> {
        self.db.read(move |connection| opened_since(connection, since)).await
    }

    async fn find(&self, look_up: TicketLookup) -> Result<Option<Ticket>, StoreError> {
        self.db.read(move |connection| find(connection, &look_up)).await
    }

    async fn head(&self, reference: TicketRef) -> Result<Option<TicketSummary>, StoreError> {
        self.db.head(reference).await
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

/// The numbers that tickets got since the first one opened at or after `since`.
fn opened_since(connection: &mut PgConnection, since: Timestamp) -> Result<u64, Failure> {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
        opened: Option<i64>,
    }
    // Planned anew each time. A plan that is kept from when there were few would read all that there are by now.
    let count: Count = sql_query(OPENED_SINCE)
        .bind::<sql_types::Timestamptz, _>(OffsetDateTime::from(since))
        .get_result(connection)?;
    Ok(count.opened.unwrap_or_default().unsigned_abs())
}

fn find(connection: &mut PgConnection, look_up: &TicketLookup) -> Result<Option<Ticket>, Failure> {
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

/// The heads of those tickets that there are.
pub(crate) fn heads(connection: &mut PgConnection, references: &[TicketRef]) -> Result<Found<TicketSummary>, Failure> {
    type Answer = (
        sql_types::Text,
        sql_types::Text,
        sql_types::Text,
        sql_types::Integer,
        sql_types::Nullable<Columns<StateRow>>,
    );
    let rows: Vec<HeadRow> =
        typed::<Answer, _>(sql_query(HEADS).bind::<Texts, _>(words(references))).load(connection)?;
    let heads = rows.into_iter().map(|row| {
        let reference = parse("tickets", "reference", &row.reference)?;
        Ok((reference, row.try_into()))
    });
    heads.collect()
}

/// The threads of those tickets that there are.
pub(crate) fn threads(connection: &mut PgConnection, references: &[TicketRef]) -> Result<Found<Thread>, Failure> {
    type Answer = (
        sql_types::Text,
        sql_types::Nullable<Columns<TicketRow>>,
        sql_types::Nullable<Columns<StateRow>>,
        sql_types::Nullable<Columns<MessageRow>>,
    );
    type Row = (String, Option<TicketRow>, Option<StateRow>, Option<MessageRow>);
    let rows: Vec<Row> = typed::<Answer, _>(sql_query(THREADS).bind::<Texts, _>(words(references))).load(connection)?;
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

type Texts = sql_types::Array<sql_types::Text>;

fn words(references: &[TicketRef]) -> Vec<String> {
    references.iter().map(ToString::to_string).collect()
}
