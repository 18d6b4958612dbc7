//! The command line, and what a bad configuration says.

use std::fs;

use black_box::{Desk, Engine, INBOUND_KEY, N8n, Place, SHARED_SECRET, on_both_stores};

on_both_stores!(
    migrate_makes_the_schema_and_check_finds_it,
    every_fault_is_told_at_once,
    replicas_may_start_together
);

async fn migrate_makes_the_schema_and_check_finds_it(engine: Engine) {
    let place = Place::new(engine).await;
    let options = Desk::on(&place);
    let (status, out, err) = options.run(&["check"]).await;
    assert!(status.success() && err.is_empty(), "{out}{err}");
    assert!(!place.file().exists(), "a check changes nothing");
    for _ in 0..2 {
        let (status, _, err) = options.run(&["migrate"]).await;
        assert!(status.success(), "{err}");
    }
    let n8n = N8n::start();
    let telling = Desk::on(&place).telling(&n8n);
    let (status, out, err) = telling.run(&["check"]).await;
    assert!(status.success() && err.is_empty(), "{out}{err}");
    assert!(n8n.received().is_empty(), "a check sends nothing");
    n8n.go_away().await;
    let (status, _, err) = telling.run(&["check"]).await;
    assert_eq!(status.code(), Some(1));
    assert!(
        err.contains("N8N_TICKET_CREATED_WEBHOOK") && !err.contains(SHARED_SECRET),
        "{err}"
    );
}

async fn every_fault_is_told_at_once(engine: Engine) {
    let place = Place::new(engine).await;
    let options = Desk::on(&place)
        .set("PORT", "http")
        .set("BASE_URL", "desk")
        .set("N8N_TICKET_CREATED_WEBHOOK", "https://n8n.example/webhook/x")
        .set(
            "RAILWAY_INBOUND_SECRET",
            &format!("{INBOUND_KEY},{INBOUND_KEY},{INBOUND_KEY}"),
        );
    for command in [&["serve"][..], &[], &["check"], &["migrate"]] {
        let (status, out, err) = options.run(command).await;
        assert_eq!(status.code(), Some(1), "{command:?}");
        for variable in ["PORT", "BASE_URL", "N8N_SHARED_SECRET", "RAILWAY_INBOUND_SECRET"] {
            assert!(err.contains(&format!("  {variable}: ")), "{variable} in {err}");
        }
        assert!(out.is_empty() && !err.contains(INBOUND_KEY), "{out}{err}");
    }
}

async fn replicas_may_start_together(engine: Engine) {
    let place = Place::new(engine).await;
    let options = Desk::on(&place);
    let (a, b, c) = tokio::join!(options.start(), options.start(), options.start());
    let reference = a.open().await;
    assert_eq!(b.ticket(&reference).await, c.ticket(&reference).await);
    for desk in [a, b, c] {
        assert!(desk.stop().await.success());
    }
}

#[tokio::test]
async fn help_is_there_for_each_command() {
    let place = Place::new(Engine::Sqlite).await;
    let options = Desk::on(&place);
    for command in [
        &["--help"][..],
        &["serve", "--help"],
        &["migrate", "--help"],
        &["check", "--help"],
    ] {
        let (status, out, _) = options.run(command).await;
        assert!(status.success() && out.contains("Usage:"), "{out}");
    }
    let (status, out, err) = options.run(&["fly"]).await;
    assert!(!status.success() && out.is_empty() && err.contains("fly"), "{err}");
}

#[tokio::test]
async fn a_dot_env_file_is_read_and_the_environment_goes_before_it() {
    let place = Place::new(Engine::Sqlite).await;
    fs::write(
        place.folder().join(".env"),
        "BASE_URL=https://from.file.example\nPORT=notaport\n",
    )
    .unwrap();
    let desk = Desk::on(&place).set("BASE_URL", "").start().await;
    assert_eq!(desk.open().await.len(), 15);
    assert!(desk.stop().await.success());
    let (status, _, err) = Desk::on(&place).set("PORT", "").run(&["check"]).await;
    assert!(status.success(), "an empty variable hides the file's: {err}");
    fs::write(place.folder().join(".env"), "OPERATOR_TOKEN=\"unclosed secret\n").unwrap();
    let (status, _, err) = Desk::on(&place).run(&["check"]).await;
    assert!(
        !status.success() && err.contains(".env") && !err.contains("unclosed"),
        "{err}"
    );
}

#[tokio::test]
async fn the_files_of_the_embedded_store_are_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new(Engine::Sqlite).await;
    let desk = Desk::on(&place).start().await;
    desk.open().await;
    for entry in fs::read_dir(place.file().parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(
            entry.metadata().unwrap().permissions().mode() & 0o077,
            0,
            "{:?}",
            entry.path()
        );
    }
    assert!(desk.stop().await.success());
}

#[tokio::test]
async fn a_store_that_cannot_be_used_is_a_clear_error_at_start() {
    let place = Place::new(Engine::Sqlite).await;
    let folder = place.folder();
    fs::write(
        folder.join("letter.txt"),
        "Dear Sir or Madam, this is no database at all. ".repeat(100),
    )
    .unwrap();
    let letter = format!("sqlite://{}", folder.join("letter.txt").display());
    for url in [
        letter.as_str(),
        "sqlite:///proc/nowhere/tickets.db",
        "postgres://desk:hidden-password@127.0.0.1:1/desk",
        "postgres://desk:hidden-password@no-such-host.invalid/desk",
    ] {
        for command in ["serve", "check"] {
            let (status, _, err) = Desk::on(&place).set("DATABASE_URL", url).run(&[command]).await;
            assert_eq!(status.code(), Some(1), "{url} {command}");
            assert!(
                err.contains("DATABASE_URL") && !err.contains("hidden-password"),
                "{err}"
            );
        }
    }
    let postgres = Place::new(Engine::Postgres).await;
    let (status, _, err) = Desk::on(&postgres)
        .set("DATABASE_URL", &format!("{}-gone", postgres.url()))
        .run(&[])
        .await;
    assert_eq!(status.code(), Some(1));
    assert!(err.contains("no database of this name"), "{err}");
    let (status, _, err) = Desk::on(&place).set("HOST", "256.0.0.1").run(&[]).await;
    assert!(status.code() == Some(1) && err.contains("HOST"), "{err}");
}
