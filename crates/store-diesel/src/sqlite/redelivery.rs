//! Notifications that are sent again at an operator's wish.

use diesel::{alias, dsl::sql, prelude::*, sql_types::Bool, update};
use ticket_domain::{
    AuditAction, DeliveryRoute, Fallback, NotificationId, Timestamp,
    ports::{AuditStamp, RedeliverResult},
};

use crate::sqlite::{
    db::Failure,
    outbox::{BATCH, NEVER, NOTHING},
    rows::{bytes, notification_id, state},
    schema::notifications,
    trail,
};

pub(crate) fn redeliver(
    connection: &mut SqliteConnection,
    id: NotificationId,
    now: Timestamp,
    anew: Option<&Fallback>,
) -> Result<RedeliverResult, Failure> {
    let now = now.unix_micros();
    let id = bytes(id.0);
    let this = notifications::table.find(&id);
    let found = this
        // What was erased can't be sent.
        .filter(notifications::payload.ne(NOTHING))
        .select((notifications::state, notifications::lease, notifications::due_at))
        .first::<(String, Option<Vec<u8>>, Option<i64>)>(connection)
        .optional()?;
    let is_due = (
        notifications::state.eq(state::WAITING),
        notifications::due_at.eq(now),
        // The operator's word for it was given, so it must not be held again.
        notifications::addressed.eq(true),
    );
    match found {
        None => return Ok(RedeliverResult::NotFound),
        Some((state, ..)) if state == state::DELIVERED => return Ok(RedeliverResult::AlreadyDelivered),
        Some((_, Some(_), Some(lease_end))) if lease_end > now => return Ok(RedeliverResult::InProgress),
        Some((state, ..)) if state == state::DEAD => {
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
        Some(_) => {
            update(this).set(is_due).execute(connection)?;
        }
    }
    Ok(RedeliverResult::Queued)
}

/// Begins anew a batch of what was given up in its own words at the first number, the oldest made at or after `since`, and
/// counts it in the trail. Says how many, and since when there may be more: what is begun anew stays in the index, and a
/// batch is not to step over all those before it.
pub(crate) fn redeliver_dead(
    connection: &mut SqliteConnection,
    note: AuditStamp,
    since: i64,
) -> Result<(usize, i64), Failure> {
    let now = note.at.unix_micros();
    let dead = alias!(notifications as dead);
    let batch = dead
        .select(dead.field(notifications::id))
        // Literally as in the index: SQLite does not use it for a bound value.
        .filter(sql::<Bool>("dead.state <> 'delivered'"))
        .filter(dead.field(notifications::created_at).ge(since))
        .filter(dead.field(notifications::state).eq(state::DEAD))
        .filter(dead.field(notifications::payload).ne(NOTHING))
        .filter(dead.field(notifications::route).eq(DeliveryRoute::Text.as_str()))
        .order(dead.field(notifications::created_at))
        .limit(i64::from(BATCH));
    let begun: Vec<i64> = update(notifications::table.filter(notifications::id.eq_any(batch)))
        .set((
            notifications::state.eq(state::WAITING),
            notifications::due_at.eq(now),
            notifications::scheduled_at.eq(now),
            notifications::addressed.eq(true),
            notifications::failures.eq(0),
            notifications::settled_at.eq(NEVER),
        ))
        .returning(notifications::created_at)
        .load(connection)?;
    let Some(last) = begun.iter().max() else {
        return Ok((0, since));
    };
    trail::note(connection, note, None, &AuditAction::RedeliverDead(begun.len() as u64))?;
    Ok((begun.len(), *last))
}

pub(crate) fn dead_fallbacks(connection: &mut SqliteConnection, limit: u16) -> Result<Vec<NotificationId>, Failure> {
    let ids: Vec<Vec<u8>> = notifications::table
        .filter(sql::<Bool>("notifications.state <> 'delivered'"))
        .filter(notifications::state.eq(state::DEAD))
        .filter(notifications::payload.ne(NOTHING))
        .filter(notifications::route.ne(DeliveryRoute::Text.as_str()))
        .limit(i64::from(limit))
        .select(notifications::id)
        .load(connection)?;
    Ok(ids.iter().map(|id| notification_id(id)).collect::<Result<_, _>>()?)
}
