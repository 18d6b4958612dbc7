//! Fills a store by SQL. Ids and times grow together, as in real life. Indexes that this does not need are built
//! afterwards, which is several times as fast.

use std::time::Instant;

use black_box::{Engine, TempStore};
use diesel::{Connection, QueryableByName, RunQueryDsl, sql_query, sql_types::Text};
use store_diesel::SqliteStore;

/// Rows of one transaction.
const PORTION: u32 = 250_000;

/// What a store is filled with: tickets with a message, perhaps answers, and a delivered notification.
pub(crate) struct Fill {
    pub(crate) tickets: u32,
    /// Answers of each ticket that has some, and which tickets have some: an SQL condition on the ticket's number `i`.
    pub(crate) answers: u8,
    pub(crate) answered: &'static str,
    /// Milliseconds between two tickets.
    pub(crate) apart: u32,
    /// The payload of the notifications.
    pub(crate) payload: &'static str,
}

/// How an engine writes the values of the ticket with the number `i`.
struct Dialect {
    /// The rows of the numbers `i` from `{from}` to `{to}`.
    numbers: &'static str,
    /// The id of the ticket and of what belongs to it, by `{kind}`. It begins with the moment, as ours do.
    id: &'static str,
    key: &'static str,
    moment: &'static str,
    digits: &'static str,
    bytes: &'static str,
    settings: &'static str,
    /// Statements that drop and create each index that belongs to no constraint.
    indexes: &'static str,
    finish: &'static str,
}

const SQLITE: Dialect = Dialect {
    numbers: "(WITH RECURSIVE n (i) AS (SELECT {from} UNION ALL SELECT i + 1 FROM n WHERE i < {to}) SELECT i FROM n)",
    id: "unhex(printf('%012x7{kind}8000%012x', 1736937000000 + i * {apart}, i))",
    key: "lower(hex(randomblob(16)))",
    moment: "1736937000000000 + i * {apart} * 1000",
    digits: "printf('%07d', i)",
    bytes: "CAST('{payload}' AS blob)",
    settings: "PRAGMA synchronous = OFF; PRAGMA cache_size = -1000000; PRAGMA temp_store = FILE",
    indexes: "SELECT 'DROP INDEX ' || name AS drop_it, sql AS make_it FROM sqlite_master
        WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN ('tickets', 'messages', 'notifications')",
    finish: "PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE)",
};

const POSTGRES: Dialect = Dialect {
    numbers: "generate_series({from}::bigint, {to}::bigint) AS n (i)",
    id: "(lpad(to_hex(1736937000000 + i * {apart}), 12, '0') || '7{kind}8000' || lpad(to_hex(i), 12, '0'))::uuid",
    key: "md5(random()::text)",
    moment: "timestamptz '2025-01-15 10:30Z' + i * interval '{apart} ms'",
    digits: "lpad(i::text, 7, '0')",
    bytes: "'{payload}'::bytea",
    settings: "SET synchronous_commit = off; SET maintenance_work_mem = '1GB'",
    indexes: "SELECT format('DROP INDEX %I', i.indexname) AS drop_it, i.indexdef AS make_it FROM pg_indexes i
        WHERE i.schemaname = 'public' AND i.tablename IN ('tickets', 'messages', 'notifications', 'ticket_search')
            AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conname = i.indexname)
            AND i.indexname <> 'tickets_number'",
    finish: "VACUUM ANALYZE",
};

#[derive(QueryableByName)]
struct Index {
    #[diesel(sql_type = Text)]
    drop_it: String,
    #[diesel(sql_type = Text)]
    make_it: String,
}

