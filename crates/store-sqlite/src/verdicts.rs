//! What becomes of a try.

use diesel::{prelude::*, update};
use ticket_domain::{
    ExternalId, LeaseToken, NotificationId, Progress,
    ports::{Settled, Verdict},
};

use crate::{
    db::Failure,
    outbox::{NEVER, NOBODY},
    prepared::prepared,
    rows::{DetourRow, bytes, state},
    schema::notifications,
};

pub(crate) fn settle(
    connection: &mut SqliteConnection,
    id: NotificationId,
    lease: LeaseToken,
    verdict: &Verdict,
) -> Result<Settled, Failure> {
    let held = notifications::table
        .find(bytes(id.0))
        .filter(notifications::lease.eq(bytes(lease.0)));
    let is_free = notifications::lease.eq(NOBODY);
    let fails_once_more = notifications::failures.eq(notifications::failures + 1);
    let settled: Vec<Vec<u8>> = match verdict {
        Verdict::Delivered { at, external_id } => prepared(
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
        Verdict::RetryAt { due, why } => prepared(
            update(held)
                .set((
                    is_free,
                    fails_once_more,
                    notifications::released.eq(false),
                    notifications::due_at.eq(due.unix_micros()),
                    notifications::scheduled_at.eq(due.unix_micros()),
                    notifications::last_error.eq(&**why),
                ))
                .returning(notifications::id),
        )
        .load(connection)?,
        Verdict::Dead { at, why } => prepared(
            update(held)
                .set((
                    is_free,
                    fails_once_more,
                    notifications::state.eq(state::DEAD),
                    notifications::due_at.eq(NEVER),
                    notifications::settled_at.eq(at.unix_micros()),
                    notifications::last_error.eq(&**why),
                ))
                .returning(notifications::id),
        )
        .load(connection)?,
        Verdict::Diverted { at, detour, why } => prepared(
            update(held)
                .set((
                    DetourRow::new(detour, why, *at),
                    notifications::round.eq(notifications::round + 1),
                ))
                .returning(notifications::id),
        )
        .load(connection)?,
        Verdict::Returned { due, why } => prepared(
            update(held)
                .set((
                    is_free,
                    notifications::due_at.eq(due.unix_micros()),
                    // An update leaves out what is `None`: the last error stays.
                    why.as_ref().map(|why| notifications::last_error.eq(&**why)),
                ))
                .returning(notifications::id),
        )
        .load(connection)?,
    };
    Ok(if settled.len() == 1 {
        Settled::Yes
    } else {
        Settled::LeaseLost
    })
}
