//! Adding messages to a thread, and keeping those whose thread is not known.

use diesel::{insert_into, prelude::*, update, upsert::excluded};
use ticket_domain::{
    ExternalId, Message, MessageId, Status, TicketId,
    ports::{Append, Appended, parse},
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    db::Failure,
    rows::{MessageRow, NewNotificationRow},
    schema::{messages, notifications, tickets},
};

/// Every writer takes its locks in this order: ticket, then outside id.
pub(crate) fn append(connection: &mut PgConnection, append: &Append) -> Result<Appended, Failure> {
    let Append {
        to,
        message,
        notification,
        reopen,
    } = append;
    if let Some(before @ Appended::Before { of: Some(_), .. }) = before(connection, message)? {
        return Ok(before);
    }
    let version = raise_version(connection, *to, message.created_at.into(), *reopen)?;
    let written = write_or_join(connection, message, *to, version)?;
    if let Some(notification) = notification {
        insert_into(notifications::table)
            .values(NewNotificationRow::new(notification, *to, version))
            .execute(connection)?;
    }
    if written == message.id {
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

/// Keeps a message aside, once per outside id.
pub(crate) fn keep(connection: &mut PgConnection, message: &Message) -> Result<Appended, Failure> {
    let written = insert_into(messages::table)
        .values(MessageRow::new(message))
        .on_conflict(messages::external_id)
        .do_nothing()
        .execute(connection)?;
    if written > 0 {
        return Ok(Appended::Added);
    }
    before(connection, message)?.ok_or(Failure::LostTwin)
}

/// Writes a message into a thread, at the place that the ticket's version gives it.
pub(crate) fn write(
    connection: &mut PgConnection,
    message: &Message,
    ticket: TicketId,
    version: i32,
) -> Result<(), Failure> {
    insert_into(messages::table)
        .values((
            MessageRow::new(message),
            messages::ticket_id.eq(ticket.0),
            messages::seq.eq(version),
        ))
        .execute(connection)?;
    Ok(())
}

/// The message that has this one's outside id already.
fn before(connection: &mut PgConnection, message: &Message) -> Result<Option<Appended>, Failure> {
    let Some(external_id) = &message.external_id else {
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
    Ok(Some(Appended::Before { id: MessageId(id), of }))
}

/// Raises the ticket's version, and holds the ticket until the transaction ends, so that versions have no gaps.
fn raise_version(
    connection: &mut PgConnection,
    ticket: TicketId,
    at: OffsetDateTime,
    reopen: bool,
) -> Result<i32, Failure> {
    // An update leaves out what is `None`.
    let status = reopen.then(|| tickets::status.eq(Status::Open.as_str()));
    let version = update(tickets::table.find(ticket.0))
        .set((
            tickets::version.eq(tickets::version + 1),
            tickets::updated_at.eq(at),
            status,
        ))
        .returning(tickets::version)
        .get_result(connection)?;
    Ok(version)
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

    let id = insert_into(messages::table)
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
        .returning(messages::id)
        .get_result(connection)
        .optional()?;
    // None: the outside id is in a thread now, and was not when we looked.
    id.map(MessageId).ok_or(Failure::LostTwin)
}
