//! What operators see and do.

use std::sync::Arc;

use async_trait::async_trait;
use diesel::{dsl::not, insert_into, prelude::*, update};
use ticket_domain::{
    Attention, AuditAction, AuditEntryId, Entry, Message, MessageId, Ticket, TicketId, TicketPage, TicketQuery,
    TicketRef,
    ports::{
        Attach, AttachResult, ChangeEvent, ChangeFeed, OperatorQueries, StoreError, Subscriber, UpdateTicket, parse,
    },
};

use crate::sqlite::{
    SqliteStore,
    customer_data::is_erased,
    db::Failure,
    listing, messages,
    rows::{MessageRow, NewNotificationRow, TicketRow, bytes},
    schema::{messages as messages_table, notifications, tickets},
    search, trail,
};

impl ChangeFeed for SqliteStore {
    fn follow(&self, subscriber: Arc<dyn Subscriber>) {
        self.db.follow(subscriber);
    }
}

#[async_trait]
impl OperatorQueries for SqliteStore {
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
                |(ticket, is_changed)| Vec::from_iter(is_changed.then_some(ChangeEvent::Ticket(ticket.id))),
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

    async fn attach(&self, patch: Attach) -> Result<AttachResult, StoreError> {
        let ticket = ChangeEvent::Ticket(patch.to);
        self.db
            .write_and_publish(
                move |connection| attach(connection, &patch),
                move |attached| match attached {
                    AttachResult::Attached => vec![ticket, ChangeEvent::Unmatched],
                    AttachResult::AlreadyAttached(_) | AttachResult::NoSuchMessage => Vec::new(),
                },
            )
            .await
    }

    async fn trail(
        &self,
        of: Option<TicketId>,
        before: Option<AuditEntryId>,
        limit: u16,
    ) -> Result<Vec<Entry>, StoreError> {
        self.db
            .read(move |connection| trail::read(connection, of, before, limit))
            .await
    }
}

/// The ticket as it stands then, and whether it was changed.
pub(crate) fn change(connection: &mut SqliteConnection, changes: &UpdateTicket) -> Result<(Ticket, bool), Failure> {
    let UpdateTicket { ticket, patch, at, .. } = changes;
    let id = bytes(ticket.0);
    let this = tickets::table.find(&id);
    let row = this.select(TicketRow::as_select()).first(connection)?;
    let before = Ticket::try_from(row)?;
    let acts = changes.acts(&before);
    if acts.is_empty() {
        return Ok((before, false));
    }
    for (note, act) in acts {
        trail::note(connection, note, Some(*ticket), &act)?;
    }
    messages::raise_version(connection, *ticket, *at, false, None)?;
    update(this)
        .set((
            // An update leaves out what is `None`.
            patch.status.map(|to| tickets::status.eq(to.as_str())),
            patch.priority.map(|to| tickets::priority.eq(to.as_str())),
        ))
        .execute(connection)?;
    let row = this.select(TicketRow::as_select()).first(connection)?;
    Ok((row.try_into()?, true))
}

/// The messages that are kept, by their ids.
pub(crate) fn unmatched(
    connection: &mut SqliteConnection,
    after: Option<MessageId>,
    limit: u16,
) -> Result<Vec<Message>, Failure> {
    let mut kept = messages_table::table
        .filter(messages_table::ticket_id.is_null())
        .filter(not(is_erased()))
        .order(messages_table::id)
        .limit(i64::from(limit))
        .select(MessageRow::as_select())
        .into_boxed();
    if let Some(after) = after {
        kept = kept.filter(messages_table::id.gt(bytes(after.0)));
    }
    let rows: Vec<MessageRow> = kept.load(connection)?;
    Ok(rows.into_iter().map(Message::try_from).collect::<Result<_, _>>()?)
}

pub(crate) fn message(
    connection: &mut SqliteConnection,
    id: MessageId,
) -> Result<Option<(Message, Option<TicketRef>)>, Failure> {
    let found: Option<(MessageRow, Option<String>)> = messages_table::table
        .left_join(tickets::table)
        .filter(messages_table::id.eq(bytes(id.0)))
        .select((MessageRow::as_select(), tickets::reference.nullable()))
        .first(connection)
        .optional()?;
    let Some((row, reference)) = found else {
        return Ok(None);
    };
    let reference = reference.map(|raw| parse("tickets", "reference", &raw)).transpose()?;
    Ok(Some((row.try_into()?, reference)))
}

pub(crate) fn attach(connection: &mut SqliteConnection, attach: &Attach) -> Result<AttachResult, Failure> {
    let Attach {
        message: id,
        to,
        sender,
        notification,
        reopen,
        note,
    } = attach;
    let of: Option<Option<String>> = messages_table::table
        .left_join(tickets::table)
        .filter(messages_table::id.eq(bytes(id.0)))
        .select(tickets::reference.nullable())
        .first(connection)
        .optional()?;
    match of {
        None => return Ok(AttachResult::NoSuchMessage),
        Some(Some(of)) => return Ok(AttachResult::AlreadyAttached(parse("tickets", "reference", &of)?)),
        Some(None) => {}
    }
    let version = messages::raise_version(connection, *to, note.at, *reopen, None)?;
    messages::join(connection, bytes(id.0), *sender, *to, version)?;
    if let Some(notification) = notification {
        insert_into(notifications::table)
            .values(NewNotificationRow::new(notification, *to, version))
            .execute(connection)?;
    }
    trail::note(connection, *note, Some(*to), &AuditAction::Attach(*id))?;
    Ok(AttachResult::Attached)
}
