//! The command line, and reports of a bad configuration.

use std::{fs, os::unix::fs::PermissionsExt as _};

use black_box::{Engine, FakeN8n, INBOUND_KEY, Reaction, SHARED_SECRET, TempStore, TestServer, on_both_stores};
use serde_json::{Value, json};

on_both_stores!(
    migrate_creates_the_schema_and_check_finds_it,
    every_invalid_variable_is_reported_at_once,
);

const PROBE: [&str; 3] = ["check", "--probe", "--yes"];

async fn migrate_creates_the_schema_and_check_finds_it(engine: Engine) {
    let store = TempStore::new(engine).await;
    let options = TestServer::on(&store);
    assert_eq!(options.succeed(&["check"]).await.err, "");
    assert!(!store.file().exists(), "a check changes nothing");
    for _ in 0..2 {
        options.succeed(&["migrate"]).await;
    }
    let n8n = FakeN8n::start();
    let notifying = TestServer::on(&store).notifying(&n8n);
    assert_eq!(notifying.succeed(&["check"]).await.err, "");
    assert_eq!(n8n.count(), 0, "a check sends nothing");
    n8n.go_away().await;
    let err = notifying.fail(&["check"]).await;
    assert!(
        err.contains("N8N_TICKET_CREATED_WEBHOOK") && !err.contains(SHARED_SECRET),
        "{err}"
    );
}

/// Our workflow's response to a probe, with what the inbound endpoint said.
fn probed(inbound: &Value) -> Reaction {
    let response = json!({ "ok": true, "probe": true, "inbound": inbound });
    Reaction::json(&response)
}

#[tokio::test]
async fn a_probe_checks_each_link_of_the_loop() {
    let store = TempStore::new(Engine::Sqlite).await;
    let n8n = FakeN8n::start();
    let server = TestServer::on(&store).notifying(&n8n);

    // It asks for confirmation, since another workflow might send the probe as a message.
    let err = server.fail(&["check", "--probe"]).await;
    assert!(err.contains("--yes"), "{err}");
    let ended = server.run(&["check", "--yes"]).await;
    assert!(ended.code != Some(0) && ended.err.contains("--probe"), "{ended:?}");
    assert_eq!(n8n.count(), 0, "nothing was sent");

    n8n.always(probed(&json!({ "status": 400 })));
    let ended = server.succeed(&PROBE).await;
    assert_eq!(ended.err, "");
    for link in [
        "DATABASE_URL",
        "N8N_TICKET_CREATED_WEBHOOK",
        "N8N_SHARED_SECRET",
        "RAILWAY_INBOUND_SECRET",
    ] {
        assert!(
            ended.out.contains(&format!("ok       {link}: ")),
            "{link} in {}",
            ended.out
        );
    }
    let probe = n8n.received().remove(0);
    assert_eq!(probe.json(), json!({ "event": "probe" }));
    assert_eq!(probe.headers["x-api-key"], SHARED_SECRET);
    assert!(!store.file().exists(), "nothing is left behind");

    let (inbound, secret, webhook) = (
        "RAILWAY_INBOUND_SECRET",
        "N8N_SHARED_SECRET",
        "N8N_TICKET_CREATED_WEBHOOK",
    );
    let refused = json!({ "status": null, "detail": "ECONNREFUSED" });
    for (reaction, variable, word) in [
        (probed(&json!({ "status": 401 })), inbound, "key"),
        (probed(&json!({ "status": 404 })), inbound, "ticketApiBase"),
        (probed(&refused), inbound, "ECONNREFUSED"),
        (Reaction::status(403), secret, "x-api-key"),
        (Reaction::status(404), webhook, "not active"),
        (Reaction::status(500), webhook, "credential"),
        (Reaction::status(302), webhook, "302"),
        (Reaction::accepted("SM1"), webhook, "without knowing it"),
        (Reaction::status(200), webhook, "without knowing it"),
    ] {
        n8n.always(reaction.clone());
        let err = server.fail(&PROBE).await;
        let is_named = err.starts_with(&format!("wrong    {variable}: ")) && err.contains(word);
        assert!(is_named && err.lines().count() == 1, "{reaction:?}: {err}");
        assert!(!err.contains(SHARED_SECRET) && !err.contains(INBOUND_KEY), "{err}");
    }
    let test_url = n8n.url().replace("/webhook/", "/webhook-test/");
    n8n.always(Reaction::status(404));
    let testing = TestServer::on(&store).notifying(&n8n).set(webhook, &test_url);
    let err = testing.fail(&PROBE).await;
    assert!(err.contains("Execute workflow"), "{err}");
    // Two webhooks are two probes.
    n8n.always(probed(&json!({ "status": 400 })));
    let before = n8n.count();
    let two = TestServer::on(&store).notifying(&n8n);
    two.set("N8N_TICKET_UPDATED_WEBHOOK", &test_url).succeed(&PROBE).await;
    assert_eq!(n8n.count(), before + 2);
    let err = TestServer::on(&store).fail(&PROBE).await;
    assert!(err.contains("no loop to probe"), "{err}");
}

