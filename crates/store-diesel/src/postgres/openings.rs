//! Opening tickets, any number of them in one transaction.

use std::collections::HashSet;

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Array, Bool, Bytea, Nullable, Text},
};
use ticket_domain::{
    Address, ExternalId, MediaUrl, Notification, TicketId,
    ports::{ExistingTicket, OpenResult, Opening},
};

use super::keys;
use crate::{
    failure::Failure,
    prepared::typed,
    types::{Id, Moment, Stored},
};

/// Opens tickets; says of each what became of it. No two have the same key.
///
/// Every writer takes its locks in this order: references as they sort, then keys as they sort. So concurrent duplicates wait for
/// each other, never in a circle.
pub(crate) fn open(connection: &mut PgConnection, openings: &[&Opening]) -> Result<Vec<OpenResult>, Failure> {
    let mut existing = keys::existing(connection, openings)?;
    let is_new = |opening: &&&Opening| !existing.contains_key(&opening.ticket.id);
    let mut new: Vec<&Opening> = openings.iter().filter(is_new).copied().collect();
    new.sort_unstable_by_key(|opening| opening.ticket.reference);
    let written = insert(connection, &new)?;
    let (new, refused): (Vec<&Opening>, Vec<&Opening>) = new
        .into_iter()
        .partition(|opening| written.contains(&opening.ticket.id));
    keys::remember_openings(connection, &new)?;
    // The ticket that has the reference may be a concurrent duplicate's, which was written after our first look.
    existing.extend(keys::existing(connection, &refused)?);
    let opened = openings.iter().map(|opening| {
        if written.contains(&opening.ticket.id) {
            return OpenResult::Opened;
        }
        let before = existing.remove(&opening.ticket.id);
        before.map_or(OpenResult::ReferenceTaken, OpenResult::AlreadyOpened)
    });
    Ok(opened.collect())
}

/// Opens one ticket.
pub(crate) fn open_one(connection: &mut PgConnection, opening: &Opening) -> Result<OpenResult, Failure> {
    Ok(open(connection, &[opening])?
        .pop()
        .unwrap_or(OpenResult::ReferenceTaken))
}

/// The ticket that an opening's key opened before.
pub(crate) fn existing_ticket(
    connection: &mut PgConnection,
    opening: &Opening,
) -> Result<Option<ExistingTicket>, Failure> {
    Ok(keys::existing(connection, &[opening])?.remove(&opening.ticket.id))
}

/// All rows of many openings, however many, by one statement. Gives the ids of the tickets that were written: the others'
/// references are taken. Neither Postgres nor we know beforehand how many rows there are: IS TRUE makes it look them up in a
/// hash, where a join would compare each with each.
const INSERT: &str = "
    WITH input AS (SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
        $19, $20) AS input (id, reference, customer_name, customer_phone, customer_email, subject, priority, status,
        customer_key, reader_key, opened, updated, message_id, sender, channel, from_address, body, media_url, external_id,
        said)),
    outgoing AS (SELECT * FROM unnest($21, $22, $23, $24, $25, $26, $27)
        AS outgoing (id, ticket_id, recipient, event, payload, addressed, notified)),
    opened AS (
        INSERT INTO tickets (id, reference, customer_name, customer_phone, customer_email, subject, priority, status,
            customer_key, reader_key, version, created_at, updated_at)
        SELECT id, reference, customer_name, customer_phone, customer_email, subject, priority, status, customer_key,
            reader_key, 1, opened, updated FROM input
        ON CONFLICT (reference) DO NOTHING RETURNING id),
    said AS (
        INSERT INTO messages (id, ticket_id, seq, sender, channel, from_address, body, media_url, external_id, created_at)
        SELECT message_id, id, 1, sender, channel, from_address, body, media_url, external_id, said
        FROM input WHERE (id IN (SELECT id FROM opened)) IS TRUE),
    notified AS (
        INSERT INTO notifications (id, ticket_id, seq, recipient, event, payload, addressed, state, due_at, scheduled_at,
            failed_attempts, created_at)
        SELECT id, ticket_id, 1, recipient, event, payload, addressed, 'waiting', notified, notified, 0, notified
        FROM outgoing WHERE (ticket_id IN (SELECT id FROM opened)) IS TRUE)
    SELECT id FROM opened";

