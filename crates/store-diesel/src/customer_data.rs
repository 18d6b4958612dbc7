//! What is kept of a person, and its end.

use std::collections::BTreeMap;

use async_trait::async_trait;
use diesel::{
    QueryableByName, delete,
    dsl::sql,
    expression::SqlLiteral,
    prelude::*,
    sql_query,
    sql_types::{self, Array, Bool, Text},
    update,
};
use ticket_domain::{
    Act, Erased, Message, Phone, TicketId, TicketRef,
    ports::{CustomerData, Erasure, News, Note, Removed, Stale, StaleTickets, StoreError, parse},
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    PostgresStore,
    db::Failure,
    rows::MessageRow,
    schema::{idempotency_keys, messages, questions, tickets},
    trail,
};

/// What was not sent yet is given up, and nothing of it is left. Who is just sending it finds its lease gone.
const CANCEL: &str = "
    WITH told AS MATERIALIZED (
        SELECT id, state FROM notifications WHERE ticket_id = ANY ($1) ORDER BY id FOR UPDATE)
    UPDATE notifications n
    SET payload = '', last_error = NULL, lease = NULL, due_at = NULL,
        state = CASE WHEN told.state IN ('waiting', 'held') THEN 'dead' ELSE told.state END,
        settled_at = CASE WHEN told.state IN ('waiting', 'held') THEN $2 ELSE n.settled_at END
    FROM told WHERE n.id = told.id
    RETURNING told.state IN ('waiting', 'held') AS is_cancelled";

/// The words by which messages are found, made anew of what the rows say now.
const GATHER_ANEW: &str = "
    UPDATE ticket_search s SET words = search_vector(t, m.body)
    FROM messages m JOIN tickets t ON t.id = m.ticket_id
    WHERE m.id = ANY ($1) AND s.ticket_number = t.number AND s.seq = m.seq";

#[async_trait]
impl CustomerData for PostgresStore {
    async fn messages_from(&self, phone: Phone) -> Result<Vec<(Message, Option<TicketRef>)>, StoreError> {
        self.db.read(move |connection| messages_from(connection, &phone)).await
    }

    async fn stale(&self, stale: Stale) -> Result<StaleTickets, StoreError> {
        self.db.read(move |connection| self::stale(connection, stale)).await
    }

    async fn erase(&self, erasure: Erasure) -> Result<Removed, StoreError> {
        let (removed, _) = self
            .db
            .write_and_tell(move |connection| erase(connection, &erasure), |(_, news)| news.clone())
            .await?;
        Ok(removed)
    }
}

/// Whether somebody is left in a ticket.
fn has_somebody() -> SqlLiteral<Bool> {
    sql(&format!(
        "(customer_name, customer_phone, customer_email, subject) <> ('{text}', '{phone}', '{email}', '{text}')",
        text = Erased::TEXT,
        phone = Erased::PHONE,
        email = Erased::EMAIL,
    ))
}

/// Whether a message that is kept was erased, and so waits for nothing.
pub(crate) fn is_erased() -> SqlLiteral<Bool> {
    sql("(messages.from_phone IS NULL AND messages.body = '[erased]')")
}

fn messages_from(connection: &mut PgConnection, phone: &Phone) -> Result<Vec<(Message, Option<TicketRef>)>, Failure> {
    let digits = phone.as_str().trim_start_matches('+');
    let rows: Vec<(MessageRow, Option<String>)> = messages::table
        .left_join(tickets::table)
        .filter(messages::from_phone.eq_any([digits.to_owned(), format!("+{digits}")]))
        // Literally, as in the index.
        .filter(sql::<Bool>("messages.sender <> 'manager'"))
        .order(messages::id)
        .select((MessageRow::as_select(), tickets::reference.nullable()))
        .load(connection)?;
    let parsed = rows.into_iter().map(|(row, reference)| -> Result<_, StoreError> {
        let reference = reference.map(|raw| parse("tickets", "reference", &raw)).transpose()?;
        Ok((row.try_into()?, reference))
    });
    Ok(parsed.collect::<Result<_, _>>()?)
}

