//! What the store says of itself.

use async_trait::async_trait;
use diesel::{prelude::*, sql_query, sql_types};
use ticket_domain::{
    Timestamp,
    ports::{PoolUse, StoreError, StoreHealth, Vitals},
};

use crate::sqlite::{SqliteStore, db::Failure, rows::moment, schema::tickets};

/// One pass over what is not delivered; everything delivered is out of its index. By hand, since diesel has no FILTER
/// for SQLite, and the index is used only if its condition stands there literally.
const VITALS: &str = "
    SELECT count(*) FILTER (WHERE state = 'waiting') AS waiting,
        count(*) FILTER (WHERE state = 'waiting' AND lease IS NOT NULL AND due_at > ?) AS leased,
        count(*) FILTER (WHERE state = 'held') AS held,
        count(*) FILTER (WHERE state = 'dead' AND payload <> x'') AS dead,
        min(created_at) FILTER (WHERE state = 'waiting') AS oldest_waiting,
        (SELECT count(*) FROM messages
            WHERE ticket_id IS NULL AND NOT (from_phone IS NULL AND body = '[erased]')) AS unmatched
    FROM notifications WHERE state <> 'delivered'";

#[derive(QueryableByName)]
struct VitalsRow {
    #[diesel(sql_type = sql_types::BigInt)]
    waiting: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    leased: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    held: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    dead: i64,
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    oldest_waiting: Option<i64>,
    #[diesel(sql_type = sql_types::BigInt)]
    unmatched: i64,
}

#[async_trait]
impl StoreHealth for SqliteStore {
    async fn ping(&self) -> Result<(), StoreError> {
        self.db
            .read(|connection| {
                // Something that lies in the file: a constant would be answered without it.
                let number: Option<i64> = tickets::table.select(tickets::number).first(connection).optional()?;
                tracing::trace!(number, "the store answers");
                Ok(())
            })
            .await
    }

    async fn vitals(&self, now: Timestamp) -> Result<Vitals, StoreError> {
        self.db.read(move |connection| vitals(connection, now)).await
    }

    fn pool_use(&self) -> Option<PoolUse> {
        Some(self.db.pool_use())
    }
}

pub(crate) fn vitals(connection: &mut SqliteConnection, now: Timestamp) -> Result<Vitals, Failure> {
    let row: VitalsRow = sql_query(VITALS)
        .bind::<sql_types::BigInt, _>(now.unix_micros())
        .get_result(connection)?;
    Ok(Vitals {
        waiting: row.waiting.unsigned_abs(),
        leased: row.leased.unsigned_abs(),
        held: row.held.unsigned_abs(),
        dead: row.dead.unsigned_abs(),
        oldest_waiting: row
            .oldest_waiting
            .map(|micros| moment("notifications", "created_at", micros))
            .transpose()?,
        unmatched: row.unmatched.unsigned_abs(),
    })
}
