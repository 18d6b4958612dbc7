//! Notifications on their way.

use async_trait::async_trait;
use diesel::{
    alias,
    dsl::{exists, not, sql},
    expression::BoxableExpression,
    prelude::*,
    sql_types::Bool,
    sqlite::Sqlite,
    update,
};
use ticket_domain::{
    AuditAction, Fallback, LeaseToken, NotificationId, NotificationRecord, Payload, TicketId, Timestamp,
    ports::{
        AttemptOutcome, AuditStamp, ChangeEvent, Claim, Claimed, Outbox, RecordResult, RedeliverResult, StoreError,
        parse,
    },
};

use crate::sqlite::{
    SqliteStore,
    db::Failure,
    outcomes,
    prepared::prepared,
    redelivery,
    rows::{ClaimedRow, RecordRow, bytes, state, ticket_id},
    schema::{notifications, tickets},
    trail,
};

/// How many notifications one job releases, postpones, holds or begins anew at most: some 30 ms.
pub(crate) const BATCH: u16 = 1_000;

#[async_trait]
impl Outbox for SqliteStore {
    async fn claim(&self, claim: Claim, limit: u16) -> Result<Vec<Claimed>, StoreError> {
        let (claimed, _) = self
            .db
            .write_and_publish(
                move |connection| claim_due(connection, claim, limit),
                |(_, is_any_corrupt)| resync_if(*is_any_corrupt),
            )
            .await?;
        Ok(claimed)
    }

    async fn claim_probe(&self, claim: Claim, unless_after: Timestamp) -> Result<Option<Claimed>, StoreError> {
        let (claimed, _) = self
            .db
            .write_and_publish(
                move |connection| claim_probe(connection, claim, unless_after),
                |(_, is_corrupt)| resync_if(*is_corrupt),
            )
            .await?;
        Ok(claimed)
    }

    async fn record_attempt(
        &self,
        id: NotificationId,
        lease: LeaseToken,
        outcome: AttemptOutcome,
    ) -> Result<RecordResult, StoreError> {
        let (settled, _) = self
            .db
            .write_and_publish(
                move |connection| {
                    let settled = outcomes::record_attempt(connection, id, lease, &outcome)?;
                    let is_further = matches!(
                        outcome,
                        AttemptOutcome::Delivered { .. }
                            | AttemptOutcome::Dead { .. }
                            | AttemptOutcome::Rerouted { .. }
                    );
                    let ticket = match settled {
                        RecordResult::Recorded if is_further => Some(ticket_of(connection, id)?),
                        _ => None,
                    };
                    Ok((settled, ticket))
                },
                |(_, ticket)| Vec::from_iter(ticket.map(ChangeEvent::Ticket)),
            )
            .await?;
        Ok(settled)
    }

    async fn release_waiting(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.in_batches(move |connection| release_waiting(connection, now))
            .await
    }

    async fn postpone(&self, until: Timestamp) -> Result<u64, StoreError> {
        self.in_batches(move |connection| postpone(connection, until)).await
    }

