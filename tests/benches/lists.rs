//! The operators' list and search with a million tickets, each beside the same with ten thousand, in one run. Run it with
//! `make bench-lists`: it fills two stores of each kind, which takes a quarter of an hour and 6 GB of disk. One engine
//! alone is measured by `cargo bench -p black-box --bench lists sqlite` (or `postgres`). It fails where something takes
//! longer than it may, once all was measured.
#![allow(clippy::panic, clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

mod measure;

use std::{path::Path, time::Instant};

use black_box::{Engine, TempStore, TestServer};
use diesel::{Connection, PgConnection, SqliteConnection, connection::SimpleConnection};
use measure::Figures;
use store_diesel::SqliteStore;
use tokio::task::spawn_blocking;

const FEW: u32 = 10_000;
const MANY: u32 = 1_000_000;

/// Rows of one transaction while a store is filled.
const AT_ONCE: u32 = 50_000;

/// How often each is asked, of both stores in turns.
const TIMES: usize = 200;

/// How much longer each may take with [`MANY`] tickets than with [`FEW`], by the medians.
const AT_MOST: f64 = 1.5;

/// What is asked, and what it is. `{n}` is the number of the newest ticket but a hundred.
const ASKED: [(&str, &str); 10] = [
    ("list: all", "/api/tickets"),
    ("list: waiting for the team", "/api/tickets?awaiting=manager"),
    ("list: urgent and closed", "/api/tickets?priority=urgent&status=closed"),
    (
        "list: nothing is so (low, awaiting)",
        "/api/tickets?priority=low&awaiting=manager",
    ),
    ("search: a reference", "/api/tickets?q=T-20250115-{n}"),
    ("search: a telephone number", "/api/tickets?q=%2B1555{n}"),
    ("search: name and a word", "/api/tickets?q=customer{n}+bottles"),
    ("search: a word of every ticket", "/api/tickets?q=bottles"),
    ("search: a word of one in a hundred", "/api/tickets?q=batch42"),
    ("search: two letters of a word", "/api/tickets?q=bo"),
];

#[tokio::main]
async fn main() {
    let mut beyond = Vec::new();
    for engine in engines() {
        println!("{engine:?}, {FEW} and {MANY} tickets");
        let (few, many) = (filled(engine, FEW).await, filled(engine, MANY).await);
        let few_desk = TestServer::on(&few).start().await;
        let many_desk = TestServer::on(&many).start().await;
        for (name, path) in ASKED {
            let mut times = [Vec::new(), Vec::new()];
            for _ in 0..TIMES {
                for ((desk, tickets), times) in [(&few_desk, FEW), (&many_desk, MANY)].into_iter().zip(&mut times) {
                    let path = path.replace("{n}", &format!("{:07}", tickets - 100));
                    let begun = Instant::now();
                    let reply = desk.get_as_operator(&path).await;
                    times.push(begun.elapsed());
                    assert_eq!(reply.status, 200, "{path}");
                }
            }
            let [few, many] = times.map(Figures::of);
            let ratio = many.ratio_to(&few);
            println!("  {name:36} {few}; {many}; ratio {ratio:.2} (at most {AT_MOST})");
            if ratio > AT_MOST {
                beyond.push(format!("{engine:?}, {name}: {ratio:.2}"));
            }
        }
        few_desk.kill().await;
        many_desk.kill().await;
    }
    assert!(beyond.is_empty(), "more than {AT_MOST} times as long: {beyond:#?}");
}

/// Those that the command names, or both.
fn engines() -> Vec<Engine> {
    // Cargo adds `--bench`.
    let named: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with("--"))
        .collect();
    let engine = |word: &String| match word.as_str() {
        "sqlite" => Engine::Sqlite,
        "postgres" => Engine::Postgres,
        other => panic!("no such engine: {other} (sqlite or postgres)"),
    };
    if named.is_empty() {
        vec![Engine::Sqlite, Engine::Postgres]
    } else {
        named.iter().map(engine).collect()
    }
}

/// A store with so many tickets. The tables' own triggers do the rest, and on SQLite opening the store.
async fn filled(engine: Engine, tickets: u32) -> TempStore {
    let place = TempStore::new(engine).await;
    // Makes the schema.
    TestServer::on(&place).start().await.kill().await;
    let (file, url) = (place.file(), place.url());
    let begun = Instant::now();
    spawn_blocking(move || fill(engine, &file, &url, tickets))
        .await
        .unwrap();
    println!("  {tickets} tickets written in {:.0?}", begun.elapsed());
    place
}

