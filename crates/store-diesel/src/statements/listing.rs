//! Lists of tickets: pages by their last change, and which tickets need an operator.

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{BigInt, Text},
};
use ticket_domain::{
    Attention, Awaiting, Cursor, Excerpt, Message, Oldest, Priority, Sender, Status, TicketListItem, TicketPage,
    TicketQuery, Timestamp,
    ports::{StoreError, parse},
};

use super::super::engine::{Connection, HAS_INDEX_OF_ALL};
use crate::{
    failure::Failure,
    prepared::{Columns, prepared, typed},
    rows::{MessageRow, TicketRow, message_columns, ticket_columns},
    types::{Moment, Stored},
};

/// A ticket in a list: its number, and its newest message.
pub(crate) type ListedRow = (i64, TicketRow, MessageRow);
type Listed = (BigInt, Columns<TicketRow>, Columns<MessageRow>);

/// The tickets whose numbers the query `page` gives, with their newest public messages, or else their first. One statement, so that a ticket and its newest message are of one moment.
fn listed(page: &str, order: &str) -> String {
    const COLUMNS: &str = concat!("t.number, ", ticket_columns!(), ", ", message_columns!());
    format!(
        "WITH page (number) AS ({page})
        SELECT {COLUMNS} FROM page JOIN tickets t ON t.number = page.number
            JOIN messages m ON m.ticket_id = t.id AND m.seq = coalesce(
                (SELECT max(seq) FROM messages WHERE ticket_id = t.id AND visibility = 'public'),
                (SELECT min(seq) FROM messages WHERE ticket_id = t.id))
        ORDER BY {order}"
    )
}

/// One page of the tickets that meet the conditions but the text, the last changed first.
pub(crate) fn page(connection: &mut Connection, query: &TicketQuery) -> Result<TicketPage, Failure> {
    let Some(page) = page_of_kinds(query) else {
        return Ok(TicketPage::default());
    };
    // Before the first page there is nothing that is newer.
    let (at, number) = query
        .after
        .map_or((Timestamp::MAX, i64::MAX), |cursor| (cursor.at, cursor.number));
    let statement = sql_query(listed(&page, "t.updated_at DESC, t.number DESC"))
        .bind::<Moment, _>(Stored(at))
        .bind::<BigInt, _>(number)
        .bind::<BigInt, _>(i64::from(query.limit) + 1);
    let rows: Vec<ListedRow> = typed::<Listed, _>(statement).load(connection)?;
    Ok(up_to(query.limit, rows))
}

/// The tickets of these numbers, the newest first.
pub(crate) fn numbered(connection: &mut Connection, numbers: &[i64]) -> Result<Vec<ListedRow>, Failure> {
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    let numbers: Vec<String> = numbers.iter().map(|number| format!("({number})")).collect();
    let statement = sql_query(listed(&format!("VALUES {}", numbers.join(", ")), "t.number DESC"));
    Ok(typed::<Listed, _>(statement).load(connection)?)
}

/// The rows as a page; one beyond `limit` says that there is another page. A corrupt row keeps no other back.
pub(crate) fn up_to(limit: u16, mut rows: Vec<ListedRow>) -> TicketPage {
    let is_more = rows.len() > usize::from(limit);
    rows.truncate(limit.into());
    let next = rows.last().filter(|_| is_more).map(|(number, ticket, _)| Cursor {
        at: ticket.updated_at.0,
        number: *number,
    });
    let tickets = rows.into_iter().filter_map(|(_, ticket, last)| {
        list_item(ticket, last)
            .inspect_err(|error| tracing::error!(%error, "a ticket's row is corrupt"))
            .ok()
    });
    TicketPage {
        tickets: tickets.collect(),
        next,
    }
}

fn list_item(ticket: TicketRow, last: MessageRow) -> Result<TicketListItem, StoreError> {
    Ok(TicketListItem {
        ticket: ticket.try_into()?,
        last: Excerpt::of(&Message::try_from(last)?),
    })
}