    async fn hold_unaddressed(&self, made_before: Timestamp) -> Result<u64, StoreError> {
        self.in_batches(move |connection| hold_unaddressed(connection, made_before))
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
                move |connection| {
                    let redelivered = redelivery::redeliver(connection, id, note.at, anew.as_ref())?;
                    if redelivered != RedeliverResult::Queued {
                        return Ok((redelivered, None));
                    }
                    let ticket = ticket_of(connection, id)?;
                    trail::note(connection, note, Some(ticket), &AuditAction::Redeliver(id))?;
                    Ok((redelivered, Some(ticket)))
                },
                |(_, ticket)| Vec::from_iter(ticket.map(ChangeEvent::Ticket)),
            )
            .await?;
        Ok(redelivered)
    }

    async fn redeliver_dead(&self, note: AuditStamp) -> Result<u64, StoreError> {
        let (mut done, mut since) = (0, i64::MIN);
        loop {
            let step = self.db.write_and_publish(
                move |connection| redelivery::redeliver_dead(connection, note, since),
                |(count, _)| resync_if(*count > 0),
            );
            let count;
            (count, since) = step.await?;
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

impl SqliteStore {
    /// Repeats `batch`, each time as a job of its own, until there is less than a whole batch to do. There is one writer,
    /// and nobody is to wait until an outage of days is put in order.
    async fn in_batches(
        &self,
        batch: impl Fn(&mut SqliteConnection) -> Result<usize, Failure> + Copy + Send + 'static,
    ) -> Result<u64, StoreError> {
        let mut done = 0;
        loop {
            let count = self.db.write(batch).await?;
            done += count as u64;
            if count < usize::from(BATCH) {
                return Ok(done);
            }
        }
    }
}

/// What does not wait has no time.
pub(crate) const NEVER: Option<i64> = None;

/// What is not being tried has no worker.
pub(crate) const NOBODY: Option<Vec<u8>> = None;

/// What an erased notification sends.
pub(crate) const NOTHING: &[u8] = &[];

type Condition = Box<dyn BoxableExpression<notifications::table, Sqlite, SqlType = Bool>>;

/// No earlier notification of its ticket waits or is held.
fn is_first_of_its_ticket() -> Condition {
    let earlier = alias!(notifications as earlier);
    Box::new(not(exists(
        earlier
            .filter(earlier.field(notifications::ticket_id).eq(notifications::ticket_id))
            .filter(earlier.field(notifications::seq).lt(notifications::seq))
            // Literally as in the index: SQLite does not use it for a bound value.
            .filter(sql::<Bool>("earlier.state IN ('waiting', 'held')")),
    )))
}

/// What a change of many tickets, or of one whose id may be corrupt, publishes.
fn resync_if(is_changed: bool) -> Vec<ChangeEvent> {
    Vec::from_iter(is_changed.then_some(ChangeEvent::Resync))
}

/// A notification is due if it waits and its time has come; an ended lease is simply due. Says too whether any was corrupt,
/// which is dead now.
pub(crate) fn claim_due(
    connection: &mut SqliteConnection,
    claim: Claim,
    limit: u16,
) -> Result<(Vec<Claimed>, bool), Failure> {
    let due = notifications::table
        .filter(notifications::due_at.le(claim.now.unix_micros()))
        .filter(is_first_of_its_ticket())
        .order(notifications::due_at)
        .limit(i64::from(limit))
        .select(ClaimedRow::as_select());
    let rows: Vec<ClaimedRow> = if claim.first_tries_only {
        prepared(due.filter(notifications::tried_at.is_null())).load(connection)?
    } else {
        prepared(due).load(connection)?
    };
    let due = rows.len();
    let mut claimed = Vec::with_capacity(due);
    for row in rows {
        claimed.extend(lease(connection, row, claim)?);
    }
    let is_any_corrupt = claimed.len() < due;
    Ok((claimed, is_any_corrupt))
}

pub(crate) fn claim_probe(
    connection: &mut SqliteConnection,
    claim: Claim,
    unless_after: Timestamp,
) -> Result<(Option<Claimed>, bool), Failure> {
    let probed = notifications::due_at
        .is_not_null()
        .and(notifications::probed_at.gt(unless_after.unix_micros()));
    if diesel::select(exists(notifications::table.filter(probed))).get_result(connection)? {
        return Ok((None, false));
    }
    let next = notifications::table
        .filter(notifications::due_at.gt(claim.until.unix_micros()))
        .filter(notifications::lease.is_null())
        .filter(is_first_of_its_ticket())
        // To SQLite, never is the longest ago.
        .order((notifications::probed_at, notifications::due_at))
        .limit(1)
        .select(ClaimedRow::as_select());
    let row: Option<ClaimedRow> = prepared(next).get_result(connection).optional()?;
    // If the row is corrupt, the next probe takes the next: this call ends in its time however many are.
    let Some(row) = row else {
        return Ok((None, false));
    };
    let Some(claimed) = lease(connection, row, claim)? else {
        return Ok((None, true));
    };
    update(notifications::table.find(bytes(claimed.id.0)))
        .set(notifications::probed_at.eq(claim.now.unix_micros()))
        .execute(connection)?;
    Ok((Some(claimed), false))
}

/// Leases the notification of a row, unless the row is corrupt.
fn lease(connection: &mut SqliteConnection, row: ClaimedRow, claim: Claim) -> Result<Option<Claimed>, Failure> {
    let Some(claimed) = read_or_bury(connection, row, claim)? else {
        return Ok(None);
    };
    let leased = update(notifications::table.find(bytes(claimed.id.0))).set((
        notifications::lease.eq(bytes(claim.lease.0)),
        notifications::due_at.eq(claim.until.unix_micros()),
        notifications::tried_at.eq(claim.now.unix_micros()),
    ));
    prepared(leased.returning(notifications::failures)).load::<i64>(connection)?;
    Ok(Some(claimed))
}

/// What a row says. If it is corrupt, it becomes dead instead, so that it keeps no other back.
fn read_or_bury(connection: &mut SqliteConnection, row: ClaimedRow, claim: Claim) -> Result<Option<Claimed>, Failure> {
    let id = row.id.clone();
    let error = match row.parsed(claim) {
        Ok(claimed) => return Ok(Some(claimed)),
        Err(error) => error,
    };
    log_corrupt(&id, &error);
    update(notifications::table.find(id))
        .set((
            notifications::lease.eq(NOBODY),
            notifications::state.eq(state::DEAD),
            notifications::due_at.eq(NEVER),
            notifications::settled_at.eq(claim.now.unix_micros()),
            notifications::last_error.eq(error.to_string()),
        ))
        .execute(connection)?;
    Ok(None)
}

/// Says which column is corrupt, and nothing of what is in it.
fn log_corrupt(id: &[u8], error: &StoreError) {
    // The id may be what is corrupt.
    let id = uuid::Uuid::from_slice(id).ok().map(tracing::field::display);
    tracing::error!(notification = id, %error, "a notification's row is corrupt");
}

/// The ticket that a notification, which must exist, tells of.
pub(crate) fn ticket_of(connection: &mut SqliteConnection, id: NotificationId) -> Result<TicketId, Failure> {
    let ticket: Vec<u8> = notifications::table
        .find(bytes(id.0))
        .select(notifications::ticket_id)
        .first(connection)?;
    Ok(ticket_id("notifications", "ticket_id", &ticket)?)
}

/// Makes a batch due.
pub(crate) fn release_waiting(connection: &mut SqliteConnection, now: Timestamp) -> Result<usize, Failure> {
    let now = now.unix_micros();
    let waiting = alias!(notifications as waiting);
    let batch = waiting
        .select(waiting.field(notifications::id))
        .filter(waiting.field(notifications::due_at).gt(now))
        .filter(waiting.field(notifications::lease).is_null())
        .filter(not(waiting.field(notifications::released)))
        .limit(i64::from(BATCH));
    let released = update(notifications::table.filter(notifications::id.eq_any(batch)))
        .set((notifications::due_at.eq(now), notifications::released.eq(true)))
        .execute(connection)?;
    Ok(released)
}

/// Postpones a batch.
pub(crate) fn postpone(connection: &mut SqliteConnection, until: Timestamp) -> Result<usize, Failure> {
    let until = until.unix_micros();
    let earlier = alias!(notifications as earlier);
    let batch = earlier
        .select(earlier.field(notifications::id))
        .filter(earlier.field(notifications::due_at).lt(until))
        .filter(earlier.field(notifications::lease).is_null())
        .limit(i64::from(BATCH));
    let postponed = update(notifications::table.filter(notifications::id.eq_any(batch)))
        .set(notifications::due_at.eq(until))
        .execute(connection)?;
    Ok(postponed)
}

/// Holds a batch.
pub(crate) fn hold_unaddressed(connection: &mut SqliteConnection, made_before: Timestamp) -> Result<usize, Failure> {
    let stale = alias!(notifications as stale);
    let batch = stale
        .select(stale.field(notifications::id))
        .filter(stale.field(notifications::due_at).is_not_null())
        .filter(stale.field(notifications::tried_at).is_null())
        .filter(stale.field(notifications::created_at).lt(made_before.unix_micros()))
        .filter(not(stale.field(notifications::addressed)))
        .limit(i64::from(BATCH));
    let held = update(notifications::table.filter(notifications::id.eq_any(batch)))
        .set((notifications::state.eq(state::HELD), notifications::due_at.eq(NEVER)))
        .execute(connection)?;
    Ok(held)
}

pub(crate) fn undelivered(connection: &mut SqliteConnection, limit: u16) -> Result<Vec<NotificationRecord>, Failure> {
    let undelivered = notifications::table
        .inner_join(tickets::table)
        // Literally as in the index: SQLite does not use it for a bound value.
        .filter(sql::<Bool>("notifications.state <> 'delivered'"))
        .filter(notifications::payload.ne(NOTHING))
        .order((notifications::created_at.desc(), notifications::id.desc()))
        .limit(i64::from(limit))
        .select((RecordRow::as_select(), tickets::reference));
    let rows: Vec<(RecordRow, String)> = prepared(undelivered).load(connection)?;
    let records = rows.into_iter().filter_map(|(row, reference)| {
        let id = row.id.clone();
        let record = row.parsed(&reference);
        record.inspect_err(|error| log_corrupt(&id, error)).ok()
    });
    Ok(records.collect())
}

fn notification(connection: &mut SqliteConnection, id: NotificationId) -> Result<Option<NotificationRecord>, Failure> {
    let found: Option<(RecordRow, String)> = notifications::table
        .inner_join(tickets::table)
        .filter(notifications::id.eq(bytes(id.0)))
        .select((RecordRow::as_select(), tickets::reference))
        .first(connection)
        .optional()?;
    Ok(found.map(|(row, reference)| row.parsed(&reference)).transpose()?)
}

pub(crate) fn way(connection: &mut SqliteConnection, id: NotificationId) -> Result<Option<Fallback>, Failure> {
    let found: Option<(String, Vec<u8>)> = notifications::table
        .find(bytes(id.0))
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

#[cfg(test)]
mod tests;