fn insert(connection: &mut PgConnection, openings: &[&Opening]) -> Result<HashSet<TicketId>, Failure> {
    if openings.is_empty() {
        return Ok(HashSet::new());
    }
    let outgoing: Vec<(&Opening, &Notification)> = openings
        .iter()
        .flat_map(|opening| {
            opening
                .notifications
                .iter()
                .map(|notification| (*opening, notification))
        })
        .collect();
    let statement = sql_query(INSERT)
        .bind::<Array<Id>, _>(all(openings, |o| Stored(o.ticket.id)))
        .bind::<Array<Text>, _>(all(openings, |o| o.ticket.reference.to_string()))
        .bind::<Array<Text>, _>(all(openings, |o| o.ticket.details.customer.name.as_str()))
        .bind::<Array<Text>, _>(all(openings, |o| o.ticket.details.customer.phone.as_str()))
        .bind::<Array<Text>, _>(all(openings, |o| o.ticket.details.customer.email.as_str()))
        .bind::<Array<Text>, _>(all(openings, |o| o.ticket.details.subject.as_str()))
        .bind::<Array<Text>, _>(all(openings, |o| o.ticket.details.priority.as_str()))
        .bind::<Array<Text>, _>(all(openings, |o| o.ticket.status.as_str()))
        .bind::<Array<Text>, _>(all(openings, |o| o.ticket.keys.customer.as_str()))
        .bind::<Array<Text>, _>(all(openings, |o| o.ticket.keys.reader.as_str()))
        .bind::<Array<Moment>, _>(all(openings, |o| Stored(o.ticket.created_at)))
        .bind::<Array<Moment>, _>(all(openings, |o| Stored(o.ticket.updated_at)))
        .bind::<Array<Id>, _>(all(openings, |o| Stored(o.message.id)))
        .bind::<Array<Text>, _>(all(openings, |o| o.message.sender.as_str()))
        .bind::<Array<Text>, _>(all(openings, |o| o.message.channel.as_str()))
        .bind::<Array<Nullable<Text>>, _>(all(openings, |o| o.message.from.as_ref().map(Address::as_str)))
        .bind::<Array<Text>, _>(all(openings, |o| o.message.content.body().as_str()))
        .bind::<Array<Nullable<Text>>, _>(all(openings, |o| o.message.content.media().map(MediaUrl::as_str)))
        .bind::<Array<Nullable<Text>>, _>(all(openings, |o| {
            o.message.external_id.as_ref().map(ExternalId::as_str)
        }))
        .bind::<Array<Moment>, _>(all(openings, |o| Stored(o.message.created_at)))
        .bind::<Array<Id>, _>(all(&outgoing, |(_, n)| Stored(n.id)))
        .bind::<Array<Id>, _>(all(&outgoing, |(o, _)| Stored(o.ticket.id)))
        .bind::<Array<Text>, _>(all(&outgoing, |(_, n)| n.recipient.as_str()))
        .bind::<Array<Text>, _>(all(&outgoing, |(_, n)| n.event.as_str()))
        .bind::<Array<Bytea>, _>(all(&outgoing, |(_, n)| &*n.payload.0))
        .bind::<Array<Bool>, _>(all(&outgoing, |(_, n)| n.addressed))
        .bind::<Array<Moment>, _>(all(&outgoing, |(_, n)| Stored(n.created_at)));
    let written: Vec<TicketId> = typed::<Id, _>(statement).load(connection)?;
    Ok(written.into_iter().collect())
}

/// The values of one column.
pub(crate) fn all<R: Copy, T>(rows: &[R], value: impl Fn(R) -> T) -> Vec<T> {
    rows.iter().map(|row| value(*row)).collect()
}
