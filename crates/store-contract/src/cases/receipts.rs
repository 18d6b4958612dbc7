//! How far messages got that were handed over.

use ticket_domain::{
    Delivery, DeliveryRoute, DeliveryState, ExternalId, Fallback, NotificationId, NotificationRecord,
    NotificationState, Payload, Progress, Recipient, Timestamp,
    ports::{Claimed, Opening, RedeliverResult, SentNotification, StatusUpdate},
};

use crate::{
    Fixture,
    fixture::{at, at_once, dead, delivered, fallback, later, retry_at},
};

pub(super) fn refused(route: &'static str) -> StatusUpdate {
    StatusUpdate::Fallback(fallback(route), "63016".into())
}

fn failed_for_now(due: Timestamp) -> StatusUpdate {
    StatusUpdate::Retry {
        due,
        reason: "63018".into(),
    }
}

fn refused_for_good() -> StatusUpdate {
    StatusUpdate::Dead("63003".into())
}

pub(super) async fn advance(
    fixture: &Fixture,
    external_id: &ExternalId,
    advance: &StatusUpdate,
    at: Timestamp,
) -> bool {
    fixture.must().advance(external_id.clone(), advance.clone(), at).await
}

pub(super) async fn sent_notification(fixture: &Fixture, external_id: &ExternalId) -> Option<SentNotification> {
    fixture.must().sent_notification(external_id.clone()).await
}

async fn state(fixture: &Fixture, opening: &Opening) -> NotificationState {
    fixture.record(opening.notifications[0].id).await.state
}

/// A message leads to its notification once that is delivered, under its outside id only.
pub async fn a_message_that_was_handed_over_is_known(fixture: &Fixture) {
    let external_id = fixture.external_id();
    assert_eq!(sent_notification(fixture, &external_id).await, None);
    let opening = fixture.delivered(&external_id, at(0)).await;
    fixture.delivered(&fixture.external_id(), at(1)).await;
    let expected = SentNotification {
        recipient: Recipient::Manager,
        id: opening.notifications[0].id,
        event: opening.notifications[0].event,
        route: DeliveryRoute::FIRST,
        payload: opening.notifications[0].payload.clone(),
        progress: Some(Progress::Sent),
        failures: 0,
        kept: None,
    };
    assert_eq!(sent_notification(fixture, &external_id).await, Some(expected));
    assert_eq!(sent_notification(fixture, &fixture.external_id()).await, None);
    assert!(!advance(fixture, &fixture.external_id(), &refused_for_good(), at(2)).await);
}

/// Nothing is guessed: an outside id of two notifications, now or earlier, leads to none and changes none.
pub async fn an_outside_id_of_two_notifications_leads_to_none(fixture: &Fixture) {
    let external_id = fixture.external_id();
    let first = fixture.delivered(&external_id, at(0)).await;
    assert!(advance(fixture, &external_id, &refused("backup"), at(1)).await);
    fixture.claim_only(first.notifications[0].id, at(1)).await;
    assert!(sent_notification(fixture, &external_id).await.is_some());
    for seconds in [2, 3] {
        let other = fixture.delivered(&external_id, at(seconds)).await;
        assert_eq!(sent_notification(fixture, &external_id).await, None);
        let before = state(fixture, &other).await;
        for further in [
            StatusUpdate::To(Progress::Read),
            failed_for_now(at(9)),
            refused("backup"),
            refused_for_good(),
        ] {
            assert!(!advance(fixture, &external_id, &further, at(4)).await);
        }
        assert_eq!(state(fixture, &other).await, before);
    }
}

/// Whatever the order in which a message's receipts come, it is as far as the furthest, since that came.
pub async fn a_message_never_goes_backwards(fixture: &Fixture) {
    let all = || Progress::ALL.iter().copied();
    let orders = all().flat_map(|first| all().flat_map(move |second| all().map(move |third| [first, second, third])));
    for order in orders {
        let external_id = fixture.external_id();
        let opening = fixture.delivered(&external_id, at(0)).await;
        let (mut furthest, mut since) = (Progress::Sent, at(0));
        for (seconds, progress) in (1..).zip(order) {
            let is_further = progress > furthest;
            let advanced = advance(fixture, &external_id, &StatusUpdate::To(progress), at(seconds)).await;
            assert_eq!(advanced, is_further, "{order:?}");
            if is_further {
                (furthest, since) = (progress, at(seconds));
            }
            let expected = NotificationState::Delivered {
                at: since,
                external_id: Some(external_id.clone()),
                progress: furthest,
            };
            assert_eq!(state(fixture, &opening).await, expected, "{order:?}");
            assert_eq!(
                sent_notification(fixture, &external_id).await.unwrap().progress,
                Some(furthest)
            );
        }
        assert_eq!(fixture.quoted(&external_id).await, Some(opening.ticket.reference));
    }
    assert_eq!(fixture.claim(later()).await, []);
}

