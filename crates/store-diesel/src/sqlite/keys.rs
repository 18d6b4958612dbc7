//! The keys that make a request's repetition harmless.

use diesel::{prelude::*, replace_into};
use ticket_domain::{
    MessageId, TicketId, Timestamp,
    ports::{Appended, ExistingTicket, Idempotency},
};

use crate::sqlite::{
    db::Failure,
    rows::{PrecedentRow, RepeatedRow, bytes},
    schema::{idempotency_keys, messages, tickets},
};

/// The ticket that a key opened, or to which it wrote, unless the key's time has ended.
pub(crate) fn opened(
    connection: &mut SqliteConnection,
    Idempotency { key, .. }: &Idempotency,
    now: Timestamp,
) -> Result<Option<ExistingTicket>, Failure> {
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
    Ok(row.map(ExistingTicket::try_from).transpose()?)
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

/// Writes a key, over one whose time has ended, and what it was used for: the message, or else the whole ticket.
pub(crate) fn remember(
    connection: &mut SqliteConnection,
    idempotency: &Idempotency,
    ticket: TicketId,
    message: Option<MessageId>,
) -> Result<(), Failure> {
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
