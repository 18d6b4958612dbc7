//! What a transaction holds that no row or index stands for.

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Integer, Text},
};

use crate::postgres::{db::Failure, prepared::typed};

/// What is held.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Held {
    /// An outside id: it is one message or one answer for ever, and no index covers both.
    OutsideId = 1,
    /// Whoever is asked: there may be no question yet that two could meet at.
    QuestionUpdate = 2,
    /// A key: there may be no row yet that two could meet at.
    Key = 3,
}

/// Holds `name` until the transaction ends; waits while another does. Names whose hashes are equal wait for each other
/// too, which costs a moment and nothing else.
pub(crate) fn hold(connection: &mut PgConnection, what: Held, name: &str) -> Result<(), Failure> {
    let lock = sql_query("SELECT pg_advisory_xact_lock($1, hashtext($2))::text")
        .bind::<Integer, _>(what as i32)
        .bind::<Text, _>(name);
    // It answers with nothing, in a row.
    typed::<Text, _>(lock).get_result::<String>(connection)?;
    Ok(())
}
