//! Finding tickets, certain or not at all.

use std::time::Duration;

use ticket_domain::{
    Delivery, DeliveryState, EventKind, Message, MessageId, Progress, Sender, Visibility,
    ports::{StatusUpdate, TicketLookup},
};

use uuid::Builder;

use crate::{
    Fixture,
    fixture::{With as _, append_to, at, dead, delivered, fallback, retry_at},
};

/// A reference leads to its ticket; one that no ticket has leads nowhere.
pub async fn a_ticket_is_found_by_its_reference_only(fixture: &Fixture) {
    let store = fixture.must();
    let first = fixture.opened(at(0)).await;
    let second = fixture.opened(at(0)).await;
    for ticket in [first.ticket, second.ticket] {
        let found = store.find(TicketLookup::Reference(ticket.reference)).await;
        assert_eq!(found, Some(ticket));
    }
    let unknown = fixture.reference();
    assert_eq!(store.find(TicketLookup::Reference(unknown)).await, None);
    assert_eq!(store.thread(unknown).await, None);
}

/// A quoted message leads to its ticket, whether it opened the thread or came later; an unknown one leads nowhere.
pub async fn a_ticket_is_found_by_the_outside_id_of_a_message(fixture: &Fixture) {
    let (opened, appended) = (fixture.external_id(), fixture.external_id());
    let mut opening = fixture.opening(at(0));
    opening.message.external_id = Some(opened.clone());
    fixture.open(opening.clone()).await;
    fixture.opened(at(0)).await;
    let append = append_to(&opening.ticket, fixture.message_of(&appended, at(1)));
    fixture.must().append(append).await;

    for id in [&opened, &appended] {
        assert_eq!(fixture.quoted(id).await, Some(opening.ticket.reference), "{id}");
    }
    assert_eq!(fixture.quoted(&fixture.external_id()).await, None);
    let upper_case = "sm-upper".parse().unwrap();
    let kept = append_to(&opening.ticket, fixture.message_of(&upper_case, at(2)));
    fixture.must().append(kept).await;
    assert_eq!(fixture.quoted(&"SM-UPPER".parse().unwrap()).await, None);
}

/// A quoted notification leads to the ticket it told of.
pub async fn a_ticket_is_found_by_the_outside_id_of_a_delivered_notification(fixture: &Fixture) {
    let external_id = fixture.external_id();
    let opening = fixture.delivered(&external_id, at(0)).await;
    fixture.delivered(&fixture.external_id(), at(1)).await;
    let found = fixture.must().find(TicketLookup::Quoted(external_id)).await;
    assert_eq!(found, Some(opening.ticket));
}

/// Nothing is guessed: an outside id that leads to two tickets leads to none.
pub async fn an_outside_id_of_two_tickets_leads_to_none(fixture: &Fixture) {
    let of_two_notifications = fixture.external_id();
    fixture.delivered(&of_two_notifications, at(0)).await;
    assert!(fixture.quoted(&of_two_notifications).await.is_some());
    fixture.delivered(&of_two_notifications, at(1)).await;
    assert_eq!(fixture.quoted(&of_two_notifications).await, None);

    let of_both = fixture.external_id();
    let told = fixture.delivered(&of_both, at(2)).await;
    assert_eq!(fixture.quoted(&of_both).await, Some(told.ticket.reference));
    let mut written = fixture.opening(at(3));
    written.message.external_id = Some(of_both.clone());
    fixture.open(written).await;
    assert_eq!(fixture.quoted(&of_both).await, None);
}

/// An outside id that leads to one ticket in several ways is certain.
pub async fn an_outside_id_that_names_one_ticket_twice_leads_to_it(fixture: &Fixture) {
    let external_id = fixture.external_id();
    let opening = fixture.delivered(&external_id, at(0)).await;
    let append = append_to(&opening.ticket, fixture.message_of(&external_id, at(1)))
        .with(|append| append.notifications = vec![fixture.notification(EventKind::Updated, at(1))]);
    fixture.must().append(append.clone()).await;
    assert_eq!(fixture.quoted(&external_id).await, Some(opening.ticket.reference));

    let claimed = fixture.claim_only(append.notifications[0].id, at(1)).await;
    fixture.settled(&claimed, delivered(at(1), Some(&external_id))).await;
    assert_eq!(fixture.quoted(&external_id).await, Some(opening.ticket.reference));
}

/// A message that was refused may have been seen all the same: who quotes it still means its ticket.
pub async fn an_earlier_outside_id_leads_to_its_ticket_still(fixture: &Fixture) {
    let store = fixture.must();
    let (first, second, third) = (fixture.external_id(), fixture.external_id(), fixture.external_id());
    let opening = fixture.delivered(&first, at(0)).await;
    let reference = Some(opening.ticket.reference);
    let refused = StatusUpdate::Fallback(fallback("backup"), "63016".into());
    assert!(store.advance(first.clone(), refused, at(1)).await);
    assert_eq!(fixture.quoted(&first).await, reference);

    let claimed = fixture.claim_only(opening.notifications[0].id, at(1)).await;
    fixture.settled(&claimed, delivered(at(2), Some(&second))).await;
    let refused = StatusUpdate::Dead("63003".into());
    assert!(store.advance(second.clone(), refused, at(3)).await);
    store
        .redeliver(opening.notifications[0].id, fixture.note(at(4)), None)
        .await;
    let claimed = fixture.claim_only(opening.notifications[0].id, at(4)).await;
    fixture.settled(&claimed, delivered(at(5), Some(&third))).await;
    for id in [&first, &second, &third] {
        assert_eq!(fixture.quoted(id).await, reference);
    }
    assert_eq!(fixture.quoted(&fixture.external_id()).await, None);

    // A message of the same ticket and the same id changes nothing, one of another ticket makes it uncertain.
    let append = append_to(&opening.ticket, fixture.message_of(&first, at(6)));
    store.append(append).await;
    assert_eq!(fixture.quoted(&first).await, reference);
    fixture.delivered(&second, at(7)).await;
    assert_eq!(fixture.quoted(&second).await, None);
}

