//! Redelivering notifications for an operator.

use diesel::{alias, dsl::sql, prelude::*, sql_types::Bool, update};
use ticket_domain::{
    AuditAction, AuditStamp, DeliveryRoute, Fallback, LeaseToken, NotificationId, TicketId, Timestamp,
    ports::RedeliverResult,
};

use super::{
    super::engine::{BATCH, Connection, for_update, for_update_skip_locked},
    audit_log,
    outbox::{NEVER, NOTHING},
};
use crate::{failure::Failure, prepared::prepared, rows::state, schema::notifications, types::Stored};

/// Makes one notification due. Returns its ticket if it was made due.
pub(crate) fn redeliver(
    connection: &mut Connection,
    id: NotificationId,
    note: AuditStamp,
    fallback: Option<&Fallback>,
) -> Result<(RedeliverResult, Option<TicketId>), Failure> {
    let now = Stored(note.at);
    let this = notifications::table.find(Stored(id));
    let found = this
        // What was erased can't be sent.
        .filter(notifications::payload.ne(NOTHING))
        .select((
            notifications::ticket_id,
            notifications::state,
            notifications::lease,
            notifications::due_at,
        ));
    let found = for_update!(found)
        .first::<(Option<TicketId>, String, Option<LeaseToken>, Option<Timestamp>)>(connection)
        .optional()?;
    let Some((ticket, state, lease, due)) = found else {
        return Ok((RedeliverResult::NotFound, None));
    };
    let is_under_way = lease.is_some() && due.is_some_and(|lease_end| lease_end > note.at);
    let is_due = (
        notifications::state.eq(state::WAITING),
        notifications::due_at.eq(now),
        // The operator has released it, so it must not be held again.
        notifications::addressed.eq(true),
    );
    match state.as_str() {
        state::DELIVERED => return Ok((RedeliverResult::AlreadyDelivered, None)),
        _ if is_under_way => return Ok((RedeliverResult::InProgress, None)),
        state::DEAD => {
            let another_message = fallback.map(|fallback| {
                (
                    notifications::route.eq(fallback.route.as_str()),
                    notifications::payload.eq(&*fallback.payload.0),
                    notifications::round.eq(notifications::round + 1),
                )
            });
            let schedule = (
                notifications::failed_attempts.eq(0),
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
    audit_log::write(connection, note, ticket, AuditAction::Redeliver(id))?;
    Ok((RedeliverResult::Queued, ticket))
}

/// Makes a batch due of what was given up on the first route, the oldest created at or after `since`, and counts it in the
/// audit log. Returns how many, and since when there may be more: what is made due stays in the index, and a batch is not
/// to step over all those before it.
pub(crate) fn redeliver_dead(
    connection: &mut Connection,
    note: AuditStamp,
    since: Timestamp,
) -> Result<(usize, Timestamp), Failure> {
    let (now, first_route) = (Stored(note.at), DeliveryRoute::FIRST);
    let dead = alias!(notifications as dead);
    let batch = dead
        .select(dead.field(notifications::id))
        // Literally as in the index: neither engine uses it for a bound value.
        .filter(sql::<Bool>("dead.state <> 'delivered'"))
        .filter(dead.field(notifications::created_at).ge(Stored(since)))
        .filter(dead.field(notifications::state).eq(state::DEAD))
        .filter(dead.field(notifications::payload).ne(NOTHING))
        .filter(dead.field(notifications::route).eq(first_route.as_str()))
        .order(dead.field(notifications::created_at))
        .limit(i64::from(BATCH));
    let queued: Vec<Timestamp> =
        update(notifications::table.filter(notifications::id.eq_any(for_update_skip_locked!(batch))))
            .set((
                notifications::state.eq(state::WAITING),
                notifications::due_at.eq(now),
                notifications::scheduled_at.eq(now),
                notifications::addressed.eq(true),
                notifications::failed_attempts.eq(0),
                notifications::settled_at.eq(NEVER),
            ))
            .returning(notifications::created_at)
            .load(connection)?;
    let Some(last) = queued.iter().max() else {
        return Ok((0, since));
    };
    audit_log::write(connection, note, None, AuditAction::RedeliverDead(queued.len() as u64))?;
    Ok((queued.len(), *last))
}

/// Returns what was given up on a fallback route.
pub(crate) fn dead_fallbacks(connection: &mut Connection, limit: u16) -> Result<Vec<NotificationId>, Failure> {
    let first_route = DeliveryRoute::FIRST;
    let dead = notifications::table
        .filter(sql::<Bool>("notifications.state <> 'delivered'"))
        .filter(notifications::state.eq(state::DEAD))
        .filter(notifications::payload.ne(NOTHING))
        .filter(notifications::route.ne(first_route.as_str()))
        .order(notifications::created_at)
        .limit(i64::from(limit))
        .select(notifications::id);
    Ok(prepared(dead).load(connection)?)
}
