//! What the store says of itself.

use async_trait::async_trait;
use diesel::{QueryableByName, RunQueryDsl, sql_query, sql_types};
use ticket_domain::{
    Timestamp,
    ports::{PoolUse, StoreError, StoreHealth, Vitals},
};
use time::OffsetDateTime;

use crate::postgres::{
    PostgresStore,
    prepared::{prepared, typed},
};

/// One pass over what is not delivered; everything delivered is out of its index.
const VITALS: &str = "
    SELECT count(*) FILTER (WHERE state = 'waiting') AS waiting,
        count(*) FILTER (WHERE state = 'waiting' AND lease IS NOT NULL AND due_at > $1) AS leased,
        count(*) FILTER (WHERE state = 'held') AS held,
        count(*) FILTER (WHERE state = 'dead' AND payload <> '') AS dead,
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
    #[diesel(sql_type = sql_types::Nullable<sql_types::Timestamptz>)]
    oldest_waiting: Option<OffsetDateTime>,
    #[diesel(sql_type = sql_types::BigInt)]
    unmatched: i64,
}

impl From<VitalsRow> for Vitals {
    fn from(row: VitalsRow) -> Self {
        Self {
            waiting: row.waiting.unsigned_abs(),
            leased: row.leased.unsigned_abs(),
            held: row.held.unsigned_abs(),
            dead: row.dead.unsigned_abs(),
            oldest_waiting: row.oldest_waiting.map(Timestamp::from),
            unmatched: row.unmatched.unsigned_abs(),
        }
    }
}

#[async_trait]
impl StoreHealth for PostgresStore {
    async fn ping(&self) -> Result<(), StoreError> {
        self.db
            .read(|connection| {
                typed::<sql_types::Integer, _>(sql_query("SELECT 1")).get_result::<i32>(connection)?;
                Ok(())
            })
            .await
    }

    async fn vitals(&self, now: Timestamp) -> Result<Vitals, StoreError> {
        let row: VitalsRow = self
            .db
            .read(move |connection| {
                let query = sql_query(VITALS).bind::<sql_types::Timestamptz, _>(OffsetDateTime::from(now));
                Ok(prepared(query).get_result(connection)?)
            })
            .await?;
        Ok(row.into())
    }

    fn pool_use(&self) -> Option<PoolUse> {
        Some(self.db.pool_use())
    }
}
