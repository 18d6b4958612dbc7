//! What a dump reads.

use diesel::{dsl::sql, prelude::*, result::Error as QueryError, sql_query, sql_types::Text};

use super::super::engine::{BYTEWISE, Connection, RowByRow};
use crate::{
    dump::{
        Counts, DumpError, Table, Take,
        rows::{self, Row, for_each_table},
    },
    prepared::typed,
    schema,
};

/// The version of the last migration.
pub(crate) fn last_migration(connection: &mut Connection) -> Result<String, QueryError> {
    typed::<Text, _>(sql_query("SELECT max(version) FROM __diesel_schema_migrations")).get_result(connection)
}

/// Counts the rows of every table.
pub(crate) fn count(connection: &mut Connection) -> Result<Counts, QueryError> {
    let mut counts = Counts::new();
    macro_rules! count {
        ($($table:ident $variant:ident $row:ident $order:literal,)+) => {$(
            let rows: i64 = schema::$table::table.count().get_result(connection)?;
            counts.insert(Table::$variant, rows.unsigned_abs());
        )+};
    }
    for_each_table!(count);
    Ok(counts)
}

/// Gives every row of every table.
pub(crate) fn read(connection: &mut Connection, take: &mut Take<'_>) -> Result<(), DumpError> {
    macro_rules! read {
        ($($table:ident $variant:ident $row:ident $order:literal,)+) => {$(
            let mut last = None;
            let failed = |error, last: &Option<String>| DumpError::of_read(error, Table::$variant, last.as_deref());
            let rows = schema::$table::table
                .select(rows::$row::as_select())
                .order(sql::<Text>(&$order.replace("COLLATE \"C\"", BYTEWISE)))
                .load_iter::<rows::$row, RowByRow>(connection);
            for row in rows.map_err(|error| failed(error, &last))? {
                let row = Row::$variant(row.map_err(|error| failed(error, &last))?);
                last = Some(row.key());
                take(row)?;
            }
        )+};
    }
    for_each_table!(read);
    Ok(())
}
