//! The migrations, and what they make: the same whichever way it was reached, and indexed.

use diesel::{
    Connection, QueryableByName, RunQueryDsl, SqliteConnection, connection::SimpleConnection, sql_query,
    sql_types::Text,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use store_diesel::SqliteStore;
use ticket_domain::{Recipient, Timestamp, ports::Outbox};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");

const TABLES: [&str; 11] = [
    "tickets",
    "messages",
    "files",
    "notifications",
    "idempotency_keys",
    "questions",
    "previous_external_ids",
    "receipts",
    "audit_log",
    "control_messages",
    "contacts",
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
    let mut expected = Vec::from(TABLES);
    // Only SQL by hand knows it.
    expected.push("search_pending");
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
            "audit_log.ticket_id",
            "control_messages.ticket_id",
            "files.message_id",
            "idempotency_keys.message_id",
            "idempotency_keys.ticket_id",
            "messages.question_id",
            "messages.ticket_id",
            "notifications.question_id",
            "notifications.ticket_id",
            "previous_external_ids.notification_id",
            "questions.answered_with",
            "questions.merged_into"
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

/// Two tickets as a program of the version before writes them, the second one's messages not in their order.
const WRITTEN_BEFORE: &str = "
    INSERT INTO tickets (id, reference, customer_name, customer_phone, customer_email, subject, priority, status,
        customer_key, reader_key, version, created_at, updated_at)
    VALUES (x'00000000000000000000000000000001', 'T-20250115-0001', 'Anna', '+491', 'a@b.example', 'Parcel', 'low', 'open', '', '', 1, 0, 0),
        (x'00000000000000000000000000000002', 'T-20250115-0002', 'Boris', '+492', 'b@b.example', 'Bottle', 'low', 'open', '', '', 3, 0, 0);
    INSERT INTO messages (id, ticket_id, seq, sender, channel, body, created_at)
    VALUES (x'00000000000000000000000000000011', x'00000000000000000000000000000001', 1, 'customer', 'web', 'where', 0),
        (x'00000000000000000000000000000023', x'00000000000000000000000000000002', 3, 'agent', 'web', 'third', 0),
        (x'00000000000000000000000000000022', x'00000000000000000000000000000002', 2, 'manager', 'web', 'second', 0),
        (x'00000000000000000000000000000021', x'00000000000000000000000000000002', 1, 'customer', 'web', 'first', 0),
        (x'00000000000000000000000000000031', NULL, NULL, 'manager', 'web', 'lost', 0);";

/// What the desk derives, of each ticket: who spoke last, and which of the words are found.
fn derived(connection: &mut SqliteConnection) -> Vec<String> {
    lines(
        connection,
        "SELECT t.reference || ' ' || t.last_sender || ' ' || coalesce((
            SELECT group_concat(word.value || ':' || (s.rowid & 1048575), ' ' ORDER BY word.key, s.rowid) FROM json_each(
                '[\"anna\", \"where\", \"boris\", \"first\", \"second\", \"third\", \"lost\"]') word
            JOIN ticket_search s ON s.ticket_search MATCH word.value WHERE s.rowid >> 20 = t.number
        ), '') AS line FROM tickets t ORDER BY t.number",
    )
}

/// What is derived is the same whether the rows were there before or are written later, and by whomever: one at a time
/// or many, in any order.
#[tokio::test]
async fn what_was_written_before_the_desk_is_found_there() {
    let expected = [
        "T-20250115-0001 customer anna:1 where:1",
        "T-20250115-0002 agent boris:1 boris:2 boris:3 first:1 second:2 third:3",
    ];
    // Before the desk, and before messages went into the index together.
    for migrations in [2, 3, 4, 5] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tickets.db");
        let mut connection = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
        for _ in 0..migrations {
            connection.run_next_migration(MIGRATIONS).unwrap();
        }
        connection.batch_execute(WRITTEN_BEFORE).unwrap();
        let store = SqliteStore::open(&file).unwrap();
        assert_eq!(derived(&mut connection), expected, "{migrations}");
        connection
            .batch_execute("UPDATE messages SET ticket_id = x'00000000000000000000000000000001', seq = 2, sender = 'agent' WHERE id = x'00000000000000000000000000000031'")
            .unwrap();
        // With the next commit, whatever that is about.
        store
            .release_waiting(Recipient::Manager, Timestamp::from_unix_micros(0).unwrap())
            .await
            .unwrap();
        let joined = "T-20250115-0001 agent anna:1 anna:2 where:1 lost:2";
        assert_eq!(derived(&mut connection), [joined, expected[1]], "{migrations}");
    }
}

/// What nobody has put into the index yet is put there when the migration is taken back.
#[test]
fn what_waits_for_the_index_is_not_lost_with_the_migration() {
    let mut connection = migrated();
    connection.batch_execute(WRITTEN_BEFORE).unwrap();
    while connection.revert_last_migration(MIGRATIONS).unwrap() != "20261128000000".into() {}
    assert_eq!(
        derived(&mut connection),
        [
            "T-20250115-0001 customer anna:1 where:1",
            "T-20250115-0002 agent boris:1 boris:2 boris:3 first:1 second:2 third:3",
        ]
    );
}
