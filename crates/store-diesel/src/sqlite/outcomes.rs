//! What becomes of a try.

use diesel::{prelude::*, update};
use ticket_domain::{
    ExternalId, LeaseToken, NotificationId, Progress,
    ports::{AttemptOutcome, RecordResult},
};

use crate::sqlite::{
    db::Failure,
    outbox::{NEVER, NOBODY},
    prepared::prepared,
    rows::{DetourRow, bytes, state},
    schema::notifications,
};

pub(crate) fn record_attempt(
    connection: &mut SqliteConnection,
    id: NotificationId,
    lease: LeaseToken,
    outcome: &AttemptOutcome,
) -> Result<RecordResult, Failure> {
    let held = notifications::table
        .find(bytes(id.0))
        .filter(notifications::lease.eq(bytes(lease.0)));
    let is_free = notifications::lease.eq(NOBODY);
    let fails_once_more = notifications::failures.eq(notifications::failures + 1);
    let settled: Vec<Vec<u8>> = match outcome {
        AttemptOutcome::Delivered { at, external_id } => prepared(
            update(held)
                .set((
                    is_free,
                    notifications::state.eq(state::DELIVERED),
                    notifications::due_at.eq(NEVER),
                    notifications::settled_at.eq(at.unix_micros()),
                    notifications::external_id.eq(external_id.as_ref().map(ExternalId::as_str)),
                    notifications::progress.eq(Progress::Sent.as_str()),
                ))
                .returning(notifications::id),
        )
        .load(connection)?,
        AttemptOutcome::RetryAt { due, reason } => prepared(
            update(held)
                .set((
                    is_free,
                    fails_once_more,
                    notifications::released.eq(false),
                    notifications::due_at.eq(due.unix_micros()),
                    notifications::scheduled_at.eq(due.unix_micros()),
                    notifications::last_error.eq(&**reason),
                ))
                .returning(notifications::id),
        )
        .load(connection)?,
        AttemptOutcome::Dead { at, reason } => prepared(
            update(held)
                .set((
                    is_free,
                    fails_once_more,
                    notifications::state.eq(state::DEAD),
                    notifications::due_at.eq(NEVER),
                    notifications::settled_at.eq(at.unix_micros()),
                    notifications::last_error.eq(&**reason),
                ))
                .returning(notifications::id),
        )
        .load(connection)?,
        AttemptOutcome::Rerouted { at, fallback, reason } => prepared(
            update(held)
                .set((
                    DetourRow::new(fallback, reason, *at),
                    notifications::round.eq(notifications::round + 1),
                ))
                .returning(notifications::id),
        )
        .load(connection)?,
        AttemptOutcome::Returned { due, reason } => prepared(
            update(held)
                .set((
                    is_free,
                    notifications::due_at.eq(due.unix_micros()),
                    // An update leaves out what is `None`: the last error stays.
                    reason.as_ref().map(|reason| notifications::last_error.eq(&**reason)),
                ))
                .returning(notifications::id),
        )
        .load(connection)?,
    };
    Ok(if settled.len() == 1 {
        RecordResult::Recorded
    } else {
        RecordResult::LeaseLost
    })
}
