//! The file and its folder: made, kept private, shared with other processes, refused with a reason.
#![cfg(unix)]

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::Barrier,
    thread,
};

use diesel::{Connection, SqliteConnection, connection::SimpleConnection};
use store_contract::Fixture;
use store_diesel::{
    SqliteStore,
    sqlite::{OpenError, Schema, check},
};
use ticket_domain::{
    Timestamp,
    ports::{NewQuestion, OpenResult, StoreHealth, StoreUnmatched, StoredUnmatched, TicketStore},
};

fn now() -> Timestamp {
    Timestamp::from_unix_micros(1_736_937_000_123_456).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn refused(path: &Path) -> OpenError {
    SqliteStore::open(path).unwrap_err()
}

#[tokio::test]
async fn a_missing_folder_and_its_file_are_made_for_us_alone() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("var/tickets");
    let path = folder.join("tickets.db");
    let store = SqliteStore::open(&path).unwrap();
    store.ping().await.unwrap();
    assert_eq!(mode(&parent.path().join("var")), 0o700);
    assert_eq!(mode(&folder), 0o700);
    for name in ["tickets.db", "tickets.db-wal", "tickets.db-shm", "tickets.db.lock"] {
        assert_eq!(mode(&folder.join(name)), 0o600, "{name}");
    }
}

#[test]
fn a_folder_and_a_file_that_are_there_keep_their_modes() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o750)).unwrap();
    let path = folder.path().join("tickets.db");
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o660)).unwrap();
    SqliteStore::open(&path).unwrap();
    assert_eq!(mode(folder.path()), 0o750);
    assert_eq!(mode(&path), 0o660);
}

#[test]
fn names_that_mean_something_to_sqlite_are_names_of_files() {
    let folder = tempfile::tempdir().unwrap();
    for name in [":memory:", "file:tickets.db?mode=memory", "ti ckets%20🎫.db"] {
        let path = folder.path().join(name);
        SqliteStore::open(&path).unwrap();
        assert!(fs::metadata(&path).unwrap().len() > 0, "{name}");
    }
}

#[tokio::test]
async fn a_restart_keeps_everything() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tickets.db");
    let open = || Fixture::new(std::sync::Arc::new(SqliteStore::open(&path).unwrap()));
    let first = open();
    let opening = first.opening(now());
    assert_eq!(first.store().open(opening.clone()).await.unwrap(), OpenResult::Opened);
    let message = first.message_of(&first.external_id(), now());
    let of = message.from.clone().unwrap();
    let question = first.question(&of, now());
    let asking = Some(NewQuestion {
        question: question.clone(),
        notification: None,
        restated: None,
    });
    let kept = first.store().store_unmatched(StoreUnmatched { message, asking }).await;
    assert_eq!(kept.unwrap(), StoredUnmatched::Stored);
    let thread = first.store().thread(opening.ticket.reference).await.unwrap().unwrap();
    drop(first);

    let second = open();
    let again = second.store().thread(opening.ticket.reference).await.unwrap();
    assert_eq!(again, Some(thread));
    let vitals = second.store().vitals(now()).await.unwrap();
    assert_eq!((vitals.waiting, vitals.unmatched), (1, 1));
    assert_eq!(second.open_question(&of).await, Some(question));
    assert_eq!(second.store().opened_since(now()).await.unwrap(), 1);
}

#[test]
fn eight_that_open_a_new_file_at_once_all_succeed() {
    for _ in 0..5 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/tickets.db");
        let start = Barrier::new(8);
        let stores: Vec<SqliteStore> = thread::scope(|scope| {
            let running: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        SqliteStore::open(&path).unwrap()
                    })
                })
                .collect();
            running.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(stores.len(), 8);
    }
}

#[tokio::test]
async fn two_stores_on_one_file_see_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tickets.db");
    let [first, second] = [(); 2].map(|()| SqliteStore::open(&path).unwrap());
    let opening = Fixture::new(std::sync::Arc::new(first.clone())).opening(now());
    assert_eq!(first.open(opening.clone()).await.unwrap(), OpenResult::Opened);
    assert_eq!(second.open(opening.clone()).await.unwrap(), OpenResult::ReferenceTaken);
    assert!(second.thread(opening.ticket.reference).await.unwrap().is_some());
}

#[test]
fn a_folder_that_cannot_be_made_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let error = refused(&folder.path().join("file/tickets.db"));
    assert!(matches!(error, OpenError::Folder { .. }), "{error:?}");
    assert!(error.to_string().contains("can't be made: give a path"), "{error}");
    assert!(matches!(refused(Path::new("")), OpenError::NotAPath));
}

#[test]
fn a_folder_in_place_of_the_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("tickets.db")).unwrap();
    let error = refused(&folder.path().join("tickets.db"));
    assert!(matches!(error, OpenError::IsAFolder(_)), "{error:?}");
}

#[test]
fn a_read_only_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tickets.db");
    SqliteStore::open(&path).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
    let error = refused(&path);
    assert!(matches!(error, OpenError::ReadOnly(_)), "{error:?}");
    assert!(
        error
            .to_string()
            .ends_with("is read-only: make it writable for this user")
    );
}

#[test]
fn what_is_not_a_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("letter.txt");
    for content in ["short", &"Dear customer, this is no database. ".repeat(200)] {
        fs::write(&path, content).unwrap();
        let error = refused(&path);
        assert!(matches!(error, OpenError::NotADatabase(_)), "{error:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
    }
}

#[test]
fn a_file_of_a_newer_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tickets.db");
    SqliteStore::open(&path).unwrap();
    let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    connection
        .batch_execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('29991231235959')")
        .unwrap();
    let error = refused(&path);
    let told = error.to_string();
    assert!(matches!(error, OpenError::Newer { .. }), "{error:?}");
    assert!(told.ends_with("newer version of this program (migration 29991231235959): run that version"));
}

#[test]
fn a_check_tells_how_far_the_file_is_and_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/tickets.db");
    assert_eq!(check(&path).unwrap(), Schema::Missing);
    assert_eq!(check(&folder.path().join("tickets.db")).unwrap(), Schema::Missing);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);

    let path = folder.path().join("tickets.db");
    fs::write(&path, "").unwrap();
    let migrations = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations/sqlite")).unwrap();
    assert_eq!(check(&path).unwrap(), Schema::Pending(migrations.count()));
    assert_eq!(fs::metadata(&path).unwrap().len(), 0);
    SqliteStore::open(&path).unwrap();
    assert_eq!(check(&path).unwrap(), Schema::UpToDate);

    fs::write(&path, "Dear customer, this is no database. ".repeat(200)).unwrap();
    let error = check(&path).unwrap_err();
    assert!(matches!(error, OpenError::NotADatabase(_)), "{error:?}");
    assert!(check(folder.path()).is_err());
    assert!(check(&path.join("tickets.db")).is_err());
}

/// Not even root makes a file in these folders, although the mode of the first says that its owner may write. A minimal
/// root file system has only the second.
#[cfg(target_os = "linux")]
#[test]
fn a_check_tells_that_this_user_cannot_write_there() {
    let folders = ["/sys/kernel", "/proc"].map(Path::new);
    assert!(folders[1].exists());
    for folder in folders.into_iter().filter(|folder| folder.exists()) {
        let error = check(&folder.join("tickets.db")).unwrap_err();
        assert!(matches!(error, OpenError::File { .. }), "{error:?}");
        let error = check(&folder.join("new/deep/tickets.db")).unwrap_err();
        assert!(matches!(error, OpenError::Folder { .. }), "{error:?}");
    }
}
