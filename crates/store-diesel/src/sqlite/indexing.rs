//! Putting messages into the index by which tickets are searched.
//!
//! Triggers note in `search_pending` which are new. Whoever commits puts them into the index together, right before:
//! FTS5 writes down what it has gathered at every savepoint, and a statement with a trigger begins one.

use diesel::{RunQueryDsl, SqliteConnection, sql_query, sql_types::BigInt};

use crate::{failure::Failure, prepared::typed, sqlite::search::SEQ_BITS};

/// Whether a message is not in the index yet.
const PENDING: &str = "SELECT document FROM search_pending LIMIT 1";

/// More than one commit has, and so many that they take 50 ms at most: rows may have been written by hand, a million at once.
const PORTION: &str = "(SELECT document FROM search_pending ORDER BY document LIMIT 1024)";

/// Whether there is anything to put into the index.
pub(crate) fn is_behind(connection: &mut SqliteConnection) -> Result<bool, Failure> {
    let pending: Vec<i64> = typed::<BigInt, _>(sql_query(PENDING)).load(connection)?;
    Ok(!pending.is_empty())
}

/// Puts a portion of what is new into the index. Whoever writes messages calls it before the commit: then they are found as
/// soon as they are there, unless a great many were written by hand before.
pub(crate) fn catch_up(connection: &mut SqliteConnection) -> Result<(), Failure> {
    if !is_behind(connection)? {
        return Ok(());
    }
    // In the order of their numbers: where FTS5 is given a lower one it writes down what it has gathered.
    let gather = format!(
        "INSERT INTO ticket_search (rowid, text)
        SELECT d.number, d.text FROM {PORTION} AS pending CROSS JOIN ticket_documents d
            ON d.ticket_number = pending.document >> {SEQ_BITS} AND d.seq = pending.document & (1 << {SEQ_BITS}) - 1
        ORDER BY pending.document"
    );
    let gathered = format!("DELETE FROM search_pending WHERE document IN {PORTION}");
    for statement in [gather, gathered] {
        // It gives no rows.
        typed::<BigInt, _>(sql_query(statement)).load::<i64>(connection)?;
    }
    Ok(())
}
