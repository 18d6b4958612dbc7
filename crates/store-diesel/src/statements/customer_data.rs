//! Finding and erasing personal data.

use async_trait::async_trait;
use diesel::{
    delete,
    dsl::{exists, sql},
    expression::{BoxableExpression, SqlLiteral},
    prelude::*,
    sql_types::Bool,
    update,
};
use ticket_domain::{
    Address, AuditAction, AuditStamp, Message, MessageId, NotificationId, QuestionId, QuestionKind, Redaction, Ticket,
    TicketId, TicketRef, Timestamp, WAITING_FOR,
    ports::{
        ChangeEvent, CustomerData, EraseStats, EraseTarget, Erasure, InactiveQuery, InactiveTickets, StoreError, parse,
    },
};

use super::{
    super::{
        customer_data::{is_about, reindexed, securely},
        engine::{Connection, Store, for_update},
    },
    attachments, audit_log,
    outbox::{NOTHING, empty},
};
use crate::{
    failure::Failure,
    rows::{DetailsRow, MessageRow, TicketRow},
    schema::{control_messages, files, idempotency_keys, messages, notifications, questions, tickets},
    types::Stored,
};

type Condition =
    Box<dyn BoxableExpression<tickets::table, <Connection as diesel::Connection>::Backend, SqlType = Bool>>;

/// By what a message's ticket is found from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SearchedBy {
    /// By what its rows contain now.
    WhatIsLeft,
    /// By its reference only: it will have no customer.
    Reference,
}

#[async_trait]
impl CustomerData for Store {
    async fn messages_from(&self, addresses: Vec<Address>) -> Result<Vec<(Message, Option<TicketRef>)>, StoreError> {
        self.db
            .read(move |connection| messages_from(connection, &addresses))
            .await
    }

    async fn inactive_tickets(&self, query: InactiveQuery) -> Result<InactiveTickets, StoreError> {
        self.db.read(move |connection| inactive(connection, query)).await
    }

    async fn erase(&self, erasure: Erasure) -> Result<EraseStats, StoreError> {
        let (stats, _) = self
            .db
            .write_and_publish(
                move |connection| erase(connection, &erasure),
                |(_, events)| events.clone(),
            )
            .await?;
        Ok(stats)
    }
}

/// Erases one step, and returns what changed by it.
pub(crate) fn erase(connection: &mut Connection, erasure: &Erasure) -> Result<(EraseStats, Vec<ChangeEvent>), Failure> {
    let stamp = erasure.stamp;
    securely(connection, |connection| match &erasure.what {
        EraseTarget::Ticket { id, after, limit } => erase_ticket(connection, *id, *after, *limit, stamp),
        EraseTarget::Messages(messages) => erase_messages(connection, messages, stamp),
    })
}

