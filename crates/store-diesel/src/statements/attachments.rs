//! Files of messages.

use async_trait::async_trait;
use diesel::{dsl::sql, insert_into, prelude::*, sql_types::BigInt, update};
use ticket_domain::{
    Attachment, FileId, FileState, MessageId, TicketId, TicketRef, Timestamp, Visibility,
    ports::{AttachedFile, Attachments, ExistingTicket, NewAttachment, OpenResult, Opening, StoreError, Upload},
};

use super::{
    super::engine::{Connection, Store, existing_ticket, for_update, open_one},
    customer_mail,
};
use crate::{
    failure::Failure,
    prepared::prepared,
    rows::{AttachedFileRow, UploadRow, attachment_list},
    schema::{files, messages, tickets},
    types::Stored,
};

#[async_trait]
impl Attachments for Store {
    async fn begin_upload(&self, id: FileId, at: Timestamp) -> Result<(), StoreError> {
        self.db
            .write(move |connection| {
                let row = (
                    files::id.eq(Stored(id)),
                    files::state.eq(FileState::Receiving.as_str()),
                    files::created_at.eq(Stored(at)),
                );
                prepared(insert_into(files::table).values(row).returning(files::id))
                    .get_result::<FileId>(connection)?;
                Ok(())
            })
            .await
    }

    async fn finish_upload(&self, upload: Upload) -> Result<bool, StoreError> {
        self.db.write(move |connection| finish(connection, &upload)).await
    }

    async fn uploads(&self, ids: Vec<FileId>) -> Result<Vec<Upload>, StoreError> {
        self.db.read(move |connection| uploads(connection, &ids)).await
    }

    async fn attached_file(&self, reference: TicketRef, id: FileId) -> Result<Option<AttachedFile>, StoreError> {
        self.db
            .read(move |connection| attached_file(connection, reference, id))
            .await
    }

    async fn file_bytes(&self, of: Option<TicketId>) -> Result<u64, StoreError> {
        self.db.read(move |connection| file_bytes(connection, of)).await
    }

    async fn unwanted_files(&self, begun_before: Timestamp, limit: u16) -> Result<Vec<FileId>, StoreError> {
        self.db
            .write(move |connection| unwanted(connection, begun_before, limit))
            .await
    }

    async fn forget_files(&self, ids: Vec<FileId>) -> Result<(), StoreError> {
        self.db
            .write(move |connection| {
                let deleted = files::table
                    .filter(files::id.eq_any(stored(&ids)))
                    .filter(files::state.eq(FileState::Deleted.as_str()));
                diesel::delete(deleted).execute(connection)?;
                Ok(())
            })
            .await
    }

    async fn known_files(&self, ids: Vec<FileId>) -> Result<Vec<FileId>, StoreError> {
        self.db
            .read(move |connection| {
                let known = files::table.filter(files::id.eq_any(stored(&ids))).select(files::id);
                Ok(known.load(connection)?)
            })
            .await
    }
}

fn stored(ids: &[FileId]) -> Vec<Stored<FileId>> {
    ids.iter().copied().map(Stored).collect()
}

fn finish(connection: &mut Connection, upload: &Upload) -> Result<bool, Failure> {
    let Attachment {
        id,
        name,
        file_type,
        size,
    } = &upload.attachment;
    let received = files::table
        .find(Stored(*id))
        .filter(files::state.eq(FileState::Receiving.as_str()));
    let finished = update(received).set((
        files::state.eq(FileState::Stored.as_str()),
        files::name.eq(name.as_str()),
        files::file_type.eq(file_type.as_str()),
        files::size.eq(i64::try_from(*size).unwrap_or(i64::MAX)),
        files::digest.eq(upload.digest.as_slice()),
    ));
    let finished: Vec<FileId> = prepared(finished.returning(files::id)).load(connection)?;
    Ok(!finished.is_empty())
}

fn uploads(connection: &mut Connection, ids: &[FileId]) -> Result<Vec<Upload>, Failure> {
    let rows: Vec<UploadRow> = files::table
        .filter(files::id.eq_any(stored(ids)))
        .filter(files::state.eq(FileState::Stored.as_str()))
        .select(UploadRow::as_select())
        .load(connection)?;
    let uploads: Vec<Upload> = rows.into_iter().map(Upload::try_from).collect::<Result<_, _>>()?;
    let in_order = ids
        .iter()
        .filter_map(|id| uploads.iter().find(|upload| upload.attachment.id == *id));
    Ok(in_order.cloned().collect())
}

fn attached_file(
    connection: &mut Connection,
    reference: TicketRef,
    id: FileId,
) -> Result<Option<AttachedFile>, Failure> {
    let row: Option<AttachedFileRow> = files::table
        .inner_join(messages::table.inner_join(tickets::table))
        .filter(files::id.eq(Stored(id)))
        .filter(files::state.eq(FileState::Stored.as_str()))
        .filter(tickets::reference.eq(reference.to_string()))
        .select((
            UploadRow::as_select(),
            tickets::customer_key,
            tickets::reader_key,
            messages::visibility,
        ))
        .first(connection)
        .optional()?;
    Ok(row.map(AttachedFile::try_from).transpose()?)
}

