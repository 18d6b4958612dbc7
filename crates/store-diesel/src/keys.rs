//! What idempotency keys were used for.

use diesel::{alias, insert_into, prelude::*, upsert::excluded};
use ticket_domain::{
    MessageId, TicketId, Timestamp,
    ports::{Appended, Idempotency, Precedent},
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    db::Failure,
    rows::{PrecedentRow, digest},
    schema::{idempotency_keys, messages, tickets},
};

/// How many ended keys each new one clears away: more than one, so that they never pile up.
const CLEARED: i64 = 2;

/// What a key opened, unless its time has ended.
pub(crate) fn precedent(
    connection: &mut PgConnection,
    idempotency: Option<&Idempotency>,
    now: Timestamp,
) -> Result<Option<Precedent>, Failure> {
    let Some(Idempotency { key, .. }) = idempotency else {
        return Ok(None);
    };
    let row = idempotency_keys::table
        .inner_join(tickets::table)
        .filter(idempotency_keys::key.eq(key.as_str()))
        .filter(idempotency_keys::expires_at.gt(OffsetDateTime::from(now)))
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

/// What a message's key was used for, unless its time has ended. It is held.
pub(crate) fn repeated(
    connection: &mut PgConnection,
    idempotency: &Idempotency,
    now: Timestamp,
) -> Result<Option<Appended>, Failure> {
    type Use = (Vec<u8>, Option<(Uuid, OffsetDateTime)>);
    let found: Option<Use> = idempotency_keys::table
        .left_join(messages::table)
        .filter(idempotency_keys::key.eq(idempotency.key.as_str()))
        .filter(idempotency_keys::expires_at.gt(OffsetDateTime::from(now)))
        .select((
            idempotency_keys::digest,
            (messages::id, messages::created_at).nullable(),
        ))
        .first(connection)
        .optional()?;
    let repeated = found.map(|(raw, message)| {
        Ok::<_, Failure>(Appended::Repeated {
            digest: digest(&raw)?,
            message: message.map(|(id, at)| (MessageId(id), at.into())),
        })
    });
    repeated.transpose()
}

/// Writes a key, over one whose time has ended: for a message, or for the ticket itself. Waits for a twin that is writing
/// the same key.
pub(crate) fn remember(
    connection: &mut PgConnection,
    idempotency: &Idempotency,
    ticket: TicketId,
    message: Option<MessageId>,
    now: Timestamp,
) -> Result<(), Failure> {
    // The `filter` of DO UPDATE; elsewhere it would be mistaken for that of a query.
    use diesel::query_dsl::methods::FilterDsl;

    let now = OffsetDateTime::from(now);
    let written = insert_into(idempotency_keys::table)
        .values((
            idempotency_keys::key.eq(idempotency.key.as_str()),
            idempotency_keys::digest.eq(idempotency.digest.as_slice()),
            idempotency_keys::ticket_id.eq(ticket.0),
            idempotency_keys::expires_at.eq(OffsetDateTime::from(idempotency.expires_at)),
            idempotency_keys::message_id.eq(message.map(|message| message.0)),
        ))
        .on_conflict(idempotency_keys::key)
        .do_update()
        .set((
            idempotency_keys::digest.eq(excluded(idempotency_keys::digest)),
            idempotency_keys::ticket_id.eq(excluded(idempotency_keys::ticket_id)),
            idempotency_keys::expires_at.eq(excluded(idempotency_keys::expires_at)),
            idempotency_keys::message_id.eq(excluded(idempotency_keys::message_id)),
        ))
        .filter(idempotency_keys::expires_at.le(now))
        .execute(connection)?;
    if written == 0 {
        return Err(Failure::LostTwin);
    }
    clear_ended_keys(connection, now)
}

/// Clears a few keys away whose time has ended. Leaves those that somebody is writing: the only order of locks is kept.
fn clear_ended_keys(connection: &mut PgConnection, now: OffsetDateTime) -> Result<(), Failure> {
    let ended = alias!(idempotency_keys as ended);
    let keys = ended
        .select(ended.field(idempotency_keys::key))
        .filter(ended.field(idempotency_keys::expires_at).le(now))
        .order(ended.field(idempotency_keys::expires_at))
        .limit(CLEARED)
        .for_update()
        .skip_locked();
    diesel::delete(idempotency_keys::table.filter(idempotency_keys::key.eq_any(keys))).execute(connection)?;
    Ok(())
}