fn stale(connection: &mut PgConnection, stale: Stale) -> Result<StaleTickets, Failure> {
    let since = OffsetDateTime::from(stale.unchanged_since);
    let looked_at: Vec<(i64, Uuid, OffsetDateTime, OffsetDateTime, bool)> = tickets::table
        .filter(tickets::number.gt(stale.after))
        .order(tickets::number)
        .limit(i64::from(stale.limit))
        .select((
            tickets::number,
            tickets::id,
            tickets::created_at,
            tickets::updated_at,
            has_somebody(),
        ))
        .load(connection)?;
    let is_more = looked_at.len() == usize::from(stale.limit);
    let last = looked_at
        .last()
        .filter(|(_, _, created_at, ..)| is_more && *created_at < since);
    let next = last.map(|(number, ..)| *number);
    let old = looked_at
        .into_iter()
        .filter(|(_, _, _, updated_at, has_somebody)| *updated_at < since && *has_somebody);
    Ok(StaleTickets {
        tickets: old.map(|(_, id, ..)| TicketId(id)).collect(),
        next,
    })
}

/// Every writer takes its locks in this order: key, outside id, who is asked, question, ticket, message.
fn erase(connection: &mut PgConnection, erasure: &Erasure) -> Result<(Removed, Vec<News>), Failure> {
    let at = OffsetDateTime::from(erasure.at);
    let (ids, references) = still_somebody(connection, erasure)?;
    delete(idempotency_keys::table.filter(idempotency_keys::ticket_id.eq_any(&ids))).execute(connection)?;
    forget_questions(connection, &references, at)?;
    let loose: Vec<Uuid> = erasure.messages.iter().map(|message| message.0).collect();
    let changed = raise_versions(connection, &ids, &loose)?;
    update(tickets::table.filter(tickets::id.eq_any(&ids)))
        .set((
            tickets::customer_name.eq(Erased::TEXT),
            tickets::customer_phone.eq(Erased::PHONE),
            tickets::customer_email.eq(Erased::EMAIL),
            tickets::subject.eq(Erased::TEXT),
        ))
        .execute(connection)?;
    let overwritten = overwrite(connection, &ids, &loose)?;
    let cancelled = cancel(connection, &ids, at)?;

    let note = |id| Note { id, at: erasure.at };
    let of_ticket = |ticket: Uuid| overwritten.get(&Some(ticket)).copied().unwrap_or_default();
    let mut in_tickets = 0;
    for (ticket, entry) in erasure.tickets.iter().filter(|(ticket, _)| ids.contains(&ticket.0)) {
        let count = of_ticket(ticket.0);
        in_tickets += count;
        trail::write(connection, note(*entry), Some(*ticket), Act::Erase(count))?;
    }
    let all: u64 = overwritten.values().sum();
    if all > in_tickets {
        trail::write(connection, note(erasure.entry), None, Act::Erase(all - in_tickets))?;
    }
    let removed = Removed {
        tickets: ids.len() as u64,
        messages: all,
        cancelled,
    };
    let unmatched = overwritten.contains_key(&None).then_some(News::Unmatched);
    let news = changed.into_iter().map(|ticket| News::Ticket(TicketId(ticket)));
    Ok((removed, news.chain(unmatched).collect()))
}

/// Those of the tickets that are not erased yet, and their references.
fn still_somebody(connection: &mut PgConnection, erasure: &Erasure) -> Result<(Vec<Uuid>, Vec<String>), Failure> {
    let wanted: Vec<Uuid> = erasure.tickets.iter().map(|(ticket, _)| ticket.0).collect();
    let found: Vec<(Uuid, String)> = tickets::table
        .filter(tickets::id.eq_any(wanted))
        .filter(has_somebody())
        .order(tickets::id)
        .select((tickets::id, tickets::reference))
        .load(connection)?;
    Ok(found.into_iter().unzip())
}

