//! Lists of tickets, by when they last changed.

use diesel::{prelude::*, sql_query, sql_types::BigInt};
use ticket_domain::{TicketListItem, TicketPage, TicketQuery, Timestamp};

use super::statements::lists;
use crate::{
    failure::Failure,
    prepared::prepared,
    rows::ListedRow,
    types::{Moment, Stored},
};

/// The tickets of the numbers that `$page` gives, each with its newest message. One statement, so that both are of one
/// moment.
macro_rules! listed {
    ($page:literal, $order:literal) => {
        concat!(
            "SELECT t.*, m.* FROM ",
            $page,
            " AS page JOIN tickets t ON t.number = page.number CROSS JOIN LATERAL (
                SELECT id AS message_id, sender, channel, from_phone, body, media_url, external_id,
                    created_at AS received_at
                FROM messages WHERE ticket_id = t.id ORDER BY seq DESC LIMIT 1) m
            ORDER BY ",
            $order
        )
    };
}
pub(crate) use listed;

/// One page of the tickets that meet the conditions but the text, the last changed first.
pub(crate) fn page(connection: &mut PgConnection, listing: &TicketQuery) -> Result<TicketPage, Failure> {
    let Some(sql) = query(listing) else {
        return Ok(TicketPage::default());
    };
    let statement = sql_query(sql)
        .bind::<BigInt, _>(i64::from(listing.limit) + 1)
        .bind::<Moment, _>(listing.after.map_or(END, |after| Stored(after.at)))
        .bind::<BigInt, _>(listing.after.map_or(i64::MAX, |after| after.number));
    let rows: Vec<ListedRow> = prepared(statement).load(connection)?;
    Ok(tickets(rows, listing.limit))
}

/// After every change there can be.
const END: Stored<Timestamp> = Stored(Timestamp::MAX);

/// The rows as a page; the one beyond `limit` says that there is another page. A corrupt row keeps no other back.
pub(crate) fn tickets(mut rows: Vec<ListedRow>, limit: u16) -> TicketPage {
    let limit = usize::from(limit);
    let is_more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| is_more).map(ListedRow::cursor);
    let tickets = rows.into_iter().filter_map(|row| {
        TicketListItem::try_from(row)
            .inspect_err(|error| tracing::error!(%error, "a ticket's row is corrupt"))
            .ok()
    });
    TicketPage {
        tickets: tickets.collect(),
        next,
    }
}

/// The statement for one page, `$1` tickets after (`$2`, `$3`): of each kind that is wanted the first ones, by an index
/// that holds them in this order, and of those the first. None where no kind is wanted.
fn query(listing: &TicketQuery) -> Option<String> {
    const BRANCH: &str = "(updated_at, number) < ($2, $3) ORDER BY updated_at DESC, number DESC LIMIT $1";
    let branches: Vec<String> = kinds(listing)
        .into_iter()
        .map(|kind| format!("(SELECT number, updated_at FROM tickets WHERE {kind}{BRANCH})"))
        .collect();
    if branches.is_empty() {
        return None;
    }
    let page = format!(
        "(SELECT * FROM ({}) AS kinds ORDER BY updated_at DESC, number DESC LIMIT $1)",
        branches.join(" UNION ALL ")
    );
    Some(listed!("$page", "page.updated_at DESC, page.number DESC").replacen("$page", &page, 1))
}

/// The kinds of tickets that are wanted, as conditions; without any condition, one of all.
fn kinds(query: &TicketQuery) -> Vec<String> {
    if query.status.is_none() && query.priority.is_none() && query.awaiting.is_none() {
        return vec![String::new()];
    }
    let kinds = lists::kinds(query).into_iter();
    kinds
        .map(|(status, sender, priority)| {
            format!("status = '{status}' AND last_sender = '{sender}' AND priority = '{priority}' AND ")
        })
        .collect()
}
