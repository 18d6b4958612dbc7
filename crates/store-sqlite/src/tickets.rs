//! Opening tickets, and finding them.

use async_trait::async_trait;
use diesel::{alias, dsl::max, insert_into, prelude::*, replace_into};
use ticket_domain::{
    ExternalId, Message, Thread, Ticket, TicketId, TicketRef, Timestamp,
    ports::{Append, Appended, Idempotency, Keep, Kept, LookUp, Opened, Opening, Precedent, StoreError, TicketStore},
};

use crate::{
    SqliteStore,
    db::Failure,
    messages,
    rows::{FIRST_VERSION, MessageRow, NewNotificationRow, PrecedentRow, StateRow, TicketRow, bytes},
    schema::{earlier_ids, idempotency_keys, messages as messages_table, notifications, tickets},
};

/// Tickets are written a moment before or after others whose time is close, so the first number is sought among those
/// that were opened next, as many as may well be under way at once.
const UNDER_WAY: i64 = 256;

/// How many ended keys each new one clears away: more than one, so that they never pile up.
const CLEARED: i64 = 2;

#[async_trait]
impl TicketStore for SqliteStore {
    async fn open(&self, opening: Opening) -> Result<Opened, StoreError> {
        self.db.write(move |connection| open(connection, &opening)).await
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
        self.db
            .write(move |connection| messages::append(connection, &append))
            .await
    }

    async fn kept(&self, external_id: ExternalId) -> Result<Option<Message>, StoreError> {
        self.db
            .read(move |connection| messages::kept(connection, &external_id))
            .await
    }

    async fn keep_unmatched(&self, keep: Keep) -> Result<Kept, StoreError> {
        self.db.write(move |connection| messages::keep(connection, &keep)).await
    }
}

pub(crate) fn open(connection: &mut SqliteConnection, opening: &Opening) -> Result<Opened, Failure> {
    let Opening {
        ticket,
        message,
        notification,
        idempotency,
    } = opening;
    if let Some(precedent) = precedent(connection, idempotency.as_ref(), ticket.created_at)? {
        return Ok(Opened::Before(precedent));
    }
    let written = insert_into(tickets::table)
        .values(TicketRow::new(ticket))
        .on_conflict(tickets::reference)
        .do_nothing()
        .execute(connection)?;
    if written == 0 {
        return Ok(Opened::ReferenceTaken);
    }
    messages::write(connection, message, ticket.id, FIRST_VERSION)?;
    insert_into(notifications::table)
        .values(NewNotificationRow::new(notification, ticket.id, FIRST_VERSION))
        .execute(connection)?;
    if let Some(idempotency) = idempotency {
        clear_ended_keys(connection, ticket.created_at)?;
        remember(connection, idempotency, ticket.id)?;
    }
    Ok(Opened::Now)
}

/// What a key opened, unless its time has ended.
fn precedent(
    connection: &mut SqliteConnection,
    idempotency: Option<&Idempotency>,
    now: Timestamp,
) -> Result<Option<Precedent>, Failure> {
    let Some(Idempotency { key, .. }) = idempotency else {
        return Ok(None);
    };
    let row = idempotency_keys::table
        .inner_join(tickets::table)
        .filter(idempotency_keys::key.eq(key.as_str()))
        .filter(idempotency_keys::expires_at.gt(now.unix_micros()))
        .select((
            idempotency_keys::digest,
            tickets::id,
            tickets::reference,
            tickets::customer_key,
        ))
        .first::<PrecedentRow>(connection)
        .optional()?;
    Ok(row.map(Precedent::try_from).transpose()?)
}

/// Writes a key, over one whose time has ended.
fn remember(connection: &mut SqliteConnection, idempotency: &Idempotency, ticket: TicketId) -> Result<(), Failure> {
    replace_into(idempotency_keys::table)
        .values((
            idempotency_keys::key.eq(idempotency.key.as_str()),
            idempotency_keys::digest.eq(idempotency.digest.as_slice()),
            idempotency_keys::ticket_id.eq(bytes(ticket.0)),
            idempotency_keys::expires_at.eq(idempotency.expires_at.unix_micros()),
        ))
        .execute(connection)?;
    Ok(())
}

/// Clears a few keys away whose time has ended.
fn clear_ended_keys(connection: &mut SqliteConnection, now: Timestamp) -> Result<(), Failure> {
    let ended = alias!(idempotency_keys as ended);
    let keys = ended
        .select(ended.field(idempotency_keys::key))
        .filter(ended.field(idempotency_keys::expires_at).le(now.unix_micros()))
        .order(ended.field(idempotency_keys::expires_at))
        .limit(CLEARED);
    diesel::delete(idempotency_keys::table.filter(idempotency_keys::key.eq_any(keys))).execute(connection)?;
    Ok(())
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

pub(crate) fn find(connection: &mut SqliteConnection, look_up: &LookUp) -> Result<Option<Ticket>, Failure> {
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

pub(crate) fn thread(connection: &mut SqliteConnection, reference: TicketRef) -> Result<Option<Thread>, Failure> {
    let Some(ticket) = by_reference(connection, reference)? else {
        return Ok(None);
    };
    let messages = messages_table::table
        .filter(messages_table::ticket_id.eq(bytes(ticket.id.0)))
        .order(messages_table::seq)
        .select(MessageRow::as_select())
        .load(connection)?;
    let newest: StateRow = notifications::table
        .filter(notifications::ticket_id.eq(bytes(ticket.id.0)))
        .order(notifications::seq.desc())
        .select(StateRow::as_select())
        .first(connection)?;
    Ok(Some(Thread {
        ticket,
        messages: messages.into_iter().map(Message::try_from).collect::<Result<_, _>>()?,
        delivery: newest.try_into()?,
    }))
}
