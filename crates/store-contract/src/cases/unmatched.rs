//! Messages whose ticket is not known, and how they find it.

use ticket_domain::{
    Channel, Content, EventKind, ExternalId, Message, Sender,
    ports::{Append, Appended, Existing, StoredUnmatched},
};

use crate::{
    Fixture,
    fixture::{With as _, append_to, at, at_once, count, keep_silently, later},
};

async fn keep(fixture: &Fixture, message: &Message) -> StoredUnmatched {
    fixture.must().store_unmatched(keep_silently(message.clone())).await
}

async fn unmatched(fixture: &Fixture) -> u64 {
    fixture.vitals(later()).await.unmatched
}

/// A message is kept once, however often it comes, and leads to no ticket.
pub async fn a_message_is_kept_once_per_outside_id(fixture: &Fixture) {
    let external_id = fixture.external_id();
    let first = fixture.message_of(&external_id, at(0));
    assert_eq!(keep(fixture, &first).await, StoredUnmatched::Stored);
    assert_eq!(unmatched(fixture).await, 1);

    let before = StoredUnmatched::AlreadyKnown(Existing::Unmatched(None));
    for seconds in [1, 2] {
        assert_eq!(
            keep(fixture, &fixture.message_of(&external_id, at(seconds))).await,
            before
        );
    }
    assert_eq!(unmatched(fixture).await, 1);
    assert_eq!(fixture.quoted(&external_id).await, None);

    let other = fixture.message_of(&fixture.external_id(), at(0));
    assert_eq!(keep(fixture, &other).await, StoredUnmatched::Stored);
    assert_eq!(unmatched(fixture).await, 2);
}

/// Without an outside id each is another message.
pub async fn without_an_outside_id_every_message_is_kept(fixture: &Fixture) {
    for number in 1..=3 {
        assert_eq!(keep(fixture, &fixture.message(at(0))).await, StoredUnmatched::Stored);
        assert_eq!(unmatched(fixture).await, number);
    }
}

/// What is kept reads back as it first came, under its own outside id only, and no more once it is part of a ticket.
pub async fn what_is_kept_reads_back_exactly_until_it_joins(fixture: &Fixture) {
    let kept = |external_id: &ExternalId| {
        let (store, external_id) = (fixture.must(), external_id.clone());
        async move { store.unmatched_message(external_id).await }
    };
    let [with_media, plain, written, unknown] = [(); 4].map(|()| fixture.external_id());
    let first = Message {
        sender: Sender::Agent,
        channel: Channel::Web,
        from: None,
        content: Content::new(
            "See the picture".parse().unwrap(),
            Some("https://media.example/ME3".parse().unwrap()),
        )
        .unwrap(),
        ..fixture.message_of(&with_media, at(1))
    };
    let second = fixture.message_of(&plain, at(2));
    for message in [&first, &second, &fixture.message(at(3))] {
        keep(fixture, message).await;
    }
    // A repetition changes nothing.
    keep(fixture, &fixture.message_of(&with_media, at(4))).await;
    let opening = fixture.opened(at(0)).await;
    let append = append_to(&opening.ticket, fixture.message_of(&written, at(5)));
    fixture.added(append).await;
    assert_eq!(kept(&with_media).await, Some(first.clone()));
    assert_eq!(kept(&plain).await, Some(second.clone()));
    assert_eq!(kept(&written).await, None);
    assert_eq!(kept(&unknown).await, None);

    let append = append_to(&opening.ticket, fixture.message_of(&with_media, at(6)));
    assert_eq!(fixture.must().append(append).await, Appended::Joined(first.id));
    assert_eq!(kept(&with_media).await, None);
    assert_eq!(kept(&plain).await, Some(second));
}

/// 50 copies at the same moment: one is kept.
pub async fn equal_outside_ids_kept_at_once_are_one(fixture: &Fixture) {
    for round in 1..=3 {
        let external_id = fixture.external_id();
        let messages: Vec<Message> = (0..50).map(|_| fixture.message_of(&external_id, at(0))).collect();
        let answers = at_once(
            messages
                .into_iter()
                .map(|message| fixture.must().store_unmatched(keep_silently(message))),
        )
        .await;
        assert_eq!(count(&answers, &StoredUnmatched::Stored), 1, "{answers:?}");
        let before = StoredUnmatched::AlreadyKnown(Existing::Unmatched(None));
        assert_eq!(count(&answers, &before), 49, "{answers:?}");
        assert_eq!(unmatched(fixture).await, round);
    }
}

