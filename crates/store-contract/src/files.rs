//! What every file store must do.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use ticket_domain::{
    FileId,
    ports::{FileStore, FileStoreError, FileStream, FileStreamError},
};
use uuid::Uuid;

/// Makes every case a test of the file store that the given function makes: an `async fn() -> (Arc<dyn FileStore>, guard)`.
#[macro_export]
macro_rules! file_store_contract {
    ($make:path) => {
        $crate::file_store_contract! { @tests $make;
            a_file_reads_back_exactly,
            a_part_of_a_file_is_read,
            a_large_file_comes_in_pieces,
            a_later_file_replaces_an_earlier_one,
            files_at_once_are_each_whole,
            what_breaks_off_is_not_there,
            what_is_deleted_is_gone,
            all_files_are_listed,
        }
    };
    (@tests $make:path; $($case:ident,)+) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                let (store, _guard) = $make().await;
                $crate::files::$case(store).await;
            }
        )+
    };
}

fn id(number: u128) -> FileId {
    FileId(Uuid::from_u128(number << 64 | 7 << 76 | number))
}

fn pieces(bytes: &[u8], size: usize) -> FileStream {
    let pieces: Vec<Bytes> = bytes.chunks(size).map(Bytes::copy_from_slice).collect();
    Box::pin(stream::iter(pieces.into_iter().map(Ok)))
}

/// Bytes of which none are like those at another place.
fn bytes(length: u32, seed: u32) -> Vec<u8> {
    (0..length)
        .map(|n| ((n ^ seed).wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

async fn read(store: &Arc<dyn FileStore>, id: FileId, range: Option<Range<u64>>) -> Vec<u8> {
    let content = store.get(id, range).await.unwrap();
    content.stream.try_collect::<Vec<Bytes>>().await.unwrap().concat()
}

async fn is_there(store: &Arc<dyn FileStore>, id: FileId) -> bool {
    !matches!(store.get(id, None).await, Err(FileStoreError::NotFound))
}

/// What was stored is read, also nothing.
pub async fn a_file_reads_back_exactly(store: Arc<dyn FileStore>) {
    for (number, length) in [(1, 0), (2, 1), (3, 100_000)] {
        let file = bytes(length, 1);
        assert!(!is_there(&store, id(number)).await);
        store.put(id(number), pieces(&file, 7_000)).await.unwrap();
        assert_eq!(store.get(id(number), None).await.unwrap().size, u64::from(length));
        assert_eq!(read(&store, id(number), None).await, file);
    }
    store.check().await.unwrap();
}

/// Players seek.
pub async fn a_part_of_a_file_is_read(store: Arc<dyn FileStore>) {
    let file = bytes(1_000_000, 2);
    store.put(id(1), pieces(&file, 100_000)).await.unwrap();
    for (start, end) in [(0, 1), (0, 1_000_000), (999_999, 1_000_000), (300_000, 700_001)] {
        assert_eq!(
            read(&store, id(1), Some(start as u64..end as u64)).await,
            file[start..end]
        );
    }
    assert_eq!(store.get(id(1), Some(0..1)).await.unwrap().size, 1_000_000);
}

/// No piece is long, however large the file is.
pub async fn a_large_file_comes_in_pieces(store: Arc<dyn FileStore>) {
    let file = bytes(20_000_000, 3);
    store.put(id(1), pieces(&file, 1 << 20)).await.unwrap();
    let mut content = store.get(id(1), None).await.unwrap();
    let mut whole = Vec::new();
    while let Some(piece) = content.stream.next().await {
        let piece = piece.unwrap();
        assert!(piece.len() <= 1 << 20, "{}", piece.len());
        whole.extend_from_slice(&piece);
    }
    assert!(whole == file);
}

/// The same id again is another content.
pub async fn a_later_file_replaces_an_earlier_one(store: Arc<dyn FileStore>) {
    store.put(id(1), pieces(&bytes(50_000, 4), 10_000)).await.unwrap();
    let later = bytes(100, 5);
    store.put(id(1), pieces(&later, 10)).await.unwrap();
    assert_eq!(read(&store, id(1), None).await, later);
}

/// Whoever stores at the same time disturbs nobody; of one id, one of the contents stays.
pub async fn files_at_once_are_each_whole(store: Arc<dyn FileStore>) {
    let contents: Vec<Vec<u8>> = (0..8).map(|seed| bytes(300_000, 10 + seed)).collect();
    let puts = contents.iter().enumerate().flat_map(|(number, content)| {
        let own = store.put(id(2 + number as u128), pieces(content, 9_999));
        [own, store.put(id(1), pieces(content, 9_999))]
    });
    let puts: Vec<_> = futures_util::future::join_all(puts).await;
    assert!(puts.iter().all(Result::is_ok), "{puts:?}");
    for (number, content) in contents.iter().enumerate() {
        assert!(read(&store, id(2 + number as u128), None).await == *content);
    }
    assert!(contents.contains(&read(&store, id(1), None).await));
}

/// A file whose sender goes away, or that nobody waits for any more, is not stored.
pub async fn what_breaks_off_is_not_there(store: Arc<dyn FileStore>) {
    let broken = stream::iter([
        Ok(Bytes::from(bytes(100_000, 6))),
        Err(FileStreamError::TooLarge { max: 100_000 }),
    ]);
    let put = store.put(id(1), Box::pin(broken)).await;
    let Err(FileStoreError::Content(FileStreamError::TooLarge { max: 100_000 })) = put else {
        panic!("{put:?}");
    };
    let endless = stream::iter([Ok(Bytes::from(bytes(100_000, 6)))]).chain(stream::pending());
    let put = store.put(id(2), Box::pin(endless));
    tokio::select! {
        put = put => panic!("{put:?}"),
        () = tokio::time::sleep(std::time::Duration::from_millis(50)) => {}
    }
    for number in [1, 2] {
        assert!(!is_there(&store, id(number)).await);
    }
    assert!(store.list().try_collect::<Vec<_>>().await.unwrap().is_empty());
}

/// Deleting succeeds, whether there is something or not.
pub async fn what_is_deleted_is_gone(store: Arc<dyn FileStore>) {
    for number in [1, 2] {
        store.put(id(number), pieces(b"content", 7)).await.unwrap();
    }
    for _ in 0..2 {
        store.delete(id(1)).await.unwrap();
        assert!(!is_there(&store, id(1)).await);
        assert_eq!(read(&store, id(2), None).await, b"content");
    }
}

/// Every file is listed, with its size.
pub async fn all_files_are_listed(store: Arc<dyn FileStore>) {
    let mut expected = Vec::new();
    for number in 1..=300_u16 {
        let size = u32::from(number);
        store
            .put(id(number.into()), pieces(&bytes(size, 7), 1_000))
            .await
            .unwrap();
        expected.push((id(number.into()), u64::from(number)));
    }
    let listed: Vec<_> = store.list().try_collect().await.unwrap();
    let mut listed: Vec<(FileId, u64)> = listed.iter().map(|object| (object.id, object.size)).collect();
    listed.sort_unstable();
    expected.sort_unstable();
    assert_eq!(listed, expected);
}
