//! Erasing what is kept of a person.

use diesel::{
    QueryableByName, delete,
    dsl::sql,
    prelude::*,
    sql_query,
    sql_types::{Array, Bool, Text},
    update,
};
use ticket_domain::{
    AuditAction, MessageId, Redaction, TicketId, Timestamp,
    ports::{AuditStamp, ChangeEvent, EraseStats},
};

use super::statements::{
    audit_log,
    customer_data::{HAS_CONTENT, HAS_CUSTOMER, has_something},
};
use crate::{
    failure::Failure,
    schema::{idempotency_keys, messages, questions, tickets},
    types::{Id, Moment, Stored},
};

/// What was not sent yet of these messages is given up, and nothing of it is left. Who is just sending it finds its lease
/// gone.
const CANCEL: &str = "
    WITH notified AS MATERIALIZED (
        SELECT n.id, n.state FROM messages m JOIN notifications n ON n.ticket_id = m.ticket_id AND n.seq = m.seq
        WHERE m.id = ANY ($1) ORDER BY n.id FOR UPDATE OF n)
    UPDATE notifications n
    SET payload = '', last_error = NULL, lease = NULL, due_at = NULL,
        state = CASE WHEN notified.state IN ('waiting', 'held') THEN 'dead' ELSE notified.state END,
        settled_at = CASE WHEN notified.state IN ('waiting', 'held') THEN $2 ELSE n.settled_at END
    FROM notified WHERE n.id = notified.id
    RETURNING notified.state IN ('waiting', 'held') AS is_cancelled";

/// Rebuilds the words by which messages are found from what their rows contain now.
const REINDEX: &str = "
    UPDATE ticket_search s SET words = search_vector(t, m.body)
    FROM messages m JOIN tickets t ON t.id = m.ticket_id
    WHERE m.id = ANY ($1) AND s.ticket_number = t.number AND s.seq = m.seq";
/// The same of a ticket that will have no customer.
const REINDEX_ERASED: &str = "
    UPDATE ticket_search s SET words = array_to_tsvector(search_words(t.reference || ' [erased]'))
    FROM messages m JOIN tickets t ON t.id = m.ticket_id
    WHERE m.id = ANY ($1) AND s.ticket_number = t.number AND s.seq = m.seq";

/// Erases. Nothing more is needed: a row that is overwritten goes with the next vacuum.
pub(crate) fn securely<T>(
    connection: &mut PgConnection,
    erase: impl FnOnce(&mut PgConnection) -> Result<T, Failure>,
) -> Result<T, Failure> {
    erase(connection)
}

/// Every writer takes its locks in this order: key, external id, who is asked, question, ticket, message, notification.
pub(crate) fn erase_ticket(
    connection: &mut PgConnection,
    ticket: TicketId,
    after: u64,
    limit: u16,
    note: AuditStamp,
) -> Result<(EraseStats, Vec<ChangeEvent>), Failure> {
    let found: Option<(String, bool)> = tickets::table
        .find(Stored(ticket))
        .select((tickets::reference, has_something()))
        .first(connection)
        .optional()?;
    let Some((reference, has_something)) = found else {
        return Ok(Default::default());
    };
    delete(idempotency_keys::table.filter(idempotency_keys::ticket_id.eq(Stored(ticket)))).execute(connection)?;
    forget_questions(connection, reference, note.at)?;
    if after == 0 && !has_something {
        return Ok(Default::default());
    }
    // From here on nobody writes into it.
    let has_somebody: bool = update(tickets::table.find(Stored(ticket)))
        .set(tickets::version.eq(tickets::version + 1))
        .returning(sql::<Bool>(HAS_CUSTOMER))
        .get_result(connection)?;
    // One more, so that none is left for a last step of its own: without any, it would be found by nobody's name.
    let mut written: Vec<(MessageId, Option<i64>, bool)> = messages::table
        .filter(messages::ticket_id.eq(Stored(ticket)))
        .filter(messages::seq.gt(i64::try_from(after).unwrap_or(i64::MAX)))
        .order(messages::seq)
        .limit(i64::from(limit) + 1)
        .for_update()
        .select((messages::id, messages::seq, sql::<Bool>(HAS_CONTENT)))
        .load(connection)?;
    let is_last = written.len() <= usize::from(limit);
    written.truncate(limit.into());
    let last = written.last().and_then(|(_, seq, _)| u64::try_from((*seq)?).ok());
    let ids: Vec<Stored<MessageId>> = written.iter().map(|(id, ..)| Stored(*id)).collect();
    overwrite(connection, &ids, REINDEX_ERASED)?;
    let removed = EraseStats {
        tickets: u64::from(is_last && has_somebody),
        messages: written.iter().filter(|(.., says_something)| *says_something).count() as u64,
        cancelled: cancel(connection, &ids, note.at)?,
        next: last.filter(|_| !is_last),
    };
    if is_last {
        update(tickets::table.find(Stored(ticket)))
            .set((
                tickets::customer_name.eq(Redaction::TEXT),
                tickets::customer_phone.eq(Redaction::PHONE),
                tickets::customer_email.eq(Redaction::EMAIL),
                tickets::subject.eq(Redaction::TEXT),
            ))
            .execute(connection)?;
    }
    audit_log::write(connection, note, Some(ticket), AuditAction::Erase(removed.messages))?;
    Ok((removed, vec![ChangeEvent::Ticket(ticket)]))
}