fn file_bytes(connection: &mut Connection, of: Option<TicketId>) -> Result<u64, Failure> {
    // By hand: diesel's sum of a bigint is a numeric.
    let sum = || sql::<BigInt>("CAST(coalesce(sum(files.size), 0) AS bigint)");
    let bytes: i64 = match of {
        None => files::table.select(sum()).get_result(connection)?,
        Some(ticket) => files::table
            .inner_join(messages::table)
            .filter(messages::ticket_id.eq(Stored(ticket)))
            .select(sum())
            .get_result(connection)?,
    };
    Ok(bytes.unsigned_abs())
}

fn unwanted(connection: &mut Connection, begun_before: Timestamp, limit: u16) -> Result<Vec<FileId>, Failure> {
    let old = files::table
        .filter(files::message_id.is_null())
        .filter(files::created_at.lt(Stored(begun_before)))
        .filter(files::state.ne(FileState::Deleted.as_str()));
    update(old)
        .set(files::state.eq(FileState::Deleted.as_str()))
        .execute(connection)?;
    let deleted = files::table
        .filter(files::message_id.is_null())
        .filter(files::state.eq(FileState::Deleted.as_str()))
        .order(files::created_at)
        .limit(i64::from(limit))
        .select(files::id);
    Ok(deleted.load(connection)?)
}

/// Opens a ticket whose message has files. They are locked before anything else.
pub(crate) fn open(connection: &mut Connection, opening: &Opening) -> Result<OpenResult, Failure> {
    let Some(files) = take(connection, &opening.attachments)? else {
        let existing: Option<ExistingTicket> = existing_ticket(connection, opening)?;
        return Ok(existing.map_or(OpenResult::UploadGone, OpenResult::AlreadyOpened));
    };
    let opened = open_one(connection, opening)?;
    if opened == OpenResult::Opened {
        let of = (opening.ticket.id, opening.message.id, opening.message.visibility);
        attach(connection, of, &files, &opening.attachments)?;
    }
    Ok(opened)
}

/// Locks uploads until the transaction ends; `None` if one of them is not there or not free.
pub(crate) fn take(connection: &mut Connection, wanted: &[NewAttachment]) -> Result<Option<Vec<Attachment>>, Failure> {
    if wanted.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let ids: Vec<FileId> = wanted.iter().map(|attachment| attachment.file).collect();
    let free = files::table
        .filter(files::id.eq_any(stored(&ids)))
        .filter(files::state.eq(FileState::Stored.as_str()))
        .filter(files::message_id.is_null())
        // The only order of locks.
        .order(files::id)
        .select(UploadRow::as_select());
    let free: Vec<UploadRow> = for_update!(free).load(connection)?;
    let free: Vec<Upload> = free.into_iter().map(Upload::try_from).collect::<Result<_, _>>()?;
    let find = |id: &FileId| {
        let upload = free.iter().find(|upload| upload.attachment.id == *id);
        upload.map(|upload| upload.attachment.clone())
    };
    let taken: Option<Vec<Attachment>> = ids.iter().map(find).collect();
    // The same file twice is one too few.
    Ok(taken.filter(|_| free.len() == ids.len()))
}

/// Has `files`, which were [taken](take), join a message of a ticket, which is locked. Each is a version of the ticket.
pub(crate) fn attach(
    connection: &mut Connection,
    (ticket, message, visibility): (TicketId, MessageId, Visibility),
    files: &[Attachment],
    attachments: &[NewAttachment],
) -> Result<(), Failure> {
    let count = i64::try_from(files.len()).unwrap_or(i64::MAX);
    // Of notes nobody else may learn.
    let notes = if visibility == Visibility::Internal { count } else { 0 };
    let last: i64 = update(tickets::table.find(Stored(ticket)))
        .set((
            tickets::version.eq(tickets::version + count),
            tickets::notes.eq(tickets::notes + notes),
        ))
        .returning(tickets::version)
        .get_result(connection)?;
    for (seq, attachment) in (last - count + 1..).zip(attachments) {
        update(files::table.find(Stored(attachment.file)))
            .set((files::message_id.eq(Stored(message)), files::seq.eq(seq)))
            .execute(connection)?;
        customer_mail::notify(connection, attachment.notification.as_slice(), ticket, seq)?;
    }
    update(messages::table.find(Stored(message)))
        .set(messages::attachments.eq(attachment_list(files)?))
        .execute(connection)?;
    Ok(())
}

/// Has the files of messages deleted. Nothing tells of them any more.
pub(crate) fn delete_of(connection: &mut Connection, messages: &[Stored<MessageId>]) -> Result<(), Failure> {
    update(files::table.filter(files::message_id.eq_any(messages)))
        .set((
            files::state.eq(FileState::Deleted.as_str()),
            files::message_id.eq(None::<Stored<MessageId>>),
            files::seq.eq(None::<i64>),
            files::name.eq(None::<String>),
            files::digest.eq(None::<Vec<u8>>),
        ))
        .execute(connection)?;
    Ok(())
}
