//! Files in a folder.
// Tests run with the real clock.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

use std::{fs, os::unix::fs::PermissionsExt, sync::Arc, time::SystemTime};

use bytes::Bytes;
use files_object_store::FolderFiles;
use futures_util::{TryStreamExt as _, stream};
use tempfile::TempDir;
use ticket_domain::{
    FileId,
    ports::{FileStore, FileStoreError},
};
use uuid::Uuid;

#[allow(clippy::unused_async, reason = "as the contract takes it")]
async fn folder() -> (Arc<dyn FileStore>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let files = FolderFiles::open(folder.path().join("made/files")).unwrap();
    (Arc::new(files), folder)
}

store_contract::file_store_contract!(folder);

#[tokio::test]
async fn nobody_else_can_read_the_folder() {
    let (_files, folder) = folder().await;
    let mode = fs::metadata(folder.path().join("made/files"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[tokio::test]
async fn what_is_no_folder_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = FolderFiles::open(file.path().to_owned()).unwrap_err();
    assert!(error.to_string().contains("can't be used"), "{error}");
}

#[tokio::test]
async fn a_folder_that_goes_is_a_failure() {
    let (files, folder) = folder().await;
    fs::remove_dir_all(folder.path().join("made")).unwrap();
    fs::write(folder.path().join("made"), "a file").unwrap();
    let put = files
        .put(FileId(Uuid::nil()), Box::pin(stream::iter([Ok(Bytes::from("x"))])))
        .await;
    assert!(matches!(put, Err(FileStoreError::Failed(_))), "{put:?}");
    assert!(files.check().await.is_err());
    assert!(files.list().try_collect::<Vec<_>>().await.is_err());
}

#[tokio::test]
async fn what_a_killed_process_left_goes_once_it_is_old() {
    let (files, folder) = folder().await;
    let id = FileId(Uuid::from_u128(0xab));
    files
        .put(id, Box::pin(stream::iter([Ok(Bytes::from("whole"))])))
        .await
        .unwrap();
    let within = folder.path().join("made/files/ab");
    let [young, old] = ["1", "2"].map(|number| within.join(format!("{}#{number}", Uuid::nil())));
    fs::write(&young, "half").unwrap();
    let yesterday = SystemTime::now() - std::time::Duration::from_hours(25);
    fs::File::create(&old).unwrap().set_modified(yesterday).unwrap();
    let listed: Vec<_> = files.list().try_collect().await.unwrap();
    assert_eq!(listed.iter().map(|object| object.id).collect::<Vec<_>>(), [id]);
    assert_eq!((young.exists(), old.exists()), (true, false));
}
