//! What is kept of a person, and its end.

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
    AuditAction, Message, MessageId, Phone, Redaction, TicketId, TicketRef,
    ports::{
        AuditStamp, ChangeEvent, CustomerData, EraseStats, EraseTarget, Erasure, InactiveQuery, InactiveTickets,
        StoreError, parse,
    },
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::postgres::{
    PostgresStore,
    db::Failure,
    rows::MessageRow,
    schema::{idempotency_keys, messages, questions, tickets},
    trail,
};

/// What was not sent yet of these messages is given up, and nothing of it is left. Who is just sending it finds its lease
/// gone.
const CANCEL: &str = "
    WITH told AS MATERIALIZED (
        SELECT n.id, n.state FROM messages m JOIN notifications n ON n.ticket_id = m.ticket_id AND n.seq = m.seq
        WHERE m.id = ANY ($1) ORDER BY n.id FOR UPDATE OF n)
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
/// The same of a ticket that will have no customer.
const GATHER_OF_NOBODY: &str = "
    UPDATE ticket_search s SET words = array_to_tsvector(search_words(t.reference || ' [erased]'))
    FROM messages m JOIN tickets t ON t.id = m.ticket_id
    WHERE m.id = ANY ($1) AND s.ticket_number = t.number AND s.seq = m.seq";

#[async_trait]
impl CustomerData for PostgresStore {
    async fn messages_from(&self, phone: Phone) -> Result<Vec<(Message, Option<TicketRef>)>, StoreError> {
        self.db.read(move |connection| messages_from(connection, &phone)).await
    }

    async fn stale(&self, stale: InactiveQuery) -> Result<InactiveTickets, StoreError> {
        self.db.read(move |connection| self::stale(connection, stale)).await
    }

    async fn erase(&self, erasure: Erasure) -> Result<EraseStats, StoreError> {
        let (removed, _) = self
            .db
            .write_and_publish(
                move |connection| erase(connection, &erasure),
                |(_, events)| events.clone(),
            )
            .await?;
        Ok(removed)
    }
}

/// Whether somebody is left in a ticket: its words are not those of [`Redaction`].
const SOMEBODY: &str = "((customer_name, customer_phone, customer_email, subject) <> \
    ('[erased]', '0100000', 'erased@erased.invalid', '[erased]'))";
/// Whether there is something in a message to erase.
const SOMETHING: &str = "(messages.body <> '[erased]' OR messages.media_url IS NOT NULL
    OR (messages.from_phone IS NOT NULL AND messages.sender <> 'manager'))";

/// Whether there is something in a ticket to erase: somebody, or what was written or told since nobody is left.
fn has_something() -> SqlLiteral<Bool> {
    sql(&format!(
        "({SOMEBODY} OR EXISTS (SELECT 1 FROM messages WHERE messages.ticket_id = tickets.id AND {SOMETHING})
            OR EXISTS (SELECT 1 FROM notifications n WHERE n.ticket_id = tickets.id AND n.payload <> ''))"
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

fn stale(connection: &mut PgConnection, stale: InactiveQuery) -> Result<InactiveTickets, Failure> {
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
            has_something(),
        ))
        .load(connection)?;
    let is_more = looked_at.len() == usize::from(stale.limit);
    let last = looked_at
        .last()
        .filter(|(_, _, created_at, ..)| is_more && *created_at < since);
    let next = last.map(|(number, ..)| *number);
    let old = looked_at
        .into_iter()
        .filter(|(_, _, _, updated_at, has_something)| *updated_at < since && *has_something);
    Ok(InactiveTickets {
        tickets: old.map(|(_, id, ..)| TicketId(id)).collect(),
        next,
    })
}

/// Every writer takes its locks in this order: key, outside id, who is asked, question, ticket, message, notification.
fn erase(connection: &mut PgConnection, erasure: &Erasure) -> Result<(EraseStats, Vec<ChangeEvent>), Failure> {
    let note = AuditStamp {
        id: erasure.entry,
        at: erasure.at,
    };
    match &erasure.what {
        EraseTarget::Ticket { id, after, limit } => erase_ticket(connection, *id, *after, *limit, note),
        EraseTarget::Messages(messages) => erase_messages(connection, messages, note),
    }
}

