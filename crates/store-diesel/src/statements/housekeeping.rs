//! The retention job: deleting what nobody asks for any more.

use std::time::Duration;

use async_trait::async_trait;
use diesel::{
    alias, delete,
    dsl::{exists, sql},
    prelude::*,
    sql_types::Bool,
};
use ticket_domain::{
    NotificationId, Timestamp,
    ports::{Housekeeping, Purge, Purged, StoreError},
};
use uuid::Uuid;

use super::super::engine::{Connection, Store, for_update_skip_locked};
use crate::{
    failure::Failure,
    prepared::prepared,
    schema::{control_messages, idempotency_keys, notifications, previous_external_ids},
    types::Stored,
};

/// How long a repeated control message is recognised. Whoever passes messages on repeats them within minutes.
const CONTROLS_KEPT: Duration = Duration::from_hours(7 * 24);

#[async_trait]
impl Housekeeping for Store {
    async fn purge(&self, purge: Purge) -> Result<Purged, StoreError> {
        self.db.write(move |connection| self::purge(connection, purge)).await
    }

    async fn purge_keys(&self, now: Timestamp, limit: u16) -> Result<u64, StoreError> {
        self.db
            .write(move |connection| self::purge_keys(connection, now, limit))
            .await
    }
}

/// Looks at the next notifications by their primary key.
pub(crate) fn purge(connection: &mut Connection, purge: Purge) -> Result<Purged, Failure> {
    let after = Stored(purge.after.unwrap_or(NotificationId(Uuid::nil())));
    let looked_at: Vec<(NotificationId, Timestamp)> = notifications::table
        .filter(notifications::id.gt(after))
        .order(notifications::id)
        .limit(i64::from(purge.limit))
        .select((notifications::id, notifications::created_at))
        .load(connection)?;
    let Some((last, created_at)) = looked_at.last() else {
        return Ok(Purged::default());
    };
    let later = alias!(notifications as later);
    let is_followed = exists(
        later
            .filter(later.field(notifications::ticket_id).eq(notifications::ticket_id))
            .filter(later.field(notifications::recipient).eq(notifications::recipient))
            .filter(later.field(notifications::seq).gt(notifications::seq)),
    );
    let old = notifications::table
        .filter(notifications::id.gt(after))
        .filter(notifications::id.le(Stored(*last)))
        // Literally: SQLite would else look through the index of what is not delivered.
        .filter(sql::<Bool>("notifications.state = 'delivered'"))
        .filter(notifications::settled_at.lt(Stored(purge.settled_before)))
        // A ticket keeps its newest. Questions and links are no ticket's news.
        .filter(is_followed.or(notifications::seq.is_null()))
        .select(notifications::id);
    // One that is refused at this moment waits again, and is not old any more.
    let old: Vec<Stored<NotificationId>> = prepared(for_update_skip_locked!(old)).load(connection)?;
    if !old.is_empty() {
        let external_ids = previous_external_ids::table.filter(previous_external_ids::notification_id.eq_any(&old));
        delete(external_ids).execute(connection)?;
        delete(notifications::table.filter(notifications::id.eq_any(&old))).execute(connection)?;
    }
    let is_more = looked_at.len() == usize::from(purge.limit) && *created_at < purge.settled_before;
    Ok(Purged {
        gone: old.len() as u64,
        next: is_more.then_some(*last),
    })
}

pub(crate) fn purge_keys(connection: &mut Connection, now: Timestamp, limit: u16) -> Result<u64, Failure> {
    let expired = alias!(idempotency_keys as expired);
    let keys = expired
        .select(expired.field(idempotency_keys::key))
        .filter(expired.field(idempotency_keys::expires_at).le(Stored(now)))
        .order(expired.field(idempotency_keys::expires_at))
        .limit(i64::from(limit));
    let expired = delete(idempotency_keys::table.filter(idempotency_keys::key.eq_any(for_update_skip_locked!(keys))));
    let keys = expired.execute(connection)? as u64;
    let old = alias!(control_messages as old);
    let controls = old
        .select(old.field(control_messages::external_id))
        .filter(old.field(control_messages::at).le(Stored(now.minus(CONTROLS_KEPT))))
        .order(old.field(control_messages::at))
        .limit(i64::from(limit));
    let old =
        delete(control_messages::table.filter(control_messages::external_id.eq_any(for_update_skip_locked!(controls))));
    Ok(keys.max(old.execute(connection)? as u64))
}
