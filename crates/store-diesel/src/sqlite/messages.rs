//! Adding messages to a thread, and keeping those whose thread is not known.

use diesel::{insert_into, prelude::*, update};
use ticket_domain::{
    AuditAction, ExternalId, Message, MessageId, Sender, Status, TicketId, TicketRef, Timestamp,
    ports::{Append, Appended, Existing, StoreUnmatched, StoredUnmatched, parse},
};

use crate::sqlite::{
    db::Failure,
    keys,
    prepared::prepared,
    questions::{self, Asked},
    rows::{MessageRow, NewNotificationRow, bytes, message_id},
    schema::{messages, notifications, tickets},
    trail,
};

pub(crate) fn append(connection: &mut SqliteConnection, append: &Append) -> Result<Appended, Failure> {
    let Append {
        to,
        message,
        notification,
        reopen,
        ends_question_of,
        idempotency,
        note,
    } = append;
    let now = message.created_at;
    if let Some(idempotency) = idempotency
        && let Some(repeated) = keys::added(connection, idempotency, now)?
    {
        return Ok(repeated);
    }
    if let Some(external_id) = &message.external_id
        && let Some(picked) = questions::choice_in(connection, external_id)?
    {
        return Ok(Appended::Answer(picked));
    }
    let before = before(connection, message.external_id.as_ref())?;
    if let Some((id, of @ Some(_))) = before {
        return Ok(Appended::AlreadyStored { id, of });
    }
    if let (Some(of), None) = (ends_question_of, before) {
        questions::close(connection, of, now)?;
    }
    let version = raise_version(connection, *to, now, *reopen, Some(message.sender))?;
    let (appended, id) = if let Some((id, _)) = before {
        join(connection, bytes(id.0), message.sender, *to, version)?;
        (Appended::Joined(id), id)
    } else {
        write(connection, message, *to, version)?;
        (Appended::Added, message.id)
    };
    if let Some(notification) = notification {
        insert_into(notifications::table)
            .values(NewNotificationRow::new(notification, *to, version))
            .execute(connection)?;
    }
    if let Some(idempotency) = idempotency {
        keys::remember(connection, idempotency, *to, Some(id))?;
    }
    if let Some(note) = note {
        trail::note(connection, *note, Some(*to), &AuditAction::Reply(id))?;
    }
    Ok(appended)
}

/// The message that is kept aside under an outside id.
pub(crate) fn kept(connection: &mut SqliteConnection, external_id: &ExternalId) -> Result<Option<Message>, Failure> {
    let row = messages::table
        .filter(messages::external_id.eq(external_id.as_str()))
        .filter(messages::ticket_id.is_null())
        .select(MessageRow::as_select())
        .first(connection)
        .optional()?;
    Ok(row.map(Message::try_from).transpose()?)
}

/// Keeps a message aside, once per outside id, and asks its writer.
pub(crate) fn keep(connection: &mut SqliteConnection, keep: &StoreUnmatched) -> Result<StoredUnmatched, Failure> {
    let StoreUnmatched { message, asking } = keep;
    if let Some(known) = known(connection, message.external_id.as_ref())? {
        return Ok(StoredUnmatched::AlreadyKnown(known));
    }
    let Asked::About(question) = questions::ask(connection, asking, message.created_at)? else {
        return Ok(StoredUnmatched::QuestionChanged);
    };
    insert_into(messages::table)
        .values((
            MessageRow::new(message),
            messages::question_id.eq(question.map(|question| bytes(question.0))),
        ))
        .execute(connection)?;
    Ok(StoredUnmatched::Stored)
}

/// What an outside id is already.
pub(crate) fn known(
    connection: &mut SqliteConnection,
    external_id: Option<&ExternalId>,
) -> Result<Option<Existing>, Failure> {
    if let Some(external_id) = external_id
        && let Some(picked) = questions::choice_in(connection, external_id)?
    {
        return Ok(Some(Existing::Answer(picked)));
    }
    let Some((id, of)) = before(connection, external_id)? else {
        return Ok(None);
    };
    Ok(Some(match of {
        Some(of) => Existing::InThread { id, of },
        None => Existing::Unmatched(questions::asked_about(connection, id)?),
    }))
}

/// Writes a message into a thread, at the place that the ticket's version gives it.
pub(crate) fn write(
    connection: &mut SqliteConnection,
    message: &Message,
    ticket: TicketId,
    version: i64,
) -> Result<(), Failure> {
    insert_into(messages::table)
        .values((
            MessageRow::new(message),
            messages::ticket_id.eq(bytes(ticket.0)),
            messages::seq.eq(version),
        ))
        .execute(connection)?;
    Ok(())
}

/// The message that has an outside id already, and its ticket.
fn before(
    connection: &mut SqliteConnection,
    external_id: Option<&ExternalId>,
) -> Result<Option<(MessageId, Option<TicketRef>)>, Failure> {
    let Some(external_id) = external_id else {
        return Ok(None);
    };
    let found: Option<(Vec<u8>, Option<String>)> = messages::table
        .left_join(tickets::table)
        .filter(messages::external_id.eq(external_id.as_str()))
        .select((messages::id, tickets::reference.nullable()))
        .first(connection)
        .optional()?;
    let Some((id, reference)) = found else {
        return Ok(None);
    };
    let of = reference
        .map(|reference| parse("tickets", "reference", &reference))
        .transpose()?;
    Ok(Some((message_id(&id)?, of)))
}

/// Has a message that was kept join a thread, as one of this sender.
pub(crate) fn join(
    connection: &mut SqliteConnection,
    kept: Vec<u8>,
    sender: Sender,
    ticket: TicketId,
    version: i64,
) -> Result<(), Failure> {
    update(messages::table.find(kept))
        .set((
            messages::ticket_id.eq(bytes(ticket.0)),
            messages::seq.eq(version),
            messages::sender.eq(sender.as_str()),
        ))
        .execute(connection)?;
    Ok(())
}

/// Raises the ticket's version. If it is known who writes, the trigger that sees the message need not change the ticket
/// again.
pub(crate) fn raise_version(
    connection: &mut SqliteConnection,
    ticket: TicketId,
    at: Timestamp,
    reopen: bool,
    by: Option<Sender>,
) -> Result<i64, Failure> {
    // An update leaves out what is `None`.
    let status = reopen.then(|| tickets::status.eq(Status::Open.as_str()));
    let last_sender = by.map(|by| tickets::last_sender.eq(by.as_str()));
    let raised = update(tickets::table.find(bytes(ticket.0)))
        .set((
            tickets::version.eq(tickets::version + 1),
            tickets::updated_at.eq(at.unix_micros()),
            status,
            last_sender,
        ))
        .returning(tickets::version);
    Ok(prepared(raised).get_result(connection)?)
}
