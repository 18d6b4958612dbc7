//! A backup holds what the store held. A restore brings all of it back, or nothing.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
};

use black_box::{Engine, Signal, TempStore, TestServer, on_both_stores};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;

use super::stores::{file_with, interrupted, is_empty, rows};

on_both_stores!(
    a_backup_of_a_running_server_is_whole,
    a_store_that_is_not_empty_takes_nothing,
    whatever_ends_a_restore_the_store_stays_empty,
);

fn backup_in(store: &TempStore) -> PathBuf {
    store.folder().join("backup.jsonl.gz")
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A store with so many tickets, and a backup of it.
async fn backup_of(tickets: u32) -> (TempStore, PathBuf) {
    let file = file_with(tickets).await;
    let path = backup_in(&file);
    TestServer::on(&file).succeed(&["backup", text(&path)]).await;
    (file, path)
}

fn unzipped(bytes: &[u8]) -> String {
    let mut text = String::new();
    GzDecoder::new(bytes).read_to_string(&mut text).unwrap();
    text
}

/// Writes a backup with other lines, and a new checksum as `docs/dump-format.md` says.
fn change_by_hand(path: &Path, backup: &[u8], change: impl FnOnce(&str) -> String) {
    let text = unzipped(backup);
    let (lines, trailer) = text.trim_end().rsplit_once('\n').unwrap();
    let lines = change(&format!("{lines}\n"));
    let digits: Vec<String> = Sha256::digest(&lines)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let (rows, _) = trailer.split_once("\"sha256\":").unwrap();
    fs::write(path, format!("{lines}{rows}\"sha256\":\"{}\"}}}}\n", digits.concat())).unwrap();
}

/// While tickets come in, a backup is one state of the store; restored into either engine it is the same.
async fn a_backup_of_a_running_server_is_whole(engine: Engine) {
    let store = TempStore::new(engine).await;
    let options = TestServer::on(&store);
    let server = options.start().await;
    for _ in 0..20 {
        server.open().await;
    }
    let path = backup_in(&store);
    let arguments = ["backup", text(&path)];
    let opening = async {
        loop {
            server.open().await;
        }
    };
    let ended = tokio::select! {
        ended = options.succeed(&arguments) => ended,
        () = opening => unreachable!(),
    };
    assert!(ended.out.contains("backed up and verified: "), "{ended:?}");
    assert!(!format!("{ended:?}").contains("postgres://"), "{ended:?}");
    server.end().await;
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let names = fs::read_dir(store.folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let mut backups = names.filter(|name| name.to_str().unwrap().starts_with("backup."));
    assert_eq!(backups.next().unwrap(), "backup.jsonl.gz");
    assert_eq!(backups.next(), None, "no other file is left");

    let mut restored = Vec::new();
    for into in Engine::ALL {
        let store = TempStore::new(into).await;
        TestServer::on(&store).succeed(&["restore", text(&path)]).await;
        restored.push(rows(&store));
        // The server goes on with it, and finds everything.
        let server = TestServer::on(&store).start().await;
        let found = server.get_as_operator("/api/tickets?q=quuxley&limit=100").await.json();
        let count: usize = store.ask("SELECT count(*) FROM tickets").parse().unwrap();
        assert!(count >= 20, "{count}");
        assert_eq!(found["tickets"].as_array().unwrap().len(), count.min(100));
        // A number may be left out: of a ticket whose reference was taken.
        let last: u64 = store.ask("SELECT max(number) FROM tickets").parse().unwrap();
        let newest = server.open().await;
        let number = store.ask(&format!("SELECT number FROM tickets WHERE reference = '{newest}'"));
        assert!(number.parse::<u64>().unwrap() > last, "{number} {last}");
        server.end().await;
    }
    assert!(restored[0] == restored[1]);
    // Every ticket has its message and its notification: it is one state.
    assert_eq!(restored[0]["tickets"].len(), restored[0]["messages"].len());
    assert_eq!(restored[0]["tickets"].len(), restored[0]["notifications"].len());

    let err = options.fail(&arguments).await;
    assert!(err.contains("is there already"), "{err}");
}

async fn a_store_that_is_not_empty_takes_nothing(engine: Engine) {
    let full = TempStore::new(engine).await;
    let options = TestServer::on(&full);
    let server = options.start().await;
    server.open().await;
    server.end().await;
    let before = rows(&full);
    let (_store, backup) = backup_of(3).await;
    let err = options.fail(&["restore", text(&backup)]).await;
    assert!(err.contains("not empty") && err.contains("1 rows in tickets"), "{err}");
    assert!(rows(&full) == before);
}

async fn whatever_ends_a_restore_the_store_stays_empty(engine: Engine) {
    let ((file, backup), store) = (backup_of(3_000).await, TempStore::new(engine).await);
    let options = TestServer::on(&store);
    options.succeed(&["migrate"]).await;
    let arguments = ["restore", text(&backup)];
    for (phase, by) in [
        ("writing", Signal::KILL),
        ("verifying", Signal::KILL),
        ("writing", Signal::INT),
        ("verifying", Signal::TERM),
    ] {
        let (code, said) = interrupted(&options, &arguments, phase, by).await;
        if by != Signal::KILL {
            assert_eq!(code, Some(130), "{said}");
            assert!(said.contains("nothing was restored"), "{said}");
        }
        // Waits for the locks of what is being undone.
        assert!(is_empty(&store), "{phase} {by:?}");
    }
    options.succeed(&arguments).await;
    assert!(rows(&store) == rows(&file));
}

/// What a killed backup leaves behind is no obstacle, and is never taken for a backup.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_was_killed_has_no_name() {
    let file = file_with(3_000).await;
    let options = TestServer::on(&file);
    let path = backup_in(&file);
    let arguments = ["backup", text(&path)];
    for (phase, by) in [("writing", Signal::KILL), ("verifying", Signal::INT)] {
        interrupted(&options, &arguments, phase, by).await;
        assert!(!path.exists());
    }
    options.succeed(&arguments).await;
    assert!(path.exists());
}

/// Which damage is found is tested beside the format; this is what becomes of the store, and what is said.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_sound_backup_is_not_restored() {
    let ((file, backup), store) = (backup_of(50).await, TempStore::new(Engine::Sqlite).await);
    let options = TestServer::on(&store);
    options.succeed(&["migrate"]).await;
    let restore = ["restore", text(&backup)];
    let whole = fs::read(&backup).unwrap();
    let lines = unzipped(&whole);
    // One bit alone may decode to the same lines: many of them are alike, and any copy of what they share will do.
    let mut damaged = whole.clone();
    let middle = whole.len() / 2;
    damaged[middle..middle + 16].fill(0);
    let changed = lines.replace("It came broken.", "It came whole.");
    for (content, said) in [
        (
            &b"a text, and nothing else\n"[..],
            "it is not a backup made by `server backup`",
        ),
        // What `server backup` wrote before this format.
        (&fs::read(file.file()).unwrap(), "server copy --from sqlite://"),
        (&damaged, "nothing was restored"),
        (&whole[..whole.len() / 2], "it was cut off after line"),
        (&lines.as_bytes()[..lines.len() / 2], "it was cut off after line"),
        (changed.as_bytes(), "its checksum does not match"),
    ] {
        fs::write(&backup, content).unwrap();
        let err = options.fail(&restore).await;
        assert!(err.contains(said), "{err}");
        assert!(is_empty(&store));
    }
    // With the right checksum, but with what the program would never write.
    let phone = "tickets.customer_phone holds a value that the domain refuses";
    for (from, to, said) in [
        ("+15550001111", "call me", phone),
        ("\"sender\":\"customer\"", "\"sender\":\"nobody\"", "messages.sender"),
        ("\"priority\":", "\"urgency\":", "line 2 can't be read"),
    ] {
        change_by_hand(&backup, &whole, |lines| lines.replacen(from, to, 1));
        let err = options.fail(&restore).await;
        assert!(
            err.contains(said) && err.contains("as empty as before") && !err.contains("call me"),
            "{err}"
        );
        assert!(is_empty(&store));
    }
    let none = store.folder().join("none");
    let err = options.fail(&["restore", text(&none)]).await;
    assert!(err.contains("can't be opened"), "{err}");

    // Mended by hand, and as in a backup of a version that did not have some columns yet, it is restored.
    change_by_hand(&backup, &whole, |lines| {
        lines
            .replace("It came broken.", "It came whole.")
            .replace(",\"last_sender\":\"customer\"", "")
            .replace(",\"recipient\":\"manager\"", "")
    });
    let ended = options.succeed(&restore).await;
    assert!(ended.out.contains("50 tickets"), "{ended:?}");
    for (query, value) in [
        ("SELECT group_concat(DISTINCT body) FROM messages", "It came whole."),
        ("SELECT max(last_sender) FROM tickets", "customer"),
        ("SELECT max(recipient) FROM notifications", "manager"),
    ] {
        assert_eq!(store.ask(query), value);
    }
}

