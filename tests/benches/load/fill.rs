//! Threads to read: tickets with three messages whose manager has read of them, all of one moment, so that their
//! versions are called alike.

use std::{fmt::Write as _, fs, path::Path};

use black_box::{Engine, TempStore};
use diesel::{Connection, PgConnection, SqliteConnection, connection::SimpleConnection};
use store_diesel::SqliteStore;
use tokio::task::spawn_blocking;

use crate::measure::server::Server;

/// So many that no cache of a processor holds them all.
pub(crate) const THREADS: u32 = 20_000;

/// Writes them into a store that has its schema.
pub(crate) async fn write_threads(engine: Engine, store: &TempStore) {
    let (file, url) = (store.file(), store.url());
    spawn_blocking(move || match engine {
        Engine::Sqlite => {
            let mut connection = SqliteConnection::establish(&file.display().to_string()).unwrap();
            connection.batch_execute(&sqlite()).unwrap();
            // What was written by hand goes into the search as soon as the store is opened.
            drop(SqliteStore::open(&file).unwrap());
        }
        Engine::Postgres => {
            let mut connection = PgConnection::establish(&url).unwrap();
            connection.batch_execute(&postgres()).unwrap();
            connection.batch_execute("VACUUM ANALYZE").unwrap();
        }
    })
    .await
    .unwrap();
}

/// Writes their addresses into `file`, a line each, and gives what the version of each is called.
pub(crate) async fn write_addresses(server: &Server, file: &Path) -> String {
    let path = |number: u32| format!("/api/ticket/T-20250115-{number:07}");
    let addresses = (1..=THREADS).fold(String::new(), |mut text, number| {
        writeln!(text, "{}", server.url(&path(number))).unwrap();
        text
    });
    fs::write(file, addresses).unwrap();
    let mut tags = Vec::new();
    for number in [1, THREADS] {
        let reply = server.get(&path(number)).send().await.unwrap();
        assert_eq!(reply.status(), 200);
        tags.push(reply.headers()["etag"].to_str().unwrap().to_owned());
        let thread: serde_json::Value = reply.json().await.unwrap();
        assert_eq!(thread["messages"].as_array().unwrap().len(), 3, "{thread}");
    }
    assert_eq!(tags[0], tags[1]);
    tags.swap_remove(0)
}

const MESSAGES: [(&str, &str, &str); 3] = [
    ("customer", "web", "I received damaged bottles in my last order."),
    (
        "manager",
        "whatsapp",
        "Thank you for reporting this. We investigate immediately.",
    ),
    (
        "manager",
        "whatsapp",
        "A new parcel left today. Please keep the damaged bottles until it is there.",
    ),
];

/// The ids can be reckoned from the numbers, so that `thread.sql` needs no look-up of its own.
fn postgres() -> String {
    let mut sql = format!(
        "BEGIN; \
         INSERT INTO tickets (id, reference, customer_name, customer_phone, customer_email, subject, priority, status, \
            customer_key, reader_key, version, created_at, updated_at) \
         SELECT md5('t' || i)::uuid, 'T-20250115-' || lpad(i::text, 7, '0'), 'Zoe Customer', '+15550001111', \
            'zoe@customer.example', 'Product Quality Issue', 'high', 'open', md5('c' || i), md5('r' || i), 3, \
            '2025-01-15 10:30Z', '2025-01-15 11:30Z' FROM generate_series(1, {THREADS}) AS n (i);"
    );
    for (seq, (sender, channel, body)) in (1..).zip(MESSAGES) {
        write!(
            sql,
            "INSERT INTO messages (id, ticket_id, seq, sender, channel, body, created_at) \
             SELECT md5('m{seq}' || i)::uuid, md5('t' || i)::uuid, {seq}, '{sender}', '{channel}', '{body}', \
                '2025-01-15 10:30Z' FROM generate_series(1, {THREADS}) AS n (i);"
        )
        .unwrap();
    }
    write!(
        sql,
        "INSERT INTO notifications (id, ticket_id, seq, event, payload, addressed, state, scheduled_at, failed_attempts, \
            settled_at, created_at, progress) \
         SELECT md5('n' || i)::uuid, md5('t' || i)::uuid, 1, 'ticket.created', '{{}}', true, 'delivered', \
            '2025-01-15 10:30Z', 0, '2025-01-15 10:31Z', '2025-01-15 10:30Z', 'read' \
            FROM generate_series(1, {THREADS}) AS n (i); \
         COMMIT"
    )
    .unwrap();
    sql
}

fn sqlite() -> String {
    let mut sql = format!(
        "BEGIN; \
         INSERT INTO tickets (id, reference, customer_name, customer_phone, customer_email, subject, priority, status, \
            customer_key, reader_key, version, created_at, updated_at) \
         SELECT randomblob(16), printf('T-20250115-%07d', i), 'Zoe Customer', '+15550001111', 'zoe@customer.example', \
            'Product Quality Issue', 'high', 'open', lower(hex(randomblob(16))), lower(hex(randomblob(16))), 3, \
            1736937000000000, 1736940600000000 FROM \
            (WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {THREADS}) SELECT i FROM n);"
    );
    for (seq, (sender, channel, body)) in (1..).zip(MESSAGES) {
        write!(
            sql,
            "INSERT INTO messages (id, ticket_id, seq, sender, channel, body, created_at) \
             SELECT randomblob(16), id, {seq}, '{sender}', '{channel}', '{body}', created_at FROM tickets \
                WHERE version = 3;"
        )
        .unwrap();
    }
    sql.push_str(
        "INSERT INTO notifications (id, ticket_id, seq, event, payload, addressed, state, scheduled_at, failed_attempts, \
            settled_at, created_at, progress) \
         SELECT randomblob(16), id, 1, 'ticket.created', x'7b7d', 1, 'delivered', created_at, 0, \
            created_at + 60000000, created_at, 'read' FROM tickets WHERE version = 3; \
         COMMIT; PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE)",
    );
    sql
}
