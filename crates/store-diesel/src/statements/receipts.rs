//! Delivery receipts of sent messages.

use async_trait::async_trait;
use diesel::{alias, delete, dsl::exists, insert_into, prelude::*, select, sql_query, sql_types::BigInt, update};
use ticket_domain::{
    ExternalId, NotificationId, Progress, Receipt, Timestamp,
    ports::{ChangeEvent, Receipts, SentNotification, StatusUpdate, StoreError},
};

use super::{
    super::engine::{Connection, Store, for_update, for_update_skip_locked},
    outbox::{self, ReportedTicket},
};
use crate::{
    failure::Failure,
    prepared::{Columns, prepared, typed, update_one},
    rows::{FallbackRow, ReceiptRow, SentRow, state},
    schema::{notifications, previous_external_ids, receipts},
    types::{Moment, Stored},
};

/// How many receipts each new one forgets whose time has ended: more than one, so that they never pile up.
const FORGOTTEN: i64 = 2;

/// In the order of [`ReceiptRow`]. Each is looked for by itself: with two EXISTS and an OR, the plan gathers all external
/// ids there are.
const OVERTAKEN: &str = "
    SELECT r.external_id, r.status, r.error_code, r.at FROM receipts r
    WHERE r.at >= $1 AND EXISTS (
        SELECT 1 FROM notifications n WHERE n.external_id = r.external_id
        UNION ALL SELECT 1 FROM previous_external_ids e WHERE e.external_id = r.external_id)
    ORDER BY r.at LIMIT $2";

#[async_trait]
impl Receipts for Store {
    async fn sent_notification(&self, external_id: ExternalId) -> Result<Option<SentNotification>, StoreError> {
        self.db
            .read(move |connection| sent_notification(connection, &external_id))
            .await
    }

    async fn advance(&self, external_id: ExternalId, advance: StatusUpdate, at: Timestamp) -> Result<bool, StoreError> {
        let ticket = self
            .db
            .write_and_publish(
                move |connection| self::advance(connection, &external_id, &advance, at),
                |ticket| ticket.flatten().map(ChangeEvent::Ticket),
            )
            .await?;
        Ok(ticket.is_some())
    }

    async fn keep_receipt(&self, receipt: Receipt, forget_before: Timestamp) -> Result<(), StoreError> {
        self.db
            .write(move |connection| keep(connection, &receipt, forget_before))
            .await
    }

    async fn early_receipts(&self, since: Timestamp, limit: u16) -> Result<Vec<Receipt>, StoreError> {
        self.db
            .read(move |connection| early_receipts(connection, since, limit))
            .await
    }

    async fn drop_receipt(&self, receipt: Receipt) -> Result<(), StoreError> {
        self.db.write(move |connection| let_go(connection, &receipt)).await
    }
}

/// Finds the notification whose message has this external id, now or previously; none if several have it.
fn notification_of(connection: &mut Connection, external_id: &ExternalId) -> Result<Option<NotificationId>, Failure> {
    let now = notifications::table
        .filter(notifications::external_id.eq(external_id.as_str()))
        .select(notifications::id);
    let earlier = previous_external_ids::table
        .filter(previous_external_ids::external_id.eq(external_id.as_str()))
        .select(previous_external_ids::notification_id);
    let mut ids: Vec<NotificationId> = now.union(earlier).load(connection)?;
    Ok(match (ids.pop(), ids.pop()) {
        (Some(id), None) => Some(id),
        _ => None,
    })
}

pub(crate) fn sent_notification(
    connection: &mut Connection,
    external_id: &ExternalId,
) -> Result<Option<SentNotification>, Failure> {
    let Some(id) = notification_of(connection, external_id)? else {
        return Ok(None);
    };
    let row = notifications::table
        .find(Stored(id))
        .select(SentRow::as_select())
        .first(connection)?;
    let is_earlier = select(exists(
        previous_external_ids::table.find((external_id.as_str(), Stored(id))),
    ))
    .get_result(connection)?;
    let kept = receipts::table
        .find(external_id.as_str())
        .select(ReceiptRow::as_select())
        .first(connection)
        .optional()?;
    let kept = kept.map(Receipt::try_from).transpose()?;
    Ok(Some(row.parsed(external_id, is_earlier, kept)?))
}

