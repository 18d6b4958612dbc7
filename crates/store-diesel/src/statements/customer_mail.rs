//! What customers are mailed, and what not.

use async_trait::async_trait;
use diesel::{
    dsl::{min, sql},
    insert_into,
    prelude::*,
    sql_types::Bool,
    update,
};
use ticket_domain::{
    EventKind, Message, MessageId, Notification, NotificationId, Sender, Status, TicketId, Timestamp, Visibility,
    ports::{CustomerMail, News, StoreError, parse},
};

use super::super::engine::{Connection, LockKey, Store, for_update, lock};
use crate::{
    failure::Failure,
    prepared::prepared,
    rows::{MessageRow, NewNotificationRow},
    schema::{messages, notifications, tickets},
    types::Stored,
};

#[async_trait]
impl CustomerMail for Store {
    async fn seen(&self, ticket: TicketId, up_to: MessageId) -> Result<bool, StoreError> {
        self.db.write(move |connection| seen(connection, ticket, up_to)).await
    }

    async fn set_unsubscribed(&self, ticket: TicketId, unsubscribed: bool) -> Result<(), StoreError> {
        self.db
            .write(move |connection| {
                let set = update(tickets::table.find(Stored(ticket))).set(tickets::unsubscribed.eq(unsubscribed));
                prepared(set.returning(tickets::id)).load::<TicketId>(connection)?;
                Ok(())
            })
            .await
    }

    async fn request(&self, about: TicketId, notification: Notification, since: Timestamp) -> Result<bool, StoreError> {
        self.db
            .write(move |connection| request(connection, about, &notification, since))
            .await
    }
}

/// Stores the notifications of a version of a ticket, which is locked. A digest joins an earlier one that nobody has claimed.
pub(crate) fn notify(
    connection: &mut Connection,
    outgoing: &[Notification],
    ticket: TicketId,
    version: i64,
) -> Result<(), Failure> {
    for notification in outgoing {
        if notification.event.is_digest() && joins(connection, notification, ticket)? {
            continue;
        }
        let notified = insert_into(notifications::table)
            .values(NewNotificationRow::new(notification, ticket, version))
            .returning(notifications::id);
        prepared(notified).get_result::<NotificationId>(connection)?;
    }
    Ok(())
}

/// Whether a digest has an earlier one to join, which nobody claims until the transaction ends.
fn joins(connection: &mut Connection, digest: &Notification, ticket: TicketId) -> Result<bool, Failure> {
    let newest = notifications::table
        .filter(notifications::ticket_id.eq(Stored(ticket)))
        .filter(notifications::recipient.eq(digest.recipient.as_str()))
        // Literally as in the index.
        .filter(sql::<Bool>("notifications.state IN ('waiting', 'held')"))
        .filter(notifications::seq.is_not_null())
        .order(notifications::seq.desc())
        .limit(1)
        .select((
            notifications::id,
            notifications::event,
            notifications::attempted_at.is_null(),
        ));
    let newest: Option<(NotificationId, String, bool)> =
        prepared(for_update!(newest)).get_result(connection).optional()?;
    let Some((id, event, true)) = newest else {
        return Ok(false);
    };
    let event: EventKind = parse("notifications", "event", &event)?;
    if event.is_digest() && digest.event == EventKind::Resolved {
        let this = notifications::table.find(Stored(id));
        let event = notifications::event.eq(digest.event.as_str());
        prepared(update(this).set(event).returning(notifications::id)).get_result::<NotificationId>(connection)?;
    }
    Ok(event.is_digest())
}

/// What a digest would tell now.
pub(crate) fn news(connection: &mut Connection, id: NotificationId) -> Result<News, Failure> {
    type Found = (TicketId, Option<i64>, String, String, String, i64);
    let found: Option<Found> = notifications::table
        .inner_join(tickets::table)
        .filter(notifications::id.eq(Stored(id)))
        .filter(tickets::unsubscribed.eq(false))
        .select((
            tickets::id,
            notifications::seq,
            notifications::recipient,
            notifications::event,
            tickets::status,
            tickets::seen,
        ))
        .first(connection)
        .optional()?;
    let Some((ticket, Some(first), recipient, event, status, seen)) = found else {
        return Ok(News::default());
    };
    let next = notifications::table
        .filter(notifications::ticket_id.eq(Stored(ticket)))
        .filter(notifications::seq.gt(first))
        .filter(notifications::recipient.eq(recipient))
        .filter(notifications::event.eq_any([EventKind::Answered.as_str(), EventKind::Resolved.as_str()]))
        .select(min(notifications::seq));
    let next: Option<i64> = prepared(next).get_result(connection)?;
    let answers = messages::table
        .filter(messages::ticket_id.eq(Stored(ticket)))
        .filter(messages::seq.ge(first.max(seen + 1)))
        .filter(messages::seq.lt(next.unwrap_or(i64::MAX)))
        .filter(messages::sender.ne(Sender::Customer.as_str()))
        .filter(messages::visibility.eq(Visibility::Public.as_str()))
        .order(messages::seq)
        .select(MessageRow::as_select());
    let answers: Vec<MessageRow> = answers.load(connection)?;
    Ok(News {
        answers: answers.into_iter().map(Message::try_from).collect::<Result<_, _>>()?,
        is_resolved: event == EventKind::Resolved.as_str() && status == Status::Resolved.as_str(),
    })
}

/// Remembers how far a customer has read. Returns whether that is further than before.
pub(crate) fn seen(connection: &mut Connection, ticket: TicketId, up_to: MessageId) -> Result<bool, Failure> {
    let seq: Option<i64> = messages::table
        .filter(messages::id.eq(Stored(up_to)))
        .filter(messages::ticket_id.eq(Stored(ticket)))
        .select(messages::seq.assume_not_null())
        .first(connection)
        .optional()?;
    let Some(seq) = seq else { return Ok(false) };
    let further = update(tickets::table.find(Stored(ticket)).filter(tickets::seen.lt(seq)))
        .set(tickets::seen.eq(seq))
        .returning(tickets::id);
    Ok(!prepared(further).load::<TicketId>(connection)?.is_empty())
}

/// Stores a notification that a customer asked for, unless their address got one of that kind lately.
pub(crate) fn request(
    connection: &mut Connection,
    about: TicketId,
    notification: &Notification,
    since: Timestamp,
) -> Result<bool, Failure> {
    let email: Option<String> = tickets::table
        .find(Stored(about))
        .select(tickets::customer_email)
        .first(connection)
        .optional()?;
    let Some(email) = email.map(|email| email.to_lowercase()) else {
        return Ok(false);
    };
    lock(connection, LockKey::MailAddress, &email)?;
    // They are few: one an hour and address.
    let lately = notifications::table
        .inner_join(tickets::table)
        .select(notifications::id)
        .limit(1)
        // Literally as in the index.
        .filter(sql::<Bool>("notifications.event = 'ticket.links'"))
        .filter(notifications::created_at.ge(Stored(since)))
        .filter(sql::<diesel::sql_types::Text>("lower(tickets.customer_email)").eq(email));
    if !prepared(lately).load::<NotificationId>(connection)?.is_empty() {
        return Ok(false);
    }
    insert_into(notifications::table)
        .values(NewNotificationRow::requested(notification, about))
        .execute(connection)?;
    Ok(true)
}
