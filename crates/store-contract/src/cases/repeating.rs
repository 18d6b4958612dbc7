//! One key is one message.

use ticket_domain::{
    AuditAction, EventKind, Message, Sender, Ticket,
    ports::{Append, Appended, ExistingTicket, Idempotency, OpenResult},
};

use crate::{
    Fixture,
    fixture::{With as _, append_to, at, at_once, count, keep_silently, later, place_of},
};

/// A message at `seconds` under a key that ends 100 seconds later.
fn with_key(fixture: &Fixture, ticket: &Ticket, seconds: i64) -> Append {
    Append {
        idempotency: Some(fixture.idempotency(at(seconds + 100))),
        notifications: vec![fixture.notification(EventKind::Updated, at(seconds))],
        ..append_to(ticket, fixture.message(at(seconds)))
    }
}

/// Another message at `seconds` under the same key, of another request.
fn again(fixture: &Fixture, first: &Append, ticket: &Ticket, seconds: i64) -> Append {
    let mut again = with_key(fixture, ticket, seconds);
    if let (Some(of_its_own), Some(of_first)) = (&mut again.idempotency, &first.idempotency) {
        of_its_own.key = of_first.key.clone();
    }
    again
}

async fn append(fixture: &Fixture, append: &Append) -> Appended {
    fixture.must().append(append.clone()).await
}

fn digest(idempotency: Option<&Idempotency>) -> [u8; 32] {
    idempotency.unwrap().digest
}

fn repeated(first: &Append) -> Appended {
    Appended::Repeated {
        digest: digest(first.idempotency.as_ref()),
        message: Some((first.message.id, first.message.created_at)),
    }
}

/// A used key is answered with what it wrote, whatever else is wanted, and before everything else; nothing is written.
pub async fn a_used_key_answers_the_first_message_and_writes_nothing(fixture: &Fixture) {
    let opening = fixture.opened(at(0)).await;
    let other = fixture.opened(at(0)).await;
    let first = with_key(fixture, &opening.ticket, 1);
    assert_eq!(append(fixture, &first).await, Appended::Added);
    let second = with_key(fixture, &opening.ticket, 2);
    assert_eq!(append(fixture, &second).await, Appended::Added);
    let manager = fixture.manager();
    let (kept, question) = fixture.asked(&manager, at(3)).await;
    let before = (
        fixture.thread(opening.ticket.reference).await,
        fixture.vitals(later()).await,
    );

    let nobody = fixture.ticket(at(0));
    for ticket in [&opening.ticket, &other.ticket, &nobody] {
        let reopening = Append {
            reopen: true,
            note: Some(fixture.note(at(99))),
            ..again(fixture, &first, ticket, 99)
        };
        assert_eq!(append(fixture, &reopening).await, repeated(&first));
        let joining = reopening.with(|append| append.message = kept.clone());
        assert_eq!(append(fixture, &joining).await, repeated(&first));
    }
    assert_eq!(
        append(fixture, &again(fixture, &second, &other.ticket, 4)).await,
        repeated(&second)
    );
    let after = (
        fixture.thread(opening.ticket.reference).await,
        fixture.vitals(later()).await,
    );
    assert_eq!(after, before);
    assert_eq!(fixture.thread(other.ticket.reference).await.messages, [other.message]);
    assert_eq!(fixture.open_question(&manager).await, Some(question));
    assert_eq!(fixture.must().audit_log(None, None, 9).await, []);
}

/// A key that opened a ticket adds no message, and one that added a message opens no ticket: each is told what it was
/// used for.
pub async fn a_key_is_used_for_one_thing(fixture: &Fixture) {
    let opening = fixture
        .opening(at(0))
        .with(|opening| opening.idempotency = Some(fixture.idempotency(at(100))));
    let opening = fixture.open(opening).await;
    let message = append_to(&opening.ticket, fixture.message(at(1)))
        .with(|append| append.idempotency.clone_from(&opening.idempotency));
    let told = Appended::Repeated {
        digest: digest(opening.idempotency.as_ref()),
        message: None,
    };
    assert_eq!(append(fixture, &message).await, told);

    let added = with_key(fixture, &opening.ticket, 2);
    assert_eq!(append(fixture, &added).await, Appended::Added);
    let ticket = fixture
        .opening(at(3))
        .with(|opening| opening.idempotency.clone_from(&added.idempotency));
    let precedent = ExistingTicket {
        digest: digest(added.idempotency.as_ref()),
        id: opening.ticket.id,
        reference: opening.ticket.reference,
        access_key: opening.ticket.keys.customer.clone(),
    };
    assert_eq!(fixture.must().open(ticket).await, OpenResult::AlreadyOpened(precedent));
}

