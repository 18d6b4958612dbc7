//! Messages that join a thread.

use std::collections::BTreeSet;

use ticket_domain::{
    Channel, Content, EventKind, Message, Sender, Status, Ticket,
    ports::{Append, Appended},
};

use crate::{
    Fixture,
    fixture::{With as _, append_to, at, at_once, count, delivered, later, place_of},
};

async fn append(fixture: &Fixture, to: &Ticket, message: &Message) -> Appended {
    fixture.must().append(append_to(to, message.clone())).await
}

/// Every message raises the version by one and sets the time of change; the thread shows them in the order in which
/// they were written, whatever their times say.
pub async fn appending_raises_the_version_and_keeps_the_order(fixture: &Fixture) {
    let opening = fixture.opened(at(0)).await;
    let untouched = fixture.opened(at(0)).await;
    let mut messages = vec![opening.message.clone()];
    for (version, seconds) in [(2, 5), (3, 7), (4, 6), (5, 7)] {
        let message = fixture.message(at(seconds));
        assert_eq!(append(fixture, &opening.ticket, &message).await, Appended::Added);
        messages.push(message);
        let thread = fixture.thread(opening.ticket.reference).await;
        assert_eq!(thread.messages, messages);
        assert_eq!(
            thread.ticket,
            Ticket {
                version,
                updated_at: at(seconds),
                ..opening.ticket.clone()
            }
        );
    }
    assert_eq!(
        fixture.thread(untouched.ticket.reference).await.ticket,
        untouched.ticket
    );
}

/// A thread takes as many messages of a sender on a channel as the call says; others don't count, nor does what is repeated.
pub async fn a_sender_fills_a_thread_up_and_no_other(fixture: &Fixture) {
    let ticket = fixture.opened(at(0)).await.ticket;
    let of = |sender, channel| Message {
        sender,
        channel,
        ..fixture.message(at(1))
    };
    let write = async |message: Message| {
        let append = Append {
            max_of_sender: Some(3),
            ..append_to(&ticket, message)
        };
        fixture.must().append(append).await
    };
    let before = fixture.thread(ticket.reference).await.messages;
    let is_like = |message: &&Message| (message.sender, message.channel) == (Sender::Customer, Channel::Web);
    for _ in before.iter().filter(is_like).count()..3 {
        assert_eq!(write(of(Sender::Customer, Channel::Web)).await, Appended::Added);
    }
    let full = fixture.thread(ticket.reference).await;
    assert_eq!(write(of(Sender::Customer, Channel::Web)).await, Appended::Full);
    assert_eq!(fixture.thread(ticket.reference).await, full);
    for (sender, channel) in [(Sender::Manager, Channel::Web), (Sender::Customer, Channel::Whatsapp)] {
        assert_eq!(write(of(sender, channel)).await, Appended::Added);
    }
    let unlimited = append(fixture, &ticket, &of(Sender::Customer, Channel::Web)).await;
    assert_eq!(unlimited, Appended::Added);
}

/// A message reads back as it was written, with every field and with none of those that may be absent.
pub async fn appending_reads_back_exactly(fixture: &Fixture) {
    let opening = fixture.opened(at(0)).await;
    let full = Message {
        sender: Sender::Agent,
        content: Content::new(
            "It's \"done\" 🎉\n\nطيب".parse().unwrap(),
            Some("https://media.example/ME2".parse().unwrap()),
        )
        .unwrap(),
        ..fixture.message_of(&fixture.external_id(), at(1))
    };
    let bare = Message {
        channel: Channel::Web,
        sender: Sender::Customer,
        from: None,
        ..fixture.message(at(2))
    };
    for message in [&full, &bare] {
        append(fixture, &opening.ticket, message).await;
    }
    let read = fixture.thread(opening.ticket.reference).await.messages;
    assert_eq!(read, [opening.message, full, bare]);
}

/// A message that reopens leaves its ticket open, whatever it was; one that does not leaves it as it was.
pub async fn only_a_message_that_reopens_changes_the_status(fixture: &Fixture) {
    for &status in Status::ALL {
        for reopen in [false, true] {
            let mut opening = fixture.opening(at(0));
            opening.ticket.status = status;
            let opening = fixture.open(opening).await;
            let append = append_to(&opening.ticket, fixture.message(at(1))).with(|append| append.reopen = reopen);
            fixture.added(append).await;
            let expected = if reopen { Status::Open } else { status };
            assert_eq!(fixture.thread(opening.ticket.reference).await.ticket.status, expected);
        }
    }
}

/// What the manager is told of a message goes out once its ticket's first notification has.
pub async fn an_appended_notification_goes_out_after_the_first(fixture: &Fixture) {
    let opening = fixture.opened(at(0)).await;
    let second = fixture.updated(&opening.ticket, at(1)).await;
    let first = fixture.claim_only(opening.notifications[0].id, at(2)).await;
    fixture.settled(&first, delivered(at(2), None)).await;

    let claimed = fixture.claim_only(second.id, at(2)).await;
    assert_eq!(claimed.event, EventKind::Updated);
    assert_eq!(claimed.payload, second.payload);
    assert_eq!(claimed.scheduled_at, at(1));
}

