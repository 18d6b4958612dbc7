//! What lies in the database.

use diesel::{PgConnection, QueryableByName, RunQueryDsl, sql_query, sql_types};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use store_diesel::postgres::{Schema, check, testing::TestDatabase};
use ticket_domain::ports::TicketStore;
use tokio::task::{JoinSet, spawn_blocking};

use crate::fixture::{connect, connection, opening};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");

/// Everything that a schema consists of, but for diesel's own table, in a fixed order.
const EVERYTHING: &str = "
    SELECT 'column ' || table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' '
        || coalesce(column_default, '') || ' ' || is_identity || ' ' || ordinal_position AS line
        FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE '\\_\\_diesel%'
    UNION SELECT 'constraint ' || conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)
        FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text NOT LIKE '\\_\\_diesel%'
    UNION SELECT 'index ' || indexdef FROM pg_indexes
        WHERE schemaname = 'public' AND tablename NOT LIKE '\\_\\_diesel%'
    UNION SELECT 'sequence ' || sequencename || ' ' || data_type || ' ' || coalesce(last_value, 0)
        FROM pg_sequences WHERE schemaname = 'public'
    UNION SELECT 'other ' || relkind::text || ' ' || relname FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind NOT IN ('r', 'i', 'S')
    UNION SELECT 'function ' || pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION SELECT 'trigger ' || pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
    ORDER BY line";

/// The foreign keys whose columns do not stand first in any index. One of all that refer to something does as well.
const WITHOUT_INDEX: &str = "
    SELECT conrelid::regclass || ' ' || conname AS line FROM pg_constraint c
    WHERE contype = 'f' AND NOT EXISTS (
        SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = c.conkey[1]
        WHERE i.indrelid = c.conrelid
            AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) = '(' || a.attname || ' IS NOT NULL)')
            AND (i.indkey::int2[])[0:cardinality(c.conkey) - 1] = c.conkey)";

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = sql_types::Text)]
    line: String,
}

fn lines(connection: &mut PgConnection, sql: &str) -> Vec<String> {
    let lines: Vec<Line> = sql_query(sql).load(connection).unwrap();
    lines.into_iter().map(|line| line.line).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn up_down_up_leaves_the_same_schema() {
    let database = TestDatabase::create_empty().await;
    let mut connection = connection(database.url()).await;
    let empty = lines(&mut connection, EVERYTHING);
    assert_eq!(empty, Vec::<String>::new());

    connection.run_pending_migrations(MIGRATIONS).unwrap();
    let up = lines(&mut connection, EVERYTHING);
    assert!(
        up.iter().any(|line| line.starts_with("column tickets.reference")),
        "{up:?}"
    );
    connection.revert_all_migrations(MIGRATIONS).unwrap();
    assert_eq!(lines(&mut connection, EVERYTHING), empty);
    connection.run_pending_migrations(MIGRATIONS).unwrap();
    assert_eq!(lines(&mut connection, EVERYTHING), up);
}

/// The version before runs on the schema of the one before.
#[tokio::test(flavor = "multi_thread")]
async fn each_migration_can_be_taken_back_alone() {
    let database = TestDatabase::create_empty().await;
    let mut connection = connection(database.url()).await;
    connection.run_next_migration(MIGRATIONS).unwrap();
    loop {
        let before = lines(&mut connection, EVERYTHING);
        if connection.run_next_migration(MIGRATIONS).is_err() {
            break;
        }
        assert_ne!(lines(&mut connection, EVERYTHING), before);
        connection.revert_last_migration(MIGRATIONS).unwrap();
        assert_eq!(lines(&mut connection, EVERYTHING), before);
        connection.run_next_migration(MIGRATIONS).unwrap();
    }
    assert!(!connection.has_pending_migration(MIGRATIONS).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_may_start_together() {
    for _ in 0..3 {
        let database = TestDatabase::create_empty().await;
        let mut replicas = JoinSet::new();
        for _ in 0..4 {
            let url = database.url().to_owned();
            replicas.spawn(async move {
                let store = connect(&url, 2).await.unwrap();
                store.open(opening()).await.unwrap();
            });
        }
        replicas.join_all().await;
        let url = database.url().to_owned();
        assert_eq!(
            spawn_blocking(move || check(&url, true)).await.unwrap().unwrap(),
            Schema::UpToDate
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_foreign_key_has_an_index() {
    let database = TestDatabase::create().await;
    let mut connection = connection(database.url()).await;
    let foreign_keys = lines(
        &mut connection,
        "SELECT conname::text AS line FROM pg_constraint WHERE contype = 'f'",
    );
    assert!(foreign_keys.len() >= 6, "{foreign_keys:?}");
    assert_eq!(lines(&mut connection, WITHOUT_INDEX), Vec::<String>::new());

    // The question itself must be able to find one.
    database
        .execute("DROP INDEX idempotency_keys_ticket_id; DROP INDEX messages_question_id")
        .await;
    assert_eq!(lines(&mut connection, WITHOUT_INDEX).len(), 2);
}
