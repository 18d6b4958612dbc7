//! Lists of tickets: what kinds of tickets are wanted, and which of them need an operator.

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{BigInt, Text},
};
use ticket_domain::{Attention, Awaiting, Oldest, Priority, Sender, Status, TicketQuery, Timestamp, ports::parse};

use super::super::engine::Connection;
use crate::{failure::Failure, prepared::prepared, types::Moment};

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
