//! What was erased, and is still in the file.

use std::path::Path;

use diesel::{
    QueryableByName, RunQueryDsl as _, SqliteConnection, connection::SimpleConnection as _, result::QueryResult,
    sql_query, sql_types::Integer,
};

use crate::sqlite::file::{File, OpenError};

/// Words stand in the search's index until its parts are merged, rows in space that pages do not use any more, and all of
/// it in the write-ahead log.
const REWRITE: &str = "
    INSERT INTO ticket_search (ticket_search) VALUES ('optimize');
    VACUUM";

/// Somebody reads what there was before.
#[derive(Debug, thiserror::Error)]
#[error("another program reads it, perhaps a backup, and what it reads has to stay: do it again when that is over")]
struct Busy;

/// Rewrites a store's file, so that nothing is left in it of what was erased. Servers may go on; who writes waits meanwhile,
/// a second or two for 100 MB, and it needs as much space again.
///
/// # Errors
///
/// The file can't be used, or somebody else reads or writes for too long.
pub fn scrub(path: &Path) -> Result<(), OpenError> {
    let file = File::named(path)?;
    let mut connection = file.connect()?;
    let rewritten = connection.batch_execute(REWRITE);
    let emptied = rewritten.and_then(|()| empty_log(&mut connection));
    if emptied.map_err(|error| file.failed(error))? {
        Ok(())
    } else {
        Err(file.failed(Busy))
    }
}

/// Whether nothing is left in the write-ahead log.
fn empty_log(connection: &mut SqliteConnection) -> QueryResult<bool> {
    #[derive(QueryableByName)]
    struct Done {
        #[diesel(sql_type = Integer)]
        busy: i32,
    }
    let Done { busy } = sql_query("PRAGMA wal_checkpoint(TRUNCATE)").get_result(connection)?;
    Ok(busy == 0)
}
