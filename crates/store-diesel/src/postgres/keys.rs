//! The idempotency keys of openings.

use std::collections::HashMap;

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Array, Bytea, Text},
};
use ticket_domain::{
    TicketId, Timestamp,
    ports::{ExistingTicket, Idempotency, Opening},
};

use super::openings::all;
use crate::{
    failure::Failure,
    prepared::typed,
    rows::ExistingTicketRow,
    schema::{idempotency_keys, tickets},
    types::{Id, Moment, Stored},
};

/// Writes many keys, over those that have expired at `$5`.
const REMEMBER_OPENINGS: &str = "
    INSERT INTO idempotency_keys (key, digest, ticket_id, expires_at) SELECT * FROM unnest($1, $2, $3, $4)
    ON CONFLICT (key) DO UPDATE SET digest = excluded.digest, ticket_id = excluded.ticket_id,
        expires_at = excluded.expires_at, message_id = NULL
    WHERE idempotency_keys.expires_at <= $5 RETURNING key";

/// Finds what the keys of openings were used for before, by the id of the ticket that was to be opened. An expired key counts
/// for nothing.
pub(crate) fn existing(
    connection: &mut PgConnection,
    openings: &[&Opening],
) -> Result<HashMap<TicketId, ExistingTicket>, Failure> {
    let keyed = |opening: &&Opening| {
        let key = opening.idempotency.as_ref()?.key.as_str().to_owned();
        Some((key, (opening.ticket.id, opening.ticket.created_at)))
    };
    let keyed: HashMap<String, (TicketId, Timestamp)> = openings.iter().filter_map(keyed).collect();
    if keyed.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(String, Timestamp, ExistingTicketRow)> = idempotency_keys::table
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
    let mut existing = HashMap::new();
    for (key, expires_at, row) in rows {
        if let Some((id, opened_at)) = keyed.get(&key)
            && *opened_at < expires_at
        {
            existing.insert(*id, row.try_into()?);
        }
    }
    Ok(existing)
}

/// Writes the keys of openings over expired ones. Waits for a concurrent duplicate that is writing the same key.
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
        .bind::<Array<Text>, _>(all(&keyed, |(_, used)| used.key.as_str()))
        .bind::<Array<Bytea>, _>(all(&keyed, |(_, used)| used.digest.as_slice()))
        .bind::<Array<Id>, _>(all(&keyed, |(opening, _)| Stored(opening.ticket.id)))
        .bind::<Array<Moment>, _>(all(&keyed, |(_, used)| Stored(used.expires_at)))
        .bind::<Moment, _>(Stored(now));
    let written: Vec<String> = typed::<Text, _>(statement).load(connection)?;
    if written.len() < keyed.len() {
        return Err(Failure::Conflict);
    }
    Ok(())
}
