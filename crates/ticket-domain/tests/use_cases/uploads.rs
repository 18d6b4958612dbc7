//! Receiving files.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;
use ticket_domain::{
    FileId, FileType, Timestamp,
    ports::{
        Clock, FileContent, FileList, FileStore, FileStoreError, FileStream, FileStreamError, Store, StoredObject,
    },
    use_cases::{FileLimits, FindUploadsError, OpenError, UploadError, Uploads},
};
use uuid::Uuid;

use crate::support::{HandClock, World, request};

/// Items that are there already.
struct Items<T>(std::vec::IntoIter<T>);

impl<T: Unpin> Stream for Items<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<T>> {
        Poll::Ready(self.0.next())
    }
}

fn stream(pieces: Vec<Result<Bytes, FileStreamError>>) -> FileStream {
    Box::pin(Items(pieces.into_iter()))
}

fn pieces(bytes: &[u8], size: usize) -> FileStream {
    stream(
        bytes
            .chunks(size)
            .map(|piece| Ok(Bytes::copy_from_slice(piece)))
            .collect(),
    )
}

/// Files in memory.
struct MemoryFiles {
    clock: Arc<HandClock>,
    files: Mutex<BTreeMap<FileId, (Vec<u8>, Timestamp)>>,
}

#[async_trait]
impl FileStore for MemoryFiles {
    async fn put(&self, id: FileId, mut content: FileStream) -> Result<(), FileStoreError> {
        let mut whole = Vec::new();
        while let Some(piece) = std::future::poll_fn(|context| content.as_mut().poll_next(context)).await {
            whole.extend_from_slice(&piece.map_err(FileStoreError::Content)?);
        }
        self.files.lock().unwrap().insert(id, (whole, self.clock.now()));
        Ok(())
    }

    async fn get(&self, id: FileId, _: Option<std::ops::Range<u64>>) -> Result<FileContent, FileStoreError> {
        let found = self.files.lock().unwrap().get(&id).cloned();
        let (bytes, _) = found.ok_or(FileStoreError::NotFound)?;
        Ok(FileContent {
            size: bytes.len() as u64,
            stream: pieces(&bytes, 1_000),
        })
    }

    async fn delete(&self, id: FileId) -> Result<(), FileStoreError> {
        self.files.lock().unwrap().remove(&id);
        Ok(())
    }

    fn list(&self) -> FileList {
        let files = self.files.lock().unwrap();
        let listed = files.iter().map(|(id, (bytes, modified_at))| {
            Ok(StoredObject {
                id: *id,
                size: bytes.len() as u64,
                modified_at: *modified_at,
            })
        });
        Box::pin(Items(listed.collect::<Vec<_>>().into_iter()))
    }

    async fn check(&self) -> Result<(), FileStoreError> {
        Ok(())
    }
}

const LIMITS: FileLimits = FileLimits {
    max_size: 20_000,
    max_per_message: 3,
    quota: Some(50_000),
};

fn uploads(world: &World) -> (Uploads, Arc<MemoryFiles>) {
    let files = Arc::new(MemoryFiles {
        clock: world.clock.clone(),
        files: Mutex::default(),
    });
    let store: Arc<dyn Store> = world.store.clone();
    let uploads = Uploads::new(
        store,
        files.clone(),
        world.clock.clone(),
        world.context().random,
        LIMITS,
    );
    (uploads, files)
}

fn picture(length: usize) -> Vec<u8> {
    [
        &b"\xff\xd8\xff\xe1\0\x10Exif\0\0GPS 48 N"[..],
        b"\xff\xda\0\x02",
        &vec![b'x'; length],
        b"\xff\xd9",
    ]
    .concat()
}