/// Every writer takes its locks in this order: key, external id, who is asked, question, ticket, message, notification.
fn erase_ticket(
    connection: &mut Connection,
    id: TicketId,
    after: u64,
    limit: u16,
    stamp: AuditStamp,
) -> Result<(EraseStats, Vec<ChangeEvent>), Failure> {
    let this = tickets::table.find(Stored(id));
    let found: Option<(TicketRow, bool)> = this
        .select((TicketRow::as_select(), has_messages_to_erase()))
        .first(connection)
        .optional()?;
    let Some((row, has_messages)) = found else {
        return Ok(Default::default());
    };
    let ticket = Ticket::try_from(row)?;
    delete(idempotency_keys::table.filter(idempotency_keys::ticket_id.eq(Stored(id)))).execute(connection)?;
    let erased = control_messages::reply.eq(Redaction::TEXT);
    let left = || control_messages::table.filter(control_messages::reply.ne(Redaction::TEXT));
    update(left().filter(control_messages::ticket_id.eq(Stored(id))))
        .set(erased)
        .execute(connection)?;
    // What was said of no ticket alone may name this one's customer too, as lists do.
    update(left().filter(control_messages::ticket_id.is_null()))
        .set(erased)
        .execute(connection)?;
    let asked: Vec<QuestionId> = messages::table
        .filter(messages::ticket_id.eq(Stored(id)))
        .filter(messages::question_id.is_not_null())
        .select(messages::question_id.assume_not_null())
        .distinct()
        .load(connection)?;
    forget_questions(connection, Some(ticket.reference), &asked, stamp.at)?;
    if after == 0 && ticket.is_erased() && !has_messages {
        return Ok(Default::default());
    }
    // From here on nobody writes into it.
    let row: TicketRow = update(this)
        .set(tickets::version.eq(tickets::version + 1))
        .returning(TicketRow::as_returning())
        .get_result(connection)?;
    let ticket = Ticket::try_from(row)?;
    // One more, so that none is left for a last step of its own: without any, it would be found by nobody's name.
    let next = messages::table
        .filter(messages::ticket_id.eq(Stored(id)))
        .filter(messages::seq.gt(i64::try_from(after).unwrap_or(i64::MAX)))
        .order(messages::seq)
        .limit(i64::from(limit) + 1)
        .select((messages::id, messages::seq.assume_not_null(), has_content()));
    let mut written: Vec<(MessageId, i64, bool)> = for_update!(next).load(connection)?;
    let is_last = written.len() <= usize::from(limit);
    written.truncate(limit.into());
    let last = written.last().map(|(_, seq, _)| seq.unsigned_abs());
    let ids: Vec<Stored<MessageId>> = written.iter().map(|(id, ..)| Stored(*id)).collect();
    // The files lead to their notifications until they are deleted.
    let mut cancelled = cancel(connection, &ids, stamp.at)?;
    overwrite(connection, &ids, SearchedBy::Reference)?;
    if is_last {
        cancelled += cancel_rest(connection, id, stamp.at)?;
    }
    let stats = EraseStats {
        tickets: u64::from(is_last && !ticket.is_erased()),
        messages: written.iter().filter(|(.., has_content)| *has_content).count() as u64,
        cancelled,
        next: last.filter(|_| !is_last),
    };
    if is_last {
        update(this)
            .set(DetailsRow::new(&ticket.details.redacted()))
            .execute(connection)?;
    }
    audit_log::write(connection, stamp, Some(id), AuditAction::Erase(stats.messages))?;
    Ok((stats, vec![ChangeEvent::Ticket(id)]))
}

fn erase_messages(
    connection: &mut Connection,
    wanted: &[MessageId],
    stamp: AuditStamp,
) -> Result<(EraseStats, Vec<ChangeEvent>), Failure> {
    let wanted = messages::id.eq_any(wanted.iter().copied().map(Stored).collect::<Vec<_>>());
    let asked: Vec<QuestionId> = messages::table
        .filter(wanted.clone())
        .filter(messages::question_id.is_not_null())
        .select(messages::question_id.assume_not_null())
        .distinct()
        .load(connection)?;
    forget_questions(connection, None, &asked, stamp.at)?;
    let changed: Vec<TicketId> = messages::table
        .filter(wanted.clone())
        .filter(messages::ticket_id.is_not_null())
        .select(messages::ticket_id.assume_not_null())
        .distinct()
        // The only order of locks.
        .order(messages::ticket_id)
        .load(connection)?;
    for ticket in &changed {
        update(tickets::table.find(Stored(*ticket)))
            .set(tickets::version.eq(tickets::version + 1))
            .execute(connection)?;
    }
    let written = messages::table
        .filter(wanted)
        .order(messages::id)
        .select((messages::id, messages::ticket_id.is_null()));
    let written: Vec<(MessageId, bool)> = for_update!(written).load(connection)?;
    let ids: Vec<Stored<MessageId>> = written.iter().map(|(id, _)| Stored(*id)).collect();
    let stats = EraseStats {
        messages: ids.len() as u64,
        cancelled: cancel(connection, &ids, stamp.at)?,
        ..EraseStats::default()
    };
    overwrite(connection, &ids, SearchedBy::WhatIsLeft)?;
    if stats.messages > 0 {
        audit_log::write(connection, stamp, None, AuditAction::Erase(stats.messages))?;
    }
    let is_unmatched = written.iter().any(|(_, is_unmatched)| *is_unmatched);
    let events = changed.into_iter().map(ChangeEvent::Ticket);
    Ok((
        stats,
        events.chain(is_unmatched.then_some(ChangeEvent::Unmatched)).collect(),
    ))
}

