//! Appending messages to a thread, and storing unmatched ones.

use diesel::{insert_into, prelude::*, update, upsert::excluded};
use ticket_domain::{
    AuditAction, ExternalId, Message, MessageId, Sender, Status, TicketId, TicketRef, Timestamp, Visibility,
    ports::{Append, Appended, Existing, StoreUnmatched, StoredUnmatched, parse},
};

use super::{
    super::engine::{Connection, LockKey, lock},
    attachments, audit_log, control_messages, customer_mail, keys, questions,
};
use crate::{
    failure::Failure,
    prepared::prepared,
    rows::MessageRow,
    schema::{messages, tickets},
    types::Stored,
};

/// Every writer takes its locks in this order: files, key, external id, who is asked, question, ticket, message.
pub(crate) fn append(connection: &mut Connection, append: &Append) -> Result<Appended, Failure> {
    let Append {
        to,
        message,
        attachments: new_files,
        notifications: outgoing,
        reopen,
        idempotency,
        note,
        max_of_sender,
    } = append;
    let files = attachments::take(connection, new_files)?;
    if let Some(idempotency) = idempotency {
        lock(connection, LockKey::IdempotencyKey, idempotency.key.as_str())?;
        if let Some(repeated) = keys::repeated(connection, idempotency, message.created_at)? {
            return Ok(repeated);
        }
    }
    let Some(files) = files else {
        return Ok(Appended::UploadGone);
    };
    lock_id(connection, message.external_id.as_ref())?;
    if let Some(external_id) = &message.external_id
        && let Some(existing) = control_messages::no_message(connection, external_id)?
    {
        return Ok(Appended::NoMessage(existing));
    }
    let before = before(connection, message.external_id.as_ref())?;
    if let Some((id, of @ Some(_))) = before {
        return Ok(Appended::AlreadyStored { id, of });
    }
    if let Some(max) = max_of_sender
        && count_like(connection, *to, message)? >= i64::from(*max)
    {
        return Ok(Appended::Full);
    }
    let version = match message.visibility {
        Visibility::Internal => count_note(connection, *to)?,
        Visibility::Public | Visibility::Removed => {
            raise_version(connection, *to, message.created_at, *reopen, Some(message.sender))?
        }
    };
    let written = write_or_join(connection, message, *to, version)?;
    customer_mail::notify(connection, outgoing, *to, version)?;
    if !files.is_empty() {
        attachments::attach(connection, (*to, written, message.visibility), &files, new_files)?;
    }
    if let Some(idempotency) = idempotency {
        keys::remember(connection, idempotency, *to, Some(written), message.created_at)?;
    }
    if let Some(note) = note {
        let action = match message.visibility {
            Visibility::Internal => AuditAction::Note(written),
            Visibility::Public | Visibility::Removed => AuditAction::Reply(written),
        };
        audit_log::write(connection, *note, Some(*to), action)?;
    }
    if before.is_none() && written == message.id {
        Ok(Appended::Added)
    } else {
        Ok(Appended::Joined(written))
    }
}

/// How many messages a thread has of a message's sender on its channel.
fn count_like(connection: &mut Connection, ticket: TicketId, message: &Message) -> Result<i64, Failure> {
    let like = messages::table
        .filter(messages::ticket_id.eq(Stored(ticket)))
        .filter(messages::sender.eq(message.sender.as_str()))
        .filter(messages::channel.eq(message.channel.as_str()))
        .count();
    Ok(like.get_result(connection)?)
}

/// Finds the unmatched message with an external id.
pub(crate) fn unmatched_message(
    connection: &mut Connection,
    external_id: &ExternalId,
) -> Result<Option<Message>, Failure> {
    let row = messages::table
        .filter(messages::external_id.eq(external_id.as_str()))
        .filter(messages::ticket_id.is_null())
        .select(MessageRow::as_select())
        .first(connection)
        .optional()?;
    Ok(row.map(Message::try_from).transpose()?)
}

/// Stores an unmatched message, once per external id, and asks its writer.
pub(crate) fn keep(connection: &mut Connection, keep: &StoreUnmatched) -> Result<StoredUnmatched, Failure> {
    let StoreUnmatched { message, asking } = keep;
    lock_id(connection, message.external_id.as_ref())?;
    if let Some(known) = known(connection, message.external_id.as_ref())? {
        return Ok(StoredUnmatched::AlreadyKnown(known));
    }
    let (question, stored) = match asking {
        None => (None, StoredUnmatched::Stored),
        Some(asking) => {
            if let Some(open) = questions::join(connection, &asking.question)? {
                let joined = questions::restate(connection, open, asking.restated.as_ref())?;
                (Some(joined.id), StoredUnmatched::Joined(joined))
            } else {
                questions::ask(connection, &asking.question, asking.notification.as_ref())?;
                (Some(asking.question.id), StoredUnmatched::Stored)
            }
        }
    };
    let kept = insert_into(messages::table)
        .values((MessageRow::new(message), messages::question_id.eq(question.map(Stored))))
        .on_conflict(messages::external_id)
        .do_nothing()
        .returning(messages::id);
    let kept: Vec<MessageId> = prepared(kept).load(connection)?;
    // What was asked is undone: the message is known by now.
    if kept.len() == 1 {
        Ok(stored)
    } else {
        Err(Failure::Conflict)
    }
}

