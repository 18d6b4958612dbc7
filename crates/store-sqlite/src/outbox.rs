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
    Detour, LeaseToken, NotificationId, NotificationRecord, Payload, Timestamp,
    ports::{Claim, Claimed, Outbox, Redelivered, Settled, StoreError, Verdict, parse},
};

use crate::{
    SqliteStore,
    db::Failure,
    rows::{ClaimedRow, RecordRow, bytes, state},
    schema::{notifications, tickets},
    verdicts,
};

#[async_trait]
impl Outbox for SqliteStore {
    async fn claim(&self, claim: Claim, limit: u16) -> Result<Vec<Claimed>, StoreError> {
        self.db
            .write(move |connection| claim_due(connection, claim, limit))
            .await
    }

    async fn claim_probe(&self, claim: Claim, unless_after: Timestamp) -> Result<Option<Claimed>, StoreError> {
        self.db
            .write(move |connection| claim_probe(connection, claim, unless_after))
            .await
    }

    async fn settle(&self, id: NotificationId, lease: LeaseToken, verdict: Verdict) -> Result<Settled, StoreError> {
        self.db
            .write(move |connection| verdicts::settle(connection, id, lease, &verdict))
            .await
    }

    async fn release_waiting(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.db.write(move |connection| release_waiting(connection, now)).await
    }

    async fn postpone(&self, until: Timestamp) -> Result<u64, StoreError> {
        self.db.write(move |connection| postpone(connection, until)).await
    }

    async fn hold_unaddressed(&self, made_before: Timestamp) -> Result<u64, StoreError> {
        self.db
            .write(move |connection| hold_unaddressed(connection, made_before))
            .await
    }

    async fn redeliver(
        &self,
        id: NotificationId,
        now: Timestamp,
        anew: Option<Detour>,
    ) -> Result<Redelivered, StoreError> {
        self.db
            .write(move |connection| redeliver(connection, id, now, anew.as_ref()))
            .await
    }

    async fn way(&self, id: NotificationId) -> Result<Option<Detour>, StoreError> {
        self.db.read(move |connection| way(connection, id)).await
    }

    async fn undelivered(&self, limit: u16) -> Result<Vec<NotificationRecord>, StoreError> {
        self.db.read(move |connection| undelivered(connection, limit)).await
    }

    async fn notification(&self, id: NotificationId) -> Result<Option<NotificationRecord>, StoreError> {
        self.db.read(move |connection| notification(connection, id)).await
    }
}

/// What does not wait has no time.
pub(crate) const NEVER: Option<i64> = None;

/// What is not being tried has no worker.
pub(crate) const NOBODY: Option<Vec<u8>> = None;

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

/// A notification is due if it waits and its time has come; an ended lease is simply due.
pub(crate) fn claim_due(connection: &mut SqliteConnection, claim: Claim, limit: u16) -> Result<Vec<Claimed>, Failure> {
    let due = notifications::table
        .filter(notifications::due_at.le(claim.now.unix_micros()))
        .filter(is_first_of_its_ticket())
        .order(notifications::due_at)
        .limit(i64::from(limit))
        .select(ClaimedRow::as_select());
    let rows: Vec<ClaimedRow> = if claim.first_tries_only {
        due.filter(notifications::tried_at.is_null()).load(connection)?
    } else {
        due.load(connection)?
    };
    let mut claimed = Vec::with_capacity(rows.len());
    for row in rows {
        claimed.extend(lease(connection, row, claim)?);
    }
    Ok(claimed)
}

pub(crate) fn claim_probe(
    connection: &mut SqliteConnection,
    claim: Claim,
    unless_after: Timestamp,
) -> Result<Option<Claimed>, Failure> {
    let probed = notifications::due_at
        .is_not_null()
        .and(notifications::probed_at.gt(unless_after.unix_micros()));
    if diesel::select(exists(notifications::table.filter(probed))).get_result(connection)? {
        return Ok(None);
    }
    let row: Option<ClaimedRow> = notifications::table
        .filter(notifications::due_at.gt(claim.until.unix_micros()))
        .filter(notifications::lease.is_null())
        .filter(is_first_of_its_ticket())
        // To SQLite, never is the longest ago.
        .order((notifications::probed_at, notifications::due_at))
        .select(ClaimedRow::as_select())
        .first(connection)
        .optional()?;
    // If the row is corrupt, the next probe takes the next: this call ends in its time however many are.
    let Some(row) = row else {
        return Ok(None);
    };
    let Some(claimed) = lease(connection, row, claim)? else {
        return Ok(None);
    };
    update(notifications::table.find(bytes(claimed.id.0)))
        .set(notifications::probed_at.eq(claim.now.unix_micros()))
        .execute(connection)?;
    Ok(Some(claimed))
}

