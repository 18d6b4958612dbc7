//! The idempotency keys of messages. Those of openings are each engine's own: Postgres writes many at once.

use diesel::{insert_into, prelude::*, upsert::excluded};
use ticket_domain::{
    MessageId, TicketId, Timestamp,
    ports::{Appended, Idempotency},
};

use super::super::engine::Connection;
use crate::{
    failure::Failure,
    prepared::prepared,
    rows::digest,
    schema::{idempotency_keys, messages},
    types::Stored,
};

/// What a message's key was used for, unless it has expired. The caller has locked it.
pub(crate) fn repeated(
    connection: &mut Connection,
    idempotency: &Idempotency,
    now: Timestamp,
) -> Result<Option<Appended>, Failure> {
    type Use = (Vec<u8>, Option<(MessageId, Timestamp)>);
    let found: Option<Use> = idempotency_keys::table
        .left_join(messages::table)
        .filter(idempotency_keys::key.eq(idempotency.key.as_str()))
        .filter(idempotency_keys::expires_at.gt(Stored(now)))
        .select((
            idempotency_keys::digest,
            (messages::id, messages::created_at).nullable(),
        ))
        .first(connection)
        .optional()?;
    let repeated = found.map(|(raw, message)| {
        Ok::<_, Failure>(Appended::Repeated {
            digest: digest("idempotency_keys", &raw)?,
            message,
        })
    });
    repeated.transpose()
}

/// Writes a key over an expired one. Waits for a concurrent duplicate that is writing the same key.
pub(crate) fn remember(
    connection: &mut Connection,
    idempotency: &Idempotency,
    ticket: TicketId,
    message: Option<MessageId>,
    now: Timestamp,
) -> Result<(), Failure> {
    // The `filter` of DO UPDATE; elsewhere it would be mistaken for that of a query.
    use diesel::query_dsl::methods::FilterDsl;

    let written = insert_into(idempotency_keys::table)
        .values((
            idempotency_keys::key.eq(idempotency.key.as_str()),
            idempotency_keys::digest.eq(idempotency.digest.as_slice()),
            idempotency_keys::ticket_id.eq(Stored(ticket)),
            idempotency_keys::expires_at.eq(Stored(idempotency.expires_at)),
            idempotency_keys::message_id.eq(message.map(Stored)),
        ))
        .on_conflict(idempotency_keys::key)
        .do_update()
        .set((
            idempotency_keys::digest.eq(excluded(idempotency_keys::digest)),
            idempotency_keys::ticket_id.eq(excluded(idempotency_keys::ticket_id)),
            idempotency_keys::expires_at.eq(excluded(idempotency_keys::expires_at)),
            idempotency_keys::message_id.eq(excluded(idempotency_keys::message_id)),
        ))
        .filter(idempotency_keys::expires_at.le(Stored(now)))
        .returning(idempotency_keys::key);
    let written: Vec<String> = prepared(written).load(connection)?;
    if written.is_empty() {
        return Err(Failure::Conflict);
    }
    Ok(())
}
