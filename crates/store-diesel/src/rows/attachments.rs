//! Rows of files.

use diesel::{Queryable, Selectable, pg::Pg, sqlite::Sqlite};
use serde::{Deserialize, Serialize};
use ticket_domain::{
    AccessKeys, Attachment, FileId,
    ports::{AttachedFile, StoreError, Upload, parse},
};
use uuid::Uuid;

use super::{MustNotBeNull, digest, number};
use crate::{schema::files, types::Stored};

const TABLE: &str = "files";

/// A file as `messages.attachments` has it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListedFile {
    id: Stored<Uuid>,
    name: String,
    #[serde(rename = "type")]
    file_type: String,
    size: u64,
}

/// Writes `messages.attachments`.
pub(crate) fn attachment_list(attachments: &[Attachment]) -> Result<String, StoreError> {
    let listed = attachments.iter().map(|attachment| ListedFile {
        id: Stored(attachment.id.0),
        name: attachment.name.to_string(),
        file_type: attachment.file_type.to_string(),
        size: attachment.size,
    });
    serde_json::to_string(&listed.collect::<Vec<_>>()).map_err(corrupt_list)
}

/// Reads `messages.attachments`.
pub(crate) fn attachments(listed: Option<&str>) -> Result<Vec<Attachment>, StoreError> {
    let Some(listed) = listed else {
        return Ok(Vec::new());
    };
    let listed: Vec<ListedFile> = serde_json::from_str(listed).map_err(corrupt_list)?;
    let attachments = listed.into_iter().map(|file| {
        Ok(Attachment {
            id: FileId(file.id.0),
            name: parse("messages", "attachments", &file.name)?,
            file_type: parse("messages", "attachments", &file.file_type)?,
            size: file.size,
        })
    });
    attachments.collect()
}

fn corrupt_list(error: serde_json::Error) -> StoreError {
    StoreError::corrupt("messages", "attachments", error)
}

/// A file whose content is stored.
#[derive(Queryable, Selectable)]
#[diesel(table_name = files, check_for_backend(Pg, Sqlite))]
pub(crate) struct UploadRow {
    pub(crate) id: Stored<FileId>,
    name: Option<String>,
    file_type: Option<String>,
    size: Option<i64>,
    digest: Option<Vec<u8>>,
}

impl TryFrom<UploadRow> for Upload {
    type Error = StoreError;

    fn try_from(row: UploadRow) -> Result<Self, StoreError> {
        let missing = |column| StoreError::corrupt(TABLE, column, MustNotBeNull);
        let name = row.name.ok_or_else(|| missing("name"))?;
        let file_type = row.file_type.ok_or_else(|| missing("file_type"))?;
        Ok(Self {
            attachment: Attachment {
                id: row.id.0,
                name: parse(TABLE, "name", &name)?,
                file_type: parse(TABLE, "file_type", &file_type)?,
                size: number(TABLE, "size", row.size.ok_or_else(|| missing("size"))?)?,
            },
            digest: digest(TABLE, &row.digest.ok_or_else(|| missing("digest"))?)?,
        })
    }
}

/// A file of a message in a thread.
#[derive(Queryable)]
pub(crate) struct AttachedFileRow {
    file: UploadRow,
    customer_key: String,
    reader_key: String,
    visibility: String,
}

impl TryFrom<AttachedFileRow> for AttachedFile {
    type Error = StoreError;

    fn try_from(row: AttachedFileRow) -> Result<Self, StoreError> {
        Ok(Self {
            attachment: Upload::try_from(row.file)?.attachment,
            keys: AccessKeys {
                customer: parse("tickets", "customer_key", &row.customer_key)?,
                reader: parse("tickets", "reader_key", &row.reader_key)?,
            },
            visibility: parse("messages", "visibility", &row.visibility)?,
        })
    }
}
