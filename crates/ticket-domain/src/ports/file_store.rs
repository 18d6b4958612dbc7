//! The contents of files.

use std::{ops::Range, pin::Pin, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;

use crate::{FileId, Timestamp};

/// The bytes of a file, piece by piece.
pub type FileStream = Pin<Box<dyn Stream<Item = Result<Bytes, FileStreamError>> + Send>>;

/// Files, one after the other.
pub type FileList = Pin<Box<dyn Stream<Item = Result<StoredObject, FileStoreError>> + Send>>;

/// Why a stream of bytes ended early.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FileStreamError {
    /// The file has more bytes than it may have.
    #[error("the file is larger than {max} bytes")]
    TooLarge {
        /// The limit that was passed.
        max: u64,
    },
    /// The bytes did not arrive in time.
    #[error("the file took too long to arrive")]
    TooSlow,
    /// The sender went away, or the store failed while it was read.
    #[error("the file broke off")]
    BrokeOff(#[source] Arc<dyn std::error::Error + Send + Sync>),
}

/// Why a call of a file store failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FileStoreError {
    /// There is no such file.
    #[error("there is no such file")]
    NotFound,
    /// The stream that was to be stored ended early. Nothing is stored.
    #[error("the file did not arrive")]
    Content(#[source] FileStreamError),
    /// No space is left.
    #[error("the file store is full")]
    Full(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// Anything else; a later call may succeed.
    #[error("the file store failed")]
    Failed(#[source] Arc<dyn std::error::Error + Send + Sync>),
}

/// A file in a file store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredObject {
    /// The file.
    pub id: FileId,
    /// How many bytes it has.
    pub size: u64,
    /// When it was stored.
    pub modified_at: Timestamp,
}

/// All of a file, or a part of it.
pub struct FileContent {
    /// How many bytes the whole file has.
    pub size: u64,
    /// The bytes that were asked for.
    pub stream: FileStream,
}

/// Contents of files, by their ids. A file is whole or not there: it is found only once [`put`](Self::put) has returned.
///
/// # Errors
///
/// Every call returns [`FileStoreError::Failed`] if the store can't be reached, or answers with an error.
#[async_trait]
pub trait FileStore: Send + Sync {
    /// Stores a file. `Ok` means that it survives a crash of the machine. Memory use does not depend on its size. A file that
    /// is there already is replaced.
    ///
    /// # Errors
    ///
    /// [`FileStoreError::Content`] if `content` ended early, [`FileStoreError::Full`] if there is no space; nothing is stored
    /// then.
    async fn put(&self, id: FileId, content: FileStream) -> Result<(), FileStoreError>;

    /// Returns a file, or the bytes in `range`, which must lie within it.
    ///
    /// # Errors
    ///
    /// [`FileStoreError::NotFound`] without such a file.
    async fn get(&self, id: FileId, range: Option<Range<u64>>) -> Result<FileContent, FileStoreError>;

    /// Deletes a file. Succeeds also if there is none.
    async fn delete(&self, id: FileId) -> Result<(), FileStoreError>;

    /// Returns all files in any order, for repairs. What an interrupted [`put`](Self::put) left is removed meanwhile, once
    /// it is a day old.
    fn list(&self) -> FileList;

    /// Checks that files can be written, read and deleted.
    async fn check(&self) -> Result<(), FileStoreError>;
}