/// The numbers of one page, `$3` tickets after (`$1`, `$2`): of each kind that is wanted the first ones, by an index that
/// holds them in this order, and of those the first. All words in it are the domain's own. None where no kind is wanted.
fn page_of_kinds(query: &TicketQuery) -> Option<String> {
    const ORDER: &str = "ORDER BY updated_at DESC, number DESC LIMIT $3";
    let is_any = query.status.is_none() && query.priority.is_none() && query.awaiting.is_none();
    let conditions: Vec<String> = if is_any && HAS_INDEX_OF_ALL {
        vec![String::new()]
    } else {
        let kinds = kinds(query).into_iter();
        kinds
            .map(|(status, sender, priority)| {
                format!("status = '{status}' AND last_sender = '{sender}' AND priority = '{priority}' AND ")
            })
            .collect()
    };
    let kinds: Vec<String> = conditions
        .iter()
        .map(|condition| {
            format!(
                "SELECT * FROM (SELECT number, updated_at FROM tickets
                    WHERE {condition}(updated_at, number) < ($1, $2) {ORDER}) AS first"
            )
        })
        .collect();
    let kinds = (!kinds.is_empty()).then(|| kinds.join(" UNION ALL "))?;
    Some(format!("SELECT number FROM ({kinds}) AS found {ORDER}"))
}

/// Counts no further than it must, in the order of the index: a plan that reads the table for the first so many would
/// read all of it where the open ones are the newest.
const AWAITING_MANAGER: &str = "
    SELECT count(*) AS count FROM (
        SELECT 1 FROM tickets WHERE status = 'open' AND last_sender = 'customer'
        ORDER BY priority, updated_at, number LIMIT $1) AS counted";

/// The kinds of tickets that meet the conditions but the text. An index holds the tickets of each kind in the order of their
/// last change, so a list reads the first of each and merges them: as much work for a million tickets as for a few.
pub(crate) fn kinds(query: &TicketQuery) -> Vec<(Status, Sender, Priority)> {
    let mut kinds = Vec::new();
    for &status in Status::ALL {
        for &sender in Sender::ALL {
            for &priority in Priority::ALL {
                let is_wanted = query.status.is_none_or(|wanted| wanted == status)
                    && query.priority.is_none_or(|wanted| wanted == priority)
                    && query
                        .awaiting
                        .is_none_or(|wanted| Awaiting::after(sender, status) == Some(wanted));
                if is_wanted {
                    kinds.push((status, sender, priority));
                }
            }
        }
    }
    kinds
}

/// Returns what needs an operator: open tickets whose customer wrote last.
pub(crate) fn attention(connection: &mut Connection) -> Result<Attention, Failure> {
    #[derive(QueryableByName)]
    struct Counted {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    #[derive(QueryableByName)]
    struct OldestRow {
        #[diesel(sql_type = Text)]
        reference: String,
        #[diesel(sql_type = Moment)]
        updated_at: Timestamp,
    }
    let counted = sql_query(AWAITING_MANAGER).bind::<BigInt, _>(i64::from(Attention::COUNTED));
    let Counted { count } = prepared(counted).get_result(connection)?;
    let oldest: Option<OldestRow> = prepared(sql_query(oldest_awaiting_manager()))
        .get_result(connection)
        .optional()?;
    let oldest = oldest.map(|row| {
        Ok::<_, Failure>(Oldest {
            reference: parse("tickets", "reference", &row.reference)?,
            since: row.updated_at,
        })
    });
    Ok(Attention {
        awaiting_manager: u32::try_from(count).unwrap_or(Attention::COUNTED),
        oldest: oldest.transpose()?,
    })
}

/// The oldest of each priority, and of those the oldest.
fn oldest_awaiting_manager() -> String {
    let of_each: Vec<String> = Priority::ALL
        .iter()
        .map(|priority| {
            format!(
                "SELECT * FROM (SELECT number, reference, updated_at FROM tickets
                    WHERE status = 'open' AND last_sender = 'customer' AND priority = '{priority}'
                    ORDER BY updated_at, number LIMIT 1) AS first"
            )
        })
        .collect();
    format!("{} ORDER BY updated_at, number LIMIT 1", of_each.join(" UNION ALL "))
}