/// Leases the notification of a row, unless the row is corrupt.
fn lease(connection: &mut SqliteConnection, row: ClaimedRow, claim: Claim) -> Result<Option<Claimed>, Failure> {
    let Some(claimed) = read_or_bury(connection, row, claim)? else {
        return Ok(None);
    };
    update(notifications::table.find(bytes(claimed.id.0)))
        .set((
            notifications::lease.eq(bytes(claim.lease.0)),
            notifications::due_at.eq(claim.until.unix_micros()),
            notifications::tried_at.eq(claim.now.unix_micros()),
        ))
        .execute(connection)?;
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

pub(crate) fn redeliver(
    connection: &mut SqliteConnection,
    id: NotificationId,
    now: Timestamp,
    anew: Option<&Detour>,
) -> Result<Redelivered, Failure> {
    let now = now.unix_micros();
    let id = bytes(id.0);
    let this = notifications::table.find(&id);
    let found = this
        .select((notifications::state, notifications::lease, notifications::due_at))
        .first::<(String, Option<Vec<u8>>, Option<i64>)>(connection)
        .optional()?;
    let is_due = (
        notifications::state.eq(state::WAITING),
        notifications::due_at.eq(now),
        // The operator's word for it was given, so it must not be held again.
        notifications::addressed.eq(true),
    );
    match found {
        None => return Ok(Redelivered::NotFound),
        Some((state, ..)) if state == state::DELIVERED => return Ok(Redelivered::DeliveredBefore),
        Some((_, Some(_), Some(lease_end))) if lease_end > now => return Ok(Redelivered::UnderWay),
        Some((state, ..)) if state == state::DEAD => {
            let another_message = anew.map(|way| {
                (
                    notifications::route.eq(way.route.as_str()),
                    notifications::payload.eq(&*way.payload.0),
                    notifications::round.eq(notifications::round + 1),
                )
            });
            let schedule = (
                notifications::failures.eq(0),
                notifications::scheduled_at.eq(now),
                notifications::settled_at.eq(NEVER),
            );
            update(this)
                .set((is_due, schedule, another_message))
                .execute(connection)?;
        }
        Some(_) => {
            update(this).set(is_due).execute(connection)?;
        }
    }
    Ok(Redelivered::Queued)
}

pub(crate) fn release_waiting(connection: &mut SqliteConnection, now: Timestamp) -> Result<u64, Failure> {
    let now = now.unix_micros();
    let waiting = notifications::due_at
        .gt(now)
        .and(notifications::lease.is_null())
        .and(not(notifications::released));
    let released = update(notifications::table.filter(waiting))
        .set((notifications::due_at.eq(now), notifications::released.eq(true)))
        .execute(connection)?;
    Ok(released as u64)
}

pub(crate) fn postpone(connection: &mut SqliteConnection, until: Timestamp) -> Result<u64, Failure> {
    let until = until.unix_micros();
    let earlier = notifications::due_at.lt(until).and(notifications::lease.is_null());
    let postponed = update(notifications::table.filter(earlier))
        .set(notifications::due_at.eq(until))
        .execute(connection)?;
    Ok(postponed as u64)
}

pub(crate) fn hold_unaddressed(connection: &mut SqliteConnection, made_before: Timestamp) -> Result<u64, Failure> {
    let stale = notifications::due_at
        .is_not_null()
        .and(notifications::tried_at.is_null())
        .and(notifications::created_at.lt(made_before.unix_micros()))
        .and(not(notifications::addressed));
    let held = update(notifications::table.filter(stale))
        .set((notifications::state.eq(state::HELD), notifications::due_at.eq(NEVER)))
        .execute(connection)?;
    Ok(held as u64)
}

pub(crate) fn undelivered(connection: &mut SqliteConnection, limit: u16) -> Result<Vec<NotificationRecord>, Failure> {
    let rows: Vec<(RecordRow, String)> = notifications::table
        .inner_join(tickets::table)
        // Literally as in the index: SQLite does not use it for a bound value.
        .filter(sql::<Bool>("notifications.state <> 'delivered'"))
        .order((notifications::created_at.desc(), notifications::id.desc()))
        .limit(i64::from(limit))
        .select((RecordRow::as_select(), tickets::reference))
        .load(connection)?;
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

pub(crate) fn way(connection: &mut SqliteConnection, id: NotificationId) -> Result<Option<Detour>, Failure> {
    let found: Option<(String, Vec<u8>)> = notifications::table
        .find(bytes(id.0))
        .select((notifications::route, notifications::payload))
        .first(connection)
        .optional()?;
    let way = found.map(|(route, payload)| -> Result<Detour, StoreError> {
        Ok(Detour {
            route: parse("notifications", "route", &route)?,
            payload: Payload(payload.into()),
        })
    });
    Ok(way.transpose()?)
}
