//! Files of messages.

use ticket_domain::{
    Attachment, EventKind, FileId, FileName, FileType, Message, Timestamp, Visibility,
    ports::{Append, Appended, NewAttachment, OpenResult, Opening, Upload},
};

use super::erasing::erase;
use crate::{
    Fixture,
    fixture::{append_to, at, at_once, count, delivered, later},
};

/// A file that was uploaded whole at `moment`.
pub(crate) async fn uploaded(fixture: &Fixture, moment: Timestamp) -> Upload {
    let id = FileId(fixture.uuid());
    let number = fixture.number();
    let upload = Upload {
        attachment: Attachment {
            id,
            name: FileName::lenient(&format!("bottle \u{f6} {number}.jpg"), FileType::Jpeg),
            file_type: FileType::Jpeg,
            size: number + 5_000_000_000,
        },
        digest: [u8::try_from(number % 251).unwrap(); 32],
    };
    fixture.must().begin_upload(id, moment).await;
    assert!(fixture.must().finish_upload(upload.clone()).await);
    upload
}

/// The upload as it joins a message, with a notification.
pub(crate) fn joining(fixture: &Fixture, upload: &Upload, moment: Timestamp) -> NewAttachment {
    NewAttachment {
        file: upload.attachment.id,
        notification: Some(fixture.notification(EventKind::Attachment, moment)),
    }
}

fn with_files(fixture: &Fixture, opening: Opening, uploads: &[&Upload]) -> Opening {
    let at = opening.ticket.created_at;
    Opening {
        attachments: uploads.iter().map(|upload| joining(fixture, upload, at)).collect(),
        ..opening
    }
}

fn attached(message: &Message, uploads: &[&Upload]) -> Message {
    Message {
        attachments: uploads.iter().map(|upload| upload.attachment.clone()).collect(),
        ..message.clone()
    }
}

/// An upload is found once it is whole, in the order that is asked for.
pub async fn an_upload_is_found_once_it_is_whole(fixture: &Fixture) {
    let store = fixture.must();
    let [first, second] = [uploaded(fixture, at(0)).await, uploaded(fixture, at(1)).await];
    let begun = FileId(fixture.uuid());
    store.begin_upload(begun, at(2)).await;
    let ids = vec![second.attachment.id, FileId(fixture.uuid()), begun, first.attachment.id];
    assert_eq!(store.uploads(ids.clone()).await, [second.clone(), first.clone()]);
    let known = store.known_files(ids).await;
    assert_eq!(known.len(), 3);
    assert!(known.contains(&begun));
    assert_eq!(
        store.file_bytes(None).await,
        first.attachment.size + second.attachment.size
    );
}

/// A ticket's files are in its thread in their order, each a version of the ticket, and the manager gets them one after the
/// other behind the ticket itself.
pub async fn a_ticket_is_opened_with_files(fixture: &Fixture) {
    let store = fixture.must();
    let [first, second] = [uploaded(fixture, at(0)).await, uploaded(fixture, at(1)).await];
    let opening = fixture
        .open(with_files(fixture, fixture.opening(at(2)), &[&second, &first]))
        .await;
    let reference = opening.ticket.reference;
    let thread = fixture.thread(reference).await;
    assert_eq!(thread.messages, [attached(&opening.message, &[&second, &first])]);
    assert_eq!(thread.ticket.version, 3);
    let mut expected = vec![opening.notifications[0].id];
    expected.extend(
        opening
            .attachments
            .iter()
            .map(|file| file.notification.as_ref().unwrap().id),
    );
    for id in expected {
        let claim = fixture.claim_at(at(3));
        let claimed = store.claim(claim, 10).await;
        assert_eq!(claimed.iter().map(|claimed| claimed.id).collect::<Vec<_>>(), [id]);
        store.record_attempt(id, claim.lease, delivered(at(3), None)).await;
    }
    let file = store.attached_file(reference, first.attachment.id).await.unwrap();
    assert_eq!(file.attachment, first.attachment);
    assert_eq!(file.keys, opening.ticket.keys);
    assert_eq!(file.visibility, Visibility::Public);
    let other = fixture.opened(at(4)).await.ticket;
    assert_eq!(store.attached_file(other.reference, first.attachment.id).await, None);
    let both = first.attachment.size + second.attachment.size;
    assert_eq!(store.file_bytes(Some(opening.ticket.id)).await, both);
    assert_eq!(store.file_bytes(Some(other.id)).await, 0);
}

