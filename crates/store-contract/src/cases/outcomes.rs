//! What becomes of a try, and whose word counts.

use ticket_domain::{
    DeliveryRoute, NotificationRecord, NotificationState, Progress, Recipient,
    ports::{AttemptOutcome, Claimed, RecordResult},
};

use crate::{
    Fixture,
    fixture::{LEASE, With as _, at, at_once, count, dead, delivered, diverted, later, retry_at, returned},
};

/// What was delivered is never tried again, and tells its outside id.
pub async fn delivered_ends_the_notification(fixture: &Fixture) {
    for (seconds, external_id) in [(0, Some(fixture.external_id())), (10, None)] {
        let id = fixture.opened(at(seconds)).await.notifications[0].id;
        let claimed = fixture.claim_only(id, at(seconds)).await;
        let before = fixture.record(id).await;
        let moment = at(seconds + 1);
        fixture.settled(&claimed, delivered(moment, external_id.as_ref())).await;

        let state = NotificationState::Delivered {
            at: moment,
            external_id,
            progress: Progress::Sent,
        };
        assert_eq!(fixture.record(id).await, NotificationRecord { state, ..before });
        assert_eq!(fixture.claim(later()).await, []);
    }
}

/// A failed try counts; the next one is at its time, and knows.
pub async fn a_failed_try_counts_and_waits_for_its_time(fixture: &Fixture) {
    let id = fixture.opened(at(0)).await.notifications[0].id;
    for failures in 1..=3 {
        let now = at(i64::from(failures) * 10);
        let claimed = fixture.claim_only(id, now).await;
        assert_eq!(claimed.failures, failures - 1);
        let due = at(i64::from(failures) * 10 + 10);
        let outcome = AttemptOutcome::RetryAt {
            due,
            reason: format!("Grund {failures}: ü 🎫").into(),
        };
        fixture.settled(&claimed, outcome).await;

        let record = fixture.record(id).await;
        assert_eq!(record.state, NotificationState::Waiting { due });
        assert_eq!(record.failures, failures);
        assert_eq!(record.last_error.as_deref(), Some(&*format!("Grund {failures}: ü 🎫")));
        assert_eq!(fixture.claim(at(i64::from(failures) * 10 + 9)).await, []);
    }
    let claimed = fixture.claim_only(id, at(40)).await;
    assert_eq!((claimed.failures, claimed.scheduled_at), (3, at(40)));
    fixture.settled(&claimed, delivered(at(41), None)).await;
    let record = fixture.record(id).await;
    assert_eq!(record.failures, 3);
}

/// What was given up counts its last failure, and is tried no more.
pub async fn dead_gives_up(fixture: &Fixture) {
    let id = fixture.opened(at(0)).await.notifications[0].id;
    let claimed = fixture.claim_only(id, at(0)).await;
    fixture.settled(&claimed, dead(at(1))).await;
    let record = fixture.record(id).await;
    assert_eq!(record.state, NotificationState::Dead { at: at(1) });
    assert_eq!(record.failures, 1);
    assert_eq!(record.last_error.as_deref(), Some("410 Gone"));
    assert_eq!(fixture.claim(later()).await, []);
}

/// What is handed back was not counted; its schedule is as before, and so is its last error unless there is a new one.
pub async fn returned_leaves_failures_and_schedule(fixture: &Fixture) {
    let id = fixture.opened(at(0)).await.notifications[0].id;
    let claimed = fixture.claim_only(id, at(0)).await;
    fixture.settled(&claimed, retry_at(at(10))).await;

    let claimed = fixture.claim_only(id, at(11)).await;
    fixture.settled(&claimed, returned(at(12))).await;
    let record = fixture.record(id).await;
    assert_eq!(record.state, NotificationState::Waiting { due: at(12) });
    assert_eq!(record.failures, 1);
    assert_eq!(record.last_error.as_deref(), Some("503 Service Unavailable"));
    assert_eq!(fixture.vitals(at(11)).await.leased, 0);

    assert_eq!(fixture.claim(at(11)).await, []);
    let claimed = fixture.claim_only(id, at(12)).await;
    assert_eq!((claimed.failures, claimed.scheduled_at), (1, at(10)));
    let outcome = AttemptOutcome::Returned {
        due: at(20),
        reason: Some("timed out".into()),
    };
    fixture.settled(&claimed, outcome).await;
    let record = fixture.record(id).await;
    assert_eq!(record.failures, 1);
    assert_eq!(record.last_error.as_deref(), Some("timed out"));
}

/// Who was silent past the lease, until another claimed, has no word any more, whatever it says.
pub async fn a_late_verdict_changes_nothing(fixture: &Fixture) {
    let id = fixture.opened(at(0)).await.notifications[0].id;
    let late = fixture.claim_only(id, at(0)).await;
    let holder = fixture.claim_only(id, at(LEASE)).await;
    let outcomes = || {
        [
            delivered(at(LEASE), Some(&fixture.external_id())),
            retry_at(at(LEASE)),
            dead(at(LEASE)),
            diverted(at(LEASE), "backup"),
            returned(at(LEASE)),
        ]
    };
    let before = fixture.record(id).await;
    for outcome in outcomes() {
        assert_eq!(fixture.record_attempt(&late, outcome).await, RecordResult::LeaseLost);
        assert_eq!(fixture.record(id).await, before);
    }

    fixture.settled(&holder, delivered(at(LEASE + 1), None)).await;
    let before = fixture.record(id).await;
    for outcome in outcomes() {
        assert_eq!(fixture.record_attempt(&late, outcome).await, RecordResult::LeaseLost);
        assert_eq!(fixture.record(id).await, before);
    }
}

