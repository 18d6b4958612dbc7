//! Notifications on their way.

use async_trait::async_trait;
use diesel::{alias, dsl::sql, prelude::*, sql_query, sql_types, update};
use ticket_domain::{
    Fallback, LeaseToken, NotificationId, NotificationRecord, Payload, Timestamp,
    ports::{
        AttemptOutcome, AuditStamp, ChangeEvent, Claim, Claimed, Outbox, RecordResult, RedeliverResult, StoreError,
        parse,
    },
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::postgres::{
    PostgresStore,
    db::Failure,
    outcomes,
    prepared::prepared,
    redelivery,
    rows::{ClaimedRow, RecordRow, state},
    schema::{notifications, tickets},
};

/// By hand, since diesel has no CTEs, and without one the locking sub-select may become the inner side of a nested loop
/// that runs again for each row and locks beyond its LIMIT. A notification is due if it waits, its time has come, and
/// no earlier one of its ticket waits; an ended lease is simply due. Workers skip what others are just claiming. What is
/// due is an array to the UPDATE: planned for any limit, a join would read the whole table.
macro_rules! claim {
    ($which:literal) => {
        concat!(
            "WITH due AS MATERIALIZED (
                SELECT n.id, n.due_at FROM notifications n
                WHERE n.due_at <= $1 AND NOT EXISTS (
                    SELECT FROM notifications e
                    WHERE e.ticket_id = n.ticket_id AND e.seq < n.seq AND e.state IN ('waiting', 'held'))",
            $which,
            " ORDER BY n.due_at LIMIT $2 FOR UPDATE OF n SKIP LOCKED),
            claimed AS (
                UPDATE notifications n SET lease = $3, due_at = $4, tried_at = $1
                WHERE n.id = ANY (ARRAY(SELECT id FROM due))
                RETURNING n.id, n.ticket_id, n.event, n.payload, n.route, n.round, n.failures, n.scheduled_at)
            SELECT c.id, ticket_id, event, payload, route, round, failures, scheduled_at
            FROM claimed c JOIN due ON due.id = c.id ORDER BY due.due_at, c.id"
        )
    };
}
const CLAIM: &str = claim!("");
const CLAIM_FIRST_TRIES: &str = claim!(" AND n.tried_at IS NULL");

/// The same for one that is not due and that nobody has, the one probed longest ago first; none if one was probed after
/// `$2`.
const CLAIM_PROBE: &str = "
    WITH next AS MATERIALIZED (
        SELECT n.id FROM notifications n
        WHERE n.due_at > $4 AND n.lease IS NULL AND NOT EXISTS (
            SELECT FROM notifications e WHERE e.ticket_id = n.ticket_id AND e.seq < n.seq AND e.state IN ('waiting', 'held'))
        AND NOT EXISTS (SELECT FROM notifications p WHERE p.due_at IS NOT NULL AND p.probed_at > $2)
        ORDER BY n.probed_at NULLS FIRST, n.due_at LIMIT 1 FOR UPDATE OF n SKIP LOCKED)
    UPDATE notifications n SET lease = $3, due_at = $4, tried_at = $1, probed_at = $1
    FROM next WHERE n.id = next.id
    RETURNING n.id, n.ticket_id, n.event, n.payload, n.route, n.round, n.failures, n.scheduled_at";

/// Under this number, workers that probe take turns. Another than the one for migrations.
const PROBE_LOCK: i64 = i64::from_be_bytes(*b"probings");

/// How many notifications one transaction releases or holds: some 0.2 s.
const BATCH: u16 = 10_000;

#[async_trait]
impl Outbox for PostgresStore {
    async fn claim(&self, claim: Claim, limit: u16) -> Result<Vec<Claimed>, StoreError> {
        self.db
            .write(move |connection| claim_due(connection, claim, limit))
            .await
    }

    async fn claim_probe(&self, claim: Claim, unless_after: Timestamp) -> Result<Option<Claimed>, StoreError> {
        self.db
            .write(move |connection| claim_probe(connection, claim, unless_after.into()))
            .await
    }

    async fn record_attempt(
        &self,
        id: NotificationId,
        lease: LeaseToken,
        outcome: AttemptOutcome,
    ) -> Result<RecordResult, StoreError> {
        // The others leave it waiting, as it was, and on the way that it was on.
        let is_news = matches!(
            outcome,
            AttemptOutcome::Delivered { .. } | AttemptOutcome::Dead { .. } | AttemptOutcome::Rerouted { .. }
        );
        let ticket = self
            .db
            .write_and_publish(
                move |connection| outcomes::record_attempt(connection, id, lease, &outcome),
                move |ticket| {
                    ticket
                        .filter(|_| is_news)
                        .map(ChangeEvent::Ticket)
                        .into_iter()
                        .collect()
                },
            )
            .await?;
        Ok(ticket.map_or(RecordResult::LeaseLost, |_| RecordResult::Recorded))
    }

    async fn release_waiting(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.in_batches(move |connection| release_waiting(connection, now.into()))
            .await
    }

    async fn postpone(&self, until: Timestamp) -> Result<u64, StoreError> {
        self.in_batches(move |connection| postpone(connection, until.into()))
            .await
    }

    async fn hold_unaddressed(&self, made_before: Timestamp) -> Result<u64, StoreError> {
        self.in_batches(move |connection| hold_unaddressed(connection, made_before.into()))
            .await
    }

    async fn redeliver(
        &self,
        id: NotificationId,
        note: AuditStamp,
        anew: Option<Fallback>,
    ) -> Result<RedeliverResult, StoreError> {
        let (redelivered, _) = self
            .db
            .write_and_publish(
                move |connection| redelivery::redeliver(connection, id, note, anew.as_ref()),
                |(_, ticket)| ticket.map(ChangeEvent::Ticket).into_iter().collect(),
            )
            .await?;
        Ok(redelivered)
    }

    async fn redeliver_dead(&self, note: AuditStamp) -> Result<u64, StoreError> {
        let mut done = 0;
        loop {
            let count = self
                .db
                .write_and_publish(
                    move |connection| redelivery::redeliver_dead(connection, note, BATCH),
                    |count| {
                        if *count > 0 {
                            vec![ChangeEvent::Resync]
                        } else {
                            Vec::new()
                        }
                    },
                )
                .await?;
            done += count as u64;
            if count < usize::from(BATCH) {
                return Ok(done);
            }
        }
    }

    async fn dead_fallbacks(&self, limit: u16) -> Result<Vec<NotificationId>, StoreError> {
        self.db
            .read(move |connection| redelivery::dead_fallbacks(connection, limit))
            .await
    }

    async fn way(&self, id: NotificationId) -> Result<Option<Fallback>, StoreError> {
        self.db.read(move |connection| way(connection, id)).await
    }

    async fn undelivered(&self, limit: u16) -> Result<Vec<NotificationRecord>, StoreError> {
        self.db.read(move |connection| undelivered(connection, limit)).await
    }

    async fn notification(&self, id: NotificationId) -> Result<Option<NotificationRecord>, StoreError> {
        self.db.read(move |connection| notification(connection, id)).await
    }
}

impl PostgresStore {
    /// Repeats `batch`, each time in a transaction of its own, until there is less than a whole batch to do. An outage
    /// of days leaves more waiting than one statement may change in its 3 seconds.
    async fn in_batches(
        &self,
        batch: impl Fn(&mut PgConnection) -> QueryResult<usize> + Copy + Send + 'static,
    ) -> Result<u64, StoreError> {
        let mut done = 0;
        loop {
            let count = self.db.write(move |connection| Ok(batch(connection)?)).await?;
            done += count as u64;
            if count < usize::from(BATCH) {
                return Ok(done);
            }
        }
    }
}

/// What does not wait has no time.
pub(crate) const NEVER: Option<OffsetDateTime> = None;

/// What an erased notification sends.
pub(crate) const NOTHING: &[u8] = &[];

/// What is not being tried has no worker.
pub(crate) const NOBODY: Option<Uuid> = None;

fn claim_due(connection: &mut PgConnection, claim: Claim, limit: u16) -> Result<Vec<Claimed>, Failure> {
    let statement = if claim.first_tries_only {
        CLAIM_FIRST_TRIES
    } else {
        CLAIM
    };
    let statement = sql_query(statement)
        .bind::<sql_types::Timestamptz, _>(OffsetDateTime::from(claim.now))
        .bind::<sql_types::BigInt, _>(i64::from(limit))
        .bind::<sql_types::Uuid, _>(claim.lease.0)
        .bind::<sql_types::Timestamptz, _>(OffsetDateTime::from(claim.until));
    let rows: Vec<ClaimedRow> = prepared(statement).load(connection)?;
    let mut claimed = Vec::with_capacity(rows.len());
    for row in rows {
        claimed.extend(read_or_bury(connection, row, claim)?);
    }
    Ok(claimed)
}

fn claim_probe(
    connection: &mut PgConnection,
    claim: Claim,
    unless_after: OffsetDateTime,
) -> Result<Option<Claimed>, Failure> {
    #[derive(QueryableByName)]
    struct Lock {
        #[diesel(sql_type = sql_types::Bool)]
        taken: bool,
    }
    // A statement of its own: the next one must see what the last holder of the lock has written.
    let lock = sql_query("SELECT pg_try_advisory_xact_lock($1) AS taken").bind::<sql_types::BigInt, _>(PROBE_LOCK);
    let lock: Lock = prepared(lock).get_result(connection)?;
    if !lock.taken {
        return Ok(None);
    }
    let statement = sql_query(CLAIM_PROBE)
        .bind::<sql_types::Timestamptz, _>(OffsetDateTime::from(claim.now))
        .bind::<sql_types::Timestamptz, _>(unless_after)
        .bind::<sql_types::Uuid, _>(claim.lease.0)
        .bind::<sql_types::Timestamptz, _>(OffsetDateTime::from(claim.until));
    let row: Option<ClaimedRow> = prepared(statement).get_result(connection).optional()?;
    // If the row is corrupt, the next probe takes the next: this call ends in its time however many are.
    match row {
        Some(row) => read_or_bury(connection, row, claim),
        None => Ok(None),
    }
}

/// What a row says. If it is corrupt, it becomes dead instead, so that it keeps no other back.
fn read_or_bury(connection: &mut PgConnection, row: ClaimedRow, claim: Claim) -> Result<Option<Claimed>, Failure> {
    let id = row.id;
    let error = match row.parsed(claim) {
        Ok(claimed) => return Ok(Some(claimed)),
        Err(error) => error,
    };
    log_corrupt(id, &error);
    update(notifications::table.find(id))
        .set((
            notifications::lease.eq(NOBODY),
            notifications::state.eq(state::DEAD),
            notifications::due_at.eq(NEVER),
            notifications::settled_at.eq(OffsetDateTime::from(claim.now)),
            notifications::last_error.eq(error.to_string()),
        ))
        .execute(connection)?;
    Ok(None)
}

/// Says which column is corrupt, and nothing of what is in it.
fn log_corrupt(id: Uuid, error: &StoreError) {
    tracing::error!(notification = %id, %error, "a notification's row is corrupt");
}

/// Makes a batch due. What is being claimed or settled at this moment is left to whoever does it.
fn release_waiting(connection: &mut PgConnection, now: OffsetDateTime) -> QueryResult<usize> {
    let waiting = alias!(notifications as waiting);
    let batch = waiting
        .select(waiting.field(notifications::id))
        .filter(waiting.field(notifications::due_at).gt(now))
        .filter(waiting.field(notifications::lease).is_null())
        .filter(waiting.field(notifications::released).eq(false))
        .limit(i64::from(BATCH))
        .for_update()
        .skip_locked();
    update(notifications::table.filter(notifications::id.eq_any(batch)))
        .set((notifications::due_at.eq(now), notifications::released.eq(true)))
        .execute(connection)
}

/// Postpones a batch.
fn postpone(connection: &mut PgConnection, until: OffsetDateTime) -> QueryResult<usize> {
    let earlier = alias!(notifications as earlier);
    let batch = earlier
        .select(earlier.field(notifications::id))
        .filter(earlier.field(notifications::due_at).lt(until))
        .filter(earlier.field(notifications::lease).is_null())
        .limit(i64::from(BATCH))
        .for_update()
        .skip_locked();
    update(notifications::table.filter(notifications::id.eq_any(batch)))
        .set(notifications::due_at.eq(until))
        .execute(connection)
}

/// Holds a batch.
fn hold_unaddressed(connection: &mut PgConnection, made_before: OffsetDateTime) -> QueryResult<usize> {
    let stale = alias!(notifications as stale);
    let batch = stale
        .select(stale.field(notifications::id))
        .filter(stale.field(notifications::due_at).is_not_null())
        .filter(stale.field(notifications::addressed).eq(false))
        .filter(stale.field(notifications::tried_at).is_null())
        .filter(stale.field(notifications::created_at).lt(made_before))
        .limit(i64::from(BATCH))
        .for_update()
        .skip_locked();
    update(notifications::table.filter(notifications::id.eq_any(batch)))
        .set((notifications::state.eq(state::HELD), notifications::due_at.eq(NEVER)))
        .execute(connection)
}

fn undelivered(connection: &mut PgConnection, limit: u16) -> Result<Vec<NotificationRecord>, Failure> {
    let undelivered = notifications::table
        .inner_join(tickets::table)
        // Literally as in the index: a plan for any value would not use it.
        .filter(sql::<sql_types::Bool>("notifications.state <> 'delivered'"))
        .filter(notifications::payload.ne(NOTHING))
        .order((notifications::created_at.desc(), notifications::id.desc()))
        .limit(i64::from(limit))
        .select((RecordRow::as_select(), tickets::reference));
    let rows: Vec<(RecordRow, String)> = prepared(undelivered).load(connection)?;
    let records = rows.into_iter().filter_map(|(row, reference)| {
        let id = row.id;
        let record = row.parsed(&reference);
        record.inspect_err(|error| log_corrupt(id, error)).ok()
    });
    Ok(records.collect())
}

fn notification(connection: &mut PgConnection, id: NotificationId) -> Result<Option<NotificationRecord>, Failure> {
    let found: Option<(RecordRow, String)> = notifications::table
        .inner_join(tickets::table)
        .filter(notifications::id.eq(id.0))
        .select((RecordRow::as_select(), tickets::reference))
        .first(connection)
        .optional()?;
    Ok(found.map(|(row, reference)| row.parsed(&reference)).transpose()?)
}

fn way(connection: &mut PgConnection, id: NotificationId) -> Result<Option<Fallback>, Failure> {
    let found: Option<(String, Vec<u8>)> = notifications::table
        .find(id.0)
        .select((notifications::route, notifications::payload))
        .first(connection)
        .optional()?;
    let way = found.map(|(route, payload)| -> Result<Fallback, StoreError> {
        Ok(Fallback {
            route: parse("notifications", "route", &route)?,
            payload: Payload(payload.into()),
        })
    });
    Ok(way.transpose()?)
}