/// Fills a store that has its schema and nothing else. One ticket in 20 is open.
pub(crate) fn fill(store: &TempStore, what: &Fill) {
    let begun = Instant::now();
    match store.engine() {
        Engine::Sqlite => {
            let mut connection = store.sqlite();
            let indexes = sql_query(SQLITE.indexes).load(&mut connection).unwrap();
            write(&mut connection, &SQLITE, what, &indexes);
            // What was written by hand goes into the search as soon as the store is opened.
            drop(SqliteStore::open(&store.file()).unwrap());
        }
        Engine::Postgres => {
            let mut connection = store.postgres();
            let indexes = sql_query(POSTGRES.indexes).load(&mut connection).unwrap();
            write(&mut connection, &POSTGRES, what, &indexes);
            store.execute("CHECKPOINT");
        }
    }
    println!("  {} tickets written in {:.0?}", what.tickets, begun.elapsed());
}

fn write(connection: &mut impl Connection, dialect: &Dialect, what: &Fill, indexes: &[Index]) {
    assert!(!indexes.is_empty(), "there are indexes");
    connection.batch_execute(dialect.settings).unwrap();
    for index in indexes {
        connection.batch_execute(&index.drop_it).unwrap();
    }
    for from in (0..what.tickets).step_by(PORTION as usize) {
        let to = (from + PORTION).min(what.tickets) - 1;
        let sql = rows(dialect, what)
            .replace("{from}", &from.to_string())
            .replace("{to}", &to.to_string());
        connection.batch_execute(&format!("BEGIN; {sql} COMMIT")).unwrap();
    }
    for index in indexes {
        connection.batch_execute(&index.make_it).unwrap();
    }
    connection.batch_execute(dialect.finish).unwrap();
}

fn rows(dialect: &Dialect, what: &Fill) -> String {
    let Dialect {
        numbers,
        key,
        moment,
        digits,
        bytes,
        ..
    } = dialect;
    let Fill { answers, answered, .. } = what;
    let id = |kind: u8| dialect.id.replace("{kind}", &format!("{kind:03}"));
    let (ticket, notification) = (id(0), id(1));
    let message = |seq: u8, sender: &str, channel: &str, body: &str, condition: &str| {
        format!(
            "INSERT INTO messages (id, ticket_id, seq, sender, channel, body, created_at) \
             SELECT {}, {ticket}, {seq}, '{sender}', '{channel}', {body}, {moment} FROM {numbers} WHERE {condition};",
            id(seq + 1)
        )
    };
    let text = "'The bottles of batch' || (i % 100) || ' are damaged, please send new ones.'";
    let tickets = format!(
        "INSERT INTO tickets (id, reference, customer_name, customer_phone, customer_email, subject, priority, status, \
            customer_key, reader_key, version, created_at, updated_at) \
         SELECT {ticket}, 'T-20250115-' || {digits}, 'Zoe Customer' || {digits}, '+1555' || {digits}, \
            'c' || {digits} || '@customer.example', 'Order ' || (i % 977) || ' came broken', \
            CASE i % 10 WHEN 0 THEN 'urgent' WHEN 1 THEN 'high' WHEN 2 THEN 'low' ELSE 'medium' END, \
            CASE WHEN i % 20 = 0 THEN 'open' WHEN i % 3 = 0 THEN 'closed' ELSE 'resolved' END, \
            {key}, {key}, CASE WHEN {answered} THEN 1 + {answers} ELSE 1 END, {moment}, {moment} FROM {numbers};"
    );
    let reply = "'We look into it and answer you today.'";
    let replies = (1..=*answers).map(|reply_number| message(1 + reply_number, "manager", "whatsapp", reply, answered));
    let messages = message(1, "customer", "web", text, "true") + &replies.collect::<String>();
    let notifications = format!(
        "INSERT INTO notifications (id, ticket_id, seq, event, payload, addressed, state, scheduled_at, failed_attempts, \
            settled_at, created_at, progress) \
         SELECT {notification}, {ticket}, 1, 'ticket.created', {bytes}, true, 'delivered', {moment}, 0, \
            {moment}, {moment}, 'read' FROM {numbers};"
    );
    let sql = tickets + &messages + &notifications;
    sql.replace("{apart}", &what.apart.to_string())
        .replace("{payload}", what.payload)
}