/// An upload joins one message. Whoever comes later, or names it twice, writes nothing.
pub async fn an_upload_joins_one_message(fixture: &Fixture) {
    let store = fixture.must();
    let ticket = fixture.opened(at(0)).await.ticket;
    let upload = uploaded(fixture, at(0)).await;
    let append = |message: Message| {
        let attachments = vec![joining(fixture, &upload, at(1))];
        store.append(Append {
            attachments,
            ..append_to(&ticket, message)
        })
    };
    let appended: Vec<Appended> = at_once((0..8).map(|_| append(fixture.message(at(1))))).await;
    assert_eq!(count(&appended, &Appended::Added), 1);
    assert_eq!(count(&appended, &Appended::UploadGone), 7);
    let thread = fixture.thread(ticket.reference).await;
    assert_eq!(thread.messages.len(), 2);
    assert_eq!(thread.messages[1].attachments, std::slice::from_ref(&upload.attachment));
    assert_eq!(thread.ticket.version, 3);
    let late = with_files(fixture, fixture.opening(at(2)), &[&upload]);
    assert_eq!(store.open(late.clone()).await, OpenResult::UploadGone);
    assert_eq!(store.thread(late.ticket.reference).await, None);
    let twice = uploaded(fixture, at(3)).await;
    let twice = with_files(fixture, fixture.opening(at(3)), &[&twice, &twice]);
    assert_eq!(store.open(twice).await, OpenResult::UploadGone);
}

/// A repeated request is told its ticket, though its files have joined it by then.
pub async fn a_repeated_opening_is_told_its_ticket(fixture: &Fixture) {
    let upload = uploaded(fixture, at(0)).await;
    let opening = Opening {
        idempotency: Some(fixture.idempotency(later())),
        ..with_files(fixture, fixture.opening(at(0)), &[&upload])
    };
    fixture.open(opening.clone()).await;
    let again = Opening {
        idempotency: opening.idempotency.clone(),
        ..with_files(fixture, fixture.opening(at(1)), &[&upload])
    };
    let OpenResult::AlreadyOpened(existing) = fixture.must().open(again).await else {
        panic!("not the ticket that was opened");
    };
    assert_eq!(existing.id, opening.ticket.id);
}

/// Nobody else learns of the files of a note.
pub async fn files_of_a_note_raise_no_public_version(fixture: &Fixture) {
    let ticket = fixture.opened(at(0)).await.ticket;
    let upload = uploaded(fixture, at(0)).await;
    let note = Message {
        visibility: Visibility::Internal,
        ..fixture.message(at(1))
    };
    let append = Append {
        attachments: vec![NewAttachment {
            file: upload.attachment.id,
            notification: None,
        }],
        ..append_to(&ticket, note)
    };
    fixture.added(append).await;
    let ticket = fixture.thread(ticket.reference).await.ticket;
    assert_eq!((ticket.version, ticket.notes), (3, 2));
    let file = fixture
        .must()
        .attached_file(ticket.reference, upload.attachment.id)
        .await;
    assert_eq!(file.unwrap().visibility, Visibility::Internal);
}

/// What joined no message in time is given up: it joins none any more, and is forgotten when its content is deleted.
pub async fn an_old_upload_is_given_up(fixture: &Fixture) {
    let store = fixture.must();
    let [old, young] = [uploaded(fixture, at(0)).await, uploaded(fixture, at(10)).await];
    let begun = FileId(fixture.uuid());
    store.begin_upload(begun, at(1)).await;
    let joined = uploaded(fixture, at(0)).await;
    fixture
        .open(with_files(fixture, fixture.opening(at(2)), &[&joined]))
        .await;
    assert_eq!(store.unwanted_files(at(0), 10).await, []);
    assert_eq!(store.unwanted_files(at(5), 10).await, [old.attachment.id, begun]);
    assert_eq!(store.unwanted_files(at(5), 1).await, [old.attachment.id]);
    let late = Upload {
        attachment: Attachment {
            id: begun,
            ..old.attachment.clone()
        },
        ..old.clone()
    };
    assert!(!store.finish_upload(late).await);
    let opening = with_files(fixture, fixture.opening(at(6)), &[&old]);
    assert_eq!(store.open(opening).await, OpenResult::UploadGone);
    let all = vec![old.attachment.id, begun, young.attachment.id, joined.attachment.id];
    store.forget_files(all.clone()).await;
    let mut known = store.known_files(all).await;
    known.sort_unstable();
    assert_eq!(known, [young.attachment.id, joined.attachment.id]);
    assert_eq!(store.unwanted_files(at(5), 10).await, []);
}

/// The files of an erased ticket go with it, and so does what would send them.
pub async fn erased_files_are_given_up(fixture: &Fixture) {
    let store = fixture.must();
    let upload = uploaded(fixture, at(0)).await;
    let opening = fixture
        .open(with_files(fixture, fixture.opening(at(0)), &[&upload]))
        .await;
    let erased = erase(fixture, &[&opening.ticket], 300).await;
    assert_eq!(erased.cancelled, 2);
    let thread = fixture.thread(opening.ticket.reference).await;
    assert_eq!(thread.messages[0].attachments, []);
    assert_eq!(
        store
            .attached_file(opening.ticket.reference, upload.attachment.id)
            .await,
        None
    );
    assert_eq!(store.unwanted_files(at(0), 10).await, [upload.attachment.id]);
    let sending = opening.attachments[0].notification.as_ref().unwrap().id;
    assert!(store.current_message(sending).await.unwrap().payload.is_erased());
}