/// Erases what people were asked that shows this ticket's subject, or the messages of the questions `asked`: whatever the same
/// person was asked while those waited may quote them. None of it can be answered any more.
fn forget_questions(
    connection: &mut Connection,
    reference: Option<TicketRef>,
    asked: &[QuestionId],
    at: Timestamp,
) -> Result<(), Failure> {
    let mut showing: Vec<Stored<QuestionId>> = match reference {
        Some(reference) => questions::table
            .filter(is_about(reference))
            .select(questions::id)
            .load(connection)?,
        None => Vec::new(),
    };
    for question in asked {
        let about: Option<(String, Timestamp)> = questions::table
            .find(Stored(*question))
            .select((questions::asked, questions::asked_at))
            .first(connection)
            .optional()?;
        let Some((person, asked_at)) = about else { continue };
        let quoting = questions::table
            .filter(questions::asked.eq(person))
            .filter(questions::asked_at.ge(Stored(asked_at)))
            .filter(questions::asked_at.le(Stored(asked_at.plus(WAITING_FOR))))
            .select(questions::id);
        showing.extend(quoting.load::<Stored<QuestionId>>(connection)?);
    }
    if showing.is_empty() {
        return Ok(());
    }
    let shown = || questions::table.filter(questions::id.eq_any(&showing));
    for_update!(shown().order(questions::id).select(questions::id)).load::<QuestionId>(connection)?;
    update(shown().filter(questions::closed_at.is_null()))
        .set(questions::closed_at.eq(Stored(at)))
        .execute(connection)?;
    update(shown())
        .set(questions::text.eq(Redaction::TEXT))
        .execute(connection)?;
    // A manager's number says nothing of the customer.
    update(shown().filter(questions::kind.eq(QuestionKind::Customer.as_str())))
        .set(questions::asked.eq(Redaction::TEXT))
        .execute(connection)?;
    let asking = notifications::table
        .filter(notifications::question_id.eq_any(&showing))
        .order(notifications::id)
        .select(notifications::id);
    let asking: Vec<Stored<NotificationId>> = for_update!(asking).load(connection)?;
    empty(connection, &asking, at)?;
    Ok(())
}

/// Replaces what messages said, and what they are found by.
fn overwrite(connection: &mut Connection, ids: &[Stored<MessageId>], searched_by: SearchedBy) -> Result<(), Failure> {
    reindexed(connection, ids, searched_by, |connection| {
        update(messages::table.filter(messages::id.eq_any(ids)))
            .set((
                messages::body.eq(Redaction::TEXT),
                messages::media_url.eq(None::<String>),
                messages::attachments.eq(None::<String>),
                // A manager's number says nothing of the customer.
                messages::from_address.eq(sql(
                    "CASE WHEN sender = 'manager' AND ticket_id IS NOT NULL THEN from_address END",
                )),
            ))
            .execute(connection)?;
        attachments::delete_of(connection, ids)
    })
}

/// Empties the notifications of these messages. Those that were not sent yet are given up, also where somebody is just
/// sending one, who finds its lease gone. Returns how many were given up.
fn cancel(connection: &mut Connection, of: &[Stored<MessageId>], at: Timestamp) -> Result<u64, Failure> {
    let is_of_message = notifications::ticket_id
        .eq(messages::ticket_id)
        .and(notifications::seq.eq(messages::seq));
    let notified = messages::table
        .inner_join(notifications::table.on(is_of_message))
        .filter(messages::id.eq_any(of))
        .order(notifications::id)
        .select(notifications::id);
    let mut cancelled: Vec<Stored<NotificationId>> = for_update!(notified).load(connection)?;
    let is_of_file = notifications::ticket_id
        .eq(messages::ticket_id)
        .and(notifications::seq.eq(files::seq));
    let of_files = files::table
        .inner_join(messages::table)
        .inner_join(notifications::table.on(is_of_file))
        .filter(messages::id.eq_any(of))
        .order(notifications::id)
        .select(notifications::id);
    cancelled.extend(for_update!(of_files).load::<Stored<NotificationId>>(connection)?);
    empty(connection, &cancelled, at)
}

