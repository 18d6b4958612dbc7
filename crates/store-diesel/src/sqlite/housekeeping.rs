//! What nobody asks for any more is cleared away.

use async_trait::async_trait;
use diesel::{
    alias, delete,
    dsl::{exists, sql},
    prelude::*,
    sql_types::Bool,
};
use ticket_domain::{
    Timestamp,
    ports::{Housekeeping, Purge, Purged, StoreError},
};

use crate::sqlite::{
    SqliteStore,
    db::Failure,
    prepared::prepared,
    rows::{bytes, notification_id},
    schema::{earlier_ids, idempotency_keys, notifications},
};

#[async_trait]
impl Housekeeping for SqliteStore {
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
pub(crate) fn purge(connection: &mut SqliteConnection, purge: Purge) -> Result<Purged, Failure> {
    let after = purge.after.map_or(Vec::new(), |after| bytes(after.0));
    let settled_before = purge.settled_before.unix_micros();
    let looked_at: Vec<(Vec<u8>, i64)> = notifications::table
        .filter(notifications::id.gt(&after))
        .order(notifications::id)
        .limit(i64::from(purge.limit))
        .select((notifications::id, notifications::created_at))
        .load(connection)?;
    let Some((last, made_at)) = looked_at.last() else {
        return Ok(Purged::default());
    };
    let later = alias!(notifications as later);
    let is_followed = exists(
        later
            .filter(later.field(notifications::ticket_id).eq(notifications::ticket_id))
            .filter(later.field(notifications::seq).gt(notifications::seq)),
    );
    let old = notifications::table
        .filter(notifications::id.gt(&after))
        .filter(notifications::id.le(last))
        // Literally: SQLite would else look through the index of what is not delivered.
        .filter(sql::<Bool>("notifications.state = 'delivered'"))
        .filter(notifications::settled_at.lt(settled_before))
        .filter(is_followed)
        .select(notifications::id);
    let old: Vec<Vec<u8>> = prepared(old).load(connection)?;
    for id in &old {
        delete(earlier_ids::table.filter(earlier_ids::notification_id.eq(id))).execute(connection)?;
        delete(notifications::table.find(id)).execute(connection)?;
    }
    let is_more = looked_at.len() == usize::from(purge.limit) && *made_at < settled_before;
    Ok(Purged {
        gone: old.len() as u64,
        next: is_more.then(|| notification_id(last)).transpose()?,
    })
}

pub(crate) fn purge_keys(connection: &mut SqliteConnection, now: Timestamp, limit: u16) -> Result<u64, Failure> {
    let ended = alias!(idempotency_keys as ended);
    let keys = ended
        .select(ended.field(idempotency_keys::key))
        .filter(ended.field(idempotency_keys::expires_at).le(now.unix_micros()))
        .order(ended.field(idempotency_keys::expires_at))
        .limit(i64::from(limit));
    let ended = delete(idempotency_keys::table.filter(idempotency_keys::key.eq_any(keys)));
    Ok(ended.execute(connection)? as u64)
}