fn erase_ticket(
    connection: &mut PgConnection,
    ticket: TicketId,
    after: u64,
    limit: u16,
    note: AuditStamp,
) -> Result<(EraseStats, Vec<ChangeEvent>), Failure> {
    let found: Option<(String, bool)> = tickets::table
        .find(ticket.0)
        .select((tickets::reference, has_something()))
        .first(connection)
        .optional()?;
    let Some((reference, has_something)) = found else {
        return Ok(Default::default());
    };
    delete(idempotency_keys::table.filter(idempotency_keys::ticket_id.eq(ticket.0))).execute(connection)?;
    forget_questions(connection, reference, note.at.into())?;
    if after == 0 && !has_something {
        return Ok(Default::default());
    }
    // From here on nobody writes into it.
    let has_somebody: bool = update(tickets::table.find(ticket.0))
        .set(tickets::version.eq(tickets::version + 1))
        .returning(sql::<Bool>(SOMEBODY))
        .get_result(connection)?;
    // One more, so that none is left for a last step of its own: without any, it would be found by nobody's name.
    let mut written: Vec<(Uuid, Option<i32>, bool)> = messages::table
        .filter(messages::ticket_id.eq(ticket.0))
        .filter(messages::seq.gt(i32::try_from(after).unwrap_or(i32::MAX)))
        .order(messages::seq)
        .limit(i64::from(limit) + 1)
        .for_update()
        .select((messages::id, messages::seq, sql::<Bool>(SOMETHING)))
        .load(connection)?;
    let is_last = written.len() <= usize::from(limit);
    written.truncate(limit.into());
    let last = written.last().and_then(|(_, seq, _)| u64::try_from((*seq)?).ok());
    let ids: Vec<Uuid> = written.iter().map(|(id, ..)| *id).collect();
    overwrite(connection, &ids, GATHER_OF_NOBODY)?;
    let removed = EraseStats {
        tickets: u64::from(is_last && has_somebody),
        messages: written.iter().filter(|(.., says_something)| *says_something).count() as u64,
        cancelled: cancel(connection, &ids, note.at.into())?,
        next: last.filter(|_| !is_last),
    };
    if is_last {
        update(tickets::table.find(ticket.0))
            .set((
                tickets::customer_name.eq(Redaction::TEXT),
                tickets::customer_phone.eq(Redaction::PHONE),
                tickets::customer_email.eq(Redaction::EMAIL),
                tickets::subject.eq(Redaction::TEXT),
            ))
            .execute(connection)?;
    }
    trail::write(connection, note, Some(ticket), AuditAction::Erase(removed.messages))?;
    Ok((removed, vec![ChangeEvent::Ticket(ticket)]))
}

fn erase_messages(
    connection: &mut PgConnection,
    wanted: &[MessageId],
    note: AuditStamp,
) -> Result<(EraseStats, Vec<ChangeEvent>), Failure> {
    let wanted: Vec<Uuid> = wanted.iter().map(|message| message.0).collect();
    let changed = raise_versions(connection, &wanted)?;
    let written: Vec<(Uuid, Option<Uuid>)> = messages::table
        .filter(messages::id.eq_any(&wanted))
        .order(messages::id)
        .for_update()
        .select((messages::id, messages::ticket_id))
        .load(connection)?;
    let ids: Vec<Uuid> = written.iter().map(|(id, _)| *id).collect();
    overwrite(connection, &ids, GATHER_ANEW)?;
    let removed = EraseStats {
        messages: ids.len() as u64,
        cancelled: cancel(connection, &ids, note.at.into())?,
        ..EraseStats::default()
    };
    if removed.messages > 0 {
        trail::write(connection, note, None, AuditAction::Erase(removed.messages))?;
    }
    let is_unmatched = written.iter().any(|(_, of)| of.is_none());
    let events = changed.into_iter().map(|ticket| ChangeEvent::Ticket(TicketId(ticket)));
    Ok((
        removed,
        events.chain(is_unmatched.then_some(ChangeEvent::Unmatched)).collect(),
    ))
}

/// What managers were asked shows subjects. It can't be answered any more.
fn forget_questions(connection: &mut PgConnection, reference: String, at: OffsetDateTime) -> Result<(), Failure> {
    let references = vec![reference];
    let about =
        || sql::<Bool>("string_to_array(questions.choices, ' ') && ").bind::<Array<Text>, _>(references.clone());
    update(questions::table.filter(about()).filter(questions::closed_at.is_null()))
        .set(questions::closed_at.eq(at))
        .execute(connection)?;
    update(questions::table.filter(about()))
        .set(questions::text.eq(Redaction::TEXT))
        .execute(connection)?;
    Ok(())
}

/// One version more for each of the tickets in whose threads these messages are; says which they are. Locks them in the
/// order of their ids.
fn raise_versions(connection: &mut PgConnection, loose: &[Uuid]) -> Result<Vec<Uuid>, Failure> {
    let of_loose: Vec<Option<Uuid>> = messages::table
        .filter(messages::id.eq_any(loose))
        .filter(messages::ticket_id.is_not_null())
        .select(messages::ticket_id)
        .load(connection)?;
    let all: Vec<Uuid> = of_loose.into_iter().flatten().collect();
    let held: Vec<Uuid> = tickets::table
        .filter(tickets::id.eq_any(all))
        .order(tickets::id)
        // As an UPDATE takes it: entries of the trail may refer to them meanwhile.
        .for_no_key_update()
        .select(tickets::id)
        .load(connection)?;
    update(tickets::table.filter(tickets::id.eq_any(&held)))
        .set(tickets::version.eq(tickets::version + 1))
        .execute(connection)?;
    Ok(held)
}

/// Puts nothing in the place of what messages said, and of what they are found by.
fn overwrite(connection: &mut PgConnection, ids: &[Uuid], gather: &str) -> Result<(), Failure> {
    update(messages::table.filter(messages::id.eq_any(ids)))
        .set((
            messages::body.eq(Redaction::TEXT),
            messages::media_url.eq(None::<String>),
            // A manager's number says nothing of the customer.
            messages::from_phone.eq(sql(
                "CASE WHEN sender = 'manager' AND ticket_id IS NOT NULL THEN from_phone END",
            )),
        ))
        .execute(connection)?;
    sql_query(gather)
        .bind::<Array<sql_types::Uuid>, _>(ids)
        .execute(connection)?;
    Ok(())
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
