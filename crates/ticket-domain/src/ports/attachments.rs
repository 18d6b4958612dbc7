//! Files of messages: what the store knows of them. Their contents are in a [`FileStore`](super::FileStore).

use async_trait::async_trait;

use super::StoreError;
use crate::{AccessKeys, Attachment, FileId, Notification, TicketId, TicketRef, Timestamp, Visibility};

/// A file that was uploaded whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The file.
    pub attachment: Attachment,
    /// SHA-256 of its content.
    pub digest: [u8; 32],
}

/// An upload that joins a message.
#[derive(Debug, Clone)]
pub struct NewAttachment {
    /// The upload.
    pub file: FileId,
    /// The notification that sends it to the manager, if they are to get it.
    pub notification: Option<Notification>,
}

/// A file of a message in a thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachedFile {
    /// The file.
    pub attachment: Attachment,
    /// The keys of its ticket.
    pub keys: AccessKeys,
    /// Who sees its message.
    pub visibility: Visibility,
}

/// Files of messages.
///
/// A file is recorded before its content is stored and until its content is deleted, so that no content is ever left that
/// the store doesn't know of.
///
/// # Errors
///
/// Every call fails if the store is unavailable or a row is corrupt; nothing was written then.
#[async_trait]
pub trait Attachments: Send + Sync {
    /// Records a file whose content is about to be stored.
    async fn begin_upload(&self, id: FileId, at: Timestamp) -> Result<(), StoreError>;

    /// Records that a file's content is stored. Returns whether it may join a message: not if it was given up meanwhile.
    async fn finish_upload(&self, upload: Upload) -> Result<bool, StoreError>;

    /// Returns those of the uploads that are whole, in the given order, also if they joined a message by now.
    async fn uploads(&self, ids: Vec<FileId>) -> Result<Vec<Upload>, StoreError>;

    /// Returns a file of a ticket.
    async fn attached_file(&self, reference: TicketRef, id: FileId) -> Result<Option<AttachedFile>, StoreError>;

    /// Returns how many bytes all files have, and those of a ticket.
    async fn file_bytes(&self, of: Option<TicketId>) -> Result<u64, StoreError>;

    /// Gives up uploads that were begun before `begun_before` and joined no message, and returns up to `limit` files whose
    /// content is to be deleted.
    async fn unwanted_files(&self, begun_before: Timestamp, limit: u16) -> Result<Vec<FileId>, StoreError>;

    /// Forgets files whose content was deleted. Others stay as they are.
    async fn forget_files(&self, ids: Vec<FileId>) -> Result<(), StoreError>;

    /// Returns those of the files that the store knows.
    async fn known_files(&self, ids: Vec<FileId>) -> Result<Vec<FileId>, StoreError>;
}
