//! Advisory locks: what a transaction locks that no row or index stands for.

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Integer, Text},
};

use super::statements::LockKey;
use crate::{failure::Failure, prepared::typed};

/// Locks `name` until the transaction ends; waits while another holds it. Names whose hashes are equal wait for each other
/// too, which costs a moment and nothing else.
pub(crate) fn lock(connection: &mut PgConnection, key: LockKey, name: &str) -> Result<(), Failure> {
    let lock = sql_query("SELECT pg_advisory_xact_lock($1, hashtext($2))::text")
        .bind::<Integer, _>(key as i32)
        .bind::<Text, _>(name);
    // It answers with nothing, in a row.
    typed::<Text, _>(lock).get_result::<String>(connection)?;
    Ok(())
}
