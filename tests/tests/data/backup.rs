//! A backup holds what the store held, and comes back as that or not at all.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
};

use black_box::{Engine, ServerOptions, Signal, TempStore, TestServer, on_both_stores};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;

use crate::stores::{ask, execute, file_with, interrupted, is_empty, rows};

on_both_stores!(
    a_backup_of_a_running_server_is_whole,
    a_store_that_is_not_empty_takes_nothing,
    whatever_ends_a_restore_the_store_stays_empty,
);

fn backup_in(store: &TempStore) -> PathBuf {
    store.folder().join("backup.jsonl.gz")
}

async fn run(options: &ServerOptions, command: &str, file: &Path) -> (i32, String, String) {
    let (status, out, err) = options.run(&[command, file.to_str().unwrap()]).await;
    (status.code().unwrap(), out, err)
}

/// A backup of so many tickets.
async fn backup_of(tickets: u32) -> (TempStore, PathBuf) {
    let file = file_with(tickets).await;
    let path = backup_in(&file);
    let (code, out, err) = run(&TestServer::on(&file), "backup", &path).await;
    assert_eq!(code, 0, "{out}{err}");
    (file, path)
}

fn unzipped(path: &Path) -> String {
    let mut text = String::new();
    GzDecoder::new(fs::File::open(path).unwrap())
        .read_to_string(&mut text)
        .unwrap();
    text
}

/// Changes a backup as `docs/dump-format.md` says how: with a new checksum.
fn changed_by_hand(path: &Path, change: impl FnOnce(&str) -> String) {
    let text = unzipped(path);
    let (lines, trailer) = text.trim_end().rsplit_once('\n').unwrap();
    let lines = change(&format!("{lines}\n"));
    let digest = Sha256::digest(&lines);
    let digits: Vec<String> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let (rows, _) = trailer.split_once("\"sha256\":").unwrap();
    fs::write(path, format!("{lines}{rows}\"sha256\":\"{}\"}}}}\n", digits.concat())).unwrap();
}

/// While tickets come in, a backup is one state of the store; restored into either kind of store it is the same.
async fn a_backup_of_a_running_server_is_whole(engine: Engine) {
    let (store, catalogue) = (TempStore::new(engine).await, TempStore::new(Engine::Postgres).await);
    let options = TestServer::on(&store);
    let server = options.start().await;
    for _ in 0..20 {
        server.open().await;
    }
    let path = backup_in(&store);
    let opening = async {
        loop {
            server.open().await;
        }
    };
    let (code, out, err) = tokio::select! {
        ended = run(&options, "backup", &path) => ended,
        () = opening => unreachable!(),
    };
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("backed up and verified: "), "{out}");
    assert!(!format!("{out}{err}").contains("postgres://"), "{out}{err}");
    assert!(server.stop().await.success());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let left: Vec<_> = fs::read_dir(store.folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("backup."))
        .collect();
    assert_eq!(left, ["backup.jsonl.gz"]);

    let mut restored = Vec::new();
    for into in [Engine::Sqlite, Engine::Postgres] {
        let store = TempStore::new(into).await;
        let (code, out, err) = run(&TestServer::on(&store), "restore", &path).await;
        assert_eq!(code, 0, "{out}{err}");
        restored.push(rows(&store, &catalogue));
        // The server goes on with it, and finds everything.
        let server = TestServer::on(&store).start().await;
        let found = server.get_as_operator("/api/tickets?q=quuxley&limit=100").await.json();
        let count: usize = ask(&store, "SELECT count(*) FROM tickets").parse().unwrap();
        assert!(count >= 20, "{count}");
        assert_eq!(found["tickets"].as_array().unwrap().len(), count.min(100));
        // A number may be left out: of a ticket whose reference was taken.
        let last: u64 = ask(&store, "SELECT max(number) FROM tickets").parse().unwrap();
        let newest = server.open().await;
        let number = format!("SELECT number FROM tickets WHERE reference = '{newest}'");
        let number: u64 = ask(&store, &number).parse().unwrap();
        assert!(number > last, "{number} {last}");
        assert!(server.stop().await.success());
    }
    assert!(restored[0] == restored[1]);
    // Every ticket has its message and its notification: it is one state.
    assert_eq!(restored[0]["tickets"].len(), restored[0]["messages"].len());
    assert_eq!(restored[0]["tickets"].len(), restored[0]["notifications"].len());

    let (code, _, err) = run(&options, "backup", &path).await;
    assert_eq!(code, 1);
    assert!(err.contains("is there already"), "{err}");
}

