//! Notifications on their way.

use async_trait::async_trait;
use diesel::{alias, dsl::sql, prelude::*, sql_types::Bool, update};
use ticket_domain::{
    AuditStamp, Fallback, LeaseToken, NotificationId, NotificationRecord, Recipient, TicketId, Timestamp,
    ports::{
        AttemptOutcome, ChangeEvent, Claim, Claimed, CurrentMessage, News, Outbox, RecordResult, RedeliverResult,
        StoreError,
    },
};

use super::{
    super::{
        claims,
        engine::{BATCH, Connection, Store, for_update_skip_locked},
    },
    customer_mail, outcomes, redelivery,
};
use crate::{
    failure::Failure,
    prepared::prepared,
    rows::{ClaimedRow, CurrentMessageRow, RecordRow, state},
    schema::{notifications, tickets},
    types::Stored,
};

#[async_trait]
impl Outbox for Store {
    async fn claim(&self, claim: Claim, limit: u16) -> Result<Vec<Claimed>, StoreError> {
        let claims = self.db.write_and_publish(
            move |connection| {
                let rows = claims::due(connection, claim, limit)?;
                read_claimed(connection, rows, claim)
            },
            Claims::events,
        );
        Ok(claims.await?.claimed)
    }

    async fn claim_probe(&self, claim: Claim, unless_after: Timestamp) -> Result<Option<Claimed>, StoreError> {
        let claims = self.db.write_and_publish(
            move |connection| {
                // If the row is corrupt, the next probe takes the next: this call ends in its time however many are.
                let row = claims::probe(connection, claim, unless_after)?;
                read_claimed(connection, Vec::from_iter(row), claim)
            },
            Claims::events,
        );
        Ok(claims.await?.claimed.pop())
    }

    async fn record_attempt(
        &self,
        id: NotificationId,
        lease: LeaseToken,
        outcome: AttemptOutcome,
    ) -> Result<RecordResult, StoreError> {
        // The others leave it waiting, on the route that it was on.
        let is_news = matches!(
            outcome,
            AttemptOutcome::Delivered { .. } | AttemptOutcome::Dead { .. } | AttemptOutcome::Rerouted { .. }
        );
        let ticket = self
            .db
            .write_and_publish(
                move |connection| outcomes::record_attempt(connection, id, lease, &outcome),
                move |ticket| ticket.flatten().filter(|_| is_news).map(ChangeEvent::Ticket),
            )
            .await?;
        Ok(ticket.map_or(RecordResult::LeaseLost, |_| RecordResult::Recorded))
    }

    async fn release_waiting(&self, recipient: Recipient, now: Timestamp) -> Result<u64, StoreError> {
        self.in_batches(move |connection| release_waiting(connection, recipient, now))
            .await
    }

    async fn postpone(&self, recipient: Recipient, until: Timestamp) -> Result<u64, StoreError> {
        self.in_batches(move |connection| postpone(connection, recipient, until))
            .await
    }

    async fn hold_unaddressed(&self, recipient: Recipient, made_before: Timestamp) -> Result<u64, StoreError> {
        self.in_batches(move |connection| hold_unaddressed(connection, recipient, made_before))
            .await
    }

    async fn redeliver(
        &self,
        id: NotificationId,
        note: AuditStamp,
        fallback: Option<Fallback>,
    ) -> Result<RedeliverResult, StoreError> {
        let (redelivered, _) = self
            .db
            .write_and_publish(
                move |connection| redelivery::redeliver(connection, id, note, fallback.as_ref()),
                |(_, ticket)| ticket.map(ChangeEvent::Ticket),
            )
            .await?;
        Ok(redelivered)
    }

