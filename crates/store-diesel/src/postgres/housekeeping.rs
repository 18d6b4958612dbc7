//! What nobody asks for any more is cleared away.

use async_trait::async_trait;
use diesel::{QueryableByName, prelude::*, sql_query, sql_types};
use ticket_domain::{
    NotificationId, Timestamp,
    ports::{Housekeeping, Purge, Purged, StoreError},
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::postgres::{PostgresStore, db::Failure, prepared::prepared};

/// Looks at `$2` notifications after `$1`, by the primary key: as an array, since the plan for a join reads the whole table.
/// Which of them go is asked of the rows that are locked: one
/// that is refused at this moment waits again. `last` is the last one that was looked at, if there were so many.
const PURGE: &str = "
    WITH looked_at AS MATERIALIZED (
        SELECT id, created_at FROM notifications WHERE id > $1 ORDER BY id LIMIT $2),
    old AS MATERIALIZED (
        SELECT n.id FROM notifications n
        WHERE n.id = ANY (ARRAY(SELECT id FROM looked_at)) AND n.state = 'delivered' AND n.settled_at < $3
            AND EXISTS (SELECT FROM notifications later WHERE later.ticket_id = n.ticket_id AND later.seq > n.seq)
        FOR UPDATE OF n SKIP LOCKED),
    unnamed AS (DELETE FROM earlier_ids e USING old WHERE e.notification_id = old.id),
    gone AS (DELETE FROM notifications n USING old WHERE n.id = old.id RETURNING n.id)
    SELECT (SELECT count(*) FROM gone) AS gone, (
        SELECT id FROM looked_at WHERE created_at < $3 ORDER BY id OFFSET $2 - 1 LIMIT 1) AS last";

const PURGE_KEYS: &str = "
    WITH ended AS MATERIALIZED (
        SELECT key FROM idempotency_keys WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)
    DELETE FROM idempotency_keys k USING ended WHERE k.key = ended.key";

#[async_trait]
impl Housekeeping for PostgresStore {
    async fn purge(&self, purge: Purge) -> Result<Purged, StoreError> {
        self.db.write(move |connection| self::purge(connection, purge)).await
    }

    async fn purge_keys(&self, now: Timestamp, limit: u16) -> Result<u64, StoreError> {
        self.db
            .write(move |connection| self::purge_keys(connection, now, limit))
            .await
    }
}

fn purge(connection: &mut PgConnection, purge: Purge) -> Result<Purged, Failure> {
    #[derive(QueryableByName)]
    struct Step {
        #[diesel(sql_type = sql_types::BigInt)]
        gone: i64,
        #[diesel(sql_type = sql_types::Nullable<sql_types::Uuid>)]
        last: Option<Uuid>,
    }
    let statement = sql_query(PURGE)
        .bind::<sql_types::Uuid, _>(purge.after.map_or(Uuid::nil(), |after| after.0))
        .bind::<sql_types::BigInt, _>(i64::from(purge.limit))
        .bind::<sql_types::Timestamptz, _>(OffsetDateTime::from(purge.settled_before));
    let Step { gone, last } = prepared(statement).get_result(connection)?;
    Ok(Purged {
        gone: gone.unsigned_abs(),
        next: last.map(NotificationId),
    })
}

fn purge_keys(connection: &mut PgConnection, now: Timestamp, limit: u16) -> Result<u64, Failure> {
    let statement = sql_query(PURGE_KEYS)
        .bind::<sql_types::Timestamptz, _>(OffsetDateTime::from(now))
        .bind::<sql_types::BigInt, _>(i64::from(limit));
    Ok(statement.execute(connection)? as u64)
}
