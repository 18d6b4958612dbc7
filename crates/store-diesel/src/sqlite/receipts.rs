//! How far messages got that were handed over.

use async_trait::async_trait;
use diesel::{alias, delete, dsl::exists, insert_into, prelude::*, select, update};
use ticket_domain::{
    ExternalId, Progress, Receipt, TicketId, Timestamp,
    ports::{ChangeEvent, Receipts, SentNotification, StatusUpdate, StoreError},
};

use crate::sqlite::{
    SqliteStore,
    db::Failure,
    outbox,
    prepared::prepared,
    rows::{DetourRow, HandedRow, ReceiptRow, notification_id, state},
    schema::{earlier_ids, notifications, receipts},
};

/// How many receipts each new one forgets whose time has ended: more than one, so that they never pile up.
const FORGOTTEN: i64 = 2;

#[async_trait]
impl Receipts for SqliteStore {
    async fn handed(&self, external_id: ExternalId) -> Result<Option<SentNotification>, StoreError> {
        self.db.read(move |connection| handed(connection, &external_id)).await
    }

    async fn advance(&self, external_id: ExternalId, advance: StatusUpdate, at: Timestamp) -> Result<bool, StoreError> {
        let ticket = self
            .db
            .write_and_publish(
                move |connection| self::advance(connection, &external_id, &advance, at),
                |ticket| Vec::from_iter(ticket.map(ChangeEvent::Ticket)),
            )
            .await?;
        Ok(ticket.is_some())
    }

    async fn keep_receipt(&self, receipt: Receipt, forget_before: Timestamp) -> Result<(), StoreError> {
        self.db
            .write(move |connection| keep(connection, &receipt, forget_before))
            .await
    }

    async fn overtaken(&self, since: Timestamp, limit: u16) -> Result<Vec<Receipt>, StoreError> {
        self.db
            .read(move |connection| overtaken(connection, since, limit))
            .await
    }

    async fn drop_receipt(&self, receipt: Receipt) -> Result<(), StoreError> {
        self.db.write(move |connection| let_go(connection, &receipt)).await
    }
}

/// The notification whose message has this outside id, now or earlier; none if several have it.
fn notification_of(connection: &mut SqliteConnection, external_id: &ExternalId) -> Result<Option<Vec<u8>>, Failure> {
    let now = notifications::table
        .filter(notifications::external_id.eq(external_id.as_str()))
        .select(notifications::id);
    let earlier = earlier_ids::table
        .filter(earlier_ids::external_id.eq(external_id.as_str()))
        .select(earlier_ids::notification_id);
    let mut ids: Vec<Vec<u8>> = now.union(earlier).load(connection)?;
    Ok(match (ids.pop(), ids.pop()) {
        (Some(id), None) => Some(id),
        _ => None,
    })
}

pub(crate) fn handed(
    connection: &mut SqliteConnection,
    external_id: &ExternalId,
) -> Result<Option<SentNotification>, Failure> {
    let Some(id) = notification_of(connection, external_id)? else {
        return Ok(None);
    };
    let row = notifications::table
        .find(&id)
        .select(HandedRow::as_select())
        .first(connection)?;
    let is_earlier = select(exists(earlier_ids::table.find((external_id.as_str(), &id)))).get_result(connection)?;
    let kept = receipts::table
        .find(external_id.as_str())
        .select(ReceiptRow::as_select())
        .first(connection)
        .optional()?;
    let kept = kept.map(Receipt::try_from).transpose()?;
    Ok(Some(row.parsed(external_id, is_earlier, kept)?))
}

