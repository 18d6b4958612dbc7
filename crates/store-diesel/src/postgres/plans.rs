//! What the calls ask of the database, however much there is: by indexes, and prepared once.

use std::sync::{Arc, Mutex};

use diesel::{
    Connection, PgConnection, QueryableByName, RunQueryDsl, connection::InstrumentationEvent, sql_query, sql_types,
};
use store_contract::{Fixture, call_everything, list_everything};
use store_diesel::postgres::testing::TestDatabase;
use ticket_domain::Timestamp;
use tokio::task::spawn_blocking;

use super::PostgresStore;
use crate::failure::Failure;

/// 20,000 tickets of all kinds, the newest open, each with a message, two notifications that were delivered, one of them
/// under a previous external id too, an idempotency key, an operator's act, a receipt and a question that was answered;
/// and 3,000 messages that have no ticket.
const CROWD: &str = "
    INSERT INTO tickets (id, reference, customer_name, customer_phone, customer_email, subject, priority, status,
        customer_key, reader_key, version, created_at, updated_at)
    SELECT md5('t' || n)::uuid, 'T-20240115-' || lpad(n::text, 6, '0'), 'John Doe', '+1234567890', 'john@example.com',
        'Bottles', (ARRAY['low', 'medium', 'high', 'urgent'])[1 + n % 4],
        CASE WHEN n > 18000 THEN 'open' ELSE (ARRAY['resolved', 'closed'])[1 + n % 2] END,
        repeat('0', 32), repeat('1', 32), 1, to_timestamp(n), to_timestamp(n)
    FROM generate_series(1, 20000) AS n;
    INSERT INTO messages (id, ticket_id, seq, sender, channel, body, external_id, created_at)
    SELECT md5('m' || n)::uuid, md5('t' || n)::uuid, 1, (ARRAY['customer', 'manager'])[1 + n % 2], 'web',
        'common' || CASE WHEN n % 5000 = 0 THEN ' rare' ELSE '' END || CASE WHEN n <= 11000 THEN ' old' ELSE '' END,
        'SMm' || n, to_timestamp(n)
    FROM generate_series(1, 20000) AS n;
    INSERT INTO messages (id, sender, channel, body, created_at)
    SELECT md5('u' || n)::uuid, 'manager', 'whatsapp', 'Lost', to_timestamp(n) FROM generate_series(1, 3000) AS n;
    INSERT INTO notifications (id, ticket_id, seq, event, payload, addressed, state, scheduled_at, failed_attempts,
        external_id, settled_at, created_at)
    SELECT (lpad(to_hex(1700000000000 + n), 12, '0') || '7' || lpad(to_hex(seq), 19, '0'))::uuid, md5('t' || n)::uuid, seq,
        'ticket.created', '{}', true, 'delivered', to_timestamp(n), 0, 'SMn' || n || '/' || seq, to_timestamp(n),
        to_timestamp(n)
    FROM generate_series(1, 20000) AS n, generate_series(1, 2) AS seq;
    INSERT INTO previous_external_ids (external_id, notification_id)
    SELECT 'SMe' || external_id, id FROM notifications WHERE seq = 1;
    INSERT INTO idempotency_keys (key, digest, ticket_id, expires_at)
    SELECT 'key-' || n, sha256('key'), md5('t' || n)::uuid, to_timestamp(2000000000 + n)
    FROM generate_series(1, 20000) AS n;
    INSERT INTO audit_log (id, at, ticket_id, action, old_value, new_value)
    SELECT md5('e' || n)::uuid, to_timestamp(n), md5('t' || n)::uuid, 'status', 'open', 'closed'
    FROM generate_series(1, 20000) AS n;
    INSERT INTO receipts (external_id, status, at)
    SELECT 'SMr' || n, 'sent', to_timestamp(2000000000 + n) FROM generate_series(1, 20000) AS n;
    INSERT INTO questions (id, asked, choices, text, kind, sent_at, asked_at, closed_at)
    SELECT md5('q' || n)::uuid, '+919655716000', '', 'Which one?', 'single', to_timestamp(n), to_timestamp(n), to_timestamp(n)
    FROM generate_series(1, 20000) AS n;
    ANALYZE;
    SELECT pg_stat_force_next_flush()";

/// The tables that are asked.
const TABLES: [&str; 12] = [
    "audit_log",
    "contacts",
    "control_messages",
    "files",
    "idempotency_keys",
    "messages",
    "notifications",
    "previous_external_ids",
    "questions",
    "receipts",
    "ticket_search",
    "tickets",
];

/// From the sixth time on a statement may be planned for any value.
const ROUNDS: usize = 7;

