//! The trail of what operators did.

use diesel::{insert_into, prelude::*, upsert::excluded};
use ticket_domain::{AuditAction, AuditEntryId, Entry, TicketId, ports::AuditStamp};

use crate::postgres::{
    db::Failure,
    rows::{EntryRow, NewEntryRow},
    schema::{tickets, trail},
};

/// Writes what was done, in the transaction that does it. What is done to several in more than one transaction is one
/// entry, which counts them all.
pub(crate) fn write(
    connection: &mut PgConnection,
    note: AuditStamp,
    ticket: Option<TicketId>,
    act: AuditAction,
) -> Result<(), Failure> {
    let entry = insert_into(trail::table).values(NewEntryRow::new(note, ticket, act));
    if let AuditAction::RedeliverDead(_) = act {
        entry
            .on_conflict(trail::id)
            .do_update()
            .set(trail::amount.eq(trail::amount + excluded(trail::amount)))
            .execute(connection)?;
    } else {
        entry.execute(connection)?;
    }
    Ok(())
}

/// The newest entries, of one ticket or of all, older than `before`. Their ids sort by their time.
pub(crate) fn read(
    connection: &mut PgConnection,
    of: Option<TicketId>,
    before: Option<AuditEntryId>,
    limit: u16,
) -> Result<Vec<Entry>, Failure> {
    let mut entries = trail::table
        .left_join(tickets::table)
        .order(trail::id.desc())
        .limit(i64::from(limit))
        .select((EntryRow::as_select(), tickets::reference.nullable()))
        .into_boxed();
    if let Some(of) = of {
        entries = entries.filter(trail::ticket_id.eq(of.0));
    }
    if let Some(before) = before {
        entries = entries.filter(trail::id.lt(before.0));
    }
    let rows: Vec<(EntryRow, Option<String>)> = entries.load(connection)?;
    let entries = rows
        .into_iter()
        .map(|(row, reference)| row.parsed(reference.as_deref()));
    Ok(entries.collect::<Result<_, _>>()?)
}
