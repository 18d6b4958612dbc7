//! Each recipient's notifications go their own way.

use ticket_domain::{
    Delivery, DeliveryState, EventKind, Notification, NotificationState, Recipient, Ticket, Timestamp,
    ports::{Attach, AttachResult, Claim, Claimed, Opening},
};

use crate::{
    Fixture,
    fixture::{With as _, append_to, at, dead, delivered, keep_silently, retry_at},
};

fn to_customer(fixture: &Fixture, event: EventKind, created_at: Timestamp) -> Notification {
    fixture
        .notification(event, created_at)
        .with(|notification| notification.recipient = Recipient::Customer)
}

/// A ticket of which the manager (first) and the customer are notified.
async fn opened(fixture: &Fixture) -> Opening {
    let mut opening = fixture.opening(at(0));
    let second = to_customer(fixture, EventKind::Created, at(0));
    opening.notifications.push(second);
    fixture.open(opening).await
}

/// A message of which both are notified.
async fn updated(fixture: &Fixture, ticket: &Ticket, seconds: i64) -> [Notification; 2] {
    let both = [
        fixture.notification(EventKind::Updated, at(seconds)),
        to_customer(fixture, EventKind::Updated, at(seconds)),
    ];
    let append = append_to(ticket, fixture.message(at(seconds))).with(|append| append.notifications = both.to_vec());
    fixture.must().append(append).await;
    both
}

fn claim_for(fixture: &Fixture, recipient: Recipient, seconds: i64) -> Claim {
    fixture.claim_at(at(seconds)).with(|claim| claim.recipient = recipient)
}

async fn claim(fixture: &Fixture, recipient: Recipient, seconds: i64) -> Vec<Claimed> {
    let claim = claim_for(fixture, recipient, seconds);
    fixture.must().claim(claim, 10).await
}

async fn is_due(fixture: &Fixture, notification: &Notification, seconds: i64) -> bool {
    let due = at(seconds);
    fixture.record(notification.id).await.state == NotificationState::Waiting { due }
}

/// A worker gets its recipient's notifications alone, and every record says whose it is.
pub async fn a_worker_claims_for_one_recipient(fixture: &Fixture) {
    let opening = opened(fixture).await;
    let store = fixture.must();
    for notification in opening.notifications {
        let claimed = claim(fixture, notification.recipient, 1).await;
        assert_eq!(claimed.len(), 1);
        assert_eq!(
            (claimed[0].id, &claimed[0].payload),
            (notification.id, &notification.payload)
        );
        assert_eq!(claim(fixture, notification.recipient, 1).await, []);

        let external_id = fixture.external_id();
        fixture.settled(&claimed[0], delivered(at(2), Some(&external_id))).await;
        assert_eq!(fixture.record(notification.id).await.recipient, notification.recipient);
        let sent = store.sent_notification(external_id).await.unwrap();
        assert_eq!((sent.id, sent.recipient), (notification.id, notification.recipient));
        let message = store.current_message(notification.id).await.unwrap();
        assert_eq!(
            (message.recipient, message.payload),
            (notification.recipient, notification.payload)
        );
    }
}

/// What fails for one recipient, or is given up, keeps nothing of another back.
pub async fn a_recipient_blocks_no_other(fixture: &Fixture) {
    let opening = opened(fixture).await;
    let [to_manager, to_customer] = updated(fixture, &opening.ticket, 1).await;
    let failed = claim(fixture, Recipient::Manager, 1).await;
    assert_eq!(failed[0].id, opening.notifications[0].id);
    fixture.settled(&failed[0], retry_at(at(100))).await;

    let given_up = claim(fixture, Recipient::Customer, 1).await;
    fixture.settled(&given_up[0], dead(at(1))).await;
    let next = claim(fixture, Recipient::Customer, 2).await;
    assert_eq!(next[0].id, to_customer.id);
    fixture.settled(&next[0], delivered(at(2), None)).await;

    assert_eq!(claim(fixture, Recipient::Manager, 99).await, []);
    let again = claim(fixture, Recipient::Manager, 100).await;
    fixture.settled(&again[0], delivered(at(100), None)).await;
    assert_eq!(claim(fixture, Recipient::Manager, 100).await[0].id, to_manager.id);
}

