//! What lies in the tables of either engine, past every port.

use std::{collections::BTreeMap, process::Stdio, time::Duration};

use black_box::{Engine, ServerOptions, Signal, TempStore, TestServer, signal};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    time::timeout,
};

pub(crate) const TABLES: [&str; 10] = [
    "tickets",
    "questions",
    "messages",
    "notifications",
    "previous_external_ids",
    "idempotency_keys",
    "receipts",
    "control_messages",
    "contacts",
    "audit_log",
];

/// Every row of every table as a text with the name and the value of every column, alike for both engines.
pub(crate) fn rows(store: &TempStore) -> BTreeMap<&'static str, Vec<String>> {
    let rows = |table: &&'static str| {
        let columns = match store.engine() {
            Engine::Sqlite => format!("SELECT name || ' any' AS line FROM pragma_table_info('{table}') ORDER BY name"),
            Engine::Postgres => format!(
                "SELECT column_name || ' ' || udt_name AS line FROM information_schema.columns \
                 WHERE table_schema = 'public' AND table_name = '{table}' ORDER BY column_name"
            ),
        };
        let columns = store.lines(&columns);
        assert!(!columns.is_empty(), "{table}");
        let written: Vec<String> = columns.iter().map(|column| written(column)).collect();
        let mut rows = store.lines(&format!("SELECT {} AS line FROM {table}", written.join(" || ' ' || ")));
        rows.sort_unstable();
        (*table, rows)
    };
    TABLES.iter().map(rows).collect()
}

/// SQL that writes a column, given with its type.
fn written(column: &str) -> String {
    let (name, kind) = column.split_once(' ').unwrap();
    let text = match kind {
        "any" => format!("CASE typeof({name}) WHEN 'blob' THEN lower(hex({name})) ELSE CAST({name} AS text) END"),
        "uuid" => format!("replace({name}::text, '-', '')"),
        "bytea" => format!("encode({name}, 'hex')"),
        "bool" => format!("{name}::int::text"),
        "timestamptz" => format!("(extract(epoch FROM {name}) * 1000000)::bigint::text"),
        _ => format!("{name}::text"),
    };
    format!("'{name}=' || CASE WHEN {name} IS NULL THEN 'null' ELSE '<' || {text} || '>' END")
}

/// Whether a store has not one row, nor a word of one.
pub(crate) fn is_empty(store: &TempStore) -> bool {
    let mut tables = TABLES.iter().chain(&["ticket_search"]);
    tables.all(|table| store.ask(&format!("SELECT count(*) FROM {table}")) == "0")
}

/// A file with the schema and so many tickets, each with a message and a notification.
pub(crate) async fn file_with(tickets: u32) -> TempStore {
    let store = TempStore::new(Engine::Sqlite).await;
    TestServer::on(&store).succeed(&["migrate"]).await;
    store.execute(&format!(
        "BEGIN; \
         INSERT INTO tickets (id, reference, customer_name, customer_phone, customer_email, subject, priority, \
            status, customer_key, reader_key, version, created_at, updated_at) \
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {tickets}) \
         SELECT randomblob(16), printf('T-20250115-%07d', i), 'Zoe', '+15550001111', 'zoe@customer.example', \
            'Order ' || i, 'high', 'open', lower(hex(randomblob(16))), lower(hex(randomblob(16))), 1, \
            1736937000000000 + i, 1736937000000000 + i FROM n; \
         INSERT INTO messages (id, ticket_id, seq, sender, channel, body, created_at) \
         SELECT randomblob(16), id, 1, 'customer', 'web', 'It came broken.', created_at FROM tickets; \
         INSERT INTO notifications (id, ticket_id, seq, event, payload, addressed, state, due_at, scheduled_at, \
            failed_attempts, created_at) \
         SELECT randomblob(16), id, 1, 'ticket.created', x'7b7d', 1, 'waiting', created_at, created_at, 0, created_at \
         FROM tickets; COMMIT"
    ));
    store
}

/// Runs a command, and sends it a signal once it says that it is in this phase: its exit code and what it said.
pub(crate) async fn interrupted(
    options: &ServerOptions,
    arguments: &[&str],
    phase: &str,
    by: Signal,
) -> (Option<i32>, String) {
    let ended = timeout(Duration::from_mins(1), async {
        let mut running = options.spawn(arguments, Stdio::piped());
        let mut lines = BufReader::new(running.stderr.take().unwrap()).lines();
        let mut said = String::new();
        let mut was_sent = false;
        while let Some(line) = lines.next_line().await.unwrap() {
            if !was_sent && line.starts_with(phase) {
                signal(running.id().unwrap(), by);
                was_sent = true;
            }
            said.push_str(&line);
            said.push('\n');
        }
        let status = running.wait().await.unwrap();
        assert!(was_sent && !status.success(), "it was too fast: {said}");
        (status.code(), said)
    });
    ended.await.expect("it ends within a minute")
}