/// What managers were asked shows subjects. It can't be answered any more.
fn forget_questions(connection: &mut PgConnection, references: &[String], at: OffsetDateTime) -> Result<(), Failure> {
    if references.is_empty() {
        return Ok(());
    }
    let about =
        || sql::<Bool>("string_to_array(questions.choices, ' ') && ").bind::<Array<Text>, _>(references.to_vec());
    update(questions::table.filter(about()).filter(questions::closed_at.is_null()))
        .set(questions::closed_at.eq(at))
        .execute(connection)?;
    update(questions::table.filter(about()))
        .set(questions::text.eq(Erased::TEXT))
        .execute(connection)?;
    Ok(())
}

/// One version more for each of the tickets, and for those in whose threads the messages are; says which they are. Locks
/// them in the order of their ids.
fn raise_versions(connection: &mut PgConnection, ids: &[Uuid], loose: &[Uuid]) -> Result<Vec<Uuid>, Failure> {
    let of_loose: Vec<Option<Uuid>> = messages::table
        .filter(messages::id.eq_any(loose))
        .filter(messages::ticket_id.is_not_null())
        .select(messages::ticket_id)
        .load(connection)?;
    let all: Vec<Uuid> = ids.iter().copied().chain(of_loose.into_iter().flatten()).collect();
    let held: Vec<Uuid> = tickets::table
        .filter(tickets::id.eq_any(all))
        .order(tickets::id)
        .for_update()
        .select(tickets::id)
        .load(connection)?;
    update(tickets::table.filter(tickets::id.eq_any(&held)))
        .set(tickets::version.eq(tickets::version + 1))
        .execute(connection)?;
    Ok(held)
}

/// Puts nothing in the place of what messages said, and of what they are found by. How many of each ticket, and how many
/// of none.
fn overwrite(
    connection: &mut PgConnection,
    ids: &[Uuid],
    loose: &[Uuid],
) -> Result<BTreeMap<Option<Uuid>, u64>, Failure> {
    let these = messages::ticket_id.eq_any(ids).or(messages::id.eq_any(loose));
    let written: Vec<(Uuid, Option<Uuid>)> = messages::table
        .filter(these.assume_not_null())
        .order(messages::id)
        .for_update()
        .select((messages::id, messages::ticket_id))
        .load(connection)?;
    let all: Vec<Uuid> = written.iter().map(|(id, _)| *id).collect();
    update(messages::table.filter(messages::id.eq_any(&all)))
        .set((
            messages::body.eq(Erased::TEXT),
            messages::media_url.eq(None::<String>),
            // A manager's number says nothing of the customer.
            messages::from_phone.eq(sql(
                "CASE WHEN sender = 'manager' AND ticket_id IS NOT NULL THEN from_phone END",
            )),
        ))
        .execute(connection)?;
    sql_query(GATHER_ANEW)
        .bind::<Array<sql_types::Uuid>, _>(&all)
        .execute(connection)?;
    let mut counts = BTreeMap::new();
    for (_, ticket) in written {
        *counts.entry(ticket).or_default() += 1;
    }
    Ok(counts)
}

fn cancel(connection: &mut PgConnection, ids: &[Uuid], at: OffsetDateTime) -> Result<u64, Failure> {
    #[derive(QueryableByName)]
    struct Told {
        #[diesel(sql_type = Bool)]
        is_cancelled: bool,
    }
    let told: Vec<Told> = sql_query(CANCEL)
        .bind::<Array<sql_types::Uuid>, _>(ids)
        .bind::<sql_types::Timestamptz, _>(at)
        .load(connection)?;
    Ok(told.iter().filter(|told| told.is_cancelled).count() as u64)
}
