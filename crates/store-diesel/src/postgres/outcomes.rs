//! What becomes of a try.

use diesel::{prelude::*, update};
use ticket_domain::{ExternalId, LeaseToken, NotificationId, Progress, TicketId, ports::AttemptOutcome};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::postgres::{
    db::Failure,
    outbox::{NEVER, NOBODY},
    prepared::prepared,
    rows::{DetourRow, state},
    schema::notifications,
};

/// The ticket whose notification it was; none if the lease was lost.
pub(crate) fn record_attempt(
    connection: &mut PgConnection,
    id: NotificationId,
    lease: LeaseToken,
    outcome: &AttemptOutcome,
) -> Result<Option<TicketId>, Failure> {
    let held = notifications::table.find(id.0).filter(notifications::lease.eq(lease.0));
    let is_free = notifications::lease.eq(NOBODY);
    let fails_once_more = notifications::failures.eq(notifications::failures + 1);
    let ticket: Option<Uuid> = match outcome {
        AttemptOutcome::Delivered { at, external_id } => prepared(
            update(held)
                .set((
                    is_free,
                    notifications::state.eq(state::DELIVERED),
                    notifications::due_at.eq(NEVER),
                    notifications::settled_at.eq(OffsetDateTime::from(*at)),
                    notifications::external_id.eq(external_id.as_ref().map(ExternalId::as_str)),
                    notifications::progress.eq(Progress::Sent.as_str()),
                ))
                .returning(notifications::ticket_id),
        )
        .get_result(connection)
        .optional()?,
        AttemptOutcome::RetryAt { due, reason } => prepared(
            update(held)
                .set((
                    is_free,
                    fails_once_more,
                    notifications::released.eq(false),
                    notifications::due_at.eq(OffsetDateTime::from(*due)),
                    notifications::scheduled_at.eq(OffsetDateTime::from(*due)),
                    notifications::last_error.eq(&**reason),
                ))
                .returning(notifications::ticket_id),
        )
        .get_result(connection)
        .optional()?,
        AttemptOutcome::Dead { at, reason } => prepared(
            update(held)
                .set((
                    is_free,
                    fails_once_more,
                    notifications::state.eq(state::DEAD),
                    notifications::due_at.eq(NEVER),
                    notifications::settled_at.eq(OffsetDateTime::from(*at)),
                    notifications::last_error.eq(&**reason),
                ))
                .returning(notifications::ticket_id),
        )
        .get_result(connection)
        .optional()?,
        AttemptOutcome::Rerouted { at, fallback, reason } => prepared(
            update(held)
                .set((
                    DetourRow::new(fallback, reason, *at),
                    notifications::round.eq(notifications::round + 1),
                ))
                .returning(notifications::ticket_id),
        )
        .get_result(connection)
        .optional()?,
        AttemptOutcome::Returned { due, reason } => prepared(
            update(held)
                .set((
                    is_free,
                    notifications::due_at.eq(OffsetDateTime::from(*due)),
                    // An update leaves out what is `None`: the last error stays.
                    reason.as_ref().map(|reason| notifications::last_error.eq(&**reason)),
                ))
                .returning(notifications::ticket_id),
        )
        .get_result(connection)
        .optional()?,
    };
    Ok(ticket.map(TicketId))
}
