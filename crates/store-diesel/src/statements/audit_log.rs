//! The audit log.

use diesel::{insert_into, prelude::*, upsert::excluded};
use ticket_domain::{AuditAction, AuditEntryId, Entry, TicketId, ports::AuditStamp};

use super::super::engine::Connection;
use crate::{
    failure::Failure,
    rows::{AuditEntryRow, NewAuditEntryRow},
    schema::{audit_log, tickets},
    types::Stored,
};

/// Writes an entry in the transaction that does what it records; `ticket` is the one that it was done to. What is done to
/// several tickets in more than one transaction is one entry, which counts them all.
pub(crate) fn write(
    connection: &mut Connection,
    stamp: AuditStamp,
    ticket: Option<TicketId>,
    action: AuditAction,
) -> Result<(), Failure> {
    let entry = insert_into(audit_log::table).values(NewAuditEntryRow::new(stamp, ticket, action));
    if let AuditAction::RedeliverDead(_) = action {
        entry
            .on_conflict(audit_log::id)
            .do_update()
            .set(audit_log::count.eq(audit_log::count + excluded(audit_log::count)))
            .execute(connection)?;
    } else {
        entry.execute(connection)?;
    }
    Ok(())
}

/// Returns the newest entries, of one ticket or of all, that are older than `before`. Ids sort by time.
pub(crate) fn read(
    connection: &mut Connection,
    of: Option<TicketId>,
    before: Option<AuditEntryId>,
    limit: u16,
) -> Result<Vec<Entry>, Failure> {
    let mut entries = audit_log::table
        .left_join(tickets::table)
        .order(audit_log::id.desc())
        .limit(i64::from(limit))
        .select((AuditEntryRow::as_select(), tickets::reference.nullable()))
        .into_boxed();
    if let Some(of) = of {
        entries = entries.filter(audit_log::ticket_id.eq(Stored(of)));
    }
    if let Some(before) = before {
        entries = entries.filter(audit_log::id.lt(Stored(before)));
    }
    let rows: Vec<(AuditEntryRow, Option<String>)> = entries.load(connection)?;
    let entries = rows
        .into_iter()
        .map(|(row, reference)| row.parsed(reference.as_deref()));
    Ok(entries.collect::<Result<_, _>>()?)
}
