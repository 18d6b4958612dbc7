//! What is backed up is what there was, and comes back as that, or not at all.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf, process::Stdio, time::Duration};

use black_box::{Engine, ServerOptions, TempStore, TestServer, on_both_stores, ticket};
use tokio::time::{sleep, timeout};

use crate::stores::{ask, execute, file_with, is_empty, rows};

on_both_stores!(
    a_backup_of_a_running_server_is_whole,
    a_store_that_is_not_empty_takes_nothing,
    whatever_ends_a_restore_the_store_stays_empty,
);

fn backup_in(place: &TempStore) -> PathBuf {
    place.folder().join("backup.db")
}

async fn run(options: &ServerOptions, command: &str, file: &str) -> (i32, String, String) {
    let (status, out, err) = options.run(&[command, file]).await;
    (status.code().unwrap(), out, err)
}

/// While tickets come in, what is backed up is one state of the store; restored into either kind of store it is the same.
async fn a_backup_of_a_running_server_is_whole(engine: Engine) {
    let (place, catalogue) = (TempStore::new(engine).await, TempStore::new(Engine::Postgres).await);
    let options = TestServer::on(&place);
    let desk = options.start().await;
    for _ in 0..20 {
        desk.open().await;
    }
    let path = backup_in(&place);
    let name = path.display().to_string();
    let opening = async {
        loop {
            desk.open().await;
        }
    };
    let (code, out, err) = tokio::select! {
        ended = run(&options, "backup", &name) => ended,
        () = opening => unreachable!(),
    };
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("backed up and verified: "), "{out}");
    assert!(!format!("{out}{err}").contains("postgres://"), "{out}{err}");
    assert!(desk.stop().await.success());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let left: Vec<_> = fs::read_dir(place.folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("backup.db"))
        .collect();
    assert_eq!(left, ["backup.db"]);

    let mut restored = Vec::new();
    for into in [Engine::Sqlite, Engine::Postgres] {
        let place = TempStore::new(into).await;
        let (code, out, err) = run(&TestServer::on(&place), "restore", &name).await;
        assert_eq!(code, 0, "{out}{err}");
        restored.push(rows(&place, &catalogue));
        // It goes on, and everything can be found.
        let desk = TestServer::on(&place).start().await;
        let found = desk.get_as_operator("/api/tickets?q=quuxley&limit=100").await.json();
        let count: usize = ask(&place, "SELECT count(*) FROM tickets").parse().unwrap();
        assert!(count >= 20, "{count}");
        assert_eq!(found["tickets"].as_array().unwrap().len(), count.min(100));
        // A number may be left out: of a ticket whose reference was taken.
        let last: u64 = ask(&place, "SELECT max(number) FROM tickets").parse().unwrap();
        let newest = desk.open().await;
        let number = format!("SELECT number FROM tickets WHERE reference = '{newest}'");
        let number: u64 = ask(&place, &number).parse().unwrap();
        assert!(number > last, "{number} {last}");
        assert!(desk.stop().await.success());
    }
    assert!(restored[0] == restored[1]);
    // Every ticket has its message and its notification: it is one state.
    assert_eq!(restored[0]["tickets"].len(), restored[0]["messages"].len());
    assert_eq!(restored[0]["tickets"].len(), restored[0]["notifications"].len());

    let (code, _, err) = run(&options, "backup", &name).await;
    assert_eq!(code, 1);
    assert!(err.contains("is there already"), "{err}");
}

async fn a_store_that_is_not_empty_takes_nothing(engine: Engine) {
    let (full, catalogue) = (TempStore::new(engine).await, TempStore::new(Engine::Postgres).await);
    let options = TestServer::on(&full);
    let desk = options.start().await;
    desk.open().await;
    assert!(desk.stop().await.success());
    let before = rows(&full, &catalogue);
    let file = file_with(3).await;
    // The file that a server has used will do as well.
    let (code, _, err) = run(&options, "restore", &file.file().display().to_string()).await;
    assert_eq!(code, 1);
    assert!(err.contains("not empty") && err.contains("1 rows in tickets"), "{err}");
    assert!(rows(&full, &catalogue) == before);
}