/// Who was silent past the lease, but nobody else claimed, is still believed: what went out is not sent twice.
pub async fn a_verdict_after_the_lease_counts_if_nobody_else_claimed(fixture: &Fixture) {
    let id = fixture.opened(at(0)).await.notifications[0].id;
    let claimed = fixture.claim_only(id, at(0)).await;
    let state = NotificationState::Delivered {
        at: at(LEASE + 100),
        external_id: None,
        progress: Progress::Sent,
    };
    fixture.settled(&claimed, delivered(at(LEASE + 100), None)).await;
    assert_eq!(fixture.record(id).await.state, state);
}

/// A lease ends with its verdict, and never holds what it did not claim.
pub async fn a_lease_is_good_for_one_verdict(fixture: &Fixture) {
    let id = fixture.opened(at(0)).await.notifications[0].id;
    let other = fixture.opened(at(5)).await.notifications[0].id;
    let claimed = fixture.claim_only(id, at(0)).await;
    fixture.settled(&claimed, retry_at(at(10))).await;
    assert_eq!(
        fixture.record_attempt(&claimed, dead(at(1))).await,
        RecordResult::LeaseLost
    );
    assert_eq!(fixture.record(id).await.failures, 1);

    let store = fixture.must();
    let unknown = fixture.notification(claimed.event, at(0)).id;
    for (id, lease) in [
        (other, claimed.lease),
        (other, fixture.lease()),
        (unknown, claimed.lease),
    ] {
        let settled = store.record_attempt(id, lease, dead(at(6))).await;
        assert_eq!(settled, RecordResult::LeaseLost);
    }
    let state = NotificationState::Waiting { due: at(5) };
    assert_eq!(fixture.record(other).await.state, state);
}

/// Ten verdicts under one lease at the same moment: one is written.
pub async fn verdicts_at_once_are_written_once(fixture: &Fixture) {
    for round in 0..5 {
        let id = fixture.opened(at(round)).await.notifications[0].id;
        let claimed = fixture.claim_only(id, at(round)).await;
        let settled = at_once((0..10).map(|_| {
            let (id, lease) = (claimed.id, claimed.lease);
            fixture.must().record_attempt(id, lease, retry_at(later()))
        }))
        .await;
        let written = count(&settled, &RecordResult::Recorded);
        assert_eq!(written, 1, "{settled:?}");
        assert_eq!(fixture.record(id).await.failures, 1);
    }
}

/// What was refused goes out another way: due at once, as if never tried, as another message in other words.
pub async fn diverted_goes_another_way(fixture: &Fixture) {
    let id = fixture.opened(at(0)).await.notifications[0].id;
    let claimed = fixture.claim_only(id, at(0)).await;
    fixture.settled(&claimed, retry_at(at(10))).await;
    assert_eq!(fixture.must().release_waiting(Recipient::Manager, at(5)).await, 1);
    let before = fixture.record(id).await;

    let mut claimed = fixture.claim_only(id, at(5)).await;
    for (round, route) in [(1, "template"), (2, "backup")] {
        let now = at(10 * i64::from(round));
        let outcome = diverted(now, route);
        let AttemptOutcome::Rerouted { fallback, reason, .. } = outcome.clone() else {
            panic!("it is diverted");
        };
        fixture.settled(&claimed, outcome.clone()).await;
        let record = NotificationRecord {
            state: NotificationState::Waiting { due: now },
            failures: 0,
            last_error: Some(reason),
            ..before.clone()
        };
        assert_eq!(fixture.record(id).await, record);
        assert_eq!(fixture.record_attempt(&claimed, outcome).await, RecordResult::LeaseLost);

        // It can be released again before it is tried.
        fixture.must().postpone(Recipient::Manager, at(1_000)).await;
        assert_eq!(fixture.must().release_waiting(Recipient::Manager, now).await, 1);
        let claim = fixture.claim_at(now).with(|claim| claim.first_tries_only = true);
        let again = fixture.must().claim(claim, 9).await.remove(0);
        let expected = Claimed {
            lease: claim.lease,
            payload: fallback.payload,
            route: DeliveryRoute::new(route),
            round,
            failures: 0,
            scheduled_at: now,
            ..claimed
        };
        assert_eq!(again, expected);
        claimed = again;
    }
    fixture.settled(&claimed, retry_at(at(50))).await;
    let claimed = fixture.claim_only(id, at(50)).await;
    assert_eq!(
        (claimed.route.as_str(), claimed.round, claimed.failures),
        ("backup", 2, 1)
    );
}

/// It had an address, for it was refused there.
pub async fn what_went_another_way_is_not_held(fixture: &Fixture) {
    let mut opening = fixture.opening(at(0));
    opening.notifications[0].addressed = false;
    let id = fixture.open(opening).await.notifications[0].id;
    let claimed = fixture.claim_only(id, at(0)).await;
    fixture.settled(&claimed, diverted(at(1), "backup")).await;
    assert_eq!(fixture.must().hold_unaddressed(Recipient::Manager, later()).await, 0);
    fixture.claim_only(id, at(1)).await;
}
