//! The contents of files in a folder, on the `object_store` crate.
//!
//! A file lies in a subfolder named after the last two digits of its id, which are random, so that no folder gets long. It is
//! written under another name beside it, and gets its own when all of it is on the disk.

mod reading;

use std::{
    fs, io,
    ops::Range,
    path::PathBuf,
    str::FromStr as _,
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::{
    GetOptions, GetRange, GetResult, GetResultPayload, MultipartUpload, ObjectStore, ObjectStoreExt as _, PutPayload,
    local::LocalFileSystem, path::Path,
};
use ticket_domain::{
    FileId, Timestamp,
    ports::{FileContent, FileList, FileStore, FileStoreError, FileStream, StoredObject},
};
use tokio::task::spawn_blocking;
use uuid::Uuid;

/// After this time a file that is not whole is left from a process that was killed.
const STALE: Duration = Duration::from_hours(24);

/// What comes behind the name of a file while it is written.
const UNFINISHED: char = '#';

/// Contents of files in a folder.
#[derive(Debug)]
pub struct FolderFiles {
    folder: PathBuf,
    objects: LocalFileSystem,
}

/// Why a folder can't be used.
#[derive(Debug, thiserror::Error)]
#[error("the folder {} for files can't be used", folder.display())]
pub struct SetUpError {
    folder: PathBuf,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl FolderFiles {
    /// Uses a folder, which is made if it is not there: only its owner can read it. Blocks.
    ///
    /// # Errors
    ///
    /// If it can't be made, or is no folder.
    pub fn open(folder: PathBuf) -> Result<Self, SetUpError> {
        let made = private_folder(&folder).map_err(Into::into);
        let objects = made.and_then(|()| LocalFileSystem::new_with_prefix(&folder).map_err(Into::into));
        match objects {
            Ok(objects) => Ok(Self {
                folder,
                objects: objects.with_fsync(true),
            }),
            Err(source) => Err(SetUpError { folder, source }),
        }
    }
}

fn private_folder(folder: &std::path::Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Where a file lies.
fn path(id: FileId) -> Path {
    let name = id.0.to_string();
    Path::from_iter([&name[name.len() - 2..], &name])
}

/// What went wrong, as callers can tell it apart.
fn failed(error: object_store::Error) -> FileStoreError {
    if matches!(error, object_store::Error::NotFound { .. }) {
        return FileStoreError::NotFound;
    }
    let error: Arc<dyn std::error::Error + Send + Sync> = Arc::new(error);
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&*error);
    while let Some(this) = cause {
        if let Some(io) = this.downcast_ref::<io::Error>()
            && matches!(io.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        {
            return FileStoreError::Full(error);
        }
        cause = this.source();
    }
    FileStoreError::Failed(error)
}

#[async_trait]
impl FileStore for FolderFiles {
    async fn put(&self, id: FileId, mut content: FileStream) -> Result<(), FileStoreError> {
        // Dropped before it is complete, it leaves nothing.
        let mut upload = self.objects.put_multipart(&path(id)).await.map_err(failed)?;
        while let Some(piece) = content.next().await {
            let written = match piece {
                Ok(piece) => upload.put_part(PutPayload::from(piece)).await.map_err(failed),
                Err(error) => Err(FileStoreError::Content(error)),
            };
            if let Err(error) = written {
                // What can't be removed now is removed once it is stale.
                drop(upload.abort().await);
                return Err(error);
            }
        }
        upload.complete().await.map(drop).map_err(failed)
    }

    async fn get(&self, id: FileId, range: Option<Range<u64>>) -> Result<FileContent, FileStoreError> {
        // An empty file has no range.
        let range = range.filter(|range| !range.is_empty());
        let options = GetOptions {
            range: range.map(GetRange::Bounded),
            ..GetOptions::default()
        };
        let GetResult {
            payload, meta, range, ..
        } = self.objects.get_opts(&path(id), options).await.map_err(failed)?;
        let stream: FileStream = match payload {
            GetResultPayload::File(file, _) => Box::pin(reading::pieces(file, range)),
            GetResultPayload::Stream(stream) => Box::pin(stream.map_err(reading::broke_off)),
        };
        Ok(FileContent {
            size: meta.size,
            stream,
        })
    }

    async fn delete(&self, id: FileId) -> Result<(), FileStoreError> {
        match self.objects.delete(&path(id)).await.map_err(failed) {
            Err(FileStoreError::NotFound) => Ok(()),
            deleted => deleted,
        }
    }

    fn list(&self) -> FileList {
        let folder = self.folder.clone();
        let folders = stream::once(async move { blocking(move || subfolders(&folder)).await }).map_ok(|folders| {
            stream::iter(folders)
                .then(|folder| blocking(move || files(&folder)))
                .map_ok(|files| stream::iter(files.into_iter().map(Ok)))
        });
        Box::pin(folders.try_flatten().try_flatten())
    }

    async fn check(&self) -> Result<(), FileStoreError> {
        let probe = FileId(Uuid::nil());
        self.put(probe, Box::pin(stream::once(async { Ok("probe".into()) })))
            .await?;
        self.get(probe, None).await?;
        self.delete(probe).await
    }
}

/// Runs what blocks where it may.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, FileStoreError> {
    let done = spawn_blocking(work).await.map_err(io::Error::other).flatten();
    done.map_err(|error| FileStoreError::Failed(Arc::new(error)))
}

fn subfolders(folder: &std::path::Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
}

/// The files in a subfolder. Removes what is left of unfinished ones.
fn files(folder: &std::path::Path) -> io::Result<Vec<StoredObject>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (name, about) = (entry.file_name(), entry.metadata()?);
        let name = name.to_string_lossy();
        let modified = about.modified()?;
        if name.contains(UNFINISHED) {
            if modified.elapsed().is_ok_and(|age| age > STALE) {
                fs::remove_file(entry.path())?;
            }
        } else if let Ok(id) = Uuid::from_str(&name) {
            found.push(StoredObject {
                id: FileId(id),
                size: about.len(),
                modified_at: timestamp(modified),
            });
        }
    }
    Ok(found)
}

fn timestamp(at: SystemTime) -> Timestamp {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let micros = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_unix_micros(micros).unwrap_or(Timestamp::UNIX_EPOCH)
}
