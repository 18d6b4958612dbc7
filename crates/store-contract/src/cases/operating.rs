//! What an operator does with notifications, and what is done to many at once.

use ticket_domain::{
    NotificationId, NotificationRecord, NotificationState, Recipient,
    ports::{Opening, RedeliverResult},
};

use crate::{
    Fixture,
    fixture::{LEASE, at, dead, delivered, later, retry_at, returned},
};

/// A ticket that was opened when there was nowhere to send its notification to.
async fn unaddressed(fixture: &Fixture, seconds: i64) -> Opening {
    let mut opening = fixture.opening(at(seconds));
    opening.notifications[0].addressed = false;
    fixture.open(opening).await
}

async fn redeliver(fixture: &Fixture, id: NotificationId, seconds: i64) -> RedeliverResult {
    fixture.must().redeliver(id, fixture.note(at(seconds)), None).await
}

/// After a success everything that waits is due, save what is being tried; schedules stay as they are.
pub async fn releasing_makes_what_waits_due_and_keeps_its_schedule(fixture: &Fixture) {
    let store = fixture.must();
    assert_eq!(store.release_waiting(Recipient::Manager, at(0)).await, 0);

    let ended = fixture.delivered(&fixture.external_id(), at(0)).await;
    let waits = fixture.opened(at(1)).await.notifications[0].id;
    let claimed = fixture.claim_only(waits, at(1)).await;
    fixture.settled(&claimed, retry_at(at(1_000))).await;
    let future = fixture.opened(at(2_000)).await.notifications[0].id;
    let tried = fixture.opened(at(2)).await.notifications[0].id;
    let under_way = fixture.claim_only(tried, at(2)).await;
    let due = fixture.opened(at(3)).await.notifications[0].id;

    assert_eq!(store.release_waiting(Recipient::Manager, at(4)).await, 2);
    assert_eq!(store.release_waiting(Recipient::Manager, at(4)).await, 0);
    let state = async |id| fixture.record(id).await.state;
    assert_eq!(state(waits).await, NotificationState::Waiting { due: at(4) });
    assert_eq!(state(future).await, NotificationState::Waiting { due: at(4) });
    assert_eq!(state(due).await, NotificationState::Waiting { due: at(3) });
    assert_eq!(state(tried).await, NotificationState::Waiting { due: at(2 + LEASE) });
    assert!(matches!(
        state(ended.notifications[0].id).await,
        NotificationState::Delivered { .. }
    ));

    let mut schedules: Vec<_> = fixture
        .claim(at(4))
        .await
        .into_iter()
        .map(|claimed| (claimed.scheduled_at, claimed.failures))
        .collect();
    schedules.sort();
    assert_eq!(schedules, [(at(3), 0), (at(1_000), 1), (at(2_000), 0)]);
    fixture.settled(&under_way, delivered(at(5), None)).await;
}

/// Nothing that waits is due before a moment, save what is being tried; schedules stay as they are.
pub async fn postponing_keeps_what_waits_until_a_moment(fixture: &Fixture) {
    let store = fixture.must();
    let ended = fixture.delivered(&fixture.external_id(), at(0)).await;
    let under_way = fixture.opened(at(1)).await.notifications[0].id;
    let held = fixture.claim_only(under_way, at(1)).await;
    let due = fixture.opened(at(2)).await.notifications[0].id;
    let later = fixture.opened(at(500)).await.notifications[0].id;
    assert_eq!(store.postpone(Recipient::Manager, at(100)).await, 1);
    assert_eq!(store.postpone(Recipient::Manager, at(100)).await, 0);
    let state = async |id| fixture.record(id).await.state;
    assert_eq!(state(due).await, NotificationState::Waiting { due: at(100) });
    assert_eq!(state(later).await, NotificationState::Waiting { due: at(500) });
    assert_eq!(
        state(under_way).await,
        NotificationState::Waiting { due: at(1 + LEASE) }
    );
    assert!(matches!(
        state(ended.notifications[0].id).await,
        NotificationState::Delivered { .. }
    ));
    fixture.settled(&held, delivered(at(5), None)).await;
    assert_eq!(fixture.claim(at(99)).await, []);
    let claimed = fixture.claim_only(due, at(100)).await;
    assert_eq!((claimed.scheduled_at, claimed.failures), (at(2), 0));
}

