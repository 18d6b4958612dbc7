//! What operators see and do.

use async_trait::async_trait;
use diesel::{
    dsl::{not, sql},
    prelude::*,
    update,
};
use ticket_domain::{
    Attention, AuditAction, AuditEntry, AuditEntryId, Message, MessageId, Ticket, TicketId, TicketPage, TicketQuery,
    TicketRef, Visibility,
    ports::{
        Attach, AttachResult, ChangeEvent, OperatorQueries, Remove, RemoveResult, StoreError, UpdateTicket, parse,
    },
};
use uuid::Uuid;

use super::{
    super::{
        engine::{Connection, Store, for_update},
        search,
    },
    audit_log, control_messages,
    customer_data::is_erased,
    customer_mail, listing, messages,
};
use crate::{
    failure::Failure,
    prepared::prepared,
    rows::{MessageRow, TicketRow},
    schema::{messages as messages_table, tickets},
    types::Stored,
};

#[async_trait]
impl OperatorQueries for Store {
    async fn list(&self, listing: TicketQuery) -> Result<TicketPage, StoreError> {
        self.db
            .read(move |connection| match &listing.text {
                None => listing::page(connection, &listing),
                Some(text) => search::page(connection, &listing, text),
            })
            .await
    }

    async fn attention(&self) -> Result<Attention, StoreError> {
        self.db.read(listing::attention).await
    }

    async fn change(&self, changes: UpdateTicket) -> Result<Ticket, StoreError> {
        let (ticket, _) = self
            .db
            .write_and_publish(
                move |connection| change(connection, &changes),
                |(ticket, is_changed)| is_changed.then_some(ChangeEvent::Ticket(ticket.id)),
            )
            .await?;
        Ok(ticket)
    }

    async fn unmatched(&self, after: Option<MessageId>, limit: u16) -> Result<Vec<Message>, StoreError> {
        self.db
            .read(move |connection| unmatched(connection, after, limit))
            .await
    }

    async fn message(&self, id: MessageId) -> Result<Option<(Message, Option<TicketRef>)>, StoreError> {
        self.db.read(move |connection| message(connection, id)).await
    }

    async fn attach(&self, attach: Attach) -> Result<AttachResult, StoreError> {
        let ticket = ChangeEvent::Ticket(attach.to);
        self.db
            .write_and_publish(
                move |connection| self::attach(connection, &attach),
                move |attached| match attached {
                    AttachResult::Attached => vec![ticket, ChangeEvent::Unmatched],
                    AttachResult::AlreadyAttached(_) | AttachResult::NoSuchMessage => Vec::new(),
                },
            )
            .await
    }

    async fn remove(&self, remove: Remove) -> Result<RemoveResult, StoreError> {
        let ticket = ChangeEvent::Ticket(remove.ticket);
        self.db
            .write_and_publish(
                move |connection| self::remove(connection, &remove),
                move |removed| match removed {
                    RemoveResult::Removed(1..) => Some(ticket),
                    RemoveResult::Removed(0) | RemoveResult::AlreadyKnown(_) | RemoveResult::NoSuchMessage => None,
                },
            )
            .await
    }

    async fn audit_log(
        &self,
        of: Option<TicketId>,
        before: Option<AuditEntryId>,
        limit: u16,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        self.db
            .read(move |connection| audit_log::read(connection, of, before, limit))
            .await
    }
}

/// Returns the ticket after the change, and whether it differs from before.
pub(crate) fn change(connection: &mut Connection, changes: &UpdateTicket) -> Result<(Ticket, bool), Failure> {
    let this = tickets::table.find(Stored(changes.ticket));
    let row = for_update!(this.select(TicketRow::as_select())).first(connection)?;
    let ticket = Ticket::try_from(row)?;
    let acts = changes.acts(&ticket);
    if acts.is_empty() {
        return Ok((ticket, false));
    }
    let is_status_new = acts.iter().any(|(_, act)| matches!(act, AuditAction::Status { .. }));
    for (note, act) in acts {
        audit_log::write(connection, note, Some(ticket.id), act)?;
    }
    let row = update(this)
        .set((
            // An update leaves out what is `None`.
            changes.patch.status.map(|status| tickets::status.eq(status.as_str())),
            changes
                .patch
                .priority
                .map(|priority| tickets::priority.eq(priority.as_str())),
            tickets::version.eq(tickets::version + 1),
            tickets::updated_at.eq(Stored(changes.at)),
        ))
        .returning(TicketRow::as_returning())
        .get_result(connection)?;
    let ticket = Ticket::try_from(row)?;
    if is_status_new {
        customer_mail::notify(connection, &changes.notifications, ticket.id, ticket.version.into())?;
    }
    Ok((ticket, true))
}

