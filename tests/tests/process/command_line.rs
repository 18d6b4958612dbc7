//! The command line, and reports of a bad configuration.

use std::fs;

use black_box::{Engine, FakeN8n, INBOUND_KEY, Reaction, SHARED_SECRET, TempStore, TestServer, on_both_stores};
use serde_json::json;

on_both_stores!(
    migrate_creates_the_schema_and_check_finds_it,
    every_invalid_variable_is_reported_at_once,
);

async fn migrate_creates_the_schema_and_check_finds_it(engine: Engine) {
    let store = TempStore::new(engine).await;
    let options = TestServer::on(&store);
    let (status, out, err) = options.run(&["check"]).await;
    assert!(status.success() && err.is_empty(), "{out}{err}");
    assert!(!store.file().exists(), "a check changes nothing");
    for _ in 0..2 {
        let (status, _, err) = options.run(&["migrate"]).await;
        assert!(status.success(), "{err}");
    }
    let n8n = FakeN8n::start();
    let telling = TestServer::on(&store).notifying(&n8n);
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

/// Our workflow's response to a probe, with what the inbound endpoint said.
fn probed(inbound: &serde_json::Value) -> Reaction {
    let response = json!({ "ok": true, "probe": true, "inbound": inbound });
    Reaction::json(&response)
}

#[tokio::test]
async fn a_probe_checks_each_link_of_the_loop() {
    let store = TempStore::new(Engine::Sqlite).await;
    let n8n = FakeN8n::start();
    let server = TestServer::on(&store).notifying(&n8n);

    // It asks for confirmation, since another workflow might send the probe as a message.
    let (status, out, err) = server.run(&["check", "--probe"]).await;
    assert!(status.code() == Some(1) && err.contains("--yes"), "{out}{err}");
    assert!(n8n.received().is_empty(), "nothing was sent");
    let (status, _, err) = server.run(&["check", "--yes"]).await;
    assert!(!status.success() && err.contains("--probe"), "{err}");

    n8n.always(probed(&json!({ "status": 400 })));
    let (status, out, err) = server.run(&["check", "--probe", "--yes"]).await;
    assert!(status.success() && err.is_empty(), "{out}{err}");
    for link in [
        "DATABASE_URL",
        "N8N_TICKET_CREATED_WEBHOOK",
        "N8N_SHARED_SECRET",
        "RAILWAY_INBOUND_SECRET",
    ] {
        assert!(out.contains(&format!("ok       {link}: ")), "{link} in {out}");
    }
    let probe = n8n.received().remove(0);
    assert_eq!(probe.json(), json!({ "event": "probe" }));
    assert_eq!(probe.headers["x-api-key"], SHARED_SECRET);
    assert!(!store.file().exists(), "nothing is left behind");

    for (reaction, variable, word) in [
        (probed(&json!({ "status": 401 })), "RAILWAY_INBOUND_SECRET", "key"),
        (
            probed(&json!({ "status": 404 })),
            "RAILWAY_INBOUND_SECRET",
            "ticketApiBase",
        ),
        (
            probed(&json!({ "status": null, "detail": "ECONNREFUSED" })),
            "RAILWAY_INBOUND_SECRET",
            "ECONNREFUSED",
        ),
        (Reaction::status(403), "N8N_SHARED_SECRET", "x-api-key"),
        (Reaction::status(404), "N8N_TICKET_CREATED_WEBHOOK", "not active"),
        (Reaction::status(500), "N8N_TICKET_CREATED_WEBHOOK", "credential"),
        (Reaction::status(302), "N8N_TICKET_CREATED_WEBHOOK", "302"),
        (
            Reaction::accepted("SM1"),
            "N8N_TICKET_CREATED_WEBHOOK",
            "without knowing it",
        ),
        (
            Reaction::status(200),
            "N8N_TICKET_CREATED_WEBHOOK",
            "without knowing it",
        ),
    ] {
        n8n.always(reaction.clone());
        let (status, out, err) = server.run(&["check", "--probe", "--yes"]).await;
        assert_eq!(status.code(), Some(1), "{reaction:?}: {out}{err}");
        let told = err
            .lines()
            .any(|line| line.starts_with(&format!("wrong    {variable}: ")) && line.contains(word));
        assert!(told && err.lines().count() == 1, "{reaction:?}: {err}");
        assert!(!err.contains(SHARED_SECRET) && !err.contains(INBOUND_KEY), "{err}");
    }
    let test_url = n8n.url().replace("/webhook/", "/webhook-test/");
    n8n.always(Reaction::status(404));
    let testing = TestServer::on(&store)
        .notifying(&n8n)
        .set("N8N_TICKET_CREATED_WEBHOOK", &test_url);
    let (_, _, err) = testing.run(&["check", "--probe", "--yes"]).await;
    assert!(err.contains("Execute workflow"), "{err}");
    // Two webhooks are two probes.
    n8n.always(probed(&json!({ "status": 400 })));
    let before = n8n.received().len();
    let two = TestServer::on(&store)
        .notifying(&n8n)
        .set("N8N_TICKET_UPDATED_WEBHOOK", &test_url);
    assert!(two.run(&["check", "--probe", "--yes"]).await.0.success());
    assert_eq!(n8n.received().len(), before + 2);
    let (status, _, err) = TestServer::on(&store).run(&["check", "--probe", "--yes"]).await;
    assert!(!status.success() && err.contains("no loop to probe"), "{err}");
}

async fn every_invalid_variable_is_reported_at_once(engine: Engine) {
    let store = TempStore::new(engine).await;
    let options = TestServer::on(&store)
        .set("PORT", "http")
        .set("BASE_URL", "server")
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

#[tokio::test]
async fn each_command_has_help() {
    let store = TempStore::new(Engine::Sqlite).await;
    let options = TestServer::on(&store);
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
async fn the_environment_overrides_the_env_file() {
    let store = TempStore::new(Engine::Sqlite).await;
    fs::write(
        store.folder().join(".env"),
        "BASE_URL=https://from.file.example\nPORT=notaport\n",
    )
    .unwrap();
    let server = TestServer::on(&store).set("BASE_URL", "").start().await;
    assert_eq!(server.open().await.len(), 15);
    assert!(server.stop().await.success());
    let (status, _, err) = TestServer::on(&store).set("PORT", "").run(&["check"]).await;
    assert!(status.success(), "an empty variable hides the file's: {err}");
    fs::write(store.folder().join(".env"), "OPERATOR_TOKEN=\"unclosed secret\n").unwrap();
    let (status, _, err) = TestServer::on(&store).run(&["check"]).await;
    assert!(
        !status.success() && err.contains(".env") && !err.contains("unclosed"),
        "{err}"
    );
}

#[tokio::test]
async fn the_files_of_the_embedded_store_are_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let store = TempStore::new(Engine::Sqlite).await;
    let server = TestServer::on(&store).start().await;
    server.open().await;
    for entry in fs::read_dir(store.file().parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(
            entry.metadata().unwrap().permissions().mode() & 0o077,
            0,
            "{:?}",
            entry.path()
        );
    }
    assert!(server.stop().await.success());
}

#[tokio::test]
async fn an_unusable_store_is_a_clear_error_on_startup() {
    let store = TempStore::new(Engine::Sqlite).await;
    let folder = store.folder();
    fs::write(
        folder.join("letter.txt"),
        "Dear Sir or Madam, this is no database at all. ".repeat(100),
    )
    .unwrap();
    let letter = format!("sqlite://{}", folder.join("letter.txt").display());
    for url in [
        letter.as_str(),
        "sqlite:///proc/nowhere/tickets.db",
        "postgres://server:hidden-password@127.0.0.1:1/server",
        "postgres://server:hidden-password@no-such-host.invalid/server",
    ] {
        for command in ["serve", "check"] {
            let (status, _, err) = TestServer::on(&store).set("DATABASE_URL", url).run(&[command]).await;
            assert_eq!(status.code(), Some(1), "{url} {command}");
            assert!(
                err.contains("DATABASE_URL") && !err.contains("hidden-password"),
                "{err}"
            );
        }
    }
    let postgres = TempStore::new(Engine::Postgres).await;
    let (status, _, err) = TestServer::on(&postgres)
        .set("DATABASE_URL", &format!("{}-gone", postgres.url()))
        .run(&[])
        .await;
    assert_eq!(status.code(), Some(1));
    assert!(err.contains("no database of this name"), "{err}");
    let (status, _, err) = TestServer::on(&store).set("HOST", "256.0.0.1").run(&[]).await;
    assert!(status.code() == Some(1) && err.contains("HOST"), "{err}");
}