/// The customer sees how far the message is, and since when.
pub async fn the_thread_tells_how_far_the_message_is(fixture: &Fixture) {
    let external_id = fixture.external_id();
    let opening = fixture.delivered(&external_id, at(0)).await;
    let expect = async |state, since| {
        let delivery = Delivery { state, at: at(since) };
        assert_eq!(fixture.thread(opening.ticket.reference).await.delivery, delivery);
    };
    expect(DeliveryState::Sent, 0).await;
    for (seconds, progress, state) in [
        (1, Progress::Delivered, DeliveryState::Delivered),
        (2, Progress::Read, DeliveryState::Read),
    ] {
        assert!(advance(fixture, &external_id, &StatusUpdate::To(progress), at(seconds)).await);
        expect(state, seconds).await;
    }
}

/// A message that was refused is followed by another: due at once, as if never tried, under one round more.
pub async fn a_refused_message_goes_another_way(fixture: &Fixture) {
    let first = fixture.external_id();
    let opening = fixture.delivered(&first, at(0)).await;
    let id = opening.notifications[0].id;
    let before = fixture.record(id).await;
    let mut refused_id = first;
    for (round, route) in [(1, "template"), (2, "backup"), (3, "backup_template")] {
        let now = at(10 * i64::from(round));
        assert!(advance(fixture, &refused_id, &refused(route), now).await);
        let record = NotificationRecord {
            state: NotificationState::Waiting { due: now },
            last_error: Some("63016".into()),
            ..before.clone()
        };
        assert_eq!(fixture.record(id).await, record);
        // Whatever is heard of the earlier message now.
        for late in [
            StatusUpdate::To(Progress::Read),
            failed_for_now(at(999)),
            refused(route),
            refused_for_good(),
        ] {
            assert!(!advance(fixture, &refused_id, &late, at(99)).await);
        }

        let claimed = fixture.claim_only(id, now).await;
        let Fallback { payload, .. } = fallback(route);
        let expected = Claimed {
            id,
            lease: claimed.lease,
            ticket: Some(opening.ticket.id),
            event: opening.notifications[0].event,
            payload: payload.clone(),
            route: DeliveryRoute::new(route),
            round,
            failures: 0,
            scheduled_at: now,
        };
        assert_eq!(claimed, expected);
        let next = fixture.external_id();
        fixture.settled(&claimed, delivered(now, Some(&next))).await;
        let mut expected = SentNotification {
            recipient: Recipient::Manager,
            id,
            event: opening.notifications[0].event,
            route: DeliveryRoute::new(route),
            payload,
            progress: Some(Progress::Sent),
            failures: 0,
            kept: None,
        };
        assert_eq!(sent_notification(fixture, &next).await, Some(expected.clone()));
        expected.progress = None;
        assert_eq!(sent_notification(fixture, &refused_id).await, Some(expected));
        refused_id = next;
    }
}

/// A message that failed for now is sent again: the same bytes on the same route, under one round more, each time as one
/// more failed attempt.
pub async fn a_message_that_failed_for_now_is_sent_again(fixture: &Fixture) {
    let mut failed_id = fixture.external_id();
    let opening = fixture.delivered(&failed_id, at(0)).await;
    let id = opening.notifications[0].id;
    let before = fixture.record(id).await;
    for round in 1..=3 {
        let (now, due) = (at(100 * i64::from(round)), at(100 * i64::from(round) + 7));
        assert!(advance(fixture, &failed_id, &failed_for_now(due), now).await);
        let record = NotificationRecord {
            state: NotificationState::Waiting { due },
            last_error: Some("63018".into()),
            failures: round,
            ..before.clone()
        };
        assert_eq!(fixture.record(id).await, record);
        for late in [
            StatusUpdate::To(Progress::Read),
            failed_for_now(at(999)),
            refused_for_good(),
        ] {
            assert!(!advance(fixture, &failed_id, &late, now).await);
        }
        assert_eq!(fixture.quoted(&failed_id).await, Some(opening.ticket.reference));
        assert_eq!(fixture.claim(at(100 * i64::from(round) + 6)).await, []);
        let claimed = fixture.claim_only(id, due).await;
        let expected = Claimed {
            id,
            lease: claimed.lease,
            ticket: Some(opening.ticket.id),
            event: opening.notifications[0].event,
            payload: opening.notifications[0].payload.clone(),
            route: DeliveryRoute::FIRST,
            round,
            failures: round,
            scheduled_at: due,
        };
        assert_eq!(claimed, expected);
        let next = fixture.external_id();
        fixture.settled(&claimed, delivered(due, Some(&next))).await;
        let sent = sent_notification(fixture, &next).await.unwrap();
        assert_eq!((sent.progress, sent.failures), (Some(Progress::Sent), round));
        failed_id = next;
    }
}

/// A message that arrived or was seen is not refused any more.
pub async fn a_message_that_arrived_is_not_refused(fixture: &Fixture) {
    for progress in [Progress::Delivered, Progress::Read] {
        let external_id = fixture.external_id();
        let opening = fixture.delivered(&external_id, at(0)).await;
        assert!(advance(fixture, &external_id, &StatusUpdate::To(progress), at(1)).await);
        let before = fixture.record(opening.notifications[0].id).await;
        for late in [failed_for_now(at(3)), refused("backup"), refused_for_good()] {
            assert!(!advance(fixture, &external_id, &late, at(2)).await);
        }
        assert_eq!(fixture.record(opening.notifications[0].id).await, before);
    }
}