/// Through pipes, with programs between that know nothing of it. Compressed by whatever writes gzip.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_goes_through_pipes() {
    let (file, store) = (file_with(20).await, TempStore::new(Engine::Postgres).await);
    let output = TestServer::on(&file).command(&["backup", "-"]).output().await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.contains("backed up"), "{said}");
    let mut again = GzEncoder::new(Vec::new(), Compression::best());
    again.write_all(unzipped(&output.stdout).as_bytes()).unwrap();
    let mut restoring = TestServer::on(&store)
        .command(&["restore", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = restoring.stdin.take().unwrap();
    input.write_all(&again.finish().unwrap()).await.unwrap();
    drop(input);
    assert!(restoring.wait().await.unwrap().success());
    assert!(rows(&store) == rows(&file));
}

/// A server that has the file open keeps a restore out.
#[tokio::test(flavor = "multi_thread")]
async fn a_running_server_s_file_is_not_restored_into() {
    let ((_file, backup), store) = (backup_of(2).await, TempStore::new(Engine::Sqlite).await);
    let server = TestServer::on(&store).start().await;
    let err = TestServer::on(&store).fail(&["restore", text(&backup)]).await;
    assert!(err.contains("stop the server first"), "{err}");
    server.end().await;
}

/// A row that the program would never write can't be restored, so its backup fails at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_with_a_corrupt_row_is_not_backed_up_in_silence() {
    let file = file_with(3).await;
    file.execute("UPDATE tickets SET customer_phone = 'call me' WHERE number = 2");
    let path = backup_in(&file);
    let err = TestServer::on(&file).fail(&["backup", text(&path)]).await;
    let is_named = err.contains("the row with number 2") && err.contains("tickets.customer_phone");
    assert!(is_named && !err.contains("call me"), "{err}");
    assert!(!path.exists());
}
