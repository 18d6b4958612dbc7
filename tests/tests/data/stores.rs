//! What lies in both stores, past every port.

use std::{collections::BTreeMap, process::Stdio, time::Duration};

use black_box::{Engine, ServerOptions, Signal, TempStore, TestServer, signal};
use diesel::{
    Connection, PgConnection, QueryableByName, RunQueryDsl, SqliteConnection, connection::SimpleConnection, sql_query,
    sql_types::Text,
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    time::timeout,
};

pub(crate) const TABLES: [&str; 8] = [
    "tickets",
    "questions",
    "messages",
    "notifications",
    "previous_external_ids",
    "idempotency_keys",
    "receipts",
    "audit_log",
];

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    kind: String,
}

/// Runs SQL in a place.
pub(crate) fn execute(place: &TempStore, sql: &str) {
    let url = place.url();
    if url.starts_with("sqlite") {
        sqlite(place).batch_execute(sql).unwrap();
    } else {
        PgConnection::establish(&url).unwrap().batch_execute(sql).unwrap();
    }
}

pub(crate) fn sqlite(place: &TempStore) -> SqliteConnection {
    SqliteConnection::establish(&place.file().display().to_string()).unwrap()
}

/// One text that a query gives.
pub(crate) fn ask(place: &TempStore, query: &str) -> String {
    let query = sql_query(format!("SELECT CAST(({query}) AS text) AS line"));
    let line: Line = if place.url().starts_with("sqlite") {
        query.get_result(&mut sqlite(place)).unwrap()
    } else {
        query
            .get_result(&mut PgConnection::establish(&place.url()).unwrap())
            .unwrap()
    };
    line.line
}

/// Every row of every table as a text in which every column stands, whichever the catalogue of Postgres knows.
pub(crate) fn dump(place: &TempStore, catalogue: &TempStore) -> BTreeMap<&'static str, Vec<String>> {
    let mut postgres = PgConnection::establish(&catalogue.url()).unwrap();
    let is_sqlite = place.url().starts_with("sqlite");
    let mut tables = BTreeMap::new();
    for table in TABLES {
        let columns: Vec<Column> = sql_query(
            "SELECT column_name AS name, udt_name AS kind FROM information_schema.columns \
             WHERE table_schema = 'public' AND table_name = $1 ORDER BY column_name",
        )
        .bind::<Text, _>(table)
        .load(&mut postgres)
        .unwrap();
        assert!(!columns.is_empty(), "{table}");
        let written: Vec<String> = columns
            .iter()
            .map(|Column { name, kind }| {
                let text = match (is_sqlite, kind.as_str()) {
                    (true, "uuid" | "bytea") => format!("lower(hex({name}))"),
                    (true, _) => format!("CAST({name} AS text)"),
                    (false, "uuid") => format!("replace({name}::text, '-', '')"),
                    (false, "bytea") => format!("encode({name}, 'hex')"),
                    (false, "bool") => format!("{name}::int::text"),
                    (false, "timestamptz") => format!("(extract(epoch FROM {name}) * 1000000)::bigint::text"),
                    (false, _) => format!("{name}::text"),
                };
                format!("'{name}=' || CASE WHEN {name} IS NULL THEN 'null' ELSE '<' || {text} || '>' END")
            })
            .collect();
        let query = sql_query(format!("SELECT {} AS line FROM {table}", written.join(" || ' ' || ")));
        let lines: Vec<Line> = if is_sqlite {
            query.load(&mut sqlite(place)).unwrap()
        } else {
            query.load(&mut postgres).unwrap()
        };
        let mut lines: Vec<String> = lines.into_iter().map(|line| line.line).collect();
        lines.sort_unstable();
        tables.insert(table, lines);
    }
    tables
}

/// [`dump`] of either kind of place; `catalogue` is any place on Postgres.
pub(crate) fn rows(place: &TempStore, catalogue: &TempStore) -> BTreeMap<&'static str, Vec<String>> {
    let is_sqlite = place.url().starts_with("sqlite");
    dump(place, if is_sqlite { catalogue } else { place })
}

/// Whether there is not one row in a place, nor a word of one.
pub(crate) fn is_empty(place: &TempStore) -> bool {
    TABLES
        .iter()
        .chain(&["ticket_search"])
        .all(|table| ask(place, &format!("SELECT count(*) FROM {table}")) == "0")
}

/// A file with the schema and so many tickets, each with a message and a notification.
pub(crate) async fn file_with(tickets: u32) -> TempStore {
    let place = TempStore::new(Engine::Sqlite).await;
    let (status, _, err) = TestServer::on(&place).run(&["migrate"]).await;
    assert!(status.success(), "{err}");
    execute(
        &place,
        &format!(
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
        ),
    );
    place
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
