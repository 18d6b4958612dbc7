//! Opening tickets, any number of them in one transaction.

use std::collections::HashSet;

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Array, Bool, Bytea, Nullable, Text},
};
use ticket_domain::{
    ExternalId, MediaUrl, MessageId, NotificationId, Phone, TicketId, Timestamp,
    ports::{OpenResult, Opening},
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

/// All rows of many openings, however many, by one statement. Gives the ids of the tickets that were written: the others'
/// references are taken. Neither Postgres nor we know beforehand how many rows there are: IS TRUE makes it look them up in a
/// hash, where a join would compare each with each.
const INSERT: &str = "
    WITH input AS (SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
        $19, $20) AS input (id, reference, customer_name, customer_phone, customer_email, subject, priority, status,
        customer_key, reader_key, opened, updated, message_id, sender, channel, from_phone, body, media_url, external_id,
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
        INSERT INTO messages (id, ticket_id, seq, sender, channel, from_phone, body, media_url, external_id, created_at)
        SELECT message_id, id, 1, sender, channel, from_phone, body, media_url, external_id, said
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
    let rows = Rows::of(openings);
    let statement = sql_query(INSERT)
        .bind::<Array<Id>, _>(rows.ids)
        .bind::<Array<Text>, _>(rows.references)
        .bind::<Array<Text>, _>(rows.names)
        .bind::<Array<Text>, _>(rows.phones)
        .bind::<Array<Text>, _>(rows.emails)
        .bind::<Array<Text>, _>(rows.subjects)
        .bind::<Array<Text>, _>(rows.priorities)
        .bind::<Array<Text>, _>(rows.statuses)
        .bind::<Array<Text>, _>(rows.customer_keys)
        .bind::<Array<Text>, _>(rows.reader_keys)
        .bind::<Array<Moment>, _>(rows.opened)
        .bind::<Array<Moment>, _>(rows.updated)
        .bind::<Array<Id>, _>(rows.message_ids)
        .bind::<Array<Text>, _>(rows.senders)
        .bind::<Array<Text>, _>(rows.channels)
        .bind::<Array<Nullable<Text>>, _>(rows.from_phones)
        .bind::<Array<Text>, _>(rows.bodies)
        .bind::<Array<Nullable<Text>>, _>(rows.media_urls)
        .bind::<Array<Nullable<Text>>, _>(rows.external_ids)
        .bind::<Array<Moment>, _>(rows.said)
        .bind::<Array<Id>, _>(rows.notification_ids)
        .bind::<Array<Id>, _>(rows.notified_of)
        .bind::<Array<Text>, _>(rows.recipients)
        .bind::<Array<Text>, _>(rows.events)
        .bind::<Array<Bytea>, _>(rows.payloads)
        .bind::<Array<Bool>, _>(rows.addressed)
        .bind::<Array<Moment>, _>(rows.notified);
    let written: Vec<TicketId> = typed::<Id, _>(statement).load(connection)?;
    Ok(written.into_iter().collect())
}

/// The rows of many openings, column by column.
#[derive(Default)]
struct Rows<'a> {
    ids: Vec<Stored<TicketId>>,
    references: Vec<String>,
    names: Vec<&'a str>,
    phones: Vec<&'a str>,
    emails: Vec<&'a str>,
    subjects: Vec<&'a str>,
    priorities: Vec<&'a str>,
    statuses: Vec<&'a str>,
    customer_keys: Vec<&'a str>,
    reader_keys: Vec<&'a str>,
    opened: Vec<Stored<Timestamp>>,
    updated: Vec<Stored<Timestamp>>,
    message_ids: Vec<Stored<MessageId>>,
    senders: Vec<&'a str>,
    channels: Vec<&'a str>,
    from_phones: Vec<Option<&'a str>>,
    bodies: Vec<&'a str>,
    media_urls: Vec<Option<&'a str>>,
    external_ids: Vec<Option<&'a str>>,
    said: Vec<Stored<Timestamp>>,
    notification_ids: Vec<Stored<NotificationId>>,
    notified_of: Vec<Stored<TicketId>>,
    recipients: Vec<&'a str>,
    events: Vec<&'a str>,
    payloads: Vec<&'a [u8]>,
    addressed: Vec<bool>,
    notified: Vec<Stored<Timestamp>>,
}

impl<'a> Rows<'a> {
    fn of(openings: &[&'a Opening]) -> Self {
        let mut rows = Self::default();
        for opening in openings {
            rows.push(opening);
        }
        rows
    }

    fn push(&mut self, opening: &'a Opening) {
        let Opening {
            ticket,
            message,
            notifications,
            idempotency: _,
        } = opening;
        self.ids.push(Stored(ticket.id));
        self.references.push(ticket.reference.to_string());
        self.names.push(ticket.details.customer.name.as_str());
        self.phones.push(ticket.details.customer.phone.as_str());
        self.emails.push(ticket.details.customer.email.as_str());
        self.subjects.push(ticket.details.subject.as_str());
        self.priorities.push(ticket.details.priority.as_str());
        self.statuses.push(ticket.status.as_str());
        self.customer_keys.push(ticket.keys.customer.as_str());
        self.reader_keys.push(ticket.keys.reader.as_str());
        self.opened.push(Stored(ticket.created_at));
        self.updated.push(Stored(ticket.updated_at));
        self.message_ids.push(Stored(message.id));
        self.senders.push(message.sender.as_str());
        self.channels.push(message.channel.as_str());
        self.from_phones.push(message.from.as_ref().map(Phone::as_str));
        self.bodies.push(message.content.body().as_str());
        self.media_urls.push(message.content.media().map(MediaUrl::as_str));
        self.external_ids
            .push(message.external_id.as_ref().map(ExternalId::as_str));
        self.said.push(Stored(message.created_at));
        for notification in notifications {
            self.notification_ids.push(Stored(notification.id));
            self.notified_of.push(Stored(ticket.id));
            self.recipients.push(notification.recipient.as_str());
            self.events.push(notification.event.as_str());
            self.payloads.push(&notification.payload.0);
            self.addressed.push(notification.addressed);
            self.notified.push(Stored(notification.created_at));
        }
    }
}