/// Pausing, resuming, probing and holding concern one recipient's notifications.
pub async fn a_pause_concerns_one_recipient(fixture: &Fixture) {
    let store = fixture.must();
    let mut opening = fixture.opening(at(0));
    let second = to_customer(fixture, EventKind::Created, at(0));
    opening.notifications.push(second);
    for notification in &mut opening.notifications {
        notification.addressed = false;
    }
    let [to_manager, to_customer] = fixture.open(opening).await.notifications.try_into().unwrap();

    assert_eq!(store.postpone(Recipient::Customer, at(500)).await, 1);
    assert!(is_due(fixture, &to_manager, 0).await && is_due(fixture, &to_customer, 500).await);
    assert_eq!(store.postpone(Recipient::Manager, at(600)).await, 1);
    assert_eq!(store.release_waiting(Recipient::Manager, at(10)).await, 1);
    assert!(is_due(fixture, &to_manager, 10).await && is_due(fixture, &to_customer, 500).await);

    assert_eq!(store.postpone(Recipient::Manager, at(600)).await, 1);
    let probe = |recipient| fixture.must().claim_probe(claim_for(fixture, recipient, 20), at(0));
    assert_eq!(probe(Recipient::Customer).await.unwrap().id, to_customer.id);
    assert_eq!(probe(Recipient::Customer).await, None);
    assert_eq!(probe(Recipient::Manager).await.unwrap().id, to_manager.id);

    let fresh = Opening {
        notifications: vec![
            self::to_customer(fixture, EventKind::Created, at(30)).with(|notification| notification.addressed = false),
        ],
        ..fixture.opening(at(30))
    };
    let fresh = fixture.open(fresh).await;
    assert_eq!(store.hold_unaddressed(Recipient::Manager, at(60)).await, 0);
    assert_eq!(store.hold_unaddressed(Recipient::Customer, at(60)).await, 1);
    let record = fixture.record(fresh.notifications[0].id).await;
    assert_eq!(record.state, NotificationState::Held);
}

/// A thread says how far the manager's newest notification got, whatever became of the customer's.
pub async fn a_thread_tells_of_the_manager_s_notification(fixture: &Fixture) {
    let opening = opened(fixture).await;
    let reference = opening.ticket.reference;
    let waiting = Delivery {
        state: DeliveryState::Waiting,
        at: at(0),
    };
    let claimed = claim(fixture, Recipient::Customer, 1).await;
    fixture.settled(&claimed[0], delivered(at(2), None)).await;
    assert_eq!(fixture.thread(reference).await.delivery, waiting);

    let claimed = claim(fixture, Recipient::Manager, 3).await;
    fixture.settled(&claimed[0], delivered(at(4), None)).await;
    let append = append_to(&opening.ticket, fixture.message(at(5)))
        .with(|append| append.notifications = vec![to_customer(fixture, EventKind::Updated, at(5))]);
    fixture.must().append(append).await;
    let sent = Delivery {
        state: DeliveryState::Sent,
        at: at(4),
    };
    assert_eq!(fixture.thread(reference).await.delivery, sent);
    let summary = fixture.must().summary(reference).await.unwrap();
    assert_eq!(summary.state.delivery, sent);
}

/// An attached message may notify several recipients, too.
pub async fn an_attached_message_notifies_every_recipient(fixture: &Fixture) {
    let (store, opening) = (fixture.must(), fixture.opened(at(0)).await);
    let message = fixture.message(at(1));
    store.store_unmatched(keep_silently(message.clone())).await;
    let both = vec![
        fixture.notification(EventKind::Updated, at(2)),
        to_customer(fixture, EventKind::Updated, at(2)),
    ];
    let attach = Attach {
        message: message.id,
        to: opening.ticket.id,
        sender: message.sender,
        notifications: both.clone(),
        reopen: false,
        note: fixture.note(at(2)),
    };
    assert_eq!(store.attach(attach).await, AttachResult::Attached);
    for notification in both {
        let record = fixture.record(notification.id).await;
        assert_eq!(
            (record.recipient, record.reference),
            (notification.recipient, Some(opening.ticket.reference))
        );
    }
}
