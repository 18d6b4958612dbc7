//! Adding messages to a thread, and keeping those whose thread is not known.

use diesel::{insert_into, prelude::*, update, upsert::excluded};
use ticket_domain::{
    AuditAction, ExternalId, Message, MessageId, Sender, Status, TicketId, TicketRef,
    ports::{Append, Appended, Existing, StoreUnmatched, StoredUnmatched, parse},
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::postgres::{
    db::Failure,
    holds::{Held, hold},
    keys,
    prepared::prepared,
    questions::{self, Asked},
    rows::{MessageRow, NewNotificationRow},
    schema::{messages, notifications, tickets},
    trail,
};

/// Every writer takes its locks in this order: key, outside id, who is asked, question, ticket, message.
pub(crate) fn append(connection: &mut PgConnection, append: &Append) -> Result<Appended, Failure> {
    let Append {
        to,
        message,
        notification,
        reopen,
        ends_question_of,
        idempotency,
        note,
    } = append;
    if let Some(idempotency) = idempotency {
        hold(connection, Held::Key, idempotency.key.as_str())?;
        if let Some(repeated) = keys::repeated(connection, idempotency, message.created_at)? {
            return Ok(repeated);
        }
    }
    hold_id(connection, message.external_id.as_ref())?;
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
        questions::close(connection, of, message.created_at)?;
    }
    let version = raise_version(
        connection,
        *to,
        message.created_at.into(),
        *reopen,
        Some(message.sender),
    )?;
    let written = write_or_join(connection, message, *to, version)?;
    if let Some(notification) = notification {
        let told = insert_into(notifications::table)
            .values(NewNotificationRow::new(notification, *to, version))
            .returning(notifications::id);
        prepared(told).get_result::<Uuid>(connection)?;
    }
    if let Some(idempotency) = idempotency {
        keys::remember(connection, idempotency, *to, Some(written), message.created_at)?;
    }
    if let Some(note) = note {
        trail::write(connection, *note, Some(*to), AuditAction::Reply(written))?;
    }
    if before.is_none() && written == message.id {
        Ok(Appended::Added)
    } else {
        Ok(Appended::Joined(written))
    }
}

/// The message that is kept aside under an outside id.
pub(crate) fn kept(connection: &mut PgConnection, external_id: &ExternalId) -> Result<Option<Message>, Failure> {
    let row = messages::table
        .filter(messages::external_id.eq(external_id.as_str()))
        .filter(messages::ticket_id.is_null())
        .select(MessageRow::as_select())
        .first(connection)
        .optional()?;
    Ok(row.map(Message::try_from).transpose()?)
}

/// Keeps a message aside, once per outside id, and asks its writer.
pub(crate) fn keep(connection: &mut PgConnection, keep: &StoreUnmatched) -> Result<StoredUnmatched, Failure> {
    let StoreUnmatched { message, asking } = keep;
    hold_id(connection, message.external_id.as_ref())?;
    if let Some(known) = known(connection, message.external_id.as_ref())? {
        return Ok(StoredUnmatched::AlreadyKnown(known));
    }
    let Asked::About(question) = questions::ask(connection, asking, message.created_at)? else {
        // A twin may have moved it, and is told of first.
        let known = known(connection, message.external_id.as_ref())?;
        return Ok(known.map_or(StoredUnmatched::QuestionChanged, StoredUnmatched::AlreadyKnown));
    };
    let kept = insert_into(messages::table)
        .values((
            MessageRow::new(message),
            messages::question_id.eq(question.map(|question| question.0)),
        ))
        .on_conflict(messages::external_id)
        .do_nothing()
        .returning(messages::id);
    let kept: Vec<Uuid> = prepared(kept).load(connection)?;
    // What was asked is undone: the message is known by now.
    if kept.len() == 1 {
        Ok(StoredUnmatched::Stored)
    } else {
        Err(Failure::Conflict)
    }
}

/// Holds an outside id until the transaction ends. It is one message or one answer for ever, and no index covers both.
pub(crate) fn hold_id(connection: &mut PgConnection, id: Option<&ExternalId>) -> Result<(), Failure> {
    match id {
        Some(id) => hold(connection, Held::OutsideId, id.as_str()),
        None => Ok(()),
    }
}

/// What an outside id is already.
pub(crate) fn known(
    connection: &mut PgConnection,
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

/// The message that has an outside id already, and its ticket.
fn before(
    connection: &mut PgConnection,
    external_id: Option<&ExternalId>,
) -> Result<Option<(MessageId, Option<TicketRef>)>, Failure> {
    let Some(external_id) = external_id else {
        return Ok(None);
    };
    let found: Option<(Uuid, Option<String>)> = messages::table
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
    Ok(Some((MessageId(id), of)))
}

/// Raises the ticket's version, and holds the ticket until the transaction ends, so that versions have no gaps. If it is
/// known who writes, the trigger that sees the message need not change the ticket again.
pub(crate) fn raise_version(
    connection: &mut PgConnection,
    ticket: TicketId,
    at: OffsetDateTime,
    reopen: bool,
    by: Option<Sender>,
) -> Result<i32, Failure> {
    // An update leaves out what is `None`.
    let status = reopen.then(|| tickets::status.eq(Status::Open.as_str()));
    let last_sender = by.map(|by| tickets::last_sender.eq(by.as_str()));
    let raised = update(tickets::table.find(ticket.0))
        .set((
            tickets::version.eq(tickets::version + 1),
            tickets::updated_at.eq(at),
            status,
            last_sender,
        ))
        .returning(tickets::version);
    Ok(prepared(raised).get_result(connection)?)
}

/// Writes a message into a thread, or has the one that was kept under its outside id join it. Says which is there now.
fn write_or_join(
    connection: &mut PgConnection,
    message: &Message,
    ticket: TicketId,
    version: i32,
) -> Result<MessageId, Failure> {
    // The `filter` of DO UPDATE; elsewhere it would be mistaken for that of a query.
    use diesel::query_dsl::methods::FilterDsl;

    let written = insert_into(messages::table)
        .values((
            MessageRow::new(message),
            messages::ticket_id.eq(ticket.0),
            messages::seq.eq(version),
        ))
        .on_conflict(messages::external_id)
        .do_update()
        .set((
            messages::ticket_id.eq(excluded(messages::ticket_id)),
            messages::seq.eq(excluded(messages::seq)),
            messages::sender.eq(excluded(messages::sender)),
        ))
        .filter(messages::ticket_id.is_null())
        .returning(messages::id);
    let id = prepared(written).get_result(connection).optional()?;
    // None: the outside id is in a thread now, and was not when we looked.
    id.map(MessageId).ok_or(Failure::Conflict)
}

/// Has a message that was kept join a thread, as one of this sender. Its row is locked.
pub(crate) fn join(
    connection: &mut PgConnection,
    kept: Uuid,
    sender: Sender,
    ticket: TicketId,
    version: i32,
) -> Result<(), Failure> {
    update(messages::table.find(kept))
        .set((
            messages::ticket_id.eq(ticket.0),
            messages::seq.eq(version),
            messages::sender.eq(sender.as_str()),
        ))
        .execute(connection)?;
    Ok(())
}