/// A kept message that comes again naming its ticket joins it as it was first received, with the sender that it proved
/// to have, behind what is there already.
pub async fn a_kept_message_joins_its_ticket(fixture: &Fixture) {
    let opening = fixture.opened(at(0)).await;
    let external_id = fixture.external_id();
    let kept = fixture
        .message_of(&external_id, at(1))
        .with(|message| message.sender = Sender::Agent);
    keep(fixture, &kept).await;
    keep(fixture, &fixture.message_of(&fixture.external_id(), at(1))).await;
    let earlier = fixture.message(at(2));
    let append = append_to(&opening.ticket, earlier.clone());
    fixture.added(append).await;

    let again = Append {
        message: fixture
            .message_of(&external_id, at(3))
            .with(|message| message.sender = Sender::Customer),
        notifications: vec![fixture.notification(EventKind::Updated, at(3))],
        ..append_to(&opening.ticket, fixture.message(at(3)))
    };
    let waiting = fixture.vitals(later()).await.waiting;
    let answer = fixture.must().append(again.clone()).await;
    assert_eq!(answer, Appended::Joined(kept.id));

    let thread = fixture.thread(opening.ticket.reference).await;
    let joined = kept.clone().with(|message| message.sender = Sender::Customer);
    assert_eq!(thread.messages, [opening.message, earlier, joined]);
    assert_eq!(thread.ticket.version, 3);
    assert_eq!(thread.ticket.updated_at, at(3));
    assert_eq!(unmatched(fixture).await, 1);
    assert_eq!(fixture.vitals(later()).await.waiting, waiting + 1);
    assert_eq!(fixture.quoted(&external_id).await, Some(opening.ticket.reference));

    let before = Appended::AlreadyStored {
        id: kept.id,
        of: Some(opening.ticket.reference),
    };
    assert_eq!(fixture.must().append(again).await, before);
    let in_thread = Existing::InThread {
        id: kept.id,
        of: opening.ticket.reference,
    };
    assert_eq!(
        keep(fixture, &fixture.message_of(&external_id, at(4))).await,
        StoredUnmatched::AlreadyKnown(in_thread)
    );
    assert_eq!(fixture.thread(opening.ticket.reference).await.ticket.version, 3);
}

/// 20 copies that name their ticket at the same moment: the kept message joins once.
pub async fn joining_at_once_happens_once(fixture: &Fixture) {
    for _ in 0..5 {
        let opening = fixture.opened(at(0)).await;
        let external_id = fixture.external_id();
        let kept = fixture.message_of(&external_id, at(1));
        keep(fixture, &kept).await;
        let answers = at_once((0..20).map(|_| {
            let append = append_to(&opening.ticket, fixture.message_of(&external_id, at(2)));
            fixture.must().append(append)
        }))
        .await;

        let before = Appended::AlreadyStored {
            id: kept.id,
            of: Some(opening.ticket.reference),
        };
        let joined = answers.iter().filter(|answer| **answer == Appended::Joined(kept.id));
        assert_eq!(joined.count(), 1, "{answers:?}");
        assert_eq!(count(&answers, &before), 19, "{answers:?}");
        let thread = fixture.thread(opening.ticket.reference).await;
        assert_eq!(thread.messages, [opening.message, kept]);
        assert_eq!(thread.ticket.version, 2);
        assert_eq!(unmatched(fixture).await, 0);
    }
}

/// A message that is in a thread is answered with its ticket, not kept beside it.
pub async fn what_is_in_a_thread_is_not_kept(fixture: &Fixture) {
    let opening = fixture.opened(at(0)).await;
    let external_id = fixture.external_id();
    let message = fixture.message_of(&external_id, at(1));
    let append = append_to(&opening.ticket, message.clone());
    fixture.must().append(append).await;

    let answer = keep(fixture, &fixture.message_of(&external_id, at(2))).await;
    let in_thread = Existing::InThread {
        id: message.id,
        of: opening.ticket.reference,
    };
    assert_eq!(answer, StoredUnmatched::AlreadyKnown(in_thread));
    assert_eq!(unmatched(fixture).await, 0);
}

/// Copies that name their ticket and copies that do not, at the same moment: the message ends in the thread, once.
pub async fn keeping_and_appending_at_once_end_in_the_thread(fixture: &Fixture) {
    for _ in 0..5 {
        let opening = fixture.opened(at(0)).await;
        let external_id = fixture.external_id();
        let answers = at_once((0..20).map(|number| {
            let store = fixture.must();
            let message = fixture.message_of(&external_id, at(1));
            let append = append_to(&opening.ticket, message.clone());
            async move {
                if number % 2 == 0 {
                    store.store_unmatched(keep_silently(message)).await;
                    None
                } else {
                    Some(store.append(append).await)
                }
            }
        }))
        .await;

        let mut appended = answers.iter().flatten();
        let written = |answer: &&Appended| !matches!(answer, Appended::AlreadyStored { .. });
        assert_eq!(appended.by_ref().filter(written).count(), 1, "{answers:?}");
        let thread = fixture.thread(opening.ticket.reference).await;
        assert_eq!(thread.messages.len(), 2);
        assert_eq!(thread.messages[1].external_id, Some(external_id));
        assert_eq!(thread.ticket.version, 2);
        assert_eq!(unmatched(fixture).await, 0);
    }
}

/// A ticket that does not exist takes no kept message either: it stays kept.
pub async fn joining_no_ticket_leaves_the_message_kept(fixture: &Fixture) {
    let external_id = fixture.external_id();
    let kept = fixture.message_of(&external_id, at(0));
    keep(fixture, &kept).await;
    let nobody = fixture.ticket(at(0));
    let append = append_to(&nobody, fixture.message_of(&external_id, at(1)));
    assert!(fixture.store().append(append).await.is_err());
    assert_eq!(unmatched(fixture).await, 1);

    let opening = fixture.opened(at(0)).await;
    let append = append_to(&opening.ticket, fixture.message_of(&external_id, at(2)));
    assert_eq!(fixture.must().append(append).await, Appended::Joined(kept.id));
    assert_eq!(fixture.thread(opening.ticket.reference).await.messages[1], kept);
}