async fn whatever_ends_a_restore_the_store_stays_empty(engine: Engine) {
    let (file, place) = (file_with(12_000).await, TempStore::new(engine).await);
    let catalogue = TempStore::new(Engine::Postgres).await;
    let name = file.file().display().to_string();
    let options = TestServer::on(&place);
    assert!(options.run(&["migrate"]).await.0.success());
    for (signal, after) in [("-KILL", 150), ("-KILL", 400), ("-INT", 250), ("-TERM", 250)] {
        let restoring = options
            .command(&["restore", &name])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        sleep(Duration::from_millis(after)).await;
        let pid = restoring.id().unwrap().to_string();
        assert!(
            std::process::Command::new("kill")
                .args([signal, &pid])
                .status()
                .unwrap()
                .success()
        );
        let ended = timeout(Duration::from_secs(30), restoring.wait_with_output()).await;
        let output = ended.unwrap().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "it was too fast: {said}");
        if signal != "-KILL" {
            assert_eq!(output.status.code(), Some(130), "{said}");
            assert!(said.contains("nothing was restored"), "{said}");
        }
        assert!(is_empty(&place), "{signal}");
    }
    let (code, out, err) = run(&options, "restore", &name).await;
    assert_eq!(code, 0, "{out}{err}");
    assert!(rows(&place, &catalogue) == rows(&file, &catalogue));
}

/// What a killed backup left is no obstacle, and is never taken for a backup.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_was_killed_has_no_name() {
    let file = file_with(12_000).await;
    let options = TestServer::on(&file);
    let path = backup_in(&file);
    let name = path.display().to_string();
    for signal in ["-KILL", "-INT"] {
        let writing = options
            .command(&["backup", &name])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        sleep(Duration::from_millis(250)).await;
        let pid = writing.id().unwrap().to_string();
        assert!(
            std::process::Command::new("kill")
                .args([signal, &pid])
                .status()
                .unwrap()
                .success()
        );
        let output = timeout(Duration::from_secs(30), writing.wait_with_output()).await;
        assert!(!output.unwrap().unwrap().status.success());
        assert!(!path.exists());
    }
    let (code, out, err) = run(&options, "backup", &name).await;
    assert_eq!(code, 0, "{out}{err}");
    assert!(path.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_t_be_restored_is_said() {
    let place = TempStore::new(Engine::Sqlite).await;
    let options = TestServer::on(&place);
    let missing = place.folder().join("none.db").display().to_string();
    let (code, _, err) = run(&options, "restore", &missing).await;
    assert_eq!(code, 1);
    assert!(err.contains("there is no file"), "{err}");
    let text = place.folder().join("text.db");
    fs::write(
        &text,
        "a text, long enough to be taken for a header of something else altogether",
    )
    .unwrap();
    let (code, _, err) = run(&options, "restore", &text.display().to_string()).await;
    assert_eq!(code, 1);
    assert!(err.contains("not an SQLite database"), "{err}");
    // A row that the program would never write.
    let file = file_with(2).await;
    execute(&file, "UPDATE tickets SET customer_phone = 'nobody' WHERE number = 2");
    let (code, _, err) = run(&options, "restore", &file.file().display().to_string()).await;
    assert_eq!(code, 1);
    assert!(err.contains("tickets.customer_phone of the row with rowid 2"), "{err}");
    assert!(is_empty(&place));
}

/// A bit that flipped where the backup lay is found, whether or not a value type would refuse it. A file on which a server
/// has run since is a store like any other.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_changed_is_not_restored() {
    let (file, place) = (file_with(2).await, TempStore::new(Engine::Sqlite).await);
    let backup = place.folder().join("backup.db").display().to_string();
    let (code, _, err) = run(&TestServer::on(&file), "backup", &backup).await;
    assert_eq!(code, 0, "{err}");
    let whole = fs::read(&backup).unwrap();
    let text = b"It came broken.";
    let at = whole.windows(text.len()).position(|window| window == text).unwrap();
    let mut damaged = whole.clone();
    damaged[at] ^= 1;
    fs::write(&backup, damaged).unwrap();
    let (code, _, err) = run(&TestServer::on(&place), "restore", &backup).await;
    assert_eq!(code, 1);
    assert!(err.contains("no longer those that were put into it"), "{err}");
    assert!(is_empty(&place));
    fs::write(&backup, whole).unwrap();
    let on_it = TestServer::on(&place).set("DATABASE_URL", &format!("sqlite://{backup}"));
    let desk = on_it.start().await;
    assert_eq!(desk.create(&ticket()).await.status, 201);
    assert!(desk.stop().await.success());
    let (code, out, err) = run(&TestServer::on(&place), "restore", &backup).await;
    assert_eq!((code, out.contains("3 tickets")), (0, true), "{out}{err}");
}

/// A server that has the file open keeps a restore out.
#[tokio::test(flavor = "multi_thread")]
async fn a_running_server_s_file_is_not_restored_into() {
    let (file, place) = (file_with(2).await, TempStore::new(Engine::Sqlite).await);
    let desk = TestServer::on(&place).start().await;
    let (code, _, err) = run(&TestServer::on(&place), "restore", &file.file().display().to_string()).await;
    assert_eq!(code, 1);
    assert!(err.contains("stop the server first"), "{err}");
    assert!(desk.stop().await.success());
}
