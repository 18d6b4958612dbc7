//! What idempotency keys were used for.

use std::collections::HashMap;

use diesel::{
    insert_into,
    prelude::*,
    sql_query,
    sql_types::{self, Array, Bytea, Text, Timestamptz},
    upsert::excluded,
};
use ticket_domain::{
    MessageId, TicketId, Timestamp,
    ports::{Appended, ExistingTicket, Idempotency, Opening},
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::postgres::{
    db::Failure,
    prepared::typed,
    rows::{PrecedentRow, digest},
    schema::{idempotency_keys, messages, tickets},
};

/// Many keys, over those whose time has ended at `$5`.
const REMEMBER_OPENINGS: &str = "
    INSERT INTO idempotency_keys (key, digest, ticket_id, expires_at) SELECT * FROM unnest($1, $2, $3, $4)
    ON CONFLICT (key) DO UPDATE SET digest = excluded.digest, ticket_id = excluded.ticket_id,
        expires_at = excluded.expires_at, message_id = NULL
    WHERE idempotency_keys.expires_at <= $5 RETURNING key";

/// What the keys of openings were used for before, by the id of the ticket that was to be opened. A key whose time has
/// ended counts for nothing.
pub(crate) fn precedents(
    connection: &mut PgConnection,
    openings: &[&Opening],
) -> Result<HashMap<TicketId, ExistingTicket>, Failure> {
    let keyed = |opening: &&Opening| {
        let key = opening.idempotency.as_ref()?.key.as_str().to_owned();
        Some((key, (opening.ticket.id, opening.ticket.created_at.into())))
    };
    let keyed: HashMap<String, (TicketId, OffsetDateTime)> = openings.iter().filter_map(keyed).collect();
    if keyed.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(String, OffsetDateTime, PrecedentRow)> = idempotency_keys::table
        .inner_join(tickets::table)
        .filter(idempotency_keys::key.eq_any(keyed.keys().collect::<Vec<_>>()))
        .select((
            idempotency_keys::key,
            idempotency_keys::expires_at,
            (
                idempotency_keys::digest,
                tickets::id,
                tickets::reference,
                tickets::customer_key,
            ),
        ))
        .load(connection)?;
    let mut precedents = HashMap::new();
    for (key, expires_at, row) in rows {
        if let Some((id, opened_at)) = keyed.get(&key)
            && *opened_at < expires_at
        {
            precedents.insert(*id, row.try_into()?);
        }
    }
    Ok(precedents)
}

/// Writes the keys of openings, over those whose time has ended. Waits for a twin that is writing the same key.
pub(crate) fn remember_openings(connection: &mut PgConnection, openings: &[&Opening]) -> Result<(), Failure> {
    let keyed = openings
        .iter()
        .filter_map(|opening| Some((opening, opening.idempotency.as_ref()?)));
    let mut keyed: Vec<(&&Opening, &Idempotency)> = keyed.collect();
    // The only order of locks.
    keyed.sort_unstable_by_key(|(_, used)| used.key.as_str());
    let Some(now) = keyed.iter().map(|(opening, _)| opening.ticket.created_at).min() else {
        return Ok(());
    };
    let statement = sql_query(REMEMBER_OPENINGS)
        .bind::<Array<Text>, _>(keyed.iter().map(|(_, used)| used.key.as_str()).collect::<Vec<_>>())
        .bind::<Array<Bytea>, _>(keyed.iter().map(|(_, used)| used.digest.as_slice()).collect::<Vec<_>>())
        .bind::<Array<sql_types::Uuid>, _>(keyed.iter().map(|(opening, _)| opening.ticket.id.0).collect::<Vec<_>>())
        .bind::<Array<Timestamptz>, _>(
            keyed
                .iter()
                .map(|(_, used)| used.expires_at.into())
                .collect::<Vec<OffsetDateTime>>(),
        )
        .bind::<Timestamptz, _>(OffsetDateTime::from(now));
    let written: Vec<String> = typed::<Text, _>(statement).load(connection)?;
    if written.len() < keyed.len() {
        return Err(Failure::Conflict);
    }
    Ok(())
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

/// Writes the key of a message, over one whose time has ended. Waits for a twin that is writing the same key.
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
        return Err(Failure::Conflict);
    }
    Ok(())
}