/// The ticket whose notification got further, if it is one's.
pub(crate) fn advance(
    connection: &mut Connection,
    external_id: &ExternalId,
    advance: &StatusUpdate,
    at: Timestamp,
) -> Result<Option<ReportedTicket>, Failure> {
    let Some(id) = notification_of(connection, external_id)? else {
        return Ok(None);
    };
    // Concurrent duplicates write once: the second one finds it further, or under another id.
    let delivered = notifications::table
        .find(Stored(id))
        .filter(notifications::state.eq(state::DELIVERED))
        .filter(notifications::external_id.eq(external_id.as_str()));
    let refused = delivered.filter(notifications::progress.eq(Progress::Sent.as_str()));
    // What was erased since it was read is not sent again.
    let sendable = refused.filter(notifications::payload.ne(outbox::NOTHING));
    let is_another_message = notifications::round.eq(notifications::round + 1);
    let of = notifications::ticket_id;
    let ticket: Option<ReportedTicket> = match advance {
        StatusUpdate::To(progress) => {
            let behind = delivered.filter(notifications::progress.eq_any(behind(*progress)));
            let is_further = (
                notifications::progress.eq(progress.as_str()),
                notifications::settled_at.eq(Stored(at)),
            );
            update_one!(connection, behind, is_further, of)?
        }
        StatusUpdate::Fallback(fallback, reason) => {
            let is_rerouted = (FallbackRow::new(fallback, reason, at), is_another_message);
            update_one!(connection, sendable, is_rerouted, of)?
        }
        StatusUpdate::Retry { due, reason } => {
            let is_waiting = (
                is_another_message,
                notifications::state.eq(state::WAITING),
                notifications::due_at.eq(Stored(*due)),
                notifications::scheduled_at.eq(Stored(*due)),
                notifications::failed_attempts.eq(notifications::failed_attempts + 1),
                notifications::released.eq(false),
                notifications::last_error.eq(&**reason),
                notifications::external_id.eq(None::<&str>),
                notifications::settled_at.eq(None::<Stored<Timestamp>>),
            );
            update_one!(connection, sendable, is_waiting, of)?
        }
        StatusUpdate::Dead(reason) => {
            let is_dead = (
                is_another_message,
                notifications::state.eq(state::DEAD),
                notifications::settled_at.eq(Stored(at)),
                notifications::last_error.eq(&**reason),
                notifications::external_id.eq(None::<&str>),
            );
            update_one!(connection, refused, is_dead, of)?
        }
    };
    if ticket.is_some() && !matches!(advance, StatusUpdate::To(_)) {
        insert_into(previous_external_ids::table)
            .values((
                previous_external_ids::external_id.eq(external_id.as_str()),
                previous_external_ids::notification_id.eq(Stored(id)),
            ))
            .on_conflict_do_nothing()
            .execute(connection)?;
    }
    Ok(ticket)
}

/// How far a message may be to come as far as `progress` yet.
fn behind(progress: Progress) -> impl Iterator<Item = &'static str> {
    let all = Progress::ALL.iter().copied();
    all.filter(move |other| *other < progress).map(Progress::as_str)
}

/// Keeps a receipt, over one that says less or whose time has ended.
pub(crate) fn keep(connection: &mut Connection, receipt: &Receipt, forget_before: Timestamp) -> Result<(), Failure> {
    let this = receipts::table.find(receipt.external_id.as_str());
    let written = insert_into(receipts::table)
        .values(ReceiptRow::new(receipt))
        .on_conflict_do_nothing()
        .returning(receipts::external_id);
    if prepared(written).load::<String>(connection)?.is_empty() {
        let kept = for_update!(this.select(ReceiptRow::as_select()))
            .first(connection)
            .optional()?;
        // None: it was let go between the two statements.
        let kept = Receipt::try_from(kept.ok_or(Failure::Conflict)?)?;
        if kept.at < forget_before || kept.weight() < receipt.weight() {
            update(this).set(ReceiptRow::new(receipt)).execute(connection)?;
        }
    }
    forget(connection, forget_before)
}

/// Forgets a few receipts whose time has ended. Leaves those that somebody is writing.
fn forget(connection: &mut Connection, before: Timestamp) -> Result<(), Failure> {
    let ended = alias!(receipts as ended);
    let ids = ended
        .select(ended.field(receipts::external_id))
        .filter(ended.field(receipts::at).lt(Stored(before)))
        .order(ended.field(receipts::at))
        .limit(FORGOTTEN);
    delete(receipts::table.filter(receipts::external_id.eq_any(for_update_skip_locked!(ids)))).execute(connection)?;
    Ok(())
}

pub(crate) fn early_receipts(
    connection: &mut Connection,
    since: Timestamp,
    limit: u16,
) -> Result<Vec<Receipt>, Failure> {
    let statement = sql_query(OVERTAKEN)
        .bind::<Moment, _>(Stored(since))
        .bind::<BigInt, _>(i64::from(limit));
    let rows: Vec<ReceiptRow> = typed::<Columns<ReceiptRow>, _>(statement).load(connection)?;
    let receipts = rows.into_iter().map(Receipt::try_from);
    // One that is corrupt must not keep the others back. It says which column, and nothing of what is in it.
    let sound = receipts.filter_map(|receipt| {
        receipt
            .inspect_err(|error| tracing::error!(%error, "a receipt's row is corrupt"))
            .ok()
    });
    Ok(sound.collect())
}

pub(crate) fn let_go(connection: &mut Connection, receipt: &Receipt) -> Result<(), Failure> {
    let this = receipts::table
        .find(receipt.external_id.as_str())
        .filter(receipts::status.eq(receipt.status.as_str()))
        .filter(receipts::at.eq(Stored(receipt.at)));
    delete(this).execute(connection)?;
    Ok(())
}
