//! Recording how an attempt ended.

use diesel::{delete, prelude::*};
use ticket_domain::{ExternalId, LeaseToken, NotificationId, Progress, ports::AttemptOutcome};

use super::{
    super::engine::Connection,
    outbox::{NEVER, NOBODY, ReportedTicket},
};
use crate::{
    failure::Failure,
    prepared::update_one,
    rows::{FallbackRow, state},
    schema::{notifications, previous_external_ids},
    types::Stored,
};

/// Records the outcome of an attempt. Returns the ticket whose notification it was, if it was one's; nothing if the lease was
/// lost.
pub(crate) fn record_attempt(
    connection: &mut Connection,
    id: NotificationId,
    lease: LeaseToken,
    outcome: &AttemptOutcome,
) -> Result<Option<ReportedTicket>, Failure> {
    let held = notifications::table
        .find(Stored(id))
        .filter(notifications::lease.eq(Stored(lease)));
    let is_free = notifications::lease.eq(NOBODY);
    let fails_once_more = notifications::failed_attempts.eq(notifications::failed_attempts + 1);
    macro_rules! record {
        ($set:expr) => {
            update_one!(connection, held, $set, notifications::ticket_id)?
        };
    }
    Ok(match outcome {
        AttemptOutcome::Delivered { at, external_id } => record!((
            is_free,
            notifications::state.eq(state::DELIVERED),
            notifications::due_at.eq(NEVER),
            notifications::settled_at.eq(Stored(*at)),
            notifications::external_id.eq(external_id.as_ref().map(ExternalId::as_str)),
            notifications::progress.eq(Progress::Sent.as_str()),
        )),
        AttemptOutcome::RetryAt { due, reason } => record!((
            is_free,
            fails_once_more,
            notifications::released.eq(false),
            notifications::due_at.eq(Stored(*due)),
            notifications::scheduled_at.eq(Stored(*due)),
            notifications::last_error.eq(&**reason),
        )),
        AttemptOutcome::Dead { at, reason } => record!((
            is_free,
            fails_once_more,
            notifications::state.eq(state::DEAD),
            notifications::due_at.eq(NEVER),
            notifications::settled_at.eq(Stored(*at)),
            notifications::last_error.eq(&**reason),
        )),
        AttemptOutcome::Rerouted { at, fallback, reason } => record!((
            FallbackRow::new(fallback, reason, *at),
            notifications::round.eq(notifications::round + 1),
        )),
        // Nothing refers to it but the ids under which it failed before.
        AttemptOutcome::Dropped => {
            let theirs = held.select(notifications::id);
            delete(previous_external_ids::table.filter(previous_external_ids::notification_id.eq_any(theirs)))
                .execute(connection)?;
            delete(held)
                .returning(notifications::ticket_id)
                .get_result(connection)
                .optional()?
        }
        AttemptOutcome::Returned { due, reason } => record!((
            is_free,
            notifications::due_at.eq(Stored(*due)),
            // An update leaves out what is `None`: the last error stays.
            reason.as_ref().map(|reason| notifications::last_error.eq(&**reason)),
        )),
    })
}