/// The ticket whose notification it changed, if it did.
pub(crate) fn advance(
    connection: &mut SqliteConnection,
    external_id: &ExternalId,
    advance: &StatusUpdate,
    at: Timestamp,
) -> Result<Option<TicketId>, Failure> {
    let Some(id) = notification_of(connection, external_id)? else {
        return Ok(None);
    };
    // Twins write once: the second one finds it further, or under another id.
    let delivered = notifications::table
        .find(&id)
        .filter(notifications::state.eq(state::DELIVERED))
        .filter(notifications::external_id.eq(external_id.as_str()));
    let refused = delivered.filter(notifications::progress.eq(Progress::Sent.as_str()));
    // What was erased since it was read is not sent again.
    let diverted = refused.filter(notifications::payload.ne(outbox::NOTHING));
    let is_another_message = notifications::round.eq(notifications::round + 1);
    let written = match advance {
        StatusUpdate::To(progress) => prepared(
            update(delivered.filter(notifications::progress.eq_any(behind(*progress))))
                .set((
                    notifications::progress.eq(progress.as_str()),
                    notifications::settled_at.eq(at.unix_micros()),
                ))
                .returning(notifications::id),
        )
        .load::<Vec<u8>>(connection)?
        .len(),
        StatusUpdate::Fallback(fallback, reason) => update(diverted)
            .set((DetourRow::new(fallback, reason, at), is_another_message))
            .execute(connection)?,
        StatusUpdate::Dead(reason) => update(refused)
            .set((
                is_another_message,
                notifications::state.eq(state::DEAD),
                notifications::settled_at.eq(at.unix_micros()),
                notifications::last_error.eq(&**reason),
                notifications::external_id.eq(None::<&str>),
            ))
            .execute(connection)?,
    };
    if written == 0 {
        return Ok(None);
    }
    if !matches!(advance, StatusUpdate::To(_)) {
        insert_into(earlier_ids::table)
            .values((
                earlier_ids::external_id.eq(external_id.as_str()),
                earlier_ids::notification_id.eq(&id),
            ))
            .on_conflict_do_nothing()
            .execute(connection)?;
    }
    Ok(Some(outbox::ticket_of(connection, notification_id(&id)?)?))
}

/// How far a message may be to come as far as `progress` yet.
fn behind(progress: Progress) -> impl Iterator<Item = &'static str> {
    let all = Progress::ALL.iter().copied();
    all.filter(move |other| *other < progress).map(Progress::as_str)
}

/// Keeps a receipt, over one that says less or whose time has ended.
pub(crate) fn keep(
    connection: &mut SqliteConnection,
    receipt: &Receipt,
    forget_before: Timestamp,
) -> Result<(), Failure> {
    let this = receipts::table.find(receipt.external_id.as_str());
    let kept = this.select(ReceiptRow::as_select()).first(connection).optional()?;
    match kept.map(Receipt::try_from).transpose()? {
        None => {
            insert_into(receipts::table)
                .values(ReceiptRow::new(receipt))
                .execute(connection)?;
        }
        Some(kept) if kept.at < forget_before || kept.weight() < receipt.weight() => {
            update(this).set(ReceiptRow::new(receipt)).execute(connection)?;
        }
        Some(_) => {}
    }
    forget(connection, forget_before)
}

/// Forgets a few receipts whose time has ended.
fn forget(connection: &mut SqliteConnection, before: Timestamp) -> Result<(), Failure> {
    let ended = alias!(receipts as ended);
    let ids = ended
        .select(ended.field(receipts::external_id))
        .filter(ended.field(receipts::at).lt(before.unix_micros()))
        .order(ended.field(receipts::at))
        .limit(FORGOTTEN);
    delete(receipts::table.filter(receipts::external_id.eq_any(ids))).execute(connection)?;
    Ok(())
}

pub(crate) fn overtaken(
    connection: &mut SqliteConnection,
    since: Timestamp,
    limit: u16,
) -> Result<Vec<Receipt>, Failure> {
    let now = notifications::table.filter(notifications::external_id.eq(receipts::external_id.nullable()));
    let earlier = earlier_ids::table.filter(earlier_ids::external_id.eq(receipts::external_id));
    let rows = receipts::table
        .filter(receipts::at.ge(since.unix_micros()))
        .filter(exists(now).or(exists(earlier)))
        .order(receipts::at)
        .limit(i64::from(limit))
        .select(ReceiptRow::as_select())
        .load(connection)?;
    let receipts = rows.into_iter().map(Receipt::try_from);
    // One that is corrupt must not keep the others back. It says which column, and nothing of what is in it.
    let sound = receipts.filter_map(|receipt| {
        receipt
            .inspect_err(|error| tracing::error!(%error, "a receipt's row is corrupt"))
            .ok()
    });
    Ok(sound.collect())
}

pub(crate) fn let_go(connection: &mut SqliteConnection, receipt: &Receipt) -> Result<(), Failure> {
    let this = receipts::table
        .find(receipt.external_id.as_str())
        .filter(receipts::status.eq(receipt.status.as_str()))
        .filter(receipts::at.eq(receipt.at.unix_micros()));
    delete(this).execute(connection)?;
    Ok(())
}