/// Returns the unmatched messages after one. Ids sort by the time at which a message was stored.
pub(crate) fn unmatched(
    connection: &mut Connection,
    after: Option<MessageId>,
    limit: u16,
) -> Result<Vec<Message>, Failure> {
    let after = after.unwrap_or(MessageId(Uuid::nil()));
    let kept = messages_table::table
        .filter(messages_table::ticket_id.is_null())
        .filter(not(is_erased()))
        .filter(messages_table::id.gt(Stored(after)))
        .order(messages_table::id)
        .limit(i64::from(limit))
        .select(MessageRow::as_select());
    let rows: Vec<MessageRow> = prepared(kept).load(connection)?;
    Ok(rows.into_iter().map(Message::try_from).collect::<Result<_, _>>()?)
}

pub(crate) fn message(
    connection: &mut Connection,
    id: MessageId,
) -> Result<Option<(Message, Option<TicketRef>)>, Failure> {
    let found: Option<(MessageRow, Option<String>)> = messages_table::table
        .left_join(tickets::table)
        .filter(messages_table::id.eq(Stored(id)))
        .select((MessageRow::as_select(), tickets::reference.nullable()))
        .first(connection)
        .optional()?;
    let found = found.map(|(row, of)| -> Result<_, StoreError> { Ok((row.try_into()?, reference(of.as_deref())?)) });
    Ok(found.transpose()?)
}

/// Every writer takes its locks in this order: key, external id, who is asked, question, ticket, message.
pub(crate) fn attach(connection: &mut Connection, attach: &Attach) -> Result<AttachResult, Failure> {
    let Some((kept, _)) = message(connection, attach.message)? else {
        return Ok(AttachResult::NoSuchMessage);
    };
    messages::lock_id(connection, kept.external_id.as_ref())?;
    for_update!(tickets::table.find(Stored(attach.to)).select(tickets::id)).first::<TicketId>(connection)?;
    let message = messages_table::table.find(Stored(attach.message));
    let of: Option<TicketId> = for_update!(message.select(messages_table::ticket_id)).first(connection)?;
    if let Some(of) = of {
        let raw: String = tickets::table
            .find(Stored(of))
            .select(tickets::reference)
            .first(connection)?;
        return Ok(AttachResult::AlreadyAttached(parse("tickets", "reference", &raw)?));
    }
    let version = messages::raise_version(connection, attach.to, attach.note.at, attach.reopen, None)?;
    messages::join(connection, attach.message, attach.sender, attach.to, version)?;
    customer_mail::notify(connection, &attach.notifications, attach.to, version)?;
    audit_log::write(
        connection,
        attach.note,
        Some(attach.to),
        AuditAction::Attach(attach.message),
    )?;
    Ok(AttachResult::Attached)
}

/// Every writer takes its locks in this order: key, external id, who is asked, question, ticket, message.
pub(crate) fn remove(connection: &mut Connection, remove: &Remove) -> Result<RemoveResult, Failure> {
    if let Some(because) = &remove.because
        && let Some(known) = control_messages::record(connection, because)?
    {
        return Ok(RemoveResult::AlreadyKnown(known));
    }
    let Some((_, first)) = remove.messages.first() else {
        return Ok(RemoveResult::Removed(0));
    };
    for_update!(tickets::table.find(Stored(remove.ticket)).select(tickets::id)).first::<TicketId>(connection)?;
    let ids: Vec<_> = remove.messages.iter().map(|(id, _)| Stored(*id)).collect();
    let theirs = messages_table::table
        .filter(messages_table::id.eq_any(ids))
        .filter(messages_table::ticket_id.eq(Stored(remove.ticket)))
        .order(messages_table::id)
        .select((messages_table::id, messages_table::visibility));
    let found: Vec<(MessageId, String)> = for_update!(theirs).load(connection)?;
    if found.len() < remove.messages.len() {
        return Ok(RemoveResult::NoSuchMessage);
    }
    let is_public = |id| {
        found
            .iter()
            .any(|(known, seen)| *known == id && seen == Visibility::Public.as_str())
    };
    let shown: Vec<_> = remove.messages.iter().filter(|(id, _)| is_public(*id)).collect();
    if shown.is_empty() {
        return Ok(RemoveResult::Removed(0));
    }
    for (id, stamp) in &shown {
        update(messages_table::table.find(Stored(*id)))
            .set(messages_table::visibility.eq(Visibility::Removed.as_str()))
            .execute(connection)?;
        audit_log::write(connection, *stamp, Some(remove.ticket), AuditAction::Remove(*id))?;
    }
    messages::raise_version(connection, remove.ticket, first.at, false, None)?;
    update(tickets::table.find(Stored(remove.ticket)))
        .set(tickets::last_sender.eq(sql::<diesel::sql_types::Text>(
            "coalesce(
                (SELECT sender FROM messages WHERE ticket_id = tickets.id AND visibility = 'public'
                    ORDER BY seq DESC LIMIT 1),
                (SELECT sender FROM messages WHERE ticket_id = tickets.id ORDER BY seq LIMIT 1))",
        )))
        .execute(connection)?;
    Ok(RemoveResult::Removed(shown.len()))
}

fn reference(raw: Option<&str>) -> Result<Option<TicketRef>, StoreError> {
    raw.map(|raw| parse("tickets", "reference", raw)).transpose()
}
