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
    Act, Erased, Message, MessageId, Phone, Sender, TicketId, TicketRef,
    ports::{CustomerData, Erasure, News, Note, Removed, Stale, StaleTickets, StoreError, parse},
};

use crate::{
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

/// The documents of a ticket by which it is found, made anew of what the rows say now. Only whole ones are taken out.
const TAKE_OUT: &str = "
    DELETE FROM ticket_search WHERE rowid IN (
        SELECT t.number << 20 | m.seq FROM messages m JOIN tickets t ON t.id = m.ticket_id
        WHERE m.id = ? AND m.seq < 1 << 20)";
const PUT_IN: &str = "
    INSERT INTO ticket_search (rowid, text) SELECT number, text FROM ticket_documents WHERE message_id = ?";

#[async_trait]
impl CustomerData for SqliteStore {
    async fn messages_from(&self, phone: Phone) -> Result<Vec<(Message, Option<TicketRef>)>, StoreError> {
        self.db.read(move |connection| messages_from(connection, &phone)).await
    }

    async fn stale(&self, stale: Stale) -> Result<StaleTickets, StoreError> {
        self.db.read(move |connection| self::stale(connection, stale)).await
    }

    async fn erase(&self, erasure: Erasure) -> Result<Removed, StoreError> {
        self.db
            .write_and_tell(move |connection| {
                connection.batch_execute(SECURELY)?;
                let erased = erase(connection, &erasure);
                connection.batch_execute(AS_ALWAYS)?;
                erased
            })
            .await
    }
}

/// Whether somebody is left in a ticket.
fn has_somebody() -> SqlLiteral<sql_types::Bool> {
    sql(&format!(
        "(customer_name, customer_phone, customer_email, subject) <> ('{text}', '{phone}', '{email}', '{text}')",
        text = Erased::TEXT,
        phone = Erased::PHONE,
        email = Erased::EMAIL,
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

pub(crate) fn stale(connection: &mut SqliteConnection, stale: Stale) -> Result<StaleTickets, Failure> {
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
            has_somebody(),
        ))
        .load(connection)?;
    let is_more = looked_at.len() == usize::from(stale.limit);
    let last = looked_at
        .last()
        .filter(|(_, _, created_at, ..)| is_more && *created_at < since);
    let next = last.map(|(number, ..)| *number);
    let old = looked_at
        .iter()
        .filter(|(_, _, _, updated_at, has_somebody)| *updated_at < since && *has_somebody);
    Ok(StaleTickets {
        tickets: old
            .map(|(_, id, ..)| ticket_id("tickets", "id", id))
            .collect::<Result<_, _>>()?,
        next,
    })
}

pub(crate) fn erase(connection: &mut SqliteConnection, erasure: &Erasure) -> Result<(Removed, Vec<News>), Failure> {
    let mut removed = Removed::default();
    let mut news = Vec::new();
    for (ticket, entry) in &erasure.tickets {
        let note = Note {
            id: *entry,
            at: erasure.at,
        };
        if let Some(of_ticket) = erase_ticket(connection, *ticket, note)? {
            removed += of_ticket;
            news.push(News::Ticket(*ticket));
        }
    }
    let mut count = 0;
    for message in &erasure.messages {
        if let Some(told) = erase_message(connection, *message)? {
            count += 1;
            news.push(told);
        }
    }
    if count > 0 {
        let note = Note {
            id: erasure.entry,
            at: erasure.at,
        };
        trail::note(connection, note, None, &Act::Erase(count))?;
        removed.messages += count;
    }
    Ok((removed, news))
}

/// None if there is no such ticket, or nobody in it.
fn erase_ticket(connection: &mut SqliteConnection, ticket: TicketId, note: Note) -> Result<Option<Removed>, Failure> {
    let id = bytes(ticket.0);
    let reference: Option<String> = update(tickets::table.find(&id).filter(has_somebody()))
        .set((
            tickets::customer_name.eq(Erased::TEXT),
            tickets::customer_phone.eq(Erased::PHONE),
            tickets::customer_email.eq(Erased::EMAIL),
            tickets::subject.eq(Erased::TEXT),
            tickets::version.eq(tickets::version + 1),
        ))
        .returning(tickets::reference)
        .get_result(connection)
        .optional()?;
    let Some(reference) = reference else {
        return Ok(None);
    };
    let written: Vec<Vec<u8>> = messages::table
        .filter(messages::ticket_id.eq(&id))
        .select(messages::id)
        .load(connection)?;
    for message in &written {
        overwrite(connection, message)?;
    }
    delete(idempotency_keys::table.filter(idempotency_keys::ticket_id.eq(&id))).execute(connection)?;
    forget_questions(connection, &reference, note)?;
    let cancelled = cancel(connection, &id, note)?;
    let count = written.len() as u64;
    trail::note(connection, note, Some(ticket), &Act::Erase(count))?;
    Ok(Some(Removed {
        tickets: 1,
        messages: count,
        cancelled,
    }))
}

/// A message outside of the tickets that are erased. None if there is no such message.
fn erase_message(connection: &mut SqliteConnection, message: MessageId) -> Result<Option<News>, Failure> {
    let id = bytes(message.0);
    let found: Option<Option<Vec<u8>>> = messages::table
        .find(&id)
        .select(messages::ticket_id)
        .first(connection)
        .optional()?;
    let Some(of) = found else {
        return Ok(None);
    };
    overwrite(connection, &id)?;
    let Some(of) = of else {
        return Ok(Some(News::Unmatched));
    };
    update(tickets::table.find(&of))
        .set(tickets::version.eq(tickets::version + 1))
        .execute(connection)?;
    Ok(Some(News::Ticket(ticket_id("messages", "ticket_id", &of)?)))
}

/// Puts nothing in the place of what a message said, and of what it is found by.
fn overwrite(connection: &mut SqliteConnection, message: &[u8]) -> Result<(), Failure> {
    sql_query(TAKE_OUT)
        .bind::<sql_types::Binary, _>(message)
        .execute(connection)?;
    update(messages::table.find(message))
        .set((messages::body.eq(Erased::TEXT), messages::media_url.eq(None::<String>)))
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
    sql_query(PUT_IN)
        .bind::<sql_types::Binary, _>(message)
        .execute(connection)?;
    Ok(())
}

/// What managers were asked shows subjects. It can't be answered any more.
fn forget_questions(connection: &mut SqliteConnection, reference: &str, note: Note) -> Result<(), Failure> {
    // Blanks around: a reference may be the beginning of another.
    let about = sql::<sql_types::Bool>("instr(' ' || questions.choices || ' ', ")
        .bind::<sql_types::Text, _>(format!(" {reference} "))
        .sql(") > 0");
    let asked: Vec<Vec<u8>> = questions::table.filter(about).select(questions::id).load(connection)?;
    for id in &asked {
        update(questions::table.find(id))
            .set(questions::text.eq(Erased::TEXT))
            .execute(connection)?;
        update(questions::table.find(id).filter(questions::closed_at.is_null()))
            .set(questions::closed_at.eq(note.at.unix_micros()))
            .execute(connection)?;
    }
    Ok(())
}

/// Empties what is sent; what was not sent yet is given up. Who is just sending it finds its lease gone.
fn cancel(connection: &mut SqliteConnection, ticket: &[u8], note: Note) -> Result<u64, Failure> {
    let of_ticket = notifications::table.filter(notifications::ticket_id.eq(ticket));
    let is_to_go = notifications::state.eq_any([state::WAITING, state::HELD]);
    let cancelled = update(of_ticket.filter(is_to_go))
        .set((
            notifications::state.eq(state::DEAD),
            notifications::due_at.eq(NEVER),
            notifications::lease.eq(NOBODY),
            notifications::settled_at.eq(note.at.unix_micros()),
        ))
        .execute(connection)?;
    update(of_ticket)
        .set((
            notifications::payload.eq(NOTHING),
            notifications::last_error.eq(None::<String>),
        ))
        .execute(connection)?;
    Ok(cancelled as u64)
}
