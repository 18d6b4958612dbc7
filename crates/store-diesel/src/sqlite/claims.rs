//! Claiming notifications that are due.

use diesel::{
    alias,
    dsl::{exists, not, sql},
    expression::BoxableExpression,
    prelude::*,
    sql_types::Bool,
    sqlite::Sqlite,
    update,
};
use ticket_domain::{Timestamp, ports::Claim};

use crate::{failure::Failure, prepared::prepared, rows::ClaimedRow, schema::notifications, types::Stored};

type Condition = Box<dyn BoxableExpression<notifications::table, Sqlite, SqlType = Bool>>;

/// No earlier notification of its ticket to its recipient waits or is held.
fn is_first_in_order() -> Condition {
    let earlier = alias!(notifications as earlier);
    Box::new(not(exists(
        earlier
            .filter(earlier.field(notifications::ticket_id).eq(notifications::ticket_id))
            .filter(earlier.field(notifications::recipient).eq(notifications::recipient))
            .filter(earlier.field(notifications::seq).lt(notifications::seq))
            // Literally as in the index: SQLite does not use it for a bound value.
            .filter(sql::<Bool>("earlier.state IN ('waiting', 'held')")),
    )))
}

/// Leases what is due. A notification is due if it waits and its time has come; an expired lease is simply due.
pub(crate) fn due(connection: &mut SqliteConnection, claim: Claim, limit: u16) -> Result<Vec<ClaimedRow>, Failure> {
    let due = notifications::table
        .filter(notifications::recipient.eq(claim.recipient.as_str()))
        .filter(notifications::due_at.le(Stored(claim.now)))
        .filter(is_first_in_order())
        .order(notifications::due_at)
        .limit(i64::from(limit))
        .select(ClaimedRow::as_select());
    let rows: Vec<ClaimedRow> = if claim.first_tries_only {
        prepared(due.filter(notifications::attempted_at.is_null())).load(connection)?
    } else {
        prepared(due).load(connection)?
    };
    for row in &rows {
        lease(connection, row, claim)?;
    }
    Ok(rows)
}

/// Leases one that is not due and that nobody has, the one probed longest ago first; none if one was probed after
/// `unless_after`.
pub(crate) fn probe(
    connection: &mut SqliteConnection,
    claim: Claim,
    unless_after: Timestamp,
) -> Result<Option<ClaimedRow>, Failure> {
    let probed = notifications::recipient
        .eq(claim.recipient.as_str())
        .and(notifications::due_at.is_not_null())
        .and(notifications::probed_at.gt(Stored(unless_after)));
    if diesel::select(exists(notifications::table.filter(probed))).get_result(connection)? {
        return Ok(None);
    }
    let next = notifications::table
        .filter(notifications::recipient.eq(claim.recipient.as_str()))
        .filter(notifications::due_at.gt(Stored(claim.until)))
        .filter(notifications::lease.is_null())
        .filter(
            notifications::attempted_at
                .is_not_null()
                .or(notifications::scheduled_at.le(Stored(claim.now)))
                .or(notifications::created_at.gt(Stored(claim.now))),
        )
        .filter(is_first_in_order())
        // To SQLite, never is the longest ago.
        .order((notifications::probed_at, notifications::due_at))
        .limit(1)
        .select(ClaimedRow::as_select());
    let row: Option<ClaimedRow> = prepared(next).get_result(connection).optional()?;
    if let Some(row) = &row {
        lease(connection, row, claim)?;
        update(notifications::table.find(Stored(row.id)))
            .set(notifications::probed_at.eq(Stored(claim.now)))
            .execute(connection)?;
    }
    Ok(row)
}

fn lease(connection: &mut SqliteConnection, row: &ClaimedRow, claim: Claim) -> Result<(), Failure> {
    let leased = update(notifications::table.find(Stored(row.id))).set((
        notifications::lease.eq(Stored(claim.lease)),
        notifications::due_at.eq(Stored(claim.until)),
        notifications::attempted_at.eq(Stored(claim.now)),
    ));
    prepared(leased.returning(notifications::failed_attempts)).load::<i64>(connection)?;
    Ok(())
}
