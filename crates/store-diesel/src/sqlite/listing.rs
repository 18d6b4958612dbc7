//! Lists of tickets, by their last change.

use diesel::{prelude::*, sql_query, sql_types::BigInt};
use ticket_domain::{Cursor, Excerpt, Message, TicketListItem, TicketPage, TicketQuery, Timestamp};

use super::statements::lists;
use crate::{
    failure::Failure,
    rows::{MessageRow, TicketRow},
    schema::{messages, tickets},
    types::{Moment, Stored},
};

/// Where a ticket stands in the list.
#[derive(QueryableByName)]
struct CursorRow {
    #[diesel(sql_type = Moment)]
    updated_at: Timestamp,
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// One page, the last changed first.
pub(crate) fn page(connection: &mut SqliteConnection, listing: &TicketQuery) -> Result<TicketPage, Failure> {
    let limit = usize::from(listing.limit);
    let Some(query) = query(listing) else {
        return Ok(TicketPage::default());
    };
    // Before the first page there is nothing that is newer.
    let (at, number) = listing
        .after
        .map_or((Timestamp::MAX, i64::MAX), |cursor| (cursor.at, cursor.number));
    let mut places: Vec<CursorRow> = sql_query(query)
        .bind::<Moment, _>(Stored(at))
        .bind::<BigInt, _>(number)
        .bind::<BigInt, _>(i64::from(listing.limit) + 1)
        .load(connection)?;
    let is_last = places.len() <= limit;
    places.truncate(limit);
    let next = places.last().filter(|_| !is_last);
    let next = next.map(|place| Cursor {
        at: place.updated_at,
        number: place.number,
    });
    let found = places
        .iter()
        .filter_map(|place| listed(connection, place.number).transpose());
    Ok(TicketPage {
        tickets: found.collect::<Result<_, _>>()?,
        next,
    })
}

/// The places of a page. The index has the tickets of each kind in order, so the newest of each are read and merged: as
/// much work for a million tickets as for a few. All words in it are the domain's own. None if no ticket can meet the
/// conditions.
fn query(listing: &TicketQuery) -> Option<String> {
    let kinds: Vec<String> = lists::kinds(listing)
        .into_iter()
        .map(|(status, sender, priority)| {
            format!(
                "SELECT * FROM (SELECT updated_at, number FROM tickets
                WHERE status = '{status}' AND last_sender = '{sender}' AND priority = '{priority}'
                    AND (updated_at, number) < (?1, ?2)
                ORDER BY updated_at DESC, number DESC LIMIT ?3)"
            )
        })
        .collect();
    let all = kinds.join(" UNION ALL ");
    (!kinds.is_empty()).then(|| format!("SELECT * FROM ({all}) ORDER BY updated_at DESC, number DESC LIMIT ?3"))
}

/// A ticket in a list, by its number.
pub(crate) fn listed(connection: &mut SqliteConnection, number: i64) -> Result<Option<TicketListItem>, Failure> {
    let found: Option<(TicketRow, MessageRow)> = tickets::table
        .inner_join(messages::table)
        .filter(tickets::number.eq(number))
        .order(messages::seq.desc())
        .select((TicketRow::as_select(), MessageRow::as_select()))
        .first(connection)
        .optional()?;
    let Some((ticket, last)) = found else {
        return Ok(None);
    };
    Ok(Some(TicketListItem {
        ticket: ticket.try_into()?,
        last: Excerpt::of(&Message::try_from(last)?),
    }))
}

#[cfg(test)]
mod tests {
    use diesel::{Connection, connection::SimpleConnection};
    use diesel_migrations::MigrationHarness;

    use ticket_domain::Attention;

    use super::*;
    use crate::sqlite::MIGRATIONS;

    #[test]
    fn more_than_many_are_not_counted() {
        let mut connection = SqliteConnection::establish(":memory:").unwrap();
        connection.run_pending_migrations(MIGRATIONS).unwrap();
        let count = |connection: &mut SqliteConnection| lists::attention(connection).unwrap().awaiting_manager;
        let many = Attention::COUNTED;
        connection
            .batch_execute(&format!(
                "WITH RECURSIVE numbers (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM numbers WHERE n < {many} + 5)
                INSERT INTO tickets (id, reference, customer_name, customer_phone, customer_email, subject, priority,
                    status, customer_key, reader_key, version, created_at, updated_at)
                SELECT CAST(printf('%016d', n) AS BLOB), printf('T-20250115-%06d', n), '', '', '', '', 'low', 'open', '', '', 1, n, n
                FROM numbers"
            ))
            .unwrap();
        assert_eq!(count(&mut connection), many);
        connection
            .batch_execute("UPDATE tickets SET status = 'closed' WHERE number > 999")
            .unwrap();
        assert_eq!(count(&mut connection), 999);
    }
}
