//! When nothing is copied, and what is said then.

use std::fs;

use black_box::{Engine, Signal, TempStore, TestServer};

use super::stores::{file_with, interrupted, is_empty, rows};

/// Copies, which must fail; returns what was said.
async fn refused(file: &TempStore, from: &str, to: &str) -> String {
    let err = TestServer::on(file).fail(&["copy", "--from", from, "--to", to]).await;
    assert!(!err.contains("s3cret"), "{err}");
    err
}

/// Copies, which must succeed; returns what was said.
pub(super) async fn copy(from: &TempStore, to: &TempStore) -> String {
    let arguments = ["copy", "--from", &from.url(), "--to", &to.url()];
    let ended = TestServer::on(from).succeed(&arguments).await;
    ended.out + &ended.err
}

async fn file_and_postgres(tickets: u32) -> (TempStore, TempStore) {
    (file_with(tickets).await, TempStore::new(Engine::Postgres).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_a_server_has_open_is_left_alone() {
    let (file, postgres) = file_and_postgres(1).await;
    let server = TestServer::on(&file).start().await;
    let err = refused(&file, &file.url(), &postgres.url()).await;
    assert!(err.contains("stop the server first"), "{err}");
    assert!(is_empty(&postgres));
    // The server did not notice.
    server.open().await;
    server.kill().await;
    // Nor does what a kill leaves beside the file keep anybody out.
    copy(&file, &postgres).await;
    assert_eq!(postgres.ask("SELECT count(*) FROM tickets"), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_has_something_is_left_alone() {
    let (file, postgres) = file_and_postgres(1).await;
    postgres.execute("INSERT INTO receipts (external_id, status, at) VALUES ('SM-1', 'read', now())");
    let before = rows(&postgres);
    let err = refused(&file, &file.url(), &postgres.url()).await;
    assert!(err.contains("not empty") && err.contains("1 rows in receipts"), "{err}");
    assert_eq!(rows(&postgres), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_row_is_named_and_nothing_is_copied() {
    let (file, postgres) = file_and_postgres(3).await;
    for (spoil, mend, named, said) in [
        (
            "UPDATE tickets SET customer_phone = 'call me' WHERE number = 2",
            "UPDATE tickets SET customer_phone = '+15550001111' WHERE number = 2",
            "the row with number 2, can't be used: tickets.customer_phone",
            "digits",
        ),
        (
            "UPDATE messages SET body = body || ' ' WHERE rowid = 3",
            "UPDATE messages SET body = trim(body) WHERE rowid = 3",
            "messages.body",
            "written differently",
        ),
        (
            "UPDATE messages SET body = CAST(x'4142ff' AS text) WHERE rowid = 3",
            "UPDATE messages SET body = 'mended' WHERE rowid = 3",
            "the row of messages that comes after",
            "body",
        ),
        (
            "UPDATE notifications SET ticket_id = x'00000000000000000000000000000000' WHERE rowid = 1",
            "UPDATE notifications SET ticket_id = (SELECT id FROM tickets WHERE number = 1) WHERE rowid = 1",
            "foreign key",
            "notifications_ticket_id_fkey",
        ),
        (
            "UPDATE tickets SET number = 9223372036854775807 WHERE number = 3",
            "UPDATE tickets SET number = 3 WHERE number > 3",
            "the target failed",
            "bigint",
        ),
    ] {
        file.execute(&format!("PRAGMA foreign_keys = OFF; {spoil}"));
        let err = refused(&file, &file.url(), &postgres.url()).await;
        for part in [named, said, "nothing was copied", "run the same command again"] {
            assert!(err.contains(part), "{spoil}: {err}");
        }
        assert!(!err.contains("call me"), "{err}");
        assert!(is_empty(&postgres), "{spoil}");
        file.execute(mend);
    }
    copy(&file, &postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_used_is_said() {
    let (file, postgres) = file_and_postgres(1).await;
    let old = TempStore::new(Engine::Sqlite).await;
    let noise = old.folder().join("data/noise.db");
    fs::create_dir(old.folder().join("data")).unwrap();
    fs::write(old.file(), "").unwrap();
    fs::write(&noise, "not a database, but long enough to look at").unwrap();
    let noise = format!("sqlite://{}", noise.display());
    let missing = format!("sqlite://{}", old.folder().join("none.db").display());
    let away = "postgres://bob:s3cret@127.0.0.1:1/desk";
    let (from, to) = (file.url(), postgres.url());
    for (from, to, said) in [
        (missing.as_str(), to.as_str(), "there is no file"),
        (&old.url(), &to, "server migrate"),
        (&noise, &to, "not an SQLite database"),
        (&from, away, "no database server answers"),
        (&from, &from, "name the same file"),
        (&to, &to, "another program is at work in it"),
        ("tickets.db", &to, "--from must be sqlite://"),
        (&from, "mysql://bob:s3cret@h/d", "--to must be sqlite://"),
    ] {
        let err = refused(&file, from, to).await;
        assert!(err.contains(said), "{from} {to}: {err}");
    }
    assert!(!old.folder().join("none.db").exists(), "a look makes no file");
    assert!(is_empty(&postgres));
}

/// Killed midway, or interrupted: the target is empty, and the same command goes through.
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_copy_leaves_nothing_and_can_be_repeated() {
    let (file, postgres) = file_and_postgres(3_000).await;
    let (from, to) = (file.url(), postgres.url());
    let arguments = ["copy", "--from", from.as_str(), "--to", to.as_str()];
    for (phase, by) in [("writing", Signal::KILL), ("verifying", Signal::INT)] {
        let (code, said) = interrupted(&TestServer::on(&file), &arguments, phase, by).await;
        if by == Signal::INT {
            assert_eq!(code, Some(130), "{said}");
            assert!(
                said.contains("nothing was copied") && said.contains("run the same command again"),
                "{said}"
            );
        }
        // Waits for the locks of what is being undone.
        assert!(is_empty(&postgres), "{phase}");
    }
    copy(&file, &postgres).await;
    assert_eq!(rows(&postgres), rows(&file));
}

/// A server on Postgres keeps a copy out too.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_a_server_uses_is_left_alone() {
    let postgres = TempStore::new(Engine::Postgres).await;
    let file = TempStore::new(Engine::Sqlite).await;
    let server = TestServer::on(&postgres).start().await;
    server.open().await;
    let err = refused(&file, &postgres.url(), &file.url()).await;
    assert!(err.contains("stop the server first"), "{err}");
    server.open().await;
    server.end().await;
    copy(&postgres, &file).await;
    assert_eq!(file.ask("SELECT count(*) FROM tickets"), "2");
}

/// The triggers that a copy does without stand again.
#[tokio::test(flavor = "multi_thread")]
async fn the_schema_is_the_same_afterwards() {
    let (file, postgres) = file_and_postgres(10).await;
    let other = TempStore::new(Engine::Postgres).await;
    copy(&file, &postgres).await;
    for parts in [
        "SELECT string_agg(indexdef, chr(10) ORDER BY indexdef) FROM pg_indexes WHERE schemaname = 'public'",
        "SELECT string_agg(conrelid::regclass || ' ' || conname || ' ' || convalidated || ' ' || pg_get_constraintdef(oid), \
            chr(10) ORDER BY conrelid::regclass::text, conname) FROM pg_constraint WHERE connamespace = 'public'::regnamespace",
        "SELECT string_agg(pg_get_triggerdef(oid) || ' ' || tgenabled::text, chr(10) ORDER BY tgname) FROM pg_trigger \
            WHERE NOT tgisinternal",
        "SELECT string_agg(table_name || ' ' || column_name || ' ' || is_nullable || ' ' || data_type || ' ' \
            || coalesce(column_default, '') || is_identity || coalesce(identity_generation, ''), chr(10) \
            ORDER BY table_name, ordinal_position) FROM information_schema.columns WHERE table_schema = 'public'",
    ] {
        let after = postgres.ask(parts);
        assert!(after.lines().count() > 0, "{after}");
        assert_eq!(after, other.ask(parts));
    }
}

/// Tables of others in the same schema are left alone. An index of a partition can't even be dropped.
#[tokio::test(flavor = "multi_thread")]
async fn tables_of_others_are_left_alone() {
    const THEIRS: &str = "SELECT string_agg(relname || ' ' || oid, chr(10) ORDER BY relname) FROM pg_class
        WHERE relname LIKE 'orders%'";
    let (file, postgres) = file_and_postgres(10).await;
    postgres.execute(
        "CREATE TABLE orders (year int, number int) PARTITION BY LIST (year);
        CREATE TABLE orders_2026 PARTITION OF orders FOR VALUES IN (2026);
        CREATE INDEX orders_number ON orders (number)",
    );
    let before = postgres.ask(THEIRS);
    copy(&file, &postgres).await;
    assert_eq!(postgres.ask(THEIRS), before);
    assert_eq!(rows(&postgres), rows(&file));
}
