//! What is kept of a person, and its end.

use async_trait::async_trait;
use diesel::{
    connection::SimpleConnection,
    delete,
    dsl::{not, sql},
    expression::SqlLiteral,
    prelude::*,
    sql_query, sql_types, update,
};
use ticket_domain::{
    AuditAction, Message, MessageId, Phone, Redaction, Sender, TicketId, TicketRef, Timestamp,
    ports::{
        AuditStamp, ChangeEvent, CustomerData, EraseStats, EraseTarget, Erasure, InactiveQuery, InactiveTickets,
        StoreError, parse,
    },
};

use crate::sqlite::{
    SqliteStore,
    db::Failure,
    outbox::{NEVER, NOBODY, NOTHING},
    rows::{MessageRow, bytes, state, ticket_id},
    schema::{idempotency_keys, messages, notifications, questions, tickets},
    trail,
};

/// What is overwritten or deleted meanwhile leaves nothing behind in the file.
const SECURELY: &str = "PRAGMA secure_delete = ON";
const AS_ALWAYS: &str = "PRAGMA secure_delete = OFF";

/// What is put in here is not to be put in once more: FTS5 would keep both, and take out only the later one.
const NOT_LATER: &str = "
    DELETE FROM search_pending WHERE document IN (
        SELECT t.number << 20 | m.seq FROM messages m JOIN tickets t ON t.id = m.ticket_id WHERE m.id = ?)";
/// The documents of a ticket by which it is found, made anew of what the rows say now. Only whole ones are taken out.
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

#[async_trait]
impl CustomerData for SqliteStore {
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
                move |connection| {
                    connection.batch_execute(SECURELY)?;
                    let erased = erase(connection, &erasure);
                    connection.batch_execute(AS_ALWAYS)?;
                    erased
                },
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
fn has_something() -> SqlLiteral<sql_types::Bool> {
    sql(&format!(
        "({SOMEBODY} OR EXISTS (SELECT 1 FROM messages WHERE messages.ticket_id = tickets.id AND {SOMETHING})
            OR EXISTS (SELECT 1 FROM notifications n WHERE n.ticket_id = tickets.id AND n.payload <> x''))"
    ))
}

/// Whether a message that is kept was erased, and so waits for nothing.
pub(crate) fn is_erased() -> SqlLiteral<sql_types::Bool> {
    sql("(messages.from_phone IS NULL AND messages.body = '[erased]')")
}

pub(crate) fn messages_from(
    connection: &mut SqliteConnection,
    phone: &Phone,
) -> Result<Vec<(Message, Option<TicketRef>)>, Failure> {
    let digits = phone.as_str().trim_start_matches('+');
    let rows: Vec<(MessageRow, Option<String>)> = messages::table
        .left_join(tickets::table)
        .filter(messages::from_phone.eq_any([digits.to_owned(), format!("+{digits}")]))
        // Literally as in the index: SQLite does not use it for a bound value.
        .filter(sql::<sql_types::Bool>("messages.sender <> 'manager'"))
        .order(messages::id)
        .select((MessageRow::as_select(), tickets::reference.nullable()))
        .load(connection)?;
    let parsed = rows.into_iter().map(|(row, reference)| -> Result<_, StoreError> {
        let reference = reference.map(|raw| parse("tickets", "reference", &raw)).transpose()?;
        Ok((row.try_into()?, reference))
    });
    Ok(parsed.collect::<Result<_, _>>()?)
}

pub(crate) fn stale(connection: &mut SqliteConnection, stale: InactiveQuery) -> Result<InactiveTickets, Failure> {
    let since = stale.unchanged_since.unix_micros();
    let looked_at: Vec<(i64, Vec<u8>, i64, i64, bool)> = tickets::table
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
        .iter()
        .filter(|(_, _, _, updated_at, has_something)| *updated_at < since && *has_something);
    Ok(InactiveTickets {
        tickets: old
            .map(|(_, id, ..)| ticket_id("tickets", "id", id))
            .collect::<Result<_, _>>()?,
        next,
    })
}

