//! The keys that make a request's repetition harmless.

use diesel::{alias, delete, prelude::*, replace_into};
use ticket_domain::{
    MessageId, TicketId, Timestamp,
    ports::{Appended, Idempotency, Precedent},
};

use crate::{
    db::Failure,
    rows::{PrecedentRow, RepeatedRow, bytes},
    schema::{idempotency_keys, messages, tickets},
};

/// How many ended keys each new one clears away: more than one, so that they never pile up.
const CLEARED: i64 = 2;

/// The ticket that a key opened, or to which it wrote, unless the key's time has ended.
pub(crate) fn opened(
    connection: &mut SqliteConnection,
    Idempotency { key, .. }: &Idempotency,
    now: Timestamp,
) -> Result<Option<Precedent>, Failure> {
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

/// What a key was used for, as whoever adds a message is told, unless its time has ended.
pub(crate) fn added(
    connection: &mut SqliteConnection,
    Idempotency { key, .. }: &Idempotency,
    now: Timestamp,
) -> Result<Option<Appended>, Failure> {
    let row = idempotency_keys::table
        .left_join(messages::table)
        .filter(idempotency_keys::key.eq(key.as_str()))
        .filter(idempotency_keys::expires_at.gt(now.unix_micros()))
        .select((
            idempotency_keys::digest,
            messages::id.nullable(),
            messages::created_at.nullable(),
        ))
        .first::<RepeatedRow>(connection)
        .optional()?;
    Ok(row.map(Appended::try_from).transpose()?)
}

/// Writes a key, over one whose time has ended, and what it was used for: the message, or else the whole ticket. Clears
/// a few away whose time has ended.
pub(crate) fn remember(
    connection: &mut SqliteConnection,
    idempotency: &Idempotency,
    now: Timestamp,
    ticket: TicketId,
    message: Option<MessageId>,
) -> Result<(), Failure> {
    clear_ended(connection, now)?;
    replace_into(idempotency_keys::table)
        .values((
            idempotency_keys::key.eq(idempotency.key.as_str()),
            idempotency_keys::digest.eq(idempotency.digest.as_slice()),
            idempotency_keys::ticket_id.eq(bytes(ticket.0)),
            idempotency_keys::expires_at.eq(idempotency.expires_at.unix_micros()),
            idempotency_keys::message_id.eq(message.map(|message| bytes(message.0))),
        ))
        .execute(connection)?;
    Ok(())
}

fn clear_ended(connection: &mut SqliteConnection, now: Timestamp) -> Result<(), Failure> {
    let ended = alias!(idempotency_keys as ended);
    let keys = ended
        .select(ended.field(idempotency_keys::key))
        .filter(ended.field(idempotency_keys::expires_at).le(now.unix_micros()))
        .order(ended.field(idempotency_keys::expires_at))
        .limit(CLEARED);
    delete(idempotency_keys::table.filter(idempotency_keys::key.eq_any(keys))).execute(connection)?;
    Ok(())
}