/// Held is only what had no address, was never tried, and is older.
pub async fn only_the_unaddressed_untried_and_older_are_held(fixture: &Fixture) {
    let store = fixture.must();
    let tried = unaddressed(fixture, 0).await.notifications[0].id;
    let claimed = fixture.claim_only(tried, at(0)).await;
    fixture.settled(&claimed, retry_at(at(50))).await;
    let under_way = unaddressed(fixture, 1).await.notifications[0].id;
    let claimed = fixture.claim_only(under_way, at(1)).await;
    let old = unaddressed(fixture, 2).await.notifications[0].id;
    let addressed = fixture.opened(at(2)).await.notifications[0].id;
    let exactly = unaddressed(fixture, 10).await.notifications[0].id;
    let young = unaddressed(fixture, 11).await.notifications[0].id;

    assert_eq!(store.hold_unaddressed(Recipient::Manager, at(10)).await, 1);
    assert_eq!(store.hold_unaddressed(Recipient::Manager, at(10)).await, 0);
    for id in [tried, under_way, addressed, exactly, young] {
        let state = fixture.record(id).await.state;
        assert!(matches!(state, NotificationState::Waiting { .. }), "{state:?}");
    }
    let record = fixture.record(old).await;
    assert_eq!(record.state, NotificationState::Held);
    assert_eq!(record.failures, 0);
    assert_eq!(fixture.vitals(later()).await.held, 1);
    fixture.settled(&claimed, delivered(at(12), None)).await;
}

/// What is held is not claimed or released, and what comes after it in its ticket waits for it: events of a ticket go
/// in their order.
pub async fn what_is_held_is_not_claimed_and_keeps_its_place(fixture: &Fixture) {
    let opening = unaddressed(fixture, 0).await;
    let first = opening.notifications[0].id;
    let second = fixture.updated(&opening.ticket, at(20)).await.id;
    let store = fixture.must();
    assert_eq!(store.hold_unaddressed(Recipient::Manager, at(10)).await, 1);
    assert_eq!(fixture.claim(at(21)).await, []);
    assert_eq!(store.release_waiting(Recipient::Manager, at(21)).await, 0);
    assert_eq!(fixture.record(first).await.state, NotificationState::Held);

    assert_eq!(redeliver(fixture, first, 22).await, RedeliverResult::Queued);
    let claimed = fixture.claim_only(first, at(22)).await;
    fixture.settled(&claimed, delivered(at(22), None)).await;
    fixture.claim_only(second, at(22)).await;
}

/// One that was released and failed again is not released again before its schedule has had a try of it.
pub async fn each_is_released_once_between_two_failures_that_count(fixture: &Fixture) {
    let store = fixture.must();
    let id = fixture.opened(at(0)).await.notifications[0].id;
    let claimed = fixture.claim_only(id, at(0)).await;
    fixture.settled(&claimed, retry_at(at(1_000))).await;
    assert_eq!(store.release_waiting(Recipient::Manager, at(10)).await, 1);
    let claimed = fixture.claim_only(id, at(10)).await;
    fixture.settled(&claimed, returned(at(1_000))).await;
    assert_eq!(store.release_waiting(Recipient::Manager, at(20)).await, 0);
    assert_eq!(fixture.claim(at(20)).await, []);

    let claimed = fixture.claim_only(id, at(1_000)).await;
    fixture.settled(&claimed, retry_at(at(5_000))).await;
    assert_eq!(store.release_waiting(Recipient::Manager, at(1_010)).await, 1);
    fixture.claim_only(id, at(1_010)).await;
}

/// What waits or is held is due now; its failures and its schedule stay as they are.
pub async fn redelivering_makes_what_waits_or_is_held_due(fixture: &Fixture) {
    let waits = fixture.opened(at(0)).await.notifications[0].id;
    let claimed = fixture.claim_only(waits, at(0)).await;
    fixture.settled(&claimed, retry_at(at(1_000))).await;
    assert_eq!(redeliver(fixture, waits, 5).await, RedeliverResult::Queued);
    let record = fixture.record(waits).await;
    assert_eq!(record.state, NotificationState::Waiting { due: at(5) });
    let claimed = fixture.claim_only(waits, at(5)).await;
    assert_eq!((claimed.failures, claimed.scheduled_at), (1, at(1_000)));
    fixture.settled(&claimed, delivered(at(5), None)).await;

    let held = unaddressed(fixture, 6).await.notifications[0].id;
    fixture.must().hold_unaddressed(Recipient::Manager, at(7)).await;
    assert_eq!(redeliver(fixture, held, 8).await, RedeliverResult::Queued);
    assert_eq!(fixture.claim(at(7)).await, []);
    let claimed = fixture.claim_only(held, at(8)).await;
    assert_eq!((claimed.failures, claimed.scheduled_at), (0, at(6)));
}

