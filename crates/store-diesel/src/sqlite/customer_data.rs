//! Erasing what is kept of a person.

use diesel::{
    connection::SimpleConnection,
    delete,
    dsl::{not, sql},
    prelude::*,
    sql_query,
    sql_types::{Bool, Text},
    update,
};
use ticket_domain::{
    AuditAction, MessageId, QuestionId, Redaction, Sender, TicketId, Timestamp,
    ports::{AuditStamp, ChangeEvent, EraseStats},
};

use super::statements::{
    audit_log,
    customer_data::{HAS_CONTENT, HAS_CUSTOMER, has_something},
    outbox::{NEVER, NOBODY, NOTHING},
};
use crate::{
    failure::Failure,
    rows::state,
    schema::{idempotency_keys, messages, notifications, questions, tickets},
    types::{Id, Stored},
};

/// What is overwritten or deleted meanwhile leaves nothing behind in the file.
const SECURELY: &str = "PRAGMA secure_delete = ON";
const AS_ALWAYS: &str = "PRAGMA secure_delete = OFF";

/// What is put in here is not to be put in once more: FTS5 would keep both, and take out only the later one.
const NOT_LATER: &str = "
    DELETE FROM search_pending WHERE document IN (
        SELECT t.number << 20 | m.seq FROM messages m JOIN tickets t ON t.id = m.ticket_id WHERE m.id = ?)";
/// Rebuilds the documents by which a ticket is found from what the rows contain now. Only whole ones can be taken out.
const TAKE_OUT: &str = "
    DELETE FROM ticket_search WHERE rowid IN (
        SELECT t.number << 20 | m.seq FROM messages m JOIN tickets t ON t.id = m.ticket_id
        WHERE m.id = ? AND m.seq < 1 << 20)";
const PUT_IN: &str = "
    INSERT INTO ticket_search (rowid, text) SELECT number, text FROM ticket_documents WHERE message_id = ?";
/// The same of a ticket that will have no customer.
const PUT_IN_OF_NOBODY: &str = "
    INSERT INTO ticket_search (rowid, text) SELECT t.number << 20 | m.seq, t.reference || ' [erased]'
    FROM messages m JOIN tickets t ON t.id = m.ticket_id WHERE m.id = ? AND m.seq < 1 << 20";

/// Erases with nothing left behind in the file.
pub(crate) fn securely<T>(
    connection: &mut SqliteConnection,
    erase: impl FnOnce(&mut SqliteConnection) -> Result<T, Failure>,
) -> Result<T, Failure> {
    connection.batch_execute(SECURELY)?;
    let erased = erase(connection);
    connection.batch_execute(AS_ALWAYS)?;
    erased
}