/// The thread tells of its newest notification, not of those before it.
pub async fn a_thread_tells_how_far_its_newest_notification_got(fixture: &Fixture) {
    let opening = fixture.opened(at(0)).await;
    let reference = opening.ticket.reference;
    let expect = async |state, since| {
        let delivery = Delivery { state, at: at(since) };
        assert_eq!(fixture.thread(reference).await.delivery, delivery);
    };
    expect(DeliveryState::Waiting, 0).await;

    let first = fixture.claim_only(opening.notifications[0].id, at(1)).await;
    expect(DeliveryState::Waiting, 0).await;
    fixture.settled(&first, delivered(at(2), None)).await;
    expect(DeliveryState::Sent, 2).await;

    let second = fixture.updated(&opening.ticket, at(3)).await;
    expect(DeliveryState::Waiting, 3).await;
    let claimed = fixture.claim_only(second.id, at(3)).await;
    fixture.settled(&claimed, retry_at(at(10))).await;
    expect(DeliveryState::Waiting, 3).await;
    let claimed = fixture.claim_only(second.id, at(10)).await;
    fixture.settled(&claimed, dead(at(11))).await;
    expect(DeliveryState::Failed, 11).await;

    // A message that nobody has to be told of changes nothing.
    let silent = append_to(&opening.ticket, fixture.message(at(12)));
    fixture.must().append(silent).await;
    expect(DeliveryState::Failed, 11).await;
}

/// The head says of every state what the thread says, and is another one after every change.
pub async fn a_head_is_that_of_its_thread_whatever_happens(fixture: &Fixture) {
    let store = fixture.must();
    assert_eq!(store.summary(fixture.reference()).await, None);
    let (opening, external_id) = (fixture.opened(at(0)).await, fixture.external_id());
    fixture.opened(at(100)).await;
    let mut states = Vec::new();
    let mut look = async || {
        let thread = fixture.thread(opening.ticket.reference).await;
        let head = store.summary(opening.ticket.reference).await.unwrap();
        assert_eq!((head.keys, head.state), (thread.ticket.keys.clone(), thread.state()));
        assert!(!states.contains(&head.state), "{:?}", head.state);
        states.push(head.state);
    };
    look().await;
    let claimed = fixture.claim_only(opening.notifications[0].id, at(1)).await;
    fixture.settled(&claimed, delivered(at(2), Some(&external_id))).await;
    look().await;
    let read = StatusUpdate::To(Progress::Read);
    assert!(store.advance(external_id, read, at(3)).await);
    look().await;
    let silent = append_to(&opening.ticket, fixture.message(at(4)));
    store.append(silent).await;
    look().await;
    let second = fixture.updated(&opening.ticket, at(5)).await;
    look().await;
    let claimed = fixture.claim_only(second.id, at(6)).await;
    fixture.settled(&claimed, dead(at(7))).await;
    look().await;
}

/// A wait ends with the first answer that the customer can read; it counts from the moment on that is asked for.
pub async fn first_answers_tell_how_long_tickets_waited(fixture: &Fixture) {
    let store = fixture.must();
    assert!(store.first_answers(at(0)).await.is_empty());
    let written = |sender, visibility, seconds| {
        let created_at = at(seconds);
        let millis = u64::try_from(created_at.unix_micros() / 1_000).unwrap();
        let mut random = [0; 10];
        random[2..].copy_from_slice(&fixture.number().to_be_bytes());
        Message {
            id: MessageId(Builder::from_unix_timestamp_millis(millis, &random).into_uuid()),
            sender,
            visibility,
            ..fixture.message(created_at)
        }
    };
    let (customer, manager, agent) = (Sender::Customer, Sender::Manager, Sender::Agent);
    let (public, internal, removed) = (Visibility::Public, Visibility::Internal, Visibility::Removed);
    for (opened, later) in [
        (
            0,
            vec![
                (customer, public, 5),
                (manager, internal, 10),
                (agent, public, 60),
                (manager, public, 90),
            ],
        ),
        (1, vec![(manager, removed, 3), (manager, public, 121)]),
        (2, vec![(customer, public, 70)]),
        (3, vec![(manager, public, 40), (manager, public, 80)]),
    ] {
        let mut opening = fixture.opening(at(opened));
        opening.message = written(customer, public, opened);
        let ticket = fixture.open(opening).await.ticket;
        for (sender, visibility, seconds) in later {
            store
                .append(append_to(&ticket, written(sender, visibility, seconds)))
                .await;
        }
    }
    for (since, expected) in [
        (0, vec![37, 60, 120]),
        (50, vec![60, 120]),
        (121, vec![120]),
        (122, vec![]),
    ] {
        let mut waits = store.first_answers(at(since)).await;
        waits.sort_unstable();
        let expected: Vec<_> = expected.into_iter().map(Duration::from_secs).collect();
        assert_eq!(waits, expected, "since {since}");
    }
}