    async fn redeliver_dead(&self, note: AuditStamp) -> Result<u64, StoreError> {
        let (mut done, mut since) = (0, Timestamp::UNIX_EPOCH);
        loop {
            let step = self.db.write_and_publish(
                move |connection| redelivery::redeliver_dead(connection, note, since),
                |(count, _)| Vec::from_iter((*count > 0).then_some(ChangeEvent::Resync)),
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

    async fn current_message(&self, id: NotificationId) -> Result<Option<CurrentMessage>, StoreError> {
        self.db.read(move |connection| current_message(connection, id)).await
    }

    async fn news(&self, id: NotificationId) -> Result<News, StoreError> {
        self.db
            .read(move |connection| customer_mail::news(connection, id))
            .await
    }

    async fn undelivered(&self, limit: u16) -> Result<Vec<NotificationRecord>, StoreError> {
        self.db.read(move |connection| undelivered(connection, limit)).await
    }

    async fn notification(&self, id: NotificationId) -> Result<Option<NotificationRecord>, StoreError> {
        self.db.read(move |connection| notification(connection, id)).await
    }
}

impl Store {
    /// Repeats `batch`, each time in a transaction of its own, until there is less than a whole batch to do. An outage of
    /// days leaves more waiting than one statement may change in its time, and others write in between.
    async fn in_batches(
        &self,
        batch: impl Fn(&mut Connection) -> QueryResult<usize> + Copy + Send + 'static,
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

/// The ticket that a notification reports; none if it asks a question.
pub(crate) type ReportedTicket = Option<TicketId>;

/// What does not wait has no time.
pub(crate) const NEVER: Option<Stored<Timestamp>> = None;

/// What an erased notification sends.
pub(crate) const NOTHING: &[u8] = &[];

/// What is not being attempted has no worker.
pub(crate) const NOBODY: Option<Stored<LeaseToken>> = None;

/// What was claimed; and whether a corrupt row became dead on the way. Of which ticket it is may be what is corrupt.
struct Claims {
    claimed: Vec<Claimed>,
    has_buried: bool,
}

impl Claims {
    fn events(&self) -> Vec<ChangeEvent> {
        Vec::from_iter(self.has_buried.then_some(ChangeEvent::Resync))
    }
}

fn read_claimed(connection: &mut Connection, rows: Vec<ClaimedRow>, claim: Claim) -> Result<Claims, Failure> {
    let count = rows.len();
    let mut claimed = Vec::with_capacity(count);
    for row in rows {
        claimed.extend(read_or_bury(connection, row, claim)?);
    }
    Ok(Claims {
        has_buried: claimed.len() < count,
        claimed,
    })
}

/// What a row says. If it is corrupt, it becomes dead instead, so that it keeps no other back.
fn read_or_bury(connection: &mut Connection, row: ClaimedRow, claim: Claim) -> Result<Option<Claimed>, Failure> {
    let id = row.id;
    let error = match row.parsed(claim) {
        Ok(claimed) => return Ok(Some(claimed)),
        Err(error) => error,
    };
    log_corrupt(id, &error);
    update(notifications::table.find(Stored(id)))
        .set((
            notifications::lease.eq(NOBODY),
            notifications::state.eq(state::DEAD),
            notifications::due_at.eq(NEVER),
            notifications::settled_at.eq(Stored(claim.now)),
            notifications::last_error.eq(error.to_string()),
        ))
        .execute(connection)?;
    Ok(None)
}

/// Says which column is corrupt, and nothing of what is in it.
fn log_corrupt(id: NotificationId, error: &StoreError) {
    tracing::error!(notification = %id, %error, "a notification's row is corrupt");
}

/// Makes a batch due. What is being claimed or settled at this moment is left to whoever does it.
pub(crate) fn release_waiting(connection: &mut Connection, recipient: Recipient, now: Timestamp) -> QueryResult<usize> {
    let waiting = alias!(notifications as waiting);
    let batch = waiting
        .select(waiting.field(notifications::id))
        .filter(waiting.field(notifications::recipient).eq(recipient.as_str()))
        .filter(waiting.field(notifications::due_at).gt(Stored(now)))
        .filter(waiting.field(notifications::lease).is_null())
        .filter(waiting.field(notifications::released).eq(false))
        // The time of what is held back has not come, outage or not. What seems to come from the future waits no longer.
        .filter(
            waiting
                .field(notifications::attempted_at)
                .is_not_null()
                .or(waiting.field(notifications::scheduled_at).le(Stored(now)))
                .or(waiting.field(notifications::created_at).gt(Stored(now))),
        )
        .limit(i64::from(BATCH));
    update(notifications::table.filter(notifications::id.eq_any(for_update_skip_locked!(batch))))
        .set((notifications::due_at.eq(Stored(now)), notifications::released.eq(true)))
        .execute(connection)
}

/// Postpones a batch.
pub(crate) fn postpone(connection: &mut Connection, recipient: Recipient, until: Timestamp) -> QueryResult<usize> {
    let earlier = alias!(notifications as earlier);
    let batch = earlier
        .select(earlier.field(notifications::id))
        .filter(earlier.field(notifications::recipient).eq(recipient.as_str()))
        .filter(earlier.field(notifications::due_at).lt(Stored(until)))
        .filter(earlier.field(notifications::lease).is_null())
        .limit(i64::from(BATCH));
    update(notifications::table.filter(notifications::id.eq_any(for_update_skip_locked!(batch))))
        .set(notifications::due_at.eq(Stored(until)))
        .execute(connection)
}

/// Holds a batch.
pub(crate) fn hold_unaddressed(
    connection: &mut Connection,
    recipient: Recipient,
    made_before: Timestamp,
) -> QueryResult<usize> {
    let stale = alias!(notifications as stale);
    let batch = stale
        .select(stale.field(notifications::id))
        .filter(stale.field(notifications::recipient).eq(recipient.as_str()))
        .filter(stale.field(notifications::due_at).is_not_null())
        .filter(stale.field(notifications::addressed).eq(false))
        .filter(stale.field(notifications::attempted_at).is_null())
        .filter(stale.field(notifications::created_at).lt(Stored(made_before)))
        .limit(i64::from(BATCH));
    update(notifications::table.filter(notifications::id.eq_any(for_update_skip_locked!(batch))))
        .set((notifications::state.eq(state::HELD), notifications::due_at.eq(NEVER)))
        .execute(connection)
}

/// Empties notifications. Returns how many were given up.
pub(crate) fn empty(
    connection: &mut Connection,
    notified: &[Stored<NotificationId>],
    at: Timestamp,
) -> Result<u64, Failure> {
    if notified.is_empty() {
        return Ok(0);
    }
    let these = notifications::table.filter(notifications::id.eq_any(notified));
    let cancelled = update(
        these
            .clone()
            .filter(notifications::state.eq_any([state::WAITING, state::HELD])),
    )
    .set((
        notifications::state.eq(state::DEAD),
        notifications::due_at.eq(NEVER),
        notifications::lease.eq(NOBODY),
        notifications::settled_at.eq(Stored(at)),
    ))
    .execute(connection)?;
    update(these)
        .set((
            notifications::payload.eq(NOTHING),
            notifications::last_error.eq(None::<String>),
        ))
        .execute(connection)?;
    Ok(cancelled as u64)
}

pub(crate) fn undelivered(connection: &mut Connection, limit: u16) -> Result<Vec<NotificationRecord>, Failure> {
    let undelivered = notifications::table
        .left_join(tickets::table)
        // Literally as in the index: a plan for any value would not use it.
        .filter(sql::<Bool>("notifications.state <> 'delivered'"))
        .filter(notifications::payload.ne(NOTHING))
        .order((notifications::created_at.desc(), notifications::id.desc()))
        .limit(i64::from(limit))
        .select((RecordRow::as_select(), tickets::reference.nullable()));
    let rows: Vec<(RecordRow, Option<String>)> = prepared(undelivered).load(connection)?;
    let records = rows.into_iter().filter_map(|(row, reference)| {
        let id = row.id;
        let record = row.parsed(reference);
        record.inspect_err(|error| log_corrupt(id, error)).ok()
    });
    Ok(records.collect())
}

fn notification(connection: &mut Connection, id: NotificationId) -> Result<Option<NotificationRecord>, Failure> {
    let found: Option<(RecordRow, Option<String>)> = notifications::table
        .left_join(tickets::table)
        .filter(notifications::id.eq(Stored(id)))
        .select((RecordRow::as_select(), tickets::reference.nullable()))
        .first(connection)
        .optional()?;
    Ok(found.map(|(row, reference)| row.parsed(reference)).transpose()?)
}

pub(crate) fn current_message(
    connection: &mut Connection,
    id: NotificationId,
) -> Result<Option<CurrentMessage>, Failure> {
    let found: Option<CurrentMessageRow> = notifications::table
        .find(Stored(id))
        .select(CurrentMessageRow::as_select())
        .first(connection)
        .optional()?;
    Ok(found.map(CurrentMessage::try_from).transpose()?)
}
