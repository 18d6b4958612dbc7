//! What was erased, and is still in the file.

use std::path::Path;

use diesel::{Connection as _, SqliteConnection, connection::SimpleConnection as _};

use crate::{
    db::SETTINGS,
    file::{File, OpenError},
};

/// Words stand in the search's index until its parts are merged, rows in space that pages do not use any more, and all of
/// it in the write-ahead log.
const REWRITE: &str = "
    INSERT INTO ticket_search (ticket_search) VALUES ('optimize');
    VACUUM;
    PRAGMA wal_checkpoint(TRUNCATE)";

/// Rewrites a store's file, so that nothing is left in it of what was erased. Servers may go on; who writes waits meanwhile,
/// a second or two for 100 MB, and it needs as much space again.
///
/// # Errors
///
/// The file can't be used, or somebody else writes for too long.
pub fn scrub(path: &Path) -> Result<(), OpenError> {
    let file = File::named(path)?;
    let mut connection = SqliteConnection::establish(file.name()).map_err(|error| file.failed(error.into()))?;
    let rewritten = connection
        .batch_execute(SETTINGS)
        .and_then(|()| connection.batch_execute(REWRITE));
    rewritten.map_err(|error| file.failed(error.into()))
}
