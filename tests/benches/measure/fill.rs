//! Fills a store by SQL: each ticket with a message, some with an answer, and a notification that was read. Ids and
//! times grow together, as in real life. Indexes that this does not need are built afterwards, several times as fast.

use std::time::Instant;

use black_box::{Engine, TempStore};
use diesel::{
    Connection, PgConnection, QueryableByName, RunQueryDsl, SqliteConnection, connection::SimpleConnection, sql_query,
    sql_types,
};
use store_diesel::SqliteStore;
use tokio::task::spawn_blocking;

/// Rows of one transaction.
const AT_ONCE: u32 = 250_000;

/// Every index that belongs to no constraint.
const POSTGRES_INDEXES: &str = "
    SELECT format('DROP INDEX %I', i.indexname) AS drop_it, i.indexdef AS make_it FROM pg_indexes i
    WHERE i.schemaname = 'public' AND i.tablename IN ('tickets', 'messages', 'notifications', 'ticket_search')
        AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conname = i.indexname)
        AND i.indexname <> 'tickets_number'";

const SQLITE_INDEXES: &str = "
    SELECT 'DROP INDEX ' || name AS drop_it, sql AS make_it FROM sqlite_master
    WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN ('tickets', 'messages', 'notifications')";

#[derive(QueryableByName)]
struct Index {
    #[diesel(sql_type = sql_types::Text)]
    drop_it: String,
    #[diesel(sql_type = sql_types::Text)]
    make_it: String,
}

/// Fills a store that has its schema and nothing else. `answered` is an SQL condition on a ticket's number `i`. One ticket
/// in 20 is open.
pub(crate) async fn fill(engine: Engine, store: &TempStore, tickets: u32, answered: &'static str) {
    let (file, url) = (store.file(), store.url());
    let begun = Instant::now();
    spawn_blocking(move || match engine {
        Engine::Sqlite => {
            let mut connection = SqliteConnection::establish(&file.display().to_string()).unwrap();
            fill_sqlite(&mut connection, tickets, answered);
            // What was written by hand goes into the search as soon as the store is opened.
            drop(SqliteStore::open(&file).unwrap());
        }
        Engine::Postgres => fill_postgres(&mut PgConnection::establish(&url).unwrap(), tickets, answered),
    })
    .await
    .unwrap();
    println!("  {tickets} tickets written in {:.0?}", begun.elapsed());
}