/// The same outside id again writes nothing: no message, no notification, no version.
pub async fn an_outside_id_is_one_message_for_ever(fixture: &Fixture) {
    let opening = fixture.opened(at(0)).await;
    let external_id = fixture.external_id();
    let first = fixture.message_of(&external_id, at(1));
    assert_eq!(append(fixture, &opening.ticket, &first).await, Appended::Added);
    let before = fixture.thread(opening.ticket.reference).await;
    let vitals = fixture.vitals(later()).await;

    let again = append_to(&opening.ticket, fixture.message_of(&external_id, at(2)))
        .with(|append| append.notifications = vec![fixture.notification(EventKind::Updated, at(2))]);
    let answer = fixture.must().append(again).await;
    assert_eq!(
        answer,
        Appended::AlreadyStored {
            id: first.id,
            of: Some(opening.ticket.reference)
        }
    );
    assert_eq!(fixture.thread(opening.ticket.reference).await, before);
    assert_eq!(fixture.vitals(later()).await, vitals);
}

/// An outside id that lies in another ticket's thread stays there, and the answer names that ticket.
pub async fn an_outside_id_of_another_ticket_is_answered_with_that_ticket(fixture: &Fixture) {
    let here = fixture.opened(at(0)).await;
    let there = fixture.opened(at(0)).await;
    let external_id = fixture.external_id();
    let message = fixture.message_of(&external_id, at(1));
    append(fixture, &there.ticket, &message).await;
    let before = fixture.thread(here.ticket.reference).await;

    let answer = append(fixture, &here.ticket, &fixture.message_of(&external_id, at(2))).await;
    assert_eq!(
        answer,
        Appended::AlreadyStored {
            id: message.id,
            of: Some(there.ticket.reference)
        }
    );
    assert_eq!(fixture.thread(here.ticket.reference).await, before);
}

/// Without an outside id nothing tells two messages apart from one that came twice: both are written.
pub async fn without_an_outside_id_every_message_is_another(fixture: &Fixture) {
    let opening = fixture.opened(at(0)).await;
    let first = fixture.message(at(1));
    let second = first.clone().with(|this| this.id = fixture.message(at(1)).id);
    for message in [&first, &second] {
        assert_eq!(append(fixture, &opening.ticket, message).await, Appended::Added);
    }
    let messages = fixture.thread(opening.ticket.reference).await.messages;
    assert_eq!(messages, [opening.message, first, second]);
}

/// A ticket that does not exist takes no message, and none is left over.
pub async fn appending_to_no_ticket_is_an_error_and_writes_nothing(fixture: &Fixture) {
    let nobody = fixture.ticket(at(0));
    let external_id = fixture.external_id();
    let lost = append_to(&nobody, fixture.message_of(&external_id, at(1)))
        .with(|append| append.notifications = vec![fixture.notification(EventKind::Updated, at(1))]);
    let notification = lost.notifications[0].id;
    assert!(fixture.store().append(lost).await.is_err());

    assert_eq!(fixture.must().notification(notification).await, None);
    assert_eq!(fixture.vitals(later()).await.unmatched, 0);
    // The outside id is free.
    let opening = fixture.opened(at(0)).await;
    let free = fixture.message_of(&external_id, at(2));
    assert_eq!(append(fixture, &opening.ticket, &free).await, Appended::Added);
}

/// 100 copies of one message at the same moment: one is written, and all others are told which.
pub async fn equal_outside_ids_at_once_make_one_message(fixture: &Fixture) {
    for _ in 0..5 {
        let opening = fixture.opened(at(0)).await;
        let external_id = fixture.external_id();
        let appends: Vec<Append> = (0..100)
            .map(|_| {
                append_to(&opening.ticket, fixture.message_of(&external_id, at(1)))
                    .with(|append| append.notifications = vec![fixture.notification(EventKind::Updated, at(1))])
            })
            .collect();
        let waiting = fixture.vitals(later()).await.waiting;
        let answers = at_once(appends.clone().into_iter().map(|append| fixture.must().append(append))).await;

        let winner = place_of(&answers, &Appended::Added);
        let written = appends[winner].message.clone();
        let before = Appended::AlreadyStored {
            id: written.id,
            of: Some(opening.ticket.reference),
        };
        assert_eq!(count(&answers, &before), 99, "{answers:?}");
        let thread = fixture.thread(opening.ticket.reference).await;
        assert_eq!(thread.messages, [opening.message, written]);
        assert_eq!(thread.ticket.version, 2);
        assert_eq!(fixture.vitals(later()).await.waiting, waiting + 1);
    }
}

/// 20 different messages to one ticket at the same moment are all written, each with a version of its own.
pub async fn different_messages_at_once_are_all_written(fixture: &Fixture) {
    for _ in 0..3 {
        let opening = fixture.opened(at(0)).await;
        let appends: Vec<Append> = (0..20)
            .map(|_| append_to(&opening.ticket, fixture.message_of(&fixture.external_id(), at(1))))
            .collect();
        let answers = at_once(appends.clone().into_iter().map(|append| fixture.must().append(append))).await;
        assert_eq!(answers, vec![Appended::Added; 20]);

        let thread = fixture.thread(opening.ticket.reference).await;
        assert_eq!(thread.ticket.version, 21);
        let written: BTreeSet<_> = thread.messages.iter().skip(1).map(|message| message.id).collect();
        let sent: BTreeSet<_> = appends.iter().map(|append| append.message.id).collect();
        assert_eq!(thread.messages.len(), 21);
        assert_eq!(written, sent);
    }
}