/// Locks an external id until the transaction ends. It is one message or one answer forever, and no index covers both.
pub(crate) fn lock_id(connection: &mut Connection, id: Option<&ExternalId>) -> Result<(), Failure> {
    match id {
        Some(id) => lock(connection, LockKey::ExternalId, id.as_str()),
        None => Ok(()),
    }
}

/// What an external id belongs to already.
pub(crate) fn known(
    connection: &mut Connection,
    external_id: Option<&ExternalId>,
) -> Result<Option<Existing>, Failure> {
    if let Some(external_id) = external_id
        && let Some(existing) = control_messages::no_message(connection, external_id)?
    {
        return Ok(Some(existing));
    }
    let Some((id, of)) = before(connection, external_id)? else {
        return Ok(None);
    };
    Ok(Some(match of {
        Some(of) => Existing::InThread { id, of },
        None => Existing::Unmatched(questions::asked_about(connection, id)?),
    }))
}

/// The message that has an external id already, and its ticket.
fn before(
    connection: &mut Connection,
    external_id: Option<&ExternalId>,
) -> Result<Option<(MessageId, Option<TicketRef>)>, Failure> {
    let Some(external_id) = external_id else {
        return Ok(None);
    };
    let found: Option<(MessageId, Option<String>)> = messages::table
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
    Ok(Some((id, of)))
}

/// Raises the ticket's version, and holds the ticket until the transaction ends, so that versions have no gaps. If it is
/// known who writes, the trigger that sees the message need not change the ticket again.
pub(crate) fn raise_version(
    connection: &mut Connection,
    ticket: TicketId,
    at: Timestamp,
    reopen: bool,
    by: Option<Sender>,
) -> Result<i64, Failure> {
    // An update leaves out what is `None`.
    let status = reopen.then(|| tickets::status.eq(Status::Open.as_str()));
    let last_sender = by.map(|by| tickets::last_sender.eq(by.as_str()));
    let raised = update(tickets::table.find(Stored(ticket)))
        .set((
            tickets::version.eq(tickets::version + 1),
            tickets::updated_at.eq(Stored(at)),
            status,
            last_sender,
        ))
        .returning(tickets::version);
    Ok(prepared(raised).get_result(connection)?)
}

/// Raises the version by a note, of which nothing else of the ticket may tell.
fn count_note(connection: &mut Connection, ticket: TicketId) -> Result<i64, Failure> {
    let raised = update(tickets::table.find(Stored(ticket)))
        .set((
            tickets::version.eq(tickets::version + 1),
            tickets::notes.eq(tickets::notes + 1),
        ))
        .returning(tickets::version);
    Ok(prepared(raised).get_result(connection)?)
}

/// Writes a message into a thread, or attaches the unmatched one with its external id. Returns the one that is there now.
fn write_or_join(
    connection: &mut Connection,
    message: &Message,
    ticket: TicketId,
    version: i64,
) -> Result<MessageId, Failure> {
    // The `filter` of DO UPDATE; elsewhere it would be mistaken for that of a query.
    use diesel::query_dsl::methods::FilterDsl;

    let written = insert_into(messages::table)
        .values((
            MessageRow::new(message),
            messages::ticket_id.eq(Stored(ticket)),
            messages::seq.eq(version),
        ))
        .on_conflict(messages::external_id)
        .do_update()
        .set((
            messages::ticket_id.eq(excluded(messages::ticket_id)),
            messages::seq.eq(excluded(messages::seq)),
            messages::sender.eq(excluded(messages::sender)),
            messages::visibility.eq(excluded(messages::visibility)),
        ))
        .filter(messages::ticket_id.is_null())
        .returning(messages::id);
    let id = prepared(written).get_result(connection).optional()?;
    // None: the external id is in a thread now, and was not when we looked.
    id.ok_or(Failure::Conflict)
}

/// Attaches an unmatched message to a thread, as one of this sender. Its row is locked.
pub(crate) fn join(
    connection: &mut Connection,
    unmatched: MessageId,
    sender: Sender,
    ticket: TicketId,
    version: i64,
) -> Result<(), Failure> {
    update(messages::table.find(Stored(unmatched)))
        .set((
            messages::ticket_id.eq(Stored(ticket)),
            messages::seq.eq(version),
            messages::sender.eq(sender.as_str()),
        ))
        .execute(connection)?;
    Ok(())
}
