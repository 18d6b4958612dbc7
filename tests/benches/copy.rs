//! How fast `server copy` takes tickets from the embedded store to Postgres: everything included, from the start of the
//! program to its end. The disk is waited for if the server of the tests is told so (fsync on), which is said. `make
//! bench-copy`, which writes its part of `docs/performance.md` and fails if the bar is missed.
//!
//! `COPY_TICKETS=1000000` asks for more than the usual 200,000 (1 GB of disk for each 200,000 while it runs).
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

#[path = "measure/mod.rs"]
mod measure;

use std::{
    process::{Command, ExitCode},
    time::Instant,
};

use black_box::{Engine, TempStore, TestServer, server_binary};
use diesel::{
    Connection, PgConnection, QueryableByName, RunQueryDsl, SqliteConnection, connection::SimpleConnection, sql_query,
    sql_types::Text,
};
use measure::{Figures, page};

/// Tickets, unless somebody asks for more.
const TICKETS: u32 = 200_000;

/// Tickets a second.
const BAR: f64 = 10_000.0;

/// Copies, of which the one in the middle counts.
const TIMES: usize = 5;

#[tokio::main]
async fn main() -> ExitCode {
    let tickets = asked("COPY_TICKETS").map_or(TICKETS, |number| number.to_str().unwrap().parse().unwrap());
    let file = TempStore::new(Engine::Sqlite).await;
    let (status, _, err) = TestServer::on(&file).run(&["migrate"]).await;
    assert!(status.success(), "{err}");
    fill(&file, tickets);
    println!("{tickets} tickets, each with its message and its notification");
    let (mut times, mut fsync) = (Vec::new(), String::new());
    for _ in 0..TIMES {
        let postgres = TempStore::new(Engine::Postgres).await;
        fsync = setting(&postgres, "fsync");
        let begun = Instant::now();
        let copied = Command::new(server_binary())
            .args(["copy", "--from", &file.url(), "--to", &postgres.url()])
            .current_dir(file.folder())
            .output()
            .unwrap();
        times.push(begun.elapsed());
        let said = String::from_utf8(copied.stdout).unwrap();
        assert!(
            copied.status.success(),
            "{said}{}",
            String::from_utf8(copied.stderr).unwrap()
        );
        println!("  {}", said.lines().find(|line| line.starts_with("took")).unwrap());
    }
    let took = Figures::of(times).median;
    let rate = f64::from(tickets) / took.as_secs_f64();
    let met = if rate >= BAR { "met" } else { "**not met**" };
    let text = format!(
        "`server copy` of {tickets} tickets, each with its message and its notification, from a SQLite file to an empty \
         Postgres (fsync {fsync}), from the start of the program to its end: {took:.1?}, the middle of {TIMES} copies.\n\n\
         | what | bar | measured | |\n|-|-|-|-|\n| tickets copied a second | ≥ {BAR:.0} | {rate:.0} | {met} |"
    );
    println!("\n{text}");
    page::put("performance.md", "make bench-copy", &text);
    if rate >= BAR {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

#[allow(clippy::disallowed_methods, reason = "how much is measured is the runner's to say")]
fn asked(variable: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(variable)
}

fn setting(store: &TempStore, name: &str) -> String {
    #[derive(QueryableByName)]
    struct Setting {
        #[diesel(sql_type = Text)]
        value: String,
    }
    let mut connection = PgConnection::establish(&store.url()).unwrap();
    let setting: Setting = sql_query("SELECT current_setting($1) AS value")
        .bind::<Text, _>(name)
        .get_result(&mut connection)
        .unwrap();
    setting.value
}

/// Tickets as people open them, a second apart, with ids that sort by time as ours do.
fn fill(file: &TempStore, tickets: u32) {
    let mut connection = SqliteConnection::establish(&file.file().display().to_string()).unwrap();
    let id =
        |table: u8| format!("unhex(printf('%012x7%03x8%015x', 1736937000000 + i * 1000, {table}, abs(random()) >> 4))");
    let (ticket, message, notification) = (id(1), id(2), id(3));
    connection
        .batch_execute(&format!(
            "PRAGMA synchronous = OFF; PRAGMA cache_size = -200000; BEGIN; \
             CREATE TEMP TABLE n AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {tickets}) \
                SELECT i, 1736937000000000 + i * 1000000 AS at, {ticket} AS id FROM n; \
             INSERT INTO tickets (id, reference, customer_name, customer_phone, customer_email, subject, priority, \
                status, customer_key, reader_key, version, created_at, updated_at) \
             SELECT id, printf('T-20250115-%07d', i), 'Zoe Customer' || i, printf('+1555%07d', i), \
                'c' || i || '@customer.example', 'Order ' || (i % 977) || ' came broken', 'high', 'open', \
                lower(hex(randomblob(16))), lower(hex(randomblob(16))), 1, at, at FROM n; \
             INSERT INTO messages (id, ticket_id, seq, sender, channel, body, created_at) \
             SELECT {message}, id, 1, 'customer', 'web', \
                'The bottles of batch' || (i % 100) || ' are damaged, please send new ones.', at FROM n; \
             INSERT INTO notifications (id, ticket_id, seq, event, payload, addressed, state, scheduled_at, failed_attempts, \
                settled_at, created_at, progress, external_id) \
             SELECT {notification}, id, 1, 'ticket.created', CAST('{{\"event\":\"ticket.created\",\"ticketRef\":\"' \
                || printf('T-20250115-%07d', i) || '\",\"ticketId\":\"0194690a-7a28-7c3e-9d6f-0123456789ab\",\
                \"ticketUrl\":\"https://desk.example/ticket/T-20250115-0000000\",\"customerName\":\"Zoe Customer' || i \
                || '\",\"customerPhone\":\"+15550000000\",\"customerEmail\":\"c' || i || '@customer.example\",\
                \"subject\":\"Order came broken\",\"message\":\"The bottles of batch are damaged, please send new ones.\",\
                \"priority\":\"high\",\"createdAt\":\"2025-01-15T10:30:00.000000Z\",\"summary\":\"Zoe: Order came \
                broken\"}}' AS blob), 1, 'delivered', at, 0, at, at, 'read', 'SM' || printf('%032x', i) FROM n; \
             COMMIT; PRAGMA wal_checkpoint(TRUNCATE)"
        ))
        .unwrap();
}