async fn a_store_that_is_not_empty_takes_nothing(engine: Engine) {
    let (full, catalogue) = (TempStore::new(engine).await, TempStore::new(Engine::Postgres).await);
    let options = TestServer::on(&full);
    let server = options.start().await;
    server.open().await;
    assert!(server.stop().await.success());
    let before = rows(&full, &catalogue);
    let (_store, backup) = backup_of(3).await;
    let (code, _, err) = run(&options, "restore", &backup).await;
    assert_eq!(code, 1);
    assert!(err.contains("not empty") && err.contains("1 rows in tickets"), "{err}");
    assert!(rows(&full, &catalogue) == before);
}

async fn whatever_ends_a_restore_the_store_stays_empty(engine: Engine) {
    let ((file, backup), store) = (backup_of(3_000).await, TempStore::new(engine).await);
    let catalogue = TempStore::new(Engine::Postgres).await;
    let options = TestServer::on(&store);
    assert!(options.run(&["migrate"]).await.0.success());
    let arguments = ["restore", backup.to_str().unwrap()];
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
    let (code, out, err) = run(&options, "restore", &backup).await;
    assert_eq!(code, 0, "{out}{err}");
    assert!(rows(&store, &catalogue) == rows(&file, &catalogue));
}

/// What a killed backup leaves behind is no obstacle, and is never taken for a backup.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_was_killed_has_no_name() {
    let file = file_with(3_000).await;
    let options = TestServer::on(&file);
    let path = backup_in(&file);
    for (phase, by) in [("writing", Signal::KILL), ("verifying", Signal::INT)] {
        interrupted(&options, &["backup", path.to_str().unwrap()], phase, by).await;
        assert!(!path.exists());
    }
    let (code, out, err) = run(&options, "backup", &path).await;
    assert_eq!(code, 0, "{out}{err}");
    assert!(path.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_backup_is_refused() {
    let store = TempStore::new(Engine::Sqlite).await;
    let options = TestServer::on(&store);
    let text = store.folder().join("text");
    fs::write(&text, "a text, and nothing else\n").unwrap();
    let file = file_with(1).await;
    for (path, said) in [
        (store.folder().join("none"), "can't be opened"),
        (text, "it is not a backup made by `server backup`"),
        // What `server backup` wrote before this format, too.
        (file.file(), "server copy --from sqlite://"),
    ] {
        let (code, _, err) = run(&options, "restore", &path).await;
        assert_eq!(code, 1);
        assert!(err.contains(said), "{err}");
    }
    assert!(is_empty_or_missing(&store));
}

/// A target may not have been made yet.
fn is_empty_or_missing(store: &TempStore) -> bool {
    !store.file().exists() || is_empty(store)
}

/// A bit that flipped, a file that was cut off, a line that was changed.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_was_damaged_is_not_restored() {
    let ((_file, backup), store) = (backup_of(50).await, TempStore::new(Engine::Sqlite).await);
    let options = TestServer::on(&store);
    let (whole, text) = (fs::read(&backup).unwrap(), unzipped(&backup));
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    let changed = text.replace("It came broken.", "It came whole.");
    for (content, said) in [
        (flipped, "nothing was restored"),
        (whole[..whole.len() / 2].to_vec(), "it was cut off after line"),
        (text.as_bytes()[..text.len() / 2].to_vec(), "it was cut off after line"),
        (changed.into_bytes(), "its checksum does not match"),
    ] {
        fs::write(&backup, content).unwrap();
        let (code, _, err) = run(&options, "restore", &backup).await;
        assert_eq!(code, 1);
        assert!(err.contains(said) && err.contains("as empty as before"), "{err}");
        assert!(is_empty(&store));
    }
    fs::write(&backup, whole).unwrap();
    let (code, out, err) = run(&options, "restore", &backup).await;
    assert_eq!((code, out.contains("50 tickets")), (0, true), "{out}{err}");
}