fn fill_sqlite(connection: &mut SqliteConnection, tickets: u32, answered: &str) {
    let settings = "PRAGMA synchronous = OFF; PRAGMA cache_size = -1000000; PRAGMA temp_store = FILE";
    connection.batch_execute(settings).unwrap();
    let indexes: Vec<Index> = sql_query(SQLITE_INDEXES).load(connection).unwrap();
    around(connection, &indexes, |connection| {
        for (from, to) in portions(tickets) {
            let numbers = format!(
                "(WITH RECURSIVE n (i) AS (SELECT {from} UNION ALL SELECT i + 1 FROM n WHERE i < {to}) SELECT i FROM n)"
            );
            let sql = rows(&Dialect {
                numbers: &numbers,
                id: |kind| format!("unhex(printf('%012x7{kind:03}8000%012x', 1736937000000 + i * 100, i))"),
                key: "lower(hex(randomblob(16)))",
                moment: "1736937000000000 + i * 100000",
                seven_digits: "printf('%07d', i)",
                payload: "x'7b7d'",
                is_true: "1",
                answered,
            });
            connection.batch_execute(&format!("BEGIN; {sql}; COMMIT")).unwrap();
        }
    });
    connection
        .batch_execute("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
}

fn fill_postgres(connection: &mut PgConnection, tickets: u32, answered: &str) {
    let settings = "SET synchronous_commit = off; SET maintenance_work_mem = '1GB'";
    connection.batch_execute(settings).unwrap();
    let indexes: Vec<Index> = sql_query(POSTGRES_INDEXES).load(connection).unwrap();
    around(connection, &indexes, |connection| {
        for (from, to) in portions(tickets) {
            let sql = rows(&Dialect {
                numbers: &format!("generate_series({from}::bigint, {to}::bigint) AS n (i)"),
                id: |kind| {
                    format!(
                        "(lpad(to_hex(1736937000000 + i * 100), 12, '0') || '7{kind:03}8000' \
                         || lpad(to_hex(i), 12, '0'))::uuid"
                    )
                },
                key: "md5(random()::text)",
                moment: "timestamptz '2025-01-15 10:30Z' + i * interval '100 ms'",
                seven_digits: "lpad(i::text, 7, '0')",
                payload: "'{}'",
                is_true: "true",
                answered,
            });
            connection.batch_execute(&format!("BEGIN; {sql}; COMMIT")).unwrap();
        }
    });
    connection.batch_execute("VACUUM ANALYZE").unwrap();
    connection.batch_execute("CHECKPOINT").unwrap();
}

/// Takes the indexes away, has the rows written, and makes the indexes again.
fn around<C: Connection>(connection: &mut C, indexes: &[Index], write: impl FnOnce(&mut C)) {
    assert!(!indexes.is_empty(), "there are indexes");
    for index in indexes {
        connection.batch_execute(&index.drop_it).unwrap();
    }
    write(connection);
    for index in indexes {
        connection.batch_execute(&index.make_it).unwrap();
    }
}

/// The first and the last number of each portion.
fn portions(tickets: u32) -> impl Iterator<Item = (u32, u32)> {
    let begins = (0..tickets).step_by(AT_ONCE as usize);
    begins.map(move |from| (from, (from + AT_ONCE).min(tickets) - 1))
}

/// How an engine says the same of the number `i`.
struct Dialect<'a, I> {
    numbers: &'a str,
    /// The id of its ticket, its messages and its notification, by what kind of thing that is.
    id: I,
    key: &'static str,
    moment: &'static str,
    seven_digits: &'static str,
    payload: &'static str,
    is_true: &'static str,
    /// Which tickets have an answer.
    answered: &'a str,
}

fn rows<I: Fn(u8) -> String>(dialect: &Dialect<'_, I>) -> String {
    let Dialect {
        numbers,
        id,
        key,
        moment,
        seven_digits,
        payload,
        is_true,
        answered,
    } = dialect;
    let (ticket, message, answer, notification) = (id(0), id(1), id(2), id(3));
    format!(
        "INSERT INTO tickets (id, reference, customer_name, customer_phone, customer_email, subject, priority, status, \
            customer_key, reader_key, version, created_at, updated_at) \
         SELECT {ticket}, 'T-20250115-' || {seven_digits}, 'Zoe Customer' || {seven_digits}, '+1555' || {seven_digits}, \
            'c' || {seven_digits} || '@customer.example', 'Order ' || (i % 977) || ' came broken', \
            CASE i % 10 WHEN 0 THEN 'urgent' WHEN 1 THEN 'high' WHEN 2 THEN 'low' ELSE 'medium' END, \
            CASE WHEN i % 20 = 0 THEN 'open' WHEN i % 3 = 0 THEN 'closed' ELSE 'resolved' END, \
            {key}, {key}, CASE WHEN {answered} THEN 2 ELSE 1 END, {moment}, {moment} FROM {numbers}; \
         INSERT INTO messages (id, ticket_id, seq, sender, channel, body, created_at) \
         SELECT {message}, {ticket}, 1, 'customer', 'web', \
            'The bottles of batch' || (i % 100) || ' are damaged, please send new ones.', {moment} FROM {numbers}; \
         INSERT INTO messages (id, ticket_id, seq, sender, channel, body, created_at) \
         SELECT {answer}, {ticket}, 2, 'manager', 'whatsapp', 'We look into it and answer you today.', {moment} \
            FROM {numbers} WHERE {answered}; \
         INSERT INTO notifications (id, ticket_id, seq, event, payload, addressed, state, scheduled_at, failed_attempts, \
            settled_at, created_at, progress) \
         SELECT {notification}, {ticket}, 1, 'ticket.created', {payload}, {is_true}, 'delivered', {moment}, 0, \
            {moment}, {moment}, 'read' FROM {numbers}"
    )
}
