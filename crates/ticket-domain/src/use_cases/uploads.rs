//! Receives files, and clears away those that nobody wants.

use std::{
    collections::HashSet,
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context as TaskContext, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use sha2::{Digest, Sha256};

use super::new_id;
use crate::{
    Attachment, FileId, FileName, FileType, MetadataFilter, Timestamp,
    ports::{Attachments, Clock, FileStore, FileStoreError, FileStream, FileStreamError, Random, StoreError, Upload},
};

/// How long an upload waits for the message that it is for.
const UPLOAD_LIFE: Duration = Duration::from_hours(24);

/// How long the sum of all files is believed. What is received meanwhile is added to it.
const SUM_LIFE: Duration = Duration::from_mins(1);

/// How many files one step of a pass looks at.
const STEP: u16 = 100;

/// How much is accepted.
#[derive(Debug, Clone, Copy)]
pub struct FileLimits {
    /// The most bytes that a file may have.
    pub max_size: u64,
    /// The most files that a message may have.
    pub max_per_message: usize,
    /// The most bytes that all files may have together. `None`: as many as there is space for.
    pub quota: Option<u64>,
}

/// Why a file was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// It has no bytes.
    #[error("the file is empty")]
    Empty,
    /// It is of a type that is not accepted.
    #[error("files of this type are not accepted")]
    NotAccepted,
    /// It is too large, too slow, or broke off.
    #[error("the file did not arrive")]
    Content(#[source] FileStreamError),
    /// All files together have as many bytes as they may have, or the disk is full.
    #[error("there is no space for more files")]
    Full,
    /// The file store failed.
    #[error("the file could not be stored")]
    Files(#[source] FileStoreError),
    /// The store failed.
    #[error("the file could not be recorded")]
    Store(#[from] StoreError),
}

impl From<FileStoreError> for UploadError {
    fn from(error: FileStoreError) -> Self {
        match error {
            FileStoreError::Content(error) => Self::Content(error),
            FileStoreError::Full(_) => Self::Full,
            error @ (FileStoreError::NotFound | FileStoreError::Failed(_)) => Self::Files(error),
        }
    }
}

/// An upload is not there, or was cleared away.
#[derive(Debug, thiserror::Error)]
pub enum FindUploadsError {
    /// One of the uploads is not there.
    #[error("there is no such upload")]
    NotFound,
    /// The store failed.
    #[error("the uploads could not be looked up")]
    Store(#[from] StoreError),
}

/// Receives files.
pub struct Uploads {
    store: Arc<dyn Attachments>,
    files: Arc<dyn FileStore>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    limits: FileLimits,
    /// The bytes of all files, and when they were summed up.
    sum: Mutex<Option<(u64, Timestamp)>>,
}

impl Uploads {
    /// Records files in `store` and keeps their contents in `files`.
    pub fn new(
        store: Arc<dyn Attachments>,
        files: Arc<dyn FileStore>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        limits: FileLimits,
    ) -> Self {
        Self {
            store,
            files,
            clock,
            random,
            limits,
            sum: Mutex::new(None),
        }
    }

    /// How much is accepted.
    pub fn limits(&self) -> FileLimits {
        self.limits
    }

    /// Stores a file that somebody sends, which may join a message within 24 hours. Metadata of pictures is removed.
    ///
    /// # Errors
    ///
    /// [`UploadError`]; nothing is stored then, or it is cleared away later.
    pub async fn receive(&self, name: &str, mut content: FileStream) -> Result<Attachment, UploadError> {
        let head = read_head(&mut content).await?;
        let file_type = FileType::detect(&head);
        if head.is_empty() {
            return Err(UploadError::Empty);
        }
        if !file_type.is_accepted() {
            return Err(UploadError::NotAccepted);
        }
        self.has_space().await?;
        let now = self.clock.now();
        let id = FileId(new_id(now, &*self.random));
        self.store.begin_upload(id, now).await?;
        let received = Arc::new(Mutex::new(Received::default()));
        let intake = Intake {
            head: Some(head),
            rest: Some(content),
            filter: MetadataFilter::new(file_type),
            left: self.limits.max_size,
            max_size: self.limits.max_size,
            received: received.clone(),
        };
        self.files.put(id, Box::pin(intake)).await?;
        let (size, digest) = {
            let received = received.lock().unwrap_or_else(PoisonError::into_inner);
            (received.size, received.digest.clone().finalize().into())
        };
        let attachment = Attachment {
            id,
            name: FileName::lenient(name, file_type),
            file_type,
            size,
        };
        let upload = Upload {
            attachment: attachment.clone(),
            digest,
        };
        // It is given up if it took longer than it may wait for its message.
        if !self.store.finish_upload(upload).await? {
            return Err(UploadError::Content(FileStreamError::TooSlow));
        }
        self.add(size);
        Ok(attachment)
    }

    /// Returns the uploads of these ids, in this order.
    ///
    /// # Errors
    ///
    /// [`FindUploadsError::NotFound`] if one is not there.
    pub async fn find(&self, ids: Vec<FileId>) -> Result<Vec<Upload>, FindUploadsError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let wanted = ids.len();
        let found = self.store.uploads(ids).await?;
        if found.len() == wanted {
            Ok(found)
        } else {
            Err(FindUploadsError::NotFound)
        }
    }

    /// Deletes the contents of files that joined no message in time or were erased, and contents that the store does not
    /// know, once they are as old. Returns how many were deleted.
    ///
    /// # Errors
    ///
    /// The first of [`UploadError`]; what is left is for the next pass.
    pub async fn clear_away(&self) -> Result<u64, UploadError> {
        let mut deleted = 0;
        let begun_before = self.clock.now().minus(UPLOAD_LIFE);
        loop {
            let unwanted = self.store.unwanted_files(begun_before, STEP).await?;
            for id in &unwanted {
                self.files.delete(*id).await?;
            }
            let count = unwanted.len();
            deleted += count as u64;
            self.store.forget_files(unwanted).await?;
            if count < usize::from(STEP) {
                break;
            }
        }
        let mut listed = self.files.list();
        loop {
            let mut old = Vec::new();
            let mut is_more = true;
            while is_more && old.len() < usize::from(STEP) {
                match poll_fn(|context| listed.as_mut().poll_next(context))
                    .await
                    .transpose()?
                {
                    Some(object) if object.modified_at < begun_before => old.push(object.id),
                    Some(_) => {}
                    None => is_more = false,
                }
            }
            let known: HashSet<FileId> = self.store.known_files(old.clone()).await?.into_iter().collect();
            for id in old.iter().filter(|id| !known.contains(id)) {
                self.files.delete(*id).await?;
                deleted += 1;
            }
            if !is_more {
                return Ok(deleted);
            }
        }
    }

    /// Checks that the largest file would still fit.
    async fn has_space(&self) -> Result<(), UploadError> {
        let Some(quota) = self.limits.quota else {
            return Ok(());
        };
        let now = self.clock.now();
        let known = *self.sum.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = match known {
            Some((sum, at)) if now < at.plus(SUM_LIFE) => sum,
            _ => {
                let sum = self.store.file_bytes(None).await?;
                *self.sum.lock().unwrap_or_else(PoisonError::into_inner) = Some((sum, now));
                sum
            }
        };
        if sum.saturating_add(self.limits.max_size) > quota {
            return Err(UploadError::Full);
        }
        Ok(())
    }

    fn add(&self, size: u64) {
        if let Some((sum, _)) = &mut *self.sum.lock().unwrap_or_else(PoisonError::into_inner) {
            *sum += size;
        }
    }
}

/// Reads what tells the type of a file.
async fn read_head(content: &mut FileStream) -> Result<Bytes, UploadError> {
    let mut head = BytesMut::new();
    while head.len() < FileType::HEAD {
        match poll_fn(|context| content.as_mut().poll_next(context)).await {
            Some(Ok(piece)) => head.extend_from_slice(&piece),
            Some(Err(error)) => return Err(UploadError::Content(error)),
            None => break,
        }
    }
    Ok(head.freeze())
}

/// What is stored of a file.
#[derive(Default)]
struct Received {
    size: u64,
    digest: Sha256,
}

/// A file on its way into the file store: without metadata, and no larger than it may be.
struct Intake {
    head: Option<Bytes>,
    /// None at its end.
    rest: Option<FileStream>,
    filter: MetadataFilter,
    /// How many more bytes it may have.
    left: u64,
    max_size: u64,
    received: Arc<Mutex<Received>>,
}

impl Intake {
    fn count(&self, piece: Bytes) -> Bytes {
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        received.size += piece.len() as u64;
        received.digest.update(&piece);
        piece
    }
}

impl Stream for Intake {
    type Item = Result<Bytes, FileStreamError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let piece = match (self.head.take(), &mut self.rest) {
                (Some(head), _) => Some(head),
                (None, Some(rest)) => ready!(rest.as_mut().poll_next(context)?),
                (None, None) => return Poll::Ready(None),
            };
            let Some(piece) = piece else {
                self.rest = None;
                return Poll::Ready(None);
            };
            let Some(left) = self.left.checked_sub(piece.len() as u64) else {
                self.rest = None;
                let max = self.max_size;
                return Poll::Ready(Some(Err(FileStreamError::TooLarge { max })));
            };
            self.left = left;
            let filtered = self.filter.push(piece);
            if !filtered.is_empty() {
                return Poll::Ready(Some(Ok(self.count(filtered))));
            }
        }
    }
}