/// A backup can be mended by hand. What the program would never write is refused even so.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_was_changed_by_hand_is_restored_if_it_is_sound() {
    let ((_file, backup), store) = (backup_of(2).await, TempStore::new(Engine::Sqlite).await);
    let options = TestServer::on(&store);
    let refused = [
        (
            "+15550001111",
            "call me",
            "tickets.customer_phone holds a value that the domain refuses",
        ),
        ("\"sender\":\"customer\"", "\"sender\":\"nobody\"", "messages.sender"),
        ("\"priority\":", "\"urgency\":", "line 2 can't be read"),
    ];
    for (from, to, said) in refused {
        changed_by_hand_and_back(&backup, from, to, async |backup| {
            let (code, _, err) = run(&options, "restore", backup).await;
            assert_eq!(code, 1);
            assert!(err.contains(said) && !err.contains("call me"), "{err}");
            assert!(is_empty(&store));
        })
        .await;
    }
    changed_by_hand(&backup, |lines| {
        // As in a backup of a version that did not have these columns yet.
        lines
            .replace("It came broken.", "It came whole.")
            .replace(",\"last_sender\":\"customer\"", "")
            .replace(",\"recipient\":\"manager\"", "")
    });
    let (code, out, err) = run(&options, "restore", &backup).await;
    assert_eq!(code, 0, "{out}{err}");
    let texts = ask(&store, "SELECT group_concat(body) FROM messages");
    assert_eq!(texts, "It came whole.,It came whole.");
    assert_eq!(ask(&store, "SELECT max(last_sender) FROM tickets"), "customer");
    assert_eq!(ask(&store, "SELECT max(recipient) FROM notifications"), "manager");
}

async fn changed_by_hand_and_back(backup: &Path, from: &str, to: &str, check: impl AsyncFnOnce(&Path)) {
    let before = fs::read(backup).unwrap();
    changed_by_hand(backup, |lines| lines.replacen(from, to, 1));
    check(backup).await;
    fs::write(backup, before).unwrap();
}

/// Through pipes, with programs between that know nothing of it. Compressed by whatever writes gzip.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_goes_through_pipes() {
    let (file, store) = (file_with(20).await, TempStore::new(Engine::Postgres).await);
    let output = TestServer::on(&file).command(&["backup", "-"]).output().await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.contains("backed up"), "{said}");
    let mut text = String::new();
    GzDecoder::new(&output.stdout[..]).read_to_string(&mut text).unwrap();
    let mut again = GzEncoder::new(Vec::new(), Compression::best());
    again.write_all(text.as_bytes()).unwrap();
    let again = again.finish().unwrap();
    let mut restoring = TestServer::on(&store)
        .command(&["restore", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = restoring.stdin.take().unwrap();
    input.write_all(&again).await.unwrap();
    drop(input);
    let output = restoring.wait_with_output().await.unwrap();
    assert!(output.status.success());
    assert!(rows(&store, &store) == rows(&file, &store));
}

/// A server that has the file open keeps a restore out.
#[tokio::test(flavor = "multi_thread")]
async fn a_running_server_s_file_is_not_restored_into() {
    let ((_file, backup), store) = (backup_of(2).await, TempStore::new(Engine::Sqlite).await);
    let server = TestServer::on(&store).start().await;
    let (code, _, err) = run(&TestServer::on(&store), "restore", &backup).await;
    assert_eq!(code, 1);
    assert!(err.contains("stop the server first"), "{err}");
    assert!(server.stop().await.success());
}

/// A row that the program would never write can't be restored, so its backup fails at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_with_a_corrupt_row_is_not_backed_up_in_silence() {
    let file = file_with(3).await;
    execute(&file, "UPDATE tickets SET customer_phone = 'call me' WHERE number = 2");
    let path = backup_in(&file);
    let (code, _, err) = run(&TestServer::on(&file), "backup", &path).await;
    assert_eq!(code, 1);
    assert!(
        err.contains("the row with number 2") && err.contains("tickets.customer_phone"),
        "{err}"
    );
    assert!(!err.contains("call me"), "{err}");
    assert!(!path.exists());
}
