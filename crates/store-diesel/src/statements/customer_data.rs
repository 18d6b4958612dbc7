//! What is kept of a person. How it is erased is each engine's own, since that is where what is searched lies.

use async_trait::async_trait;
use diesel::{dsl::sql, expression::SqlLiteral, prelude::*, sql_types::Bool};
use ticket_domain::{
    Message, Phone, TicketId, TicketRef, Timestamp,
    ports::{
        AuditStamp, ChangeEvent, CustomerData, EraseStats, EraseTarget, Erasure, InactiveQuery, InactiveTickets,
        StoreError, parse,
    },
};

use super::super::{
    customer_data::{erase_messages, erase_ticket, securely},
    engine::{Connection, Store},
};
use crate::{
    failure::Failure,
    rows::MessageRow,
    schema::{messages, tickets},
};

#[async_trait]
impl CustomerData for Store {
    async fn messages_from(&self, phone: Phone) -> Result<Vec<(Message, Option<TicketRef>)>, StoreError> {
        self.db.read(move |connection| messages_from(connection, &phone)).await
    }

    async fn stale(&self, query: InactiveQuery) -> Result<InactiveTickets, StoreError> {
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
    let stamp = AuditStamp {
        id: erasure.entry,
        at: erasure.at,
    };
    securely(connection, |connection| match &erasure.what {
        EraseTarget::Ticket { id, after, limit } => erase_ticket(connection, *id, *after, *limit, stamp),
        EraseTarget::Messages(messages) => erase_messages(connection, messages, stamp),
    })
}

/// Whether somebody is left in a ticket: its words are not those of [`Redaction`](ticket_domain::Redaction).
pub(crate) const HAS_CUSTOMER: &str = "((customer_name, customer_phone, customer_email, subject) <> \
    ('[erased]', '0100000', 'erased@erased.invalid', '[erased]'))";

/// Whether there is something in a message to erase.
pub(crate) const HAS_CONTENT: &str = "(messages.body <> '[erased]' OR messages.media_url IS NOT NULL
    OR (messages.from_phone IS NOT NULL AND messages.sender <> 'manager'))";

/// Whether there is something in a ticket to erase: its customer, or what was written or sent since that was erased.
pub(crate) fn has_something() -> SqlLiteral<Bool> {
    sql(&format!(
        "({HAS_CUSTOMER} OR EXISTS (SELECT 1 FROM messages WHERE messages.ticket_id = tickets.id AND {HAS_CONTENT})
            OR EXISTS (SELECT 1 FROM notifications n WHERE n.ticket_id = tickets.id AND length(n.payload) > 0))"
    ))
}

/// Whether an unmatched message was erased, and so waits for nothing.
pub(crate) fn is_erased() -> SqlLiteral<Bool> {
    sql("(messages.from_phone IS NULL AND messages.body = '[erased]')")
}

pub(crate) fn messages_from(
    connection: &mut Connection,
    phone: &Phone,
) -> Result<Vec<(Message, Option<TicketRef>)>, Failure> {
    let digits = phone.as_str().trim_start_matches('+');
    let rows: Vec<(MessageRow, Option<String>)> = messages::table
        .left_join(tickets::table)
        .filter(messages::from_phone.eq_any([digits.to_owned(), format!("+{digits}")]))
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

pub(crate) fn inactive(connection: &mut Connection, query: InactiveQuery) -> Result<InactiveTickets, Failure> {
    let since = query.unchanged_since;
    let looked_at: Vec<(i64, TicketId, Timestamp, Timestamp, bool)> = tickets::table
        .filter(tickets::number.gt(query.after))
        .order(tickets::number)
        .limit(i64::from(query.limit))
        .select((
            tickets::number,
            tickets::id,
            tickets::created_at,
            tickets::updated_at,
            has_something(),
        ))
        .load(connection)?;
    let is_more = looked_at.len() == usize::from(query.limit);
    let last = looked_at
        .last()
        .filter(|(_, _, created_at, ..)| is_more && *created_at < since);
    let next = last.map(|(number, ..)| *number);
    let inactive = looked_at
        .into_iter()
        .filter(|(_, _, _, updated_at, has_something)| *updated_at < since && *has_something);
    Ok(InactiveTickets {
        tickets: inactive.map(|(_, id, ..)| id).collect(),
        next,
    })
}