#[tokio::test]
async fn a_picture_is_kept_without_its_metadata_and_joins_a_ticket() {
    let world = World::default();
    let (uploads, files) = uploads(&world);
    let file = uploads
        .receive("../IMG 1.exe", pieces(&picture(15_000), 777))
        .await
        .unwrap();
    let kept = files.files.lock().unwrap()[&file.id].0.clone();
    assert!(!kept.windows(3).any(|window| window == b"GPS"));
    assert_eq!(kept.len(), 15_000 + 8);
    assert_eq!((file.size, file.file_type), (kept.len() as u64, FileType::Jpeg));
    assert_eq!(file.name.as_str(), "IMG 1.exe.jpg");
    let mut broken = request("Broken");
    broken.attachments = uploads.find(vec![file.id]).await.unwrap();
    let opened = world.opener().open(broken.clone(), None, None).await.unwrap();
    let thread = world.store.thread(opened.reference).await.unwrap().unwrap();
    assert_eq!(thread.messages[0].attachments, std::slice::from_ref(&file));
    // Whoever uploads the same once more and sends the form again has the same ticket; another picture makes another request.
    let again = uploads
        .receive("b.jpg", pieces(&picture(15_000), 20_000))
        .await
        .unwrap();
    let mut twice = broken.clone();
    twice.attachments = uploads.find(vec![again.id]).await.unwrap();
    assert_eq!(twice.digest(), broken.digest());
    assert_ne!(request("Broken").digest(), broken.digest());
    let mut other = request("Other words");
    other.attachments = broken.attachments;
    let refused = world.opener().open(other, None, None).await;
    assert!(matches!(refused, Err(OpenError::UploadGone)), "{refused:?}");
    let unknown = uploads.find(vec![file.id, FileId(Uuid::nil())]).await;
    assert!(matches!(unknown, Err(FindUploadsError::NotFound)), "{unknown:?}");
}

#[tokio::test]
async fn what_is_not_accepted_leaves_nothing() {
    let world = World::default();
    let (uploads, files) = uploads(&world);
    let broken = || stream(vec![Ok(Bytes::from_static(b"%PDF-1.7")), Err(FileStreamError::TooSlow)]);
    for (content, expected) in [
        (pieces(b"", 1), "Empty"),
        (pieces(b"MZ\x90\0", 1), "NotAccepted"),
        (pieces(&picture(20_000), 1_000), "Content(TooLarge { max: 20000 })"),
        (broken(), "Content(TooSlow)"),
    ] {
        let error = uploads.receive("file", content).await.unwrap_err();
        assert_eq!(format!("{error:?}"), expected);
    }
    assert!(files.files.lock().unwrap().is_empty());
}

#[tokio::test]
async fn there_is_space_for_the_largest_file_or_for_none() {
    let world = World::default();
    let (uploads, _) = uploads(&world);
    for _ in 0..2 {
        uploads.receive("a.jpg", pieces(&picture(15_100), 5_000)).await.unwrap();
    }
    let full = uploads.receive("a.jpg", pieces(&picture(10), 5_000)).await;
    assert!(matches!(full, Err(UploadError::Full)), "{full:?}");
    // What joined no message makes room.
    world.clock.advance(Duration::from_hours(25));
    assert_eq!(uploads.clear_away().await.unwrap(), 2);
    uploads.receive("a.jpg", pieces(&picture(10), 5_000)).await.unwrap();
}

#[tokio::test]
async fn only_what_nobody_wants_is_cleared_away() {
    let world = World::default();
    let (uploads, files) = uploads(&world);
    let joined = uploads.receive("a.jpg", pieces(&picture(1), 100)).await.unwrap();
    let mut ticket = request("Broken");
    ticket.attachments = uploads.find(vec![joined.id]).await.unwrap();
    world.opener().open(ticket, None, None).await.unwrap();
    let left = uploads.receive("b.jpg", pieces(&picture(2), 100)).await.unwrap();
    // One that the store doesn't know, as after an older backup was restored.
    let stranger = FileId(Uuid::from_u128(7));
    files.put(stranger, pieces(b"x", 1)).await.unwrap();
    // And one whose content is not there yet.
    world
        .store
        .begin_upload(FileId(Uuid::from_u128(8)), world.clock.now())
        .await
        .unwrap();
    assert_eq!(uploads.clear_away().await.unwrap(), 0);
    world.clock.advance(Duration::from_hours(23));
    let young = uploads.receive("c.jpg", pieces(&picture(3), 100)).await.unwrap();
    world.clock.advance(Duration::from_hours(2));
    assert_eq!(uploads.clear_away().await.unwrap(), 3);
    let kept: Vec<FileId> = files.files.lock().unwrap().keys().copied().collect();
    assert_eq!(kept, [joined.id, young.id]);
    assert!(uploads.find(vec![left.id]).await.is_err());
    assert_eq!(uploads.clear_away().await.unwrap(), 0);
}