/// The same for what a ticket's notifications tell that no message says: a resolution, or links. They hold the address.
fn cancel_rest(connection: &mut Connection, ticket: TicketId, at: Timestamp) -> Result<u64, Failure> {
    let rest = notifications::table
        .filter(notifications::ticket_id.eq(Stored(ticket)))
        .filter(notifications::payload.ne(NOTHING))
        .order(notifications::id)
        .select(notifications::id);
    let rest: Vec<Stored<NotificationId>> = for_update!(rest).load(connection)?;
    empty(connection, &rest, at)
}

/// Whether there is something in a message to erase.
fn has_content() -> SqlLiteral<Bool> {
    sql(&format!(
        "(messages.body <> '{}' OR messages.media_url IS NOT NULL OR messages.attachments IS NOT NULL
            OR (messages.from_address IS NOT NULL AND messages.sender <> 'manager'))",
        Redaction::TEXT
    ))
}

/// Whether something was written into a ticket, or is to be sent of it, that is not erased yet.
fn has_messages_to_erase() -> Condition {
    let written = messages::table
        .filter(messages::ticket_id.eq(tickets::id.nullable()))
        .filter(has_content());
    let sent = notifications::table
        .filter(notifications::ticket_id.eq(tickets::id.nullable()))
        .filter(notifications::payload.ne(NOTHING));
    Box::new(exists(written).or(exists(sent)))
}

/// Whether an unmatched message was erased, and so waits for nothing.
pub(crate) fn is_erased() -> SqlLiteral<Bool> {
    sql("(messages.from_address IS NULL AND messages.body = '[erased]')")
}

pub(crate) fn messages_from(
    connection: &mut Connection,
    addresses: &[Address],
) -> Result<Vec<(Message, Option<TicketRef>)>, Failure> {
    let rows: Vec<(MessageRow, Option<String>)> = messages::table
        .left_join(tickets::table)
        .filter(messages::from_address.eq_any(addresses.iter().map(Address::as_str)))
        // Literally, as in the index.
        .filter(sql::<Bool>("messages.sender <> 'manager'"))
        .order(messages::id)
        .select((MessageRow::as_select(), tickets::reference.nullable()))
        .load(connection)?;
    let parsed = rows.into_iter().map(|(row, reference)| -> Result<_, StoreError> {
        let reference = reference.map(|raw| parse("tickets", "reference", &raw)).transpose()?;
        Ok((row.try_into()?, reference))
    });
    Ok(parsed.collect::<Result<_, _>>()?)
}

/// Examines the next tickets. A corrupt row keeps no other back.
pub(crate) fn inactive(connection: &mut Connection, query: InactiveQuery) -> Result<InactiveTickets, Failure> {
    let since = query.unchanged_since;
    let examined: Vec<(i64, TicketRow, bool)> = tickets::table
        .filter(tickets::number.gt(query.after))
        .order(tickets::number)
        .limit(i64::from(query.limit))
        .select((tickets::number, TicketRow::as_select(), has_messages_to_erase()))
        .load(connection)?;
    let is_more = examined.len() == usize::from(query.limit);
    // Tickets that were opened later than that can't be inactive.
    let last = examined
        .last()
        .filter(|(_, row, _)| is_more && row.created_at.0 < since);
    let next = last.map(|(number, ..)| *number);
    let mut tickets = Vec::new();
    for (_, row, has_messages) in examined {
        match Ticket::try_from(row) {
            Ok(ticket) if ticket.updated_at < since && (has_messages || !ticket.is_erased()) => tickets.push(ticket.id),
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "a ticket's row is corrupt"),
        }
    }
    Ok(InactiveTickets { tickets, next })
}