/// From its end on a key adds another message, or opens a ticket, and then stands for that.
pub async fn a_key_ends_at_its_time_and_adds_another_message(fixture: &Fixture) {
    let opening = fixture.opened(at(0)).await;
    let first = with_key(fixture, &opening.ticket, 0);
    assert_eq!(append(fixture, &first).await, Appended::Added);
    let second = again(fixture, &first, &opening.ticket, 100);
    assert_eq!(append(fixture, &second).await, Appended::Added);
    let third = again(fixture, &first, &opening.ticket, 199);
    assert_eq!(append(fixture, &third).await, repeated(&second));

    let another = fixture
        .opening(at(200))
        .with(|this| this.idempotency = again(fixture, &first, &opening.ticket, 200).idempotency);
    let another = fixture.open(another).await;
    let told = Appended::Repeated {
        digest: digest(another.idempotency.as_ref()),
        message: None,
    };
    assert_eq!(
        append(fixture, &again(fixture, &first, &opening.ticket, 201)).await,
        told
    );
    assert_eq!(
        append(fixture, &again(fixture, &first, &opening.ticket, 500)).await,
        Appended::Added
    );
    assert_eq!(fixture.thread(opening.ticket.reference).await.messages.len(), 4);
}

/// What wrote nothing leaves its key free; what joined under it is told as the message that it is.
pub async fn a_key_stands_only_for_what_was_written(fixture: &Fixture) {
    let opening = fixture.opened(at(0)).await;
    let external_id = fixture.external_id();
    let known = fixture.message_of(&external_id, at(1));
    append(fixture, &append_to(&opening.ticket, known)).await;
    let with_key = with_key(fixture, &opening.ticket, 2);
    let refused = with_key
        .clone()
        .with(|append| append.message = fixture.message_of(&external_id, at(2)));
    assert!(matches!(
        append(fixture, &refused).await,
        Appended::AlreadyStored { .. }
    ));
    let nobody = with_key.clone().with(|append| append.to = fixture.ticket(at(0)).id);
    assert!(fixture.store().append(nobody).await.is_err());

    let kept = fixture.message_of(&fixture.external_id(), at(1));
    fixture.must().store_unmatched(keep_silently(kept.clone())).await;
    let joining = Append {
        message: Message {
            id: with_key.message.id,
            created_at: at(2),
            ..kept.clone()
        },
        ..with_key
    };
    assert_eq!(append(fixture, &joining).await, Appended::Joined(kept.id));
    let told = Appended::Repeated {
        digest: digest(joining.idempotency.as_ref()),
        message: Some((kept.id, kept.created_at)),
    };
    assert_eq!(
        append(fixture, &again(fixture, &joining, &opening.ticket, 3)).await,
        told
    );
}

/// An operator's reply is noted, with the message that it wrote; one that wrote nothing is not.
pub async fn a_reply_is_noted(fixture: &Fixture) {
    let opening = fixture.opened(at(0)).await;
    let reply = with_key(fixture, &opening.ticket, 1).with(|append| append.note = Some(fixture.note(at(1))));
    assert_eq!(append(fixture, &reply).await, Appended::Added);
    let again = again(fixture, &reply, &opening.ticket, 2).with(|append| append.note = Some(fixture.note(at(2))));
    assert_eq!(append(fixture, &again).await, repeated(&reply));
    let entries = fixture.must().audit_log(None, None, 9).await;
    assert_eq!(entries.len(), 1);
    assert_eq!(Some(entries[0].stamp.id), reply.note.map(|note| note.id));
    assert_eq!(
        (entries[0].stamp.at, entries[0].reference),
        (at(1), Some(opening.ticket.reference))
    );
    assert_eq!(entries[0].act, AuditAction::Reply(reply.message.id));
}

/// 20 requests with one key at the same moment: one is written, and all others are told of it.
pub async fn equal_keys_at_once_make_one_message(fixture: &Fixture) {
    for round in 0..5 {
        let opening = fixture.opened(at(round)).await;
        let key = fixture.idempotency(at(1_000));
        let appends: Vec<Append> = (0..20)
            .map(|_| Append {
                idempotency: Some(key.clone()),
                note: Some(fixture.note(at(2))),
                message: fixture.message(at(2)).with(|message| message.sender = Sender::Manager),
                ..append_to(&opening.ticket, fixture.message(at(2)))
            })
            .collect();
        let answers = at_once(appends.clone().into_iter().map(|append| fixture.must().append(append))).await;
        let winner = place_of(&answers, &Appended::Added);
        let told = repeated(&appends[winner]);
        assert_eq!(count(&answers, &told), 19, "{answers:?}");
        let thread = fixture.thread(opening.ticket.reference).await;
        assert_eq!(thread.messages, [opening.message, appends[winner].message.clone()]);
        let entries = fixture.must().audit_log(Some(opening.ticket.id), None, 99).await;
        assert_eq!(entries.len(), 1);
    }
}
