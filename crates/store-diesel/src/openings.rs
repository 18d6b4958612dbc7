//! Opening tickets, any number of them in one transaction.

use std::collections::HashSet;

use diesel::{
    pg::Pg,
    prelude::*,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    serialize::ToSql,
    sql_types::{self, Array, Bool, Bytea, HasSqlType, Nullable, Text, Timestamptz},
};
use ticket_domain::ports::{Opened, Opening};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{db::Failure, keys};

/// Opens tickets; says of each what became of it. No two have the same key.
///
/// Every writer takes its locks in this order: references as they sort, then keys as they sort. So twins wait for each
/// other, never in a circle.
pub(crate) fn open(connection: &mut PgConnection, openings: &[&Opening]) -> Result<Vec<Opened>, Failure> {
    let mut precedents = keys::precedents(connection, openings)?;
    let is_new = |opening: &&&Opening| !precedents.contains_key(&opening.ticket.id);
    let mut new: Vec<&Opening> = openings.iter().filter(is_new).copied().collect();
    new.sort_unstable_by_key(|opening| opening.ticket.reference);
    let written: HashSet<Uuid> = if new.is_empty() {
        HashSet::new()
    } else {
        Insert::of(&new).load(connection)?.into_iter().collect()
    };
    let (new, refused): (Vec<&Opening>, Vec<&Opening>) = new
        .into_iter()
        .partition(|opening| written.contains(&opening.ticket.id.0));
    keys::remember_openings(connection, &new)?;
    // The ticket that has the reference may be a twin's, which was written after our first look.
    precedents.extend(keys::precedents(connection, &refused)?);
    let opened = openings.iter().map(|opening| {
        if written.contains(&opening.ticket.id.0) {
            return Opened::Now;
        }
        let precedent = precedents.remove(&opening.ticket.id);
        precedent.map_or(Opened::ReferenceTaken, Opened::Before)
    });
    Ok(opened.collect())
}

/// All rows of many openings by one statement, which is prepared once. Gives the ids of the tickets that were written:
/// the others' references are taken.
#[derive(Default)]
struct Insert<'a> {
    ids: Vec<Uuid>,
    references: Vec<String>,
    names: Vec<&'a str>,
    phones: Vec<&'a str>,
    emails: Vec<&'a str>,
    subjects: Vec<&'a str>,
    priorities: Vec<&'a str>,
    statuses: Vec<&'a str>,
    customer_keys: Vec<&'a str>,
    reader_keys: Vec<&'a str>,
    opened: Vec<OffsetDateTime>,
    updated: Vec<OffsetDateTime>,
    message_ids: Vec<Uuid>,
    senders: Vec<&'a str>,
    channels: Vec<&'a str>,
    from_phones: Vec<Option<&'a str>>,
    bodies: Vec<&'a str>,
    media_urls: Vec<Option<&'a str>>,
    external_ids: Vec<Option<&'a str>>,
    said: Vec<OffsetDateTime>,
    notification_ids: Vec<Uuid>,
    events: Vec<&'a str>,
    payloads: Vec<&'a [u8]>,
    addressed: Vec<bool>,
    told: Vec<OffsetDateTime>,
}

impl<'a> Insert<'a> {
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
            notification,
            idempotency: _,
        } = opening;
        self.ids.push(ticket.id.0);
        self.references.push(ticket.reference.to_string());
        self.names.push(ticket.customer.name.as_str());
        self.phones.push(ticket.customer.phone.as_str());
        self.emails.push(ticket.customer.email.as_str());
        self.subjects.push(ticket.subject.as_str());
        self.priorities.push(ticket.priority.as_str());
        self.statuses.push(ticket.status.as_str());
        self.customer_keys.push(ticket.keys.customer.as_str());
        self.reader_keys.push(ticket.keys.reader.as_str());
        self.opened.push(ticket.created_at.into());
        self.updated.push(ticket.updated_at.into());
        self.message_ids.push(message.id.0);
        self.senders.push(message.sender.as_str());
        self.channels.push(message.channel.as_str());
        self.from_phones.push(message.from.as_ref().map(|phone| phone.as_str()));
        self.bodies.push(message.content.body().as_str());
        self.media_urls.push(message.content.media().map(|url| url.as_str()));
        self.external_ids
            .push(message.external_id.as_ref().map(|id| id.as_str()));
        self.said.push(message.created_at.into());
        self.notification_ids.push(notification.id.0);
        self.events.push(notification.event.as_str());
        self.payloads.push(&notification.payload.0);
        self.addressed.push(notification.addressed);
        self.told.push(notification.created_at.into());
    }
}

