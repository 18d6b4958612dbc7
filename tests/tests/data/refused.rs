//! When nothing is copied, and what is said then.

use black_box::{Engine, Signal, TempStore, TestServer};

use crate::stores::{ask, execute, file_with, interrupted, is_empty, rows};

/// Copies, which must fail; returns what was said.
async fn refused(file: &TempStore, from: &str, to: &str) -> String {
    let (status, out, err) = TestServer::on(file).run(&["copy", "--from", from, "--to", to]).await;
    assert_eq!(status.code(), Some(1), "{out}{err}");
    assert!(!err.contains("s3cret"), "{err}");
    err
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_a_server_has_open_is_left_alone() {
    let (file, postgres) = (file_with(1).await, TempStore::new(Engine::Postgres).await);
    let server = TestServer::on(&file).start().await;
    let err = refused(&file, &file.url(), &postgres.url()).await;
    assert!(err.contains("stop the server first"), "{err}");
    assert!(is_empty(&postgres));
    // The server did not notice.
    server.open().await;
    server.kill().await;
    // Nor does what a kill leaves beside the file keep anybody out.
    let (status, out, err) = TestServer::on(&file)
        .run(&["copy", "--from", &file.url(), "--to", &postgres.url()])
        .await;
    assert!(status.success(), "{out}{err}");
    assert_eq!(ask(&postgres, "SELECT count(*) FROM tickets"), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_has_something_is_left_alone() {
    let (file, postgres) = (file_with(1).await, TempStore::new(Engine::Postgres).await);
    execute(
        &postgres,
        "INSERT INTO receipts (external_id, status, at) VALUES ('SM-1', 'read', now())",
    );
    let before = rows(&postgres, &postgres);
    let err = refused(&file, &file.url(), &postgres.url()).await;
    assert!(err.contains("not empty") && err.contains("1 rows in receipts"), "{err}");
    assert_eq!(rows(&postgres, &postgres), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_row_is_named_and_nothing_is_copied() {
    let (file, postgres) = (file_with(3).await, TempStore::new(Engine::Postgres).await);
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
        execute(&file, &format!("PRAGMA foreign_keys = OFF; {spoil}"));
        let err = refused(&file, &file.url(), &postgres.url()).await;
        assert!(err.contains(named) && err.contains(said), "{spoil}: {err}");
        assert!(
            err.contains("nothing was copied") && err.contains("run the same command again"),
            "{err}"
        );
        assert!(!err.contains("call me"), "{err}");
        assert!(is_empty(&postgres), "{spoil}");
        execute(&file, mend);
    }
    let (status, out, err) = TestServer::on(&file)
        .run(&["copy", "--from", &file.url(), "--to", &postgres.url()])
        .await;
    assert!(status.success(), "{out}{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_used_is_said() {
    let (file, postgres) = (file_with(1).await, TempStore::new(Engine::Postgres).await);
    let old = TempStore::new(Engine::Sqlite).await;
    std::fs::create_dir(old.folder().join("data")).unwrap();
    std::fs::write(old.file(), "").unwrap();
    std::fs::write(
        old.folder().join("data/noise.db"),
        "not a database, but long enough to look at",
    )
    .unwrap();
    let noise = format!("sqlite://{}", old.folder().join("data/noise.db").display());
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
async fn an_interrupted_copy_leaves_nothing_and_begins_anew() {
    let (file, postgres) = (file_with(3_000).await, TempStore::new(Engine::Postgres).await);
    let (from, to) = (file.url(), postgres.url());
    let arguments = ["copy", "--from", from.as_str(), "--to", to.as_str()];
    let server = TestServer::on(&file);
    for (phase, by) in [("writing", Signal::KILL), ("verifying", Signal::INT)] {
        let (code, said) = interrupted(&server, &arguments, phase, by).await;
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
    let (status, out, err) = server.run(&arguments).await;
    assert!(status.success(), "{out}{err}");
    assert_eq!(rows(&postgres, &postgres), rows(&file, &postgres));
}

/// A server on Postgres keeps a copy out too.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_a_server_uses_is_left_alone() {
    let (postgres, file) = (
        TempStore::new(Engine::Postgres).await,
        TempStore::new(Engine::Sqlite).await,
    );
    let server = TestServer::on(&postgres).start().await;
    server.open().await;
    let err = refused(&file, &postgres.url(), &file.url()).await;
    assert!(err.contains("stop the server first"), "{err}");
    server.open().await;
    assert!(server.stop().await.success());
    let arguments = ["copy", "--from", &postgres.url(), "--to", &file.url()];
    let (status, out, err) = TestServer::on(&file).run(&arguments).await;
    assert!(status.success(), "{out}{err}");
    assert_eq!(ask(&file, "SELECT count(*) FROM tickets"), "2");
}

/// The triggers that a copy does without stand again.
#[tokio::test(flavor = "multi_thread")]
async fn the_schema_is_the_same_afterwards() {
    let (file, postgres, other) = (
        file_with(10).await,
        TempStore::new(Engine::Postgres).await,
        TempStore::new(Engine::Postgres).await,
    );
    let (status, out, err) = TestServer::on(&file)
        .run(&["copy", "--from", &file.url(), "--to", &postgres.url()])
        .await;
    assert!(status.success(), "{out}{err}");
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
        let after = ask(&postgres, parts);
        assert!(after.lines().count() > 0, "{after}");
        assert_eq!(after, ask(&other, parts));
    }
}