pub(crate) fn erase_messages(
    connection: &mut PgConnection,
    wanted: &[MessageId],
    note: AuditStamp,
) -> Result<(EraseStats, Vec<ChangeEvent>), Failure> {
    let wanted: Vec<Stored<MessageId>> = wanted.iter().copied().map(Stored).collect();
    let changed = raise_versions(connection, &wanted)?;
    let written: Vec<(MessageId, Option<TicketId>)> = messages::table
        .filter(messages::id.eq_any(&wanted))
        .order(messages::id)
        .for_update()
        .select((messages::id, messages::ticket_id))
        .load(connection)?;
    let ids: Vec<Stored<MessageId>> = written.iter().map(|(id, _)| Stored(*id)).collect();
    overwrite(connection, &ids, REINDEX)?;
    let removed = EraseStats {
        messages: ids.len() as u64,
        cancelled: cancel(connection, &ids, note.at)?,
        ..EraseStats::default()
    };
    if removed.messages > 0 {
        audit_log::write(connection, note, None, AuditAction::Erase(removed.messages))?;
    }
    let is_unmatched = written.iter().any(|(_, of)| of.is_none());
    let events = changed.into_iter().map(|Stored(ticket)| ChangeEvent::Ticket(ticket));
    Ok((
        removed,
        events.chain(is_unmatched.then_some(ChangeEvent::Unmatched)).collect(),
    ))
}

/// What managers were asked shows subjects. It can't be answered any more.
fn forget_questions(connection: &mut PgConnection, reference: String, at: Timestamp) -> Result<(), Failure> {
    let references = vec![reference];
    let about =
        || sql::<Bool>("string_to_array(questions.choices, ' ') && ").bind::<Array<Text>, _>(references.clone());
    update(questions::table.filter(about()).filter(questions::closed_at.is_null()))
        .set(questions::closed_at.eq(Stored(at)))
        .execute(connection)?;
    update(questions::table.filter(about()))
        .set(questions::text.eq(Redaction::TEXT))
        .execute(connection)?;
    Ok(())
}

/// One version more for each of the tickets in whose threads these messages are; says which they are. Locks them in the
/// order of their ids.
fn raise_versions(connection: &mut PgConnection, of: &[Stored<MessageId>]) -> Result<Vec<Stored<TicketId>>, Failure> {
    let of_each: Vec<Option<Stored<TicketId>>> = messages::table
        .filter(messages::id.eq_any(of))
        .filter(messages::ticket_id.is_not_null())
        .select(messages::ticket_id)
        .load(connection)?;
    let all: Vec<Stored<TicketId>> = of_each.into_iter().flatten().collect();
    let held: Vec<Stored<TicketId>> = tickets::table
        .filter(tickets::id.eq_any(all))
        .order(tickets::id)
        // As an UPDATE takes it: entries of the audit log may refer to them meanwhile.
        .for_no_key_update()
        .select(tickets::id)
        .load(connection)?;
    update(tickets::table.filter(tickets::id.eq_any(&held)))
        .set(tickets::version.eq(tickets::version + 1))
        .execute(connection)?;
    Ok(held)
}

/// Puts nothing in the place of what messages said, and of what they are found by.
fn overwrite(connection: &mut PgConnection, ids: &[Stored<MessageId>], reindex: &str) -> Result<(), Failure> {
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
    sql_query(reindex).bind::<Array<Id>, _>(ids).execute(connection)?;
    Ok(())
}

fn cancel(connection: &mut PgConnection, ids: &[Stored<MessageId>], at: Timestamp) -> Result<u64, Failure> {
    #[derive(QueryableByName)]
    struct Notified {
        #[diesel(sql_type = Bool)]
        is_cancelled: bool,
    }
    let notified: Vec<Notified> = sql_query(CANCEL)
        .bind::<Array<Id>, _>(ids)
        .bind::<Moment, _>(Stored(at))
        .load(connection)?;
    Ok(notified.iter().filter(|notified| notified.is_cancelled).count() as u64)
}