/// An operator's word holds, also if the program starts again before the try is made.
pub async fn what_an_operator_released_is_not_held_again(fixture: &Fixture) {
    let held = unaddressed(fixture, 0).await.notifications[0].id;
    fixture.must().hold_unaddressed(Recipient::Manager, at(1)).await;
    assert_eq!(redeliver(fixture, held, 2).await, RedeliverResult::Queued);
    assert_eq!(fixture.must().hold_unaddressed(Recipient::Manager, at(1)).await, 0);
    fixture.claim_only(held, at(2)).await;
}

/// What was given up begins anew, with no failure counted, under its old name; it keeps its place among its ticket's
/// events.
pub async fn redelivering_the_dead_starts_their_schedule_anew(fixture: &Fixture) {
    let opening = fixture.opened(at(0)).await;
    let id = opening.notifications[0].id;
    let claimed = fixture.claim_only(id, at(0)).await;
    fixture.settled(&claimed, retry_at(at(10))).await;
    let claimed = fixture.claim_only(id, at(10)).await;
    fixture.settled(&claimed, dead(at(11))).await;
    let second = fixture.updated(&opening.ticket, at(12)).await.id;

    assert_eq!(redeliver(fixture, id, 20).await, RedeliverResult::Queued);
    let record = fixture.record(id).await;
    assert_eq!(record.state, NotificationState::Waiting { due: at(20) });
    assert_eq!(record.failures, 0);
    let claimed = fixture.claim_only(id, at(20)).await;
    assert_eq!((claimed.failures, claimed.scheduled_at), (0, at(20)));
    fixture.settled(&claimed, delivered(at(21), None)).await;
    fixture.claim_only(second, at(21)).await;
}

/// What is delivered is not sent again, and what is being tried is left to its worker.
pub async fn redelivering_leaves_the_delivered_and_those_under_way(fixture: &Fixture) {
    let external_id = fixture.external_id();
    let ended = fixture.delivered(&external_id, at(0)).await.notifications[0].id;
    let before = fixture.record(ended).await;
    assert_eq!(redeliver(fixture, ended, 1).await, RedeliverResult::AlreadyDelivered);
    assert_eq!(fixture.record(ended).await, before);

    let tried = fixture.opened(at(1)).await.notifications[0].id;
    fixture.claim_only(tried, at(1)).await;
    let before = fixture.record(tried).await;
    for seconds in [2, LEASE] {
        assert_eq!(redeliver(fixture, tried, seconds).await, RedeliverResult::InProgress);
        assert_eq!(fixture.record(tried).await, before);
    }
    // Its worker fell silent.
    assert_eq!(redeliver(fixture, tried, 1 + LEASE).await, RedeliverResult::Queued);
    let claimed = fixture.claim_only(tried, at(1 + LEASE)).await;
    fixture.settled(&claimed, returned(at(99))).await;

    let unknown = fixture.notification(claimed.event, at(0)).id;
    assert_eq!(redeliver(fixture, unknown, 2).await, RedeliverResult::NotFound);
}

/// Everything that is not delivered is listed, the newest first, as each is told alone.
pub async fn the_undelivered_are_listed_newest_first(fixture: &Fixture) {
    let store = fixture.must();
    assert_eq!(store.undelivered(10).await, []);
    fixture.delivered(&fixture.external_id(), at(7)).await;
    let held = unaddressed(fixture, 1).await;
    store.hold_unaddressed(Recipient::Manager, at(2)).await;
    let given_up = fixture.opened(at(5)).await;
    let claimed = fixture.claim_only(given_up.notifications[0].id, at(5)).await;
    fixture.settled(&claimed, dead(at(6))).await;
    let waits = fixture.opened(at(3)).await;
    let update = fixture.updated(&waits.ticket, at(9)).await;

    let mut expected: Vec<NotificationRecord> = Vec::new();
    for id in [
        update.id,
        given_up.notifications[0].id,
        waits.notifications[0].id,
        held.notifications[0].id,
    ] {
        expected.push(fixture.record(id).await);
    }
    assert_eq!(store.undelivered(10).await, expected);
    assert_eq!(store.undelivered(4).await, expected);
    assert_eq!(store.undelivered(2).await, expected[..2]);
    assert_eq!(store.undelivered(0).await, []);
    assert_eq!(expected[0].reference, Some(waits.ticket.reference));

    let unknown = fixture.notification(update.event, at(0)).id;
    assert_eq!(store.notification(unknown).await, None);
}
