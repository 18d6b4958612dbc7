//! The migrations, and what they make: the same whichever way it was reached, indexed, and as `schema.rs` has it.
#![allow(clippy::unwrap_used)]

use std::fmt::Write;

use diesel::{
    Connection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query,
    sql_types::{BigInt, Text},
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");

const TABLES: [&str; 7] = [
    "tickets",
    "messages",
    "notifications",
    "idempotency_keys",
    "questions",
    "earlier_ids",
    "receipts",
];

fn migrated() -> SqliteConnection {
    let mut connection = SqliteConnection::establish(":memory:").unwrap();
    connection.run_pending_migrations(MIGRATIONS).unwrap();
    connection
}

#[derive(QueryableByName, Debug, PartialEq)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

fn lines(connection: &mut SqliteConnection, query: &str) -> Vec<String> {
    let lines: Vec<Line> = sql_query(query).load(connection).unwrap();
    lines.into_iter().map(|line| line.line).collect()
}

/// All of the schema but diesel's own.
fn schema(connection: &mut SqliteConnection) -> Vec<String> {
    lines(
        connection,
        "SELECT type || ' ' || name || ': ' || coalesce(sql, '') AS line FROM sqlite_schema
         WHERE tbl_name <> '__diesel_schema_migrations' ORDER BY line",
    )
}

#[test]
fn up_and_down_and_up_again_makes_the_same_schema() {
    let mut connection = migrated();
    let made = schema(&mut connection);
    assert!(made.len() > TABLES.len());
    connection.revert_all_migrations(MIGRATIONS).unwrap();
    assert_eq!(schema(&mut connection), Vec::<String>::new());
    connection.run_pending_migrations(MIGRATIONS).unwrap();
    assert_eq!(schema(&mut connection), made);
}

/// The version before runs on the schema of the one before.
#[test]
fn each_migration_can_be_taken_back_alone() {
    let mut connection = SqliteConnection::establish(":memory:").unwrap();
    connection.run_next_migration(MIGRATIONS).unwrap();
    loop {
        let before = schema(&mut connection);
        if connection.run_next_migration(MIGRATIONS).is_err() {
            break;
        }
        assert_ne!(schema(&mut connection), before);
        connection.revert_last_migration(MIGRATIONS).unwrap();
        assert_eq!(schema(&mut connection), before);
        connection.run_next_migration(MIGRATIONS).unwrap();
    }
    assert!(!connection.has_pending_migration(MIGRATIONS).unwrap());
}

#[test]
fn every_table_is_known_and_strict() {
    let tables = lines(
        &mut migrated(),
        "SELECT name AS line FROM pragma_table_list
         WHERE schema = 'main' AND strict AND name NOT LIKE 'sqlite_%' ORDER BY name",
    );
    let mut expected = TABLES;
    expected.sort_unstable();
    assert_eq!(tables, expected);
}

#[test]
fn every_foreign_key_leads_an_index() {
    let mut connection = migrated();
    let keys = "FROM sqlite_schema t, pragma_foreign_key_list(t.name) key WHERE t.type = 'table'";
    let all = lines(
        &mut connection,
        &format!("SELECT t.name || '.' || key.\"from\" AS line {keys} ORDER BY line"),
    );
    assert_eq!(
        all,
        [
            "earlier_ids.notification_id",
            "idempotency_keys.ticket_id",
            "messages.question_id",
            "messages.ticket_id",
            "notifications.ticket_id",
            "questions.answered_with"
        ]
    );
    let without = lines(
        &mut connection,
        &format!(
            "SELECT t.name || '.' || key.\"from\" AS line {keys} AND NOT EXISTS (
                SELECT 1 FROM pragma_index_list(t.name) i, pragma_index_info(i.name) c
                JOIN sqlite_schema s ON s.name = i.name
                -- An index of all that refer to something does as well.
                WHERE (NOT i.partial OR s.sql LIKE '% WHERE ' || c.name || ' IS NOT NULL')
                    AND c.seqno = 0 AND c.name = key.\"from\")"
        ),
    );
    assert_eq!(without, Vec::<String>::new());
}

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = BigInt)]
    not_null: i64,
    /// Whether a CHECK allows it 0 and 1 only.
    #[diesel(sql_type = BigInt)]
    is_flag: i64,
}

/// A table as `schema.rs` should have it.
fn described(connection: &mut SqliteConnection, table: &str) -> String {
    let columns: Vec<Column> = sql_query(format!(
        "SELECT c.name, c.type AS kind, c.\"notnull\" AS not_null,
            instr(t.sql, 'CHECK (' || c.name || ' IN (0, 1))') AS is_flag
         FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.name = '{table}' ORDER BY c.cid"
    ))
    .load(connection)
    .unwrap();
    let mut text = String::new();
    for column in columns {
        let kind = match column.kind.as_str() {
            "INTEGER" if column.is_flag > 0 => "Bool",
            "INTEGER" => "BigInt",
            "TEXT" => "Text",
            "BLOB" => "Binary",
            other => unreachable!("{other}"),
        };
        let name = column.name;
        match column.not_null {
            0 => writeln!(text, "        {name} -> Nullable<{kind}>,").unwrap(),
            _ => writeln!(text, "        {name} -> {kind},").unwrap(),
        }
    }
    text
}

#[test]
fn schema_rs_is_as_the_migrations_make_it() {
    let code = include_str!("../src/schema.rs");
    let mut connection = migrated();
    assert_eq!(code.matches("diesel::table!").count(), TABLES.len());
    for table in TABLES {
        let (_, rest) = code.split_once(&format!("    {table} (")).unwrap();
        let (_, rest) = rest.split_once("{\n").unwrap();
        let (columns, _) = rest.split_once("    }\n").unwrap();
        assert_eq!(columns, described(&mut connection, table), "{table}");
    }
}
