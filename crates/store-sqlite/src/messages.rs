//! Adding messages to a thread, and keeping those whose thread is not known.

use diesel::{insert_into, prelude::*, update};
use ticket_domain::{
    ExternalId, Message, MessageId, Status, TicketId, Timestamp,
    ports::{Append, Appended, parse},
};

use crate::{
    db::Failure,
    rows::{MessageRow, NewNotificationRow, bytes, message_id},
    schema::{messages, notifications, tickets},
};

pub(crate) fn append(connection: &mut SqliteConnection, append: &Append) -> Result<Appended, Failure> {
    let Append {
        to,
        message,
        notification,
        reopen,
    } = append;
    let before = before(connection, message)?;
    if let Some(in_a_thread @ Appended::Before { of: Some(_), .. }) = before {
        return Ok(in_a_thread);
    }
    let version = raise_version(connection, *to, message.created_at, *reopen)?;
    let appended = if let Some(Appended::Before { id, .. }) = before {
        join(connection, id, message, *to, version)?;
        Appended::Joined(id)
    } else {
        write(connection, message, *to, version)?;
        Appended::Added
    };
    if let Some(notification) = notification {
        insert_into(notifications::table)
            .values(NewNotificationRow::new(notification, *to, version))
            .execute(connection)?;
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

/// Keeps a message aside, once per outside id.
pub(crate) fn keep(connection: &mut SqliteConnection, message: &Message) -> Result<Appended, Failure> {
    if let Some(before) = before(connection, message)? {
        return Ok(before);
    }
    insert_into(messages::table)
        .values(MessageRow::new(message))
        .execute(connection)?;
    Ok(Appended::Added)
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

/// The message that has this one's outside id already.
fn before(connection: &mut SqliteConnection, message: &Message) -> Result<Option<Appended>, Failure> {
    let Some(external_id) = &message.external_id else {
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
    Ok(Some(Appended::Before {
        id: message_id(&id)?,
        of,
    }))
}

/// Has a message that was kept join a thread. Of the newcomer it takes only the sender.
fn join(
    connection: &mut SqliteConnection,
    kept: MessageId,
    newcomer: &Message,
    ticket: TicketId,
    version: i64,
) -> Result<(), Failure> {
    update(messages::table.find(bytes(kept.0)))
        .set((
            messages::ticket_id.eq(bytes(ticket.0)),
            messages::seq.eq(version),
            messages::sender.eq(newcomer.sender.as_str()),
        ))
        .execute(connection)?;
    Ok(())
}

fn raise_version(
    connection: &mut SqliteConnection,
    ticket: TicketId,
    at: Timestamp,
    reopen: bool,
) -> Result<i64, Failure> {
    // An update leaves out what is `None`.
    let status = reopen.then(|| tickets::status.eq(Status::Open.as_str()));
    let version = update(tickets::table.find(bytes(ticket.0)))
        .set((
            tickets::version.eq(tickets::version + 1),
            tickets::updated_at.eq(at.unix_micros()),
            status,
        ))
        .returning(tickets::version)
        .get_result(connection)?;
    Ok(version)
}