async fn every_invalid_variable_is_reported_at_once(engine: Engine) {
    let store = TempStore::new(engine).await;
    let options = TestServer::on(&store)
        .set("PORT", "http")
        .set("BASE_URL", "server")
        .set("N8N_TICKET_CREATED_WEBHOOK", "https://n8n.example/webhook/x")
        .set("RAILWAY_INBOUND_SECRET", &[INBOUND_KEY; 3].join(","));
    for command in [&["serve"][..], &[], &["check"], &["migrate"]] {
        let ended = options.run(command).await;
        assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""), "{command:?}");
        for variable in ["PORT", "BASE_URL", "N8N_SHARED_SECRET", "RAILWAY_INBOUND_SECRET"] {
            assert!(
                ended.err.contains(&format!("  {variable}: ")),
                "{variable} in {}",
                ended.err
            );
        }
        assert!(!ended.err.contains(INBOUND_KEY), "{}", ended.err);
    }
}

#[tokio::test]
async fn each_command_has_help() {
    let store = TempStore::new(Engine::Sqlite).await;
    let options = TestServer::on(&store);
    for command in ["", "serve", "migrate", "check"] {
        let words: Vec<&str> = [command, "--help"]
            .into_iter()
            .filter(|word| !word.is_empty())
            .collect();
        let ended = options.succeed(&words).await;
        assert!(ended.out.contains("Usage:"), "{ended:?}");
    }
    let ended = options.run(&["fly"]).await;
    assert!(
        ended.code != Some(0) && ended.out.is_empty() && ended.err.contains("fly"),
        "{ended:?}"
    );
}

#[tokio::test]
async fn the_environment_overrides_the_env_file() {
    let store = TempStore::new(Engine::Sqlite).await;
    let file = store.folder().join(".env");
    fs::write(&file, "BASE_URL=https://from.file.example\nPORT=notaport\n").unwrap();
    let server = TestServer::on(&store).set("BASE_URL", "").start().await;
    assert_eq!(server.open().await.len(), 15);
    server.end().await;
    // An empty variable hides the file's.
    TestServer::on(&store).set("PORT", "").succeed(&["check"]).await;
    fs::write(&file, "OPERATOR_TOKEN=\"unclosed secret\n").unwrap();
    let err = TestServer::on(&store).fail(&["check"]).await;
    assert!(err.contains(".env") && !err.contains("unclosed"), "{err}");
}

#[tokio::test]
async fn the_files_of_the_embedded_store_are_private() {
    let store = TempStore::new(Engine::Sqlite).await;
    let server = TestServer::on(&store).start().await;
    server.open().await;
    for entry in fs::read_dir(store.file().parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?}", entry.path());
    }
    server.end().await;
}

#[tokio::test]
async fn an_unusable_store_is_a_clear_error_on_startup() {
    let store = TempStore::new(Engine::Sqlite).await;
    let text = store.folder().join("letter.txt");
    fs::write(&text, "Dear Sir or Madam, this is no database at all. ".repeat(100)).unwrap();
    for url in [
        &*format!("sqlite://{}", text.display()),
        "sqlite:///proc/nowhere/tickets.db",
        "postgres://server:hidden-password@127.0.0.1:1/server",
        "postgres://server:hidden-password@no-such-host.invalid/server",
    ] {
        for command in ["serve", "check"] {
            let err = TestServer::on(&store).set("DATABASE_URL", url).fail(&[command]).await;
            assert!(
                err.contains("DATABASE_URL") && !err.contains("hidden-password"),
                "{err}"
            );
        }
    }
    let postgres = TempStore::new(Engine::Postgres).await;
    let gone = format!("{}-gone", postgres.url());
    let err = TestServer::on(&postgres).set("DATABASE_URL", &gone).fail(&[]).await;
    assert!(err.contains("no database of this name"), "{err}");
    let err = TestServer::on(&store).set("HOST", "256.0.0.1").fail(&[]).await;
    assert!(err.contains("HOST"), "{err}");
}