pub(crate) fn erase(
    connection: &mut SqliteConnection,
    erasure: &Erasure,
) -> Result<(EraseStats, Vec<ChangeEvent>), Failure> {
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
    connection: &mut SqliteConnection,
    ticket: TicketId,
    after: u64,
    limit: u16,
    note: AuditStamp,
) -> Result<(EraseStats, Vec<ChangeEvent>), Failure> {
    let id = bytes(ticket.0);
    let found: Option<(String, bool, bool)> = tickets::table
        .filter(tickets::id.eq(&id))
        .select((tickets::reference, sql::<sql_types::Bool>(SOMEBODY), has_something()))
        .first(connection)
        .optional()?;
    let Some((reference, has_somebody, has_something)) = found else {
        return Ok(Default::default());
    };
    delete(idempotency_keys::table.filter(idempotency_keys::ticket_id.eq(&id))).execute(connection)?;
    forget_questions(connection, &reference, note)?;
    if after == 0 && !has_something {
        return Ok(Default::default());
    }
    // One more, so that none is left for a last step of its own: without any, it would be found by nobody's name.
    let mut written: Vec<(Vec<u8>, Option<i64>, bool)> = messages::table
        .filter(messages::ticket_id.eq(&id))
        .filter(messages::seq.gt(i64::try_from(after).unwrap_or(i64::MAX)))
        .order(messages::seq)
        .limit(i64::from(limit) + 1)
        .select((messages::id, messages::seq, sql::<sql_types::Bool>(SOMETHING)))
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
        overwrite(connection, message, PUT_IN_OF_NOBODY)?;
        removed.cancelled += cancel(connection, &id, *seq, note.at)?;
    }
    let this = tickets::table.filter(tickets::id.eq(&id));
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
    trail::note(connection, note, Some(ticket), &AuditAction::Erase(removed.messages))?;
    Ok((removed, vec![ChangeEvent::Ticket(ticket)]))
}

fn erase_messages(
    connection: &mut SqliteConnection,
    messages: &[MessageId],
    note: AuditStamp,
) -> Result<(EraseStats, Vec<ChangeEvent>), Failure> {
    let (mut removed, mut events) = (EraseStats::default(), Vec::new());
    for message in messages {
        if let Some((told, cancelled)) = erase_message(connection, *message, note.at)? {
            removed.messages += 1;
            removed.cancelled += cancelled;
            events.push(told);
        }
    }
    if removed.messages > 0 {
        trail::note(connection, note, None, &AuditAction::Erase(removed.messages))?;
    }
    Ok((removed, events))
}

/// A message in whosever ticket, and how many notifications of it are not sent any more. None if there is no such message.
fn erase_message(
    connection: &mut SqliteConnection,
    message: MessageId,
    at: Timestamp,
) -> Result<Option<(ChangeEvent, u64)>, Failure> {
    let id = bytes(message.0);
    let found: Option<(Option<Vec<u8>>, Option<i64>)> = messages::table
        .find(&id)
        .select((messages::ticket_id, messages::seq))
        .first(connection)
        .optional()?;
    let Some((of, seq)) = found else {
        return Ok(None);
    };
    overwrite(connection, &id, PUT_IN)?;
    let Some(of) = of else {
        return Ok(Some((ChangeEvent::Unmatched, 0)));
    };
    let cancelled = cancel(connection, &of, seq, at)?;
    update(tickets::table.filter(tickets::id.eq(&of)))
        .set(tickets::version.eq(tickets::version + 1))
        .execute(connection)?;
    Ok(Some((
        ChangeEvent::Ticket(ticket_id("messages", "ticket_id", &of)?),
        cancelled,
    )))
}

/// Puts nothing in the place of what a message said, and of what it is found by.
fn overwrite(connection: &mut SqliteConnection, message: &[u8], put_in: &str) -> Result<(), Failure> {
    for statement in [NOT_LATER, TAKE_OUT] {
        sql_query(statement)
            .bind::<sql_types::Binary, _>(message)
            .execute(connection)?;
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
    sql_query(put_in)
        .bind::<sql_types::Binary, _>(message)
        .execute(connection)?;
    Ok(())
}

/// What managers were asked shows subjects. It can't be answered any more.
fn forget_questions(connection: &mut SqliteConnection, reference: &str, note: AuditStamp) -> Result<(), Failure> {
    // Blanks around: a reference may be the beginning of another.
    let about = sql::<sql_types::Bool>("instr(' ' || questions.choices || ' ', ")
        .bind::<sql_types::Text, _>(format!(" {reference} "))
        .sql(") > 0");
    let asked: Vec<Vec<u8>> = questions::table.filter(about).select(questions::id).load(connection)?;
    for id in &asked {
        update(questions::table.find(id))
            .set(questions::text.eq(Redaction::TEXT))
            .execute(connection)?;
        update(questions::table.find(id).filter(questions::closed_at.is_null()))
            .set(questions::closed_at.eq(note.at.unix_micros()))
            .execute(connection)?;
    }
    Ok(())
}

/// Empties what is sent of the message at this place; if it was not sent yet it is given up. Who is just sending it finds
/// its lease gone.
fn cancel(connection: &mut SqliteConnection, ticket: &[u8], seq: Option<i64>, at: Timestamp) -> Result<u64, Failure> {
    let Some(seq) = seq else { return Ok(0) };
    let of_message = notifications::table
        .filter(notifications::ticket_id.eq(ticket))
        .filter(notifications::seq.eq(seq));
    let is_to_go = notifications::state.eq_any([state::WAITING, state::HELD]);
    let cancelled = update(of_message.filter(is_to_go))
        .set((
            notifications::state.eq(state::DEAD),
            notifications::due_at.eq(NEVER),
            notifications::lease.eq(NOBODY),
            notifications::settled_at.eq(at.unix_micros()),
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
