//! Files in messages.

use crate::{FileId, FileName, FileType};

/// A file of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its id, in the store and in the [file store](crate::ports::FileStore).
    pub id: FileId,
    /// Its name.
    pub name: FileName,
    /// What it is, by its content.
    pub file_type: FileType,
    /// How many bytes it has.
    pub size: u64,
}

/// A file as others fetch it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachmentLink {
    /// The file.
    pub attachment: Attachment,
    /// A link to it, which expires.
    pub url: String,
}
