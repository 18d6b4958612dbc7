//! What the store says of itself.

use async_trait::async_trait;
use diesel::{
    QueryableByName, RunQueryDsl, sql_query,
    sql_types::{BigInt, Nullable},
};
use ticket_domain::{
    Timestamp,
    ports::{PoolUse, StoreError, StoreHealth, Vitals},
};

use super::super::engine::{Connection, PING, Store};
use crate::{
    failure::Failure,
    prepared::{prepared, typed},
    types::{Moment, Stored},
};

/// One pass over what is not delivered; everything delivered is out of its index. By hand, since diesel has no FILTER for
/// SQLite, and the index is used only if its condition stands there literally.
const VITALS: &str = "
    SELECT count(*) FILTER (WHERE state = 'waiting') AS waiting,
        count(*) FILTER (WHERE state = 'waiting' AND lease IS NOT NULL AND due_at > $1) AS leased,
        count(*) FILTER (WHERE state = 'held') AS held,
        count(*) FILTER (WHERE state = 'dead' AND length(payload) > 0) AS dead,
        min(created_at) FILTER (WHERE state = 'waiting') AS oldest_waiting,
        (SELECT count(*) FROM messages
            WHERE ticket_id IS NULL AND NOT (from_address IS NULL AND body = '[erased]')) AS unmatched
    FROM notifications WHERE state <> 'delivered'";

#[derive(QueryableByName)]
struct VitalsRow {
    #[diesel(sql_type = BigInt)]
    waiting: i64,
    #[diesel(sql_type = BigInt)]
    leased: i64,
    #[diesel(sql_type = BigInt)]
    held: i64,
    #[diesel(sql_type = BigInt)]
    dead: i64,
    #[diesel(sql_type = Nullable<Moment>)]
    oldest_waiting: Option<Timestamp>,
    #[diesel(sql_type = BigInt)]
    unmatched: i64,
}

#[async_trait]
impl StoreHealth for Store {
    async fn ping(&self) -> Result<(), StoreError> {
        self.db
            .read(|connection| {
                typed::<BigInt, _>(sql_query(PING)).load::<i64>(connection)?;
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

pub(crate) fn vitals(connection: &mut Connection, now: Timestamp) -> Result<Vitals, Failure> {
    let query = sql_query(VITALS).bind::<Moment, _>(Stored(now));
    let row: VitalsRow = prepared(query).get_result(connection)?;
    Ok(Vitals {
        waiting: row.waiting.unsigned_abs(),
        leased: row.leased.unsigned_abs(),
        held: row.held.unsigned_abs(),
        dead: row.dead.unsigned_abs(),
        oldest_waiting: row.oldest_waiting,
        unmatched: row.unmatched.unsigned_abs(),
    })
}