/// What is asked seldom, or one of many at once; and what is planned better when its values are known: the search looks
/// for the words that it is given.
const SELDOM: [&str; 36] = [
    // Files, and the messages and tickets that they join.
    r#"UPDATE "tickets" SET "version" = ("tickets"."version" + $1), "notes""#,
    r#""files""#,
    r#"UPDATE "messages" SET "attachments""#,
    "BEGIN",
    "COMMIT",
    "SET LOCAL enable_seqscan",
    "search_query",
    // Once in 64 tickets, and planned for as many as there are.
    "LIMIT 256",
    "SELECT number FROM tickets WHERE number <",
    "(SELECT unnest($1) AS number)",
    // By the commit of many.
    "INSERT INTO \"idempotency_keys\"",
    "DELETE FROM \"idempotency_keys\"",
    "AS \"expired\"",
    "DELETE FROM \"receipts\"",
    "UPDATE \"receipts\"",
    // Operators, and managers who are asked back.
    "INSERT INTO \"audit_log\"",
    "INSERT INTO \"questions\"",
    "UPDATE \"questions\" SET \"asked_at\"",
    "UPDATE \"questions\" SET \"closed_at\" = $1, \"answered_by\"",
    "UPDATE \"messages\" SET \"ticket_id\"",
    "UPDATE \"notifications\" SET \"state\" = $1, \"due_at\" = $2, \"addressed\"",
    "UPDATE \"tickets\" SET \"status\" = $1, \"priority\"",
    "INSERT INTO \"previous_external_ids\"",
    // Who asks for what is kept of a customer, and for its end.
    "messages.sender <> 'manager'",
    "UPDATE \"notifications\" SET \"state\" = $1, \"due_at\" = $2, \"lease\"",
    "UPDATE \"notifications\" SET \"payload\" = $1, \"last_error\"",
    "UPDATE \"messages\" SET \"body\"",
    "UPDATE \"control_messages\" SET \"reply\"",
    "string_to_array(questions.choices",
    "UPDATE \"questions\" SET \"asked\" = $1",
    "UPDATE \"questions\" SET \"closed_at\" = $1 WHERE (((\"questions\".\"id\" = ANY",
    "UPDATE \"questions\" SET \"text\"",
    "UPDATE \"tickets\" SET \"customer_name\"",
    "UPDATE \"tickets\" SET \"version\" = (\"tickets\".\"version\" + $1) WHERE",
    "ANY ($1)",
    // Batches.
    "\"notifications\" AS",
];

#[derive(QueryableByName, Debug)]
struct Line {
    #[diesel(sql_type = sql_types::Text)]
    line: String,
}

fn lines(connection: &mut PgConnection, sql: &str) -> Vec<String> {
    let lines: Vec<Line> = sql_query(sql).load(connection).unwrap();
    lines.into_iter().map(|Line { line }| line).collect()
}

/// Asks by the store's one connection.
async fn ask(store: &PostgresStore, sql: &'static str) -> Vec<String> {
    let asked = store
        .db
        .read(move |connection| Ok::<_, Failure>(lines(connection, sql)));
    asked.await.unwrap()
}

/// From then on, every statement that the store's one connection sends.
async fn overhear(store: &PostgresStore) -> Arc<Mutex<Vec<String>>> {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let log = sent.clone();
    let overheard = store.db.read(move |connection| {
        let log = log.clone();
        connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::StartQuery { query, .. } = event {
                // The statement as it is sent, and its values behind it.
                let query = query.to_string();
                let statement = query.split(" -- binds: ").next().unwrap_or_default();
                log.lock().unwrap().push(statement.to_owned());
            }
        });
        Ok::<_, Failure>(())
    });
    overheard.await.unwrap();
    sent
}

#[tokio::test(flavor = "multi_thread")]
async fn indexes_answer_what_is_asked_and_what_is_asked_often_stays_prepared() {
    let database = TestDatabase::create().await;
    database.execute(CROWD).await;
    database.execute("SELECT pg_stat_reset()").await;
    let url = database.url().to_owned();
    let store = spawn_blocking(move || PostgresStore::connect(&url, 1).unwrap())
        .await
        .unwrap();
    let fixture = Fixture::new(Arc::new(store.clone()));
    // Later than the crowd.
    let now = Timestamp::from_unix_micros(1_736_937_000_000_000).unwrap();
    for _ in 1..ROUNDS {
        call_everything(&fixture, now).await;
    }
    no_index_was_read_from_end_to_end(&store).await;
    list_everything(&fixture).await;
    let sent = overhear(&store).await;
    call_everything(&fixture, now).await;
    let sent = sent.lock().unwrap().clone();

    no_table_was_read_from_end_to_end(&store).await;
    what_is_prepared_is_planned_by_indexes(&store).await;
    what_is_asked_often_is_prepared(&store, sent).await;
}