/// A message that was refused for good is dead. Sent again on request, it is another message the same way.
pub async fn a_message_refused_for_good_is_dead(fixture: &Fixture) {
    let external_id = fixture.external_id();
    let opening = fixture.delivered(&external_id, at(0)).await;
    let id = opening.notifications[0].id;
    let before = fixture.record(id).await;
    assert!(advance(fixture, &external_id, &refused_for_good(), at(5)).await);
    let record = NotificationRecord {
        state: NotificationState::Dead { at: at(5) },
        last_error: Some("63003".into()),
        ..before
    };
    assert_eq!(fixture.record(id).await, record);
    assert_eq!(sent_notification(fixture, &external_id).await.unwrap().progress, None);
    assert_eq!(fixture.vitals(later()).await.dead, 1);
    assert_eq!(fixture.claim(later()).await, []);

    let redelivered = fixture.must().redeliver(id, fixture.note(at(6)), None).await;
    assert_eq!(redelivered, RedeliverResult::Queued);
    let claimed = fixture.claim_only(id, at(6)).await;
    assert_eq!((claimed.route.as_str(), claimed.round), ("text", 1));
    assert_eq!(claimed.payload, opening.notifications[0].payload);
    let next = fixture.external_id();
    fixture.settled(&claimed, delivered(at(7), Some(&next))).await;
    assert_eq!(
        sent_notification(fixture, &next).await.unwrap().progress,
        Some(Progress::Sent)
    );
    assert!(!advance(fixture, &external_id, &StatusUpdate::To(Progress::Read), at(8)).await);
}

/// Ten copies of a receipt at the same moment: one is written.
pub async fn receipts_at_once_are_written_once(fixture: &Fixture) {
    for further in [
        StatusUpdate::To(Progress::Delivered),
        failed_for_now(at(9)),
        refused("backup"),
        refused_for_good(),
    ] {
        for _ in 0..5 {
            let external_id = fixture.external_id();
            let opening = fixture.delivered(&external_id, at(0)).await;
            let advanced = at_once((0..10).map(|_| {
                let (external_id, further) = (external_id.clone(), further.clone());
                fixture.must().advance(external_id, further, at(1))
            }))
            .await;
            let written = advanced.iter().filter(|advanced| **advanced).count();
            assert_eq!(written, 1, "{further:?} {advanced:?}");
            if !matches!(further, StatusUpdate::To(_)) {
                fixture
                    .must()
                    .redeliver(opening.notifications[0].id, fixture.note(at(1)), None)
                    .await;
                assert_eq!(fixture.claim_only(opening.notifications[0].id, at(1)).await.round, 1);
            }
        }
    }
}

/// A receiver that calls every message the same says nothing of the later ones: what was refused once stays so.
pub async fn a_message_that_is_called_like_an_earlier_one_is_not_known(fixture: &Fixture) {
    let external_id = fixture.external_id();
    let opening = fixture.delivered(&external_id, at(0)).await;
    assert!(advance(fixture, &external_id, &refused("template"), at(1)).await);
    let again = fixture.claim_only(opening.notifications[0].id, at(1)).await;
    fixture.settled(&again, delivered(at(2), Some(&external_id))).await;
    let told = sent_notification(fixture, &external_id).await.unwrap();
    assert_eq!((told.id, told.progress), (opening.notifications[0].id, None));
}

/// One that is dead may begin anew on another way, as another message.
pub async fn what_is_sent_again_may_go_another_way(fixture: &Fixture) {
    let external_id = fixture.external_id();
    let opening = fixture.delivered(&external_id, at(0)).await;
    let id = opening.notifications[0].id;
    assert!(advance(fixture, &external_id, &refused("backup"), at(1)).await);
    let backup = fixture.claim_only(id, at(1)).await;
    fixture.settled(&backup, dead(at(2))).await;
    let way = fixture.must().current_message(id).await;
    assert_eq!(
        way.map(|way| (way.route, way.payload)),
        Some((DeliveryRoute::new("backup"), backup.payload))
    );
    let anew = Fallback {
        route: DeliveryRoute::FIRST,
        payload: Payload(Box::from(*b"anew")),
    };
    let redelivered = fixture
        .must()
        .redeliver(id, fixture.note(at(3)), Some(anew.clone()))
        .await;
    assert_eq!(redelivered, RedeliverResult::Queued);
    let claimed = fixture.claim_only(id, at(3)).await;
    assert_eq!(
        (claimed.route.clone(), &claimed.payload, claimed.round, claimed.failures),
        (DeliveryRoute::FIRST, &anew.payload, backup.round + 1, 0)
    );
    // What waits goes on as it is.
    fixture.settled(&claimed, retry_at(at(9))).await;
    fixture.must().redeliver(id, fixture.note(at(4)), Some(anew)).await;
    assert_eq!(fixture.claim_only(id, at(4)).await.round, backup.round + 1);
    let unknown = NotificationId(uuid::Uuid::from_bytes([0; 16]));
    assert_eq!(fixture.must().current_message(unknown).await, None);
}