impl QueryId for Insert<'_> {
    type QueryId = Insert<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl Query for Insert<'_> {
    type SqlType = sql_types::Uuid;
}

impl RunQueryDsl<PgConnection> for Insert<'_> {}

impl QueryFragment<Pg> for Insert<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH input AS (SELECT * FROM unnest(");
        self.walk_input(out.reborrow())?;
        out.push_sql(
            ") AS input (id, reference, customer_name, customer_phone, customer_email, subject, priority, status,
                customer_key, reader_key, opened, updated, message_id, sender, channel, from_phone, body, media_url,
                external_id, said, notification_id, event, payload, addressed, told)),
            opened AS (
                INSERT INTO tickets (id, reference, customer_name, customer_phone, customer_email, subject, priority,
                    status, customer_key, reader_key, version, created_at, updated_at)
                SELECT id, reference, customer_name, customer_phone, customer_email, subject, priority, status,
                    customer_key, reader_key, 1, opened, updated FROM input
                ON CONFLICT (reference) DO NOTHING RETURNING id),
            said AS (
                INSERT INTO messages (id, ticket_id, seq, sender, channel, from_phone, body, media_url, external_id,
                    created_at)
                SELECT message_id, id, 1, sender, channel, from_phone, body, media_url, external_id, said
                FROM input JOIN opened USING (id)),
            told AS (
                INSERT INTO notifications (id, ticket_id, seq, event, payload, addressed, state, due_at, scheduled_at,
                    failures, created_at)
                SELECT notification_id, id, 1, event, payload, addressed, 'waiting', told, told, 0, told
                FROM input JOIN opened USING (id))
            SELECT id FROM opened",
        );
        Ok(())
    }
}

impl Insert<'_> {
    fn walk_input<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_bind_param::<Array<sql_types::Uuid>, _>(&self.ids)?;
        column::<Array<Text>, _>(&mut out, &self.references)?;
        column::<Array<Text>, _>(&mut out, &self.names)?;
        column::<Array<Text>, _>(&mut out, &self.phones)?;
        column::<Array<Text>, _>(&mut out, &self.emails)?;
        column::<Array<Text>, _>(&mut out, &self.subjects)?;
        column::<Array<Text>, _>(&mut out, &self.priorities)?;
        column::<Array<Text>, _>(&mut out, &self.statuses)?;
        column::<Array<Text>, _>(&mut out, &self.customer_keys)?;
        column::<Array<Text>, _>(&mut out, &self.reader_keys)?;
        column::<Array<Timestamptz>, _>(&mut out, &self.opened)?;
        column::<Array<Timestamptz>, _>(&mut out, &self.updated)?;
        column::<Array<sql_types::Uuid>, _>(&mut out, &self.message_ids)?;
        column::<Array<Text>, _>(&mut out, &self.senders)?;
        column::<Array<Text>, _>(&mut out, &self.channels)?;
        column::<Array<Nullable<Text>>, _>(&mut out, &self.from_phones)?;
        column::<Array<Text>, _>(&mut out, &self.bodies)?;
        column::<Array<Nullable<Text>>, _>(&mut out, &self.media_urls)?;
        column::<Array<Nullable<Text>>, _>(&mut out, &self.external_ids)?;
        column::<Array<Timestamptz>, _>(&mut out, &self.said)?;
        column::<Array<sql_types::Uuid>, _>(&mut out, &self.notification_ids)?;
        column::<Array<Text>, _>(&mut out, &self.events)?;
        column::<Array<Bytea>, _>(&mut out, &self.payloads)?;
        column::<Array<Bool>, _>(&mut out, &self.addressed)?;
        column::<Array<Timestamptz>, _>(&mut out, &self.told)
    }
}

fn column<'b, ST, T>(out: &mut AstPass<'_, 'b, Pg>, values: &'b T) -> QueryResult<()>
where
    Pg: HasSqlType<ST>,
    T: ToSql<ST, Pg>,
{
    out.push_sql(", ");
    out.push_bind_param::<ST, T>(values)
}