fn fill(engine: Engine, file: &Path, url: &str, tickets: u32) {
    let mut connection: Box<dyn FnMut(&str)> = match engine {
        Engine::Sqlite => {
            let mut connection = SqliteConnection::establish(&file.display().to_string()).unwrap();
            connection
                .batch_execute("PRAGMA synchronous = OFF; PRAGMA cache_size = -200000")
                .unwrap();
            Box::new(move |sql| connection.batch_execute(sql).unwrap())
        }
        Engine::Postgres => {
            let mut connection = PgConnection::establish(url).unwrap();
            Box::new(move |sql| connection.batch_execute(sql).unwrap())
        }
    };
    let dialect = Dialect::of(engine);
    for from in (0..tickets).step_by(AT_ONCE as usize) {
        let to = (from + AT_ONCE).min(tickets) - 1;
        connection(&format!("BEGIN; {}; COMMIT", dialect.tickets(from, to)));
    }
    connection(dialect.tidy);
    if engine == Engine::Sqlite {
        // What was written by hand goes into the search as soon as the store is opened.
        drop(SqliteStore::open(file).unwrap());
    }
}

/// How an engine says the same.
struct Dialect {
    numbers: &'static str,
    uuid: &'static str,
    key: &'static str,
    moment: &'static str,
    seven_digits: &'static str,
    payload: &'static str,
    is_true: &'static str,
    tidy: &'static str,
}

impl Dialect {
    fn of(engine: Engine) -> Self {
        match engine {
            Engine::Sqlite => Self {
                numbers: "(WITH RECURSIVE n (i) AS (SELECT {from} UNION ALL SELECT i + 1 FROM n WHERE i < {to}) SELECT i FROM n)",
                uuid: "randomblob(16)",
                key: "lower(hex(randomblob(16)))",
                moment: "1736937000000000 + i * 1000000",
                seven_digits: "printf('%07d', i)",
                payload: "x'7b7d'",
                is_true: "1",
                tidy: "PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE)",
            },
            Engine::Postgres => Self {
                numbers: "generate_series({from}, {to}) AS n (i)",
                uuid: "gen_random_uuid()",
                key: "md5(random()::text)",
                moment: "timestamptz '2025-01-15 10:30Z' + i * interval '1 second'",
                seven_digits: "lpad(i::text, 7, '0')",
                payload: "'{}'",
                is_true: "true",
                tidy: "VACUUM ANALYZE",
            },
        }
    }

    /// Tickets of which one in 20 is open and half of those await the team; each with a message, two in three with an
    /// answer, and a notification that was read.
    fn tickets(&self, from: u32, to: u32) -> String {
        let Self {
            uuid,
            key,
            moment,
            seven_digits,
            payload,
            is_true,
            ..
        } = self;
        let numbers = self
            .numbers
            .replace("{from}", &from.to_string())
            .replace("{to}", &to.to_string());
        let these = format!("FROM tickets WHERE reference BETWEEN 'T-20250115-{from:07}' AND 'T-20250115-{to:07}'");
        let number = "CAST(substr(reference, 12) AS INTEGER)";
        format!(
            "INSERT INTO tickets (id, reference, customer_name, customer_phone, customer_email, subject, priority, \
                status, customer_key, reader_key, version, created_at, updated_at) \
             SELECT {uuid}, 'T-20250115-' || {seven_digits}, 'Zoe Customer' || {seven_digits}, '+1555' || {seven_digits}, \
                'c' || {seven_digits} || '@customer.example', 'Order ' || (i % 977) || ' came broken', \
                CASE i % 10 WHEN 0 THEN 'urgent' WHEN 1 THEN 'high' WHEN 2 THEN 'low' ELSE 'medium' END, \
                CASE WHEN i % 20 = 0 THEN 'open' WHEN i % 3 = 0 THEN 'closed' ELSE 'resolved' END, \
                {key}, {key}, CASE WHEN i % 3 = 0 THEN 1 ELSE 2 END, {moment}, {moment} FROM {numbers}; \
             INSERT INTO messages (id, ticket_id, seq, sender, channel, body, created_at) \
             SELECT {uuid}, id, 1, 'customer', 'web', \
                'The bottles of batch' || ({number} % 100) || ' are damaged, please send new ones.', created_at {these}; \
             INSERT INTO messages (id, ticket_id, seq, sender, channel, body, created_at) \
             SELECT {uuid}, id, 2, 'manager', 'whatsapp', 'We look into it and answer you today.', created_at \
                {these} AND {number} % 3 <> 0; \
             INSERT INTO notifications (id, ticket_id, seq, event, payload, addressed, state, scheduled_at, failed_attempts, \
                settled_at, created_at, progress) \
             SELECT {uuid}, id, 1, 'ticket.created', {payload}, {is_true}, 'delivered', created_at, 0, created_at, \
                created_at, 'read' {these}"
        )
    }
}