async fn no_table_was_read_from_end_to_end(store: &PostgresStore) {
    // Of diesel's own table, the few rows are read at the start.
    const WHOLE: &str = "SELECT relname || ' ' || seq_scan AS line FROM pg_stat_user_tables
        WHERE seq_scan > 0 AND relname <> '__diesel_schema_migrations' ORDER BY line";
    const BY_INDEX: &str = "SELECT relname::text AS line FROM pg_stat_user_tables WHERE idx_scan > 0 ORDER BY line";
    ask(store, "SELECT pg_stat_force_next_flush()::text AS line").await;
    assert_eq!(ask(store, WHOLE).await, Vec::<String>::new());
    assert_eq!(ask(store, BY_INDEX).await, TABLES);

    // The question itself must be able to see it.
    ask(
        store,
        "SELECT count(*) || pg_stat_force_next_flush()::text AS line FROM audit_log WHERE action = 'reply'",
    )
    .await;
    assert_eq!(ask(store, WHOLE).await, ["audit_log 1"]);
}

/// A statement that lost its index would not read the table, which sessions avoid, but all of another index, in every round.
/// Lists and the search come later: they walk the tickets by their numbers, a few steps at a time.
async fn no_index_was_read_from_end_to_end(store: &PostgresStore) {
    // What is heard of messages that are not known yet, all of the last ten minutes, is looked through.
    const WALKED: &str = "SELECT indexrelname || ' ' || idx_tup_read AS line FROM pg_stat_user_indexes
        WHERE idx_tup_read > 20000 AND indexrelname <> 'receipts_at' ORDER BY line";
    ask(store, "SELECT pg_stat_force_next_flush()::text AS line").await;
    assert_eq!(ask(store, WALKED).await, Vec::<String>::new());
}

/// Also where a statement is planned for any value, as the server does when it finds that no worse.
async fn what_is_prepared_is_planned_by_indexes(store: &PostgresStore) {
    const PREPARED: &str = "
        SELECT 'EXPLAIN EXECUTE ' || name || CASE WHEN parameter_types = '{}' THEN '' ELSE '('
            || (SELECT string_agg('NULL::' || type::text, ', ') FROM unnest(parameter_types) AS type) || ')' END AS line
        FROM pg_prepared_statements WHERE NOT from_sql";
    ask(
        store,
        "SELECT set_config('plan_cache_mode', 'force_generic_plan', false) AS line",
    )
    .await;
    let explained = store.db.read(|connection| {
        let prepared = lines(connection, PREPARED);
        Ok::<_, Failure>(prepared.iter().map(|one| plan(connection, one)).collect::<Vec<_>>())
    });
    let plans = explained.await.unwrap();
    assert!(plans.len() > 60, "{}", plans.len());
    // The two that clear a few away have a small limit, which a plan for any value does not know; so the server plans them
    // by their values, and the counters above show that it does.
    let is_fine = |plan: &String| {
        let is_clearing = plan.contains("Delete on receipts ") || plan.contains("Delete on idempotency_keys ");
        !plan.contains("Seq Scan") || is_clearing
    };
    let whole: Vec<_> = plans.into_iter().filter(|plan| !is_fine(plan)).collect();
    assert!(whole.is_empty(), "{}", whole.join("\n\n"));
}

fn plan(connection: &mut PgConnection, explain: &str) -> String {
    #[derive(QueryableByName)]
    struct Step {
        #[diesel(sql_type = sql_types::Text, column_name = "QUERY PLAN")]
        step: String,
    }
    let steps: Vec<Step> = sql_query(explain).load(connection).unwrap();
    let steps: Vec<String> = steps.into_iter().map(|Step { step }| step).collect();
    format!("{explain}\n{}", steps.join("\n"))
}

async fn what_is_asked_often_is_prepared(store: &PostgresStore, sent: Vec<String>) {
    let prepared = ask(store, "SELECT statement AS line FROM pg_prepared_statements").await;
    assert!(sent.len() > 100, "{}", sent.len());
    let is_seldom = |statement: &str| SELDOM.iter().any(|words| statement.contains(words));
    let mut anew: Vec<_> = sent
        .into_iter()
        .filter(|statement| !prepared.contains(statement) && !is_seldom(statement))
        .collect();
    anew.sort_unstable();
    anew.dedup();
    assert!(anew.is_empty(), "{anew:#?}");
}
