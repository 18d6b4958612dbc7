//! What a backup says of its own rows, so that it is found out if they change where it lies. It stands in `user_version`, a
//! number in the file's header that SQLite leaves to its users; 0 is none.

use diesel::{
    QueryableByName, RunQueryDsl, SqliteConnection, connection::SimpleConnection, result::Error as QueryError,
    sql_query, sql_types::Integer,
};

/// The seal of a file.
pub(crate) fn get(connection: &mut SqliteConnection) -> Result<i32, QueryError> {
    #[derive(QueryableByName)]
    struct Seal {
        #[diesel(sql_type = Integer)]
        user_version: i32,
    }
    let Seal { user_version } = sql_query("PRAGMA user_version").get_result(connection)?;
    Ok(user_version)
}

/// Seals a file.
pub(crate) fn set(connection: &mut SqliteConnection, seal: i32) -> Result<(), QueryError> {
    connection.batch_execute(&format!("PRAGMA user_version = {seal}"))
}

/// Breaks the seal, since what is in the file will change.
pub(crate) fn lift(connection: &mut SqliteConnection) -> Result<(), QueryError> {
    if get(connection)? == 0 {
        return Ok(());
    }
    set(connection, 0)
}
