//! Notifications that are sent again at an operator's wish.

use diesel::{dsl::sql, prelude::*, sql_query, sql_types, update};
use ticket_domain::{
    AuditAction, Fallback, NotificationId, TicketId,
    ports::{AuditStamp, RedeliverResult},
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::postgres::{
    db::Failure,
    outbox::{NEVER, NOTHING},
    rows::state,
    schema::notifications,
    trail,
};

/// What was given up is sought among what is not delivered. The words stand here literally, as in the index: a plan for
/// any value would not use it.
const REDELIVER_DEAD: &str = "
    UPDATE notifications
    SET state = 'waiting', due_at = $1, scheduled_at = $1, failures = 0, settled_at = NULL, addressed = true
    WHERE id IN (
        SELECT id FROM notifications WHERE state <> 'delivered' AND state = 'dead' AND payload <> '' AND route = 'text'
        LIMIT $2 FOR UPDATE SKIP LOCKED)";
const DEAD_ELSEWHERE: &str = "state <> 'delivered' AND state = 'dead' AND payload <> '' AND route <> 'text'";

/// Makes one due, and says whose it is if it was made so.
pub(crate) fn redeliver(
    connection: &mut PgConnection,
    id: NotificationId,
    note: AuditStamp,
    anew: Option<&Fallback>,
) -> Result<(RedeliverResult, Option<TicketId>), Failure> {
    let now = OffsetDateTime::from(note.at);
    let this = notifications::table.find(id.0);
    let found = this
        // What was erased can't be sent.
        .filter(notifications::payload.ne(NOTHING))
        .select((
            notifications::ticket_id,
            notifications::state,
            notifications::lease,
            notifications::due_at,
        ))
        .for_update()
        .first::<(Uuid, String, Option<Uuid>, Option<OffsetDateTime>)>(connection)
        .optional()?;
    let Some((ticket, state, lease, due)) = found else {
        return Ok((RedeliverResult::NotFound, None));
    };
    let is_under_way = lease.is_some() && due.is_some_and(|lease_end| lease_end > now);
    let is_due = (
        notifications::state.eq(state::WAITING),
        notifications::due_at.eq(now),
        // The operator's word for it was given, so it must not be held again.
        notifications::addressed.eq(true),
    );
    match state.as_str() {
        state::DELIVERED => return Ok((RedeliverResult::AlreadyDelivered, None)),
        _ if is_under_way => return Ok((RedeliverResult::InProgress, None)),
        state::DEAD => {
            let another_message = anew.map(|way| {
                (
                    notifications::route.eq(way.route.as_str()),
                    notifications::payload.eq(&*way.payload.0),
                    notifications::round.eq(notifications::round + 1),
                )
            });
            let schedule = (
                notifications::failures.eq(0),
                notifications::scheduled_at.eq(now),
                notifications::settled_at.eq(NEVER),
            );
            update(this)
                .set((is_due, schedule, another_message))
                .execute(connection)?;
        }
        _ => {
            update(this).set(is_due).execute(connection)?;
        }
    }
    let ticket = TicketId(ticket);
    trail::write(connection, note, Some(ticket), AuditAction::Redeliver(id))?;
    Ok((RedeliverResult::Queued, Some(ticket)))
}

/// Makes a batch due of what was given up in its own words at the first number, and counts it in the trail.
pub(crate) fn redeliver_dead(connection: &mut PgConnection, note: AuditStamp, batch: u16) -> Result<usize, Failure> {
    let count = sql_query(REDELIVER_DEAD)
        .bind::<sql_types::Timestamptz, _>(OffsetDateTime::from(note.at))
        .bind::<sql_types::BigInt, _>(i64::from(batch))
        .execute(connection)?;
    if count > 0 {
        trail::write(connection, note, None, AuditAction::RedeliverDead(count as u64))?;
    }
    Ok(count)
}

/// What was given up on another way.
pub(crate) fn dead_fallbacks(connection: &mut PgConnection, limit: u16) -> Result<Vec<NotificationId>, Failure> {
    let ids: Vec<Uuid> = notifications::table
        .filter(sql::<sql_types::Bool>(DEAD_ELSEWHERE))
        .order(notifications::created_at)
        .limit(i64::from(limit))
        .select(notifications::id)
        .load(connection)?;
    Ok(ids.into_iter().map(NotificationId).collect())
}