pub(crate) fn erase_ticket(
    connection: &mut SqliteConnection,
    ticket: TicketId,
    after: u64,
    limit: u16,
    note: AuditStamp,
) -> Result<(EraseStats, Vec<ChangeEvent>), Failure> {
    let id = Stored(ticket);
    let found: Option<(String, bool, bool)> = tickets::table
        .filter(tickets::id.eq(id))
        .select((tickets::reference, sql::<Bool>(HAS_CUSTOMER), has_something()))
        .first(connection)
        .optional()?;
    let Some((reference, has_somebody, has_something)) = found else {
        return Ok(Default::default());
    };
    delete(idempotency_keys::table.filter(idempotency_keys::ticket_id.eq(id))).execute(connection)?;
    forget_questions(connection, &reference, note)?;
    if after == 0 && !has_something {
        return Ok(Default::default());
    }
    // One more, so that none is left for a last step of its own: without any, it would be found by nobody's name.
    let mut written: Vec<(MessageId, Option<i64>, bool)> = messages::table
        .filter(messages::ticket_id.eq(id))
        .filter(messages::seq.gt(i64::try_from(after).unwrap_or(i64::MAX)))
        .order(messages::seq)
        .limit(i64::from(limit) + 1)
        .select((messages::id, messages::seq, sql::<Bool>(HAS_CONTENT)))
        .load(connection)?;
    let is_last = written.len() <= usize::from(limit);
    written.truncate(limit.into());
    let last = written.last().and_then(|(_, seq, _)| u64::try_from((*seq)?).ok());
    let mut removed = EraseStats {
        tickets: u64::from(is_last && has_somebody),
        messages: written.iter().filter(|(.., says_something)| *says_something).count() as u64,
        cancelled: 0,
        next: last.filter(|_| !is_last),
    };
    for (message, seq, _) in &written {
        overwrite(connection, *message, PUT_IN_OF_NOBODY)?;
        removed.cancelled += cancel(connection, ticket, *seq, note.at)?;
    }
    let this = tickets::table.filter(tickets::id.eq(id));
    update(this)
        .set(tickets::version.eq(tickets::version + 1))
        .execute(connection)?;
    if is_last {
        update(this)
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
    connection: &mut SqliteConnection,
    messages: &[MessageId],
    note: AuditStamp,
) -> Result<(EraseStats, Vec<ChangeEvent>), Failure> {
    let (mut removed, mut events) = (EraseStats::default(), Vec::new());
    for message in messages {
        if let Some((event, cancelled)) = erase_message(connection, *message, note.at)? {
            removed.messages += 1;
            removed.cancelled += cancelled;
            events.push(event);
        }
    }
    if removed.messages > 0 {
        audit_log::write(connection, note, None, AuditAction::Erase(removed.messages))?;
    }
    Ok((removed, events))
}

/// A message in whosever ticket, and how many notifications of it are not sent any more. None if there is no such message.
fn erase_message(
    connection: &mut SqliteConnection,
    message: MessageId,
    at: Timestamp,
) -> Result<Option<(ChangeEvent, u64)>, Failure> {
    let found: Option<(Option<TicketId>, Option<i64>)> = messages::table
        .find(Stored(message))
        .select((messages::ticket_id, messages::seq))
        .first(connection)
        .optional()?;
    let Some((of, seq)) = found else {
        return Ok(None);
    };
    overwrite(connection, message, PUT_IN)?;
    let Some(of) = of else {
        return Ok(Some((ChangeEvent::Unmatched, 0)));
    };
    let cancelled = cancel(connection, of, seq, at)?;
    update(tickets::table.filter(tickets::id.eq(Stored(of))))
        .set(tickets::version.eq(tickets::version + 1))
        .execute(connection)?;
    Ok(Some((ChangeEvent::Ticket(of), cancelled)))
}

/// Puts nothing in the place of what a message said, and of what it is found by.
fn overwrite(connection: &mut SqliteConnection, message: MessageId, put_in: &str) -> Result<(), Failure> {
    let message = Stored(message);
    for statement in [NOT_LATER, TAKE_OUT] {
        sql_query(statement).bind::<Id, _>(message).execute(connection)?;
    }
    update(messages::table.find(message))
        .set((
            messages::body.eq(Redaction::TEXT),
            messages::media_url.eq(None::<String>),
        ))
        .execute(connection)?;
    // A manager's number says nothing of the customer.
    let is_of_manager = messages::sender.eq(Sender::Manager.as_str());
    update(
        messages::table
            .find(message)
            .filter(messages::ticket_id.is_null().or(not(is_of_manager))),
    )
    .set(messages::from_phone.eq(None::<String>))
    .execute(connection)?;
    sql_query(put_in).bind::<Id, _>(message).execute(connection)?;
    Ok(())
}

/// What managers were asked shows subjects. It can't be answered any more.
fn forget_questions(connection: &mut SqliteConnection, reference: &str, note: AuditStamp) -> Result<(), Failure> {
    // Blanks around: a reference may be the beginning of another.
    let about = sql::<Bool>("instr(' ' || questions.choices || ' ', ")
        .bind::<Text, _>(format!(" {reference} "))
        .sql(") > 0");
    let asked: Vec<QuestionId> = questions::table.filter(about).select(questions::id).load(connection)?;
    for id in asked.into_iter().map(Stored) {
        update(questions::table.find(id))
            .set(questions::text.eq(Redaction::TEXT))
            .execute(connection)?;
        update(questions::table.find(id).filter(questions::closed_at.is_null()))
            .set(questions::closed_at.eq(Stored(note.at)))
            .execute(connection)?;
    }
    Ok(())
}

/// Empties what is sent of the message at this place; if it was not sent yet it is given up. Who is just sending it finds
/// its lease gone.
fn cancel(
    connection: &mut SqliteConnection,
    ticket: TicketId,
    seq: Option<i64>,
    at: Timestamp,
) -> Result<u64, Failure> {
    let Some(seq) = seq else { return Ok(0) };
    let of_message = notifications::table
        .filter(notifications::ticket_id.eq(Stored(ticket)))
        .filter(notifications::seq.eq(seq));
    let is_to_go = notifications::state.eq_any([state::WAITING, state::HELD]);
    let cancelled = update(of_message.filter(is_to_go))
        .set((
            notifications::state.eq(state::DEAD),
            notifications::due_at.eq(NEVER),
            notifications::lease.eq(NOBODY),
            notifications::settled_at.eq(Stored(at)),
        ))
        .execute(connection)?;
    update(of_message)
        .set((
            notifications::payload.eq(NOTHING),
            notifications::last_error.eq(None::<String>),
        ))
        .execute(connection)?;
    Ok(cancelled as u64)
}
